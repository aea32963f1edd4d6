//! Judgement without effects: facts go in, checks come out. One file for each family of checks.

pub mod agreement;
pub mod answers;
pub mod catalogue;
pub mod config;
pub mod diagnose;
pub mod failover;
pub mod finding;
pub mod latency;
pub mod masters;
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
