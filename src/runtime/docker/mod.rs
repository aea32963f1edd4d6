//! Docker: the only module that uses bollard.

pub mod client;
pub mod connect;
pub mod container_state;
pub mod context;
pub mod details;
pub mod endpoint;
pub mod faults;
pub mod files;
pub mod find;
pub mod own_container;
pub mod probe;
pub mod pull;
pub mod registry_login;
pub mod sockets;
#[cfg(feature = "remote")]
pub mod ssh;
pub mod translate;
pub mod unreachable;
