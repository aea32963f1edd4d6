//! The effective configuration of a node: every directive with its value, its origin and its reason. What
//! stands in `redis.conf`, what `rcup config show` prints, and what tests compare with the node's own
//! answers is this one list.

pub mod durability;
pub mod effective;
pub mod placement;
pub mod tuning;
