//! The effective configuration of a node: every directive with its value, its origin and its reason. What
//! stands in `redis.conf`, what `rcup config show` prints, and what tests compare with the node's own
//! answers is this one list.

mod durability;
mod effective;
mod place;
mod setting;
mod tuning;

pub use effective::{NODE_TIMEOUT, Temporary, settings, temporary, waking};
pub use setting::{Origin, Setting};
