//! Judgement about the machine on which the containers run: facts go in, findings come out. One file for each
//! family of findings, each with its table of what the guide wants for a profile, where that comes from, and why.

mod clock;
mod engine;
mod facts;
mod finding;
mod firewall;
mod judge;
mod kernel;
mod limits;
mod machine;
mod neighbours;
mod place;
mod remedy;
mod script;
mod want;

pub use facts::{
    ClockFacts, Disk, EngineFacts, EngineTrouble, Fact, Fsync, HostFacts, KernelFacts, Kind, LimitFacts,
    MachineFacts, NodeFacts, PlaceFacts,
};
pub use finding::{Diagnosis, Finding, Severity, Skipped};
pub use firewall::FirewallFacts;
pub use judge::{Asked, judge_host, judge_kernel};
pub use neighbours::neighbours;
pub use remedy::{Change, Remedy, Seat};
pub use script::script;
