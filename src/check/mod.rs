//! Judgement without effects: facts go in, checks come out.

mod cluster;
mod facts;
mod finding;
mod host;

pub use cluster::{Roles, judge};
pub use facts::{Answer, Endpoint, NodeLine, NodeView, Replication, SlotOwner};
pub use finding::{Check, Status, all_passed};
pub use host::neighbours;
