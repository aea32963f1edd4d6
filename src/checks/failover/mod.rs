//! Failovers: measured on a running cluster, evaluated, and summarized over several rounds.

pub mod hand_back;
#[cfg(feature = "cli")]
pub mod judge;
#[cfg(feature = "cli")]
pub mod measure;
#[cfg(feature = "cli")]
pub mod measured;
#[cfg(feature = "cli")]
pub mod statistics;
#[cfg(feature = "cli")]
pub mod witness;
