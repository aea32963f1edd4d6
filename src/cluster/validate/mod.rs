//! The validation suite: what is asked of the nodes, and tried on them, for `check` to judge. One file for
//! each kind of effect.
//!
//! Keys and channels of a validation carry a prefix of their own; keys have a time to live besides being
//! deleted.

mod benchmark;
mod clients;
mod discover;
mod failover;
mod latency;
mod load;
mod masters;
mod probes;
mod pubsub;
mod slot_move;
mod suite;
mod survey;
mod target;
mod witness;

pub use discover::Endpoint;
pub use suite::SuiteOptions;

pub(super) use clients::{advertised, astray};
pub(super) use masters::{Master, masters, millis};
pub(super) use slot_move::told_to_ask;
pub(super) use suite::run;
pub(super) use survey::survey;
pub(super) use target::{Member, Target};

use masters::{UNASKED, key};
