//! Connections to the nodes of an existing cluster, and their credentials.

pub mod attached;
pub mod credentials;
pub mod endpoint;
pub mod greeting;
pub mod host_container;
pub mod links;
pub mod target;
