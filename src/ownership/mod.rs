//! Which process owns what rcup creates: rollback, locks, owners, and short-lived probe containers.

pub mod background;
pub mod lock;
pub mod owner;
pub mod pending;
pub mod probe;
pub mod rollback;
