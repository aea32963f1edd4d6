//! Whether clients reach every node: what the nodes told, and where that led, judged for each family of clients.

pub mod advertised;
pub mod clients;
pub mod collect;
pub mod judge;
pub mod network;
pub mod run;
