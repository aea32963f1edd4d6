//! What to do, as data. A plan can be printed, compared and undone; executing it takes no decision.

pub mod down;
pub mod prune;
pub mod request;
pub mod step;
pub mod up;
