//! Generates the text of exports for other platforms and of client code. These functions do no I/O.

pub mod bare_metal;
pub mod clients;
pub mod compose;
pub mod kubernetes;
pub mod scheduled_conf;
pub mod secret_files;
pub mod shared_settings;
pub mod spread;
pub mod swarm;
pub mod yaml;
