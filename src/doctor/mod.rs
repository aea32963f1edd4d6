//! Checks of the host that runs the containers: facts in, findings out. Each file has one family of findings
//! and a table of the expected values per profile, with source and reason.

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
