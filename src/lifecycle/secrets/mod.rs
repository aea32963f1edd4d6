//! Passwords and certificates of a cluster: generated, provided by the user, or read back.

pub mod certificates;
pub mod cluster;
pub mod generated;
pub mod provided;
