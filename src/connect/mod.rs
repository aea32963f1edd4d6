//! Connections to the nodes of a cluster that exists, and the credentials that they need.

pub mod attached;
pub mod endpoint;
pub mod host_container;
pub mod links;
pub mod target;
