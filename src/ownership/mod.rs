//! Which process owns what rcup creates: rollback, locks, owners, and short-lived probe containers.

pub mod background;
pub mod lease;
pub mod lock;
pub mod owner;
pub mod pending;
pub mod phases;
pub mod probe;
pub mod rollback;
pub mod run_files;
pub mod steps;
