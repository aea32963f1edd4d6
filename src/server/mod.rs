//! Redis and Valkey servers: their configuration files, and the wire protocol.

pub mod conf;
pub mod wire;
