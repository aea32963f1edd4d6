//! Whether clients reach every node: what the nodes told, and where that led, judged for each family of clients.

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
