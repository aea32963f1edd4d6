//! The effective configuration of a node: every directive with its value, its origin and its reason. The lines of
//! `redis.conf`, the output of `rcup config show` and the values that tests compare with the node's replies all
//! come from this list.

pub mod durability;
pub mod effective;
pub mod placement;
pub mod tuning;
