//! Pure text: what stands in a node's files, in the files that take a cluster elsewhere, and in reports.

pub mod bare_metal;
pub mod clients;
pub mod compose;
pub mod kubernetes;
pub mod scheduled_conf;
pub mod secret_files;
pub mod shared_settings;
pub mod swarm;
pub mod yaml;
