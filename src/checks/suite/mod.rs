//! The validation suite: what is asked of the nodes, and tried on them, for `check` to judge. One file for
//! each kind of effect.
//!
//! Keys and channels of a validation carry a prefix of their own; keys have a time to live besides being
//! deleted.

#[cfg(feature = "cli")]
pub mod benchmark;
pub mod clients;
#[cfg(feature = "cli")]
pub mod load;
#[cfg(feature = "cli")]
pub mod probes;
#[cfg(feature = "cli")]
pub mod pubsub;
#[cfg(feature = "cli")]
pub mod run;
#[cfg(feature = "cli")]
pub mod slot_move;
#[cfg(feature = "cli")]
pub mod survey;
#[cfg(feature = "cli")]
pub mod validation;
