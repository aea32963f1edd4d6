//! The validation suite: the queries and tests on the nodes that `check` evaluates. One file for each kind of
//! effect.
//!
//! Keys and channels of a validation have their own prefix; keys have a TTL and are deleted as well.

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
