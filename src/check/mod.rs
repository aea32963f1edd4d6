//! Judgement without effects: facts go in, checks come out. One file for each family of checks.

mod agreement;
mod cluster;
mod config;
pub mod diagnose;
mod facts;
mod failover;
mod finding;
pub mod host;
mod latency;
mod planned;
pub mod reach;
mod replication;
mod roles;
mod server;
mod slots;
mod spread;
mod suite;
mod trial;
mod validation;

pub use agreement::{bus_both_ways, identities};
pub(crate) use agreement::{doubtful, only_heard_of};
#[cfg(test)]
pub(crate) use cluster::tests::{named, perfect};
pub use cluster::{Roles, judge, judge_found};
pub use config::{drift, full_coverage, persistence};
pub use facts::{
    Answer, BusLink, ClockSeen, Configured, Endpoint, NodeLine, NodeView, Replication, ServerFacts, SlotOwner,
};
pub use failover::{Failover, Noticed, WAYS, Way, judge as judge_failovers, seconds};
pub use finding::{Check, Status, all_passed};
pub use host::neighbours;
pub use latency::{ENOUGH_FOR_P999, Latencies, NodeLatency, Percentile, Threshold, latency, micros};
pub use planned::Planned;
pub use replication::in_step;
pub use roles::{apart, balance};
pub use server::{clock, memory, versions};
pub use spread::{FailoverTimes, Phase, PhaseTimes, Spread, failover_times};
pub use suite::{CATALOGUE, Entry, Selection, Suite, Touch};
pub use trial::{Trial, Wanted, tried};
pub use validation::{LoadFrom, NodeSeen, Throughput, Validation, nodes_seen};
