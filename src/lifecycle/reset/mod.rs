//! Resets a cluster to its initial state: decides the repairs, then applies them.

pub mod initial_settings;
pub mod repair;
pub mod run;
pub mod settings;
pub mod votes;
