//! Judgement about the machine on which the containers run: facts go in, findings come out. One file for each
//! family of findings, each with its table of what the guide wants for a profile, where that comes from, and why.

pub mod clock;
pub mod engine;
pub mod engines;
pub mod expected;
pub mod facts;
pub mod finding;
pub mod firewall;
pub mod fix;
pub mod gather;
pub mod judge;
pub mod kernel;
pub mod limits;
pub mod machine;
pub mod neighbours;
pub mod placement;
#[cfg(feature = "cli")]
pub mod script;
