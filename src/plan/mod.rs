//! Plans as data. A plan can be printed, compared and rolled back; the executor makes no decisions.

pub mod down;
pub mod prune;
pub mod request;
pub mod step;
pub mod up;
