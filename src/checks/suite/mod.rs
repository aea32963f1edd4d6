//! The validation suite: what is asked of the nodes, and tried on them, for `check` to judge. One file for
//! each kind of effect.
//!
//! Keys and channels of a validation carry a prefix of their own; keys have a time to live besides being
//! deleted.

pub mod benchmark;
pub mod clients;
pub mod load;
pub mod probes;
pub mod pubsub;
pub mod run;
pub mod slot_move;
pub mod survey;
pub mod validation;

use crate::checks::masters::key;
use crate::checks::suite::survey::survey;
