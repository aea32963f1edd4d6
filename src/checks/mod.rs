//! Checks and their evaluation, without side effects: takes facts and returns checks. One file for each group
//! of checks.

pub mod agreement;
pub mod answers;
#[cfg(feature = "cli")]
pub mod catalogue;
pub mod config;
#[cfg(feature = "cli")]
pub mod diagnose;
pub mod failover;
pub mod finding;
#[cfg(feature = "cli")]
pub mod latency;
pub mod masters;
#[cfg(feature = "cli")]
pub mod options;
pub mod planned;
pub mod reach;
pub mod readiness;
pub mod replication;
pub mod roles;
pub mod server;
pub mod slots;
pub mod status;
pub mod suite;
pub mod trial;
