//! Connections to the nodes of a cluster that exists, and the credentials that they need.

pub mod attached;
pub mod credentials;
pub mod endpoint;
pub mod greeting;
pub mod host_container;
pub mod links;
pub mod target;
