//! Specification of a cluster. All values are validated once, when they are created.

pub mod builder;
pub mod capability;
pub mod cluster;
pub mod directive;
pub mod directives;
pub mod expiry;
pub mod limits;
pub mod modes;
pub mod name;
pub mod node_override;
pub mod profile;
pub mod secret;
pub mod security;
pub mod selector;
pub mod server;
pub mod service_user;
pub mod size;
pub mod user;
pub mod version_range;
