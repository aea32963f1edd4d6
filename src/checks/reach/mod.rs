//! Verifies that clients can reach every node: compares the advertised addresses with the results of
//! connections to them, for each client family.

pub mod advertised;
pub mod clients;
#[cfg(feature = "cli")]
pub mod collect;
#[cfg(feature = "cli")]
pub mod judge;
#[cfg(feature = "cli")]
pub mod network;
#[cfg(feature = "cli")]
pub mod run;
