//! Reads the facts from this machine and the Docker host, and applies fixes.

#[cfg(feature = "cli")]
pub mod apply;
#[cfg(feature = "cli")]
pub mod engine;
#[cfg(feature = "cli")]
pub mod engines;
#[cfg(feature = "cli")]
pub mod examine;
#[cfg(feature = "cli")]
pub mod firewall;
#[cfg(feature = "cli")]
pub mod fsync;
#[cfg(feature = "cli")]
pub mod inside;
pub mod kernel;
#[cfg(feature = "cli")]
pub mod processes;
pub mod quick;
pub mod this_machine;
