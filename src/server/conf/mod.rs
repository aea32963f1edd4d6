//! The configuration files of a node: `redis.conf`, `nodes.conf`, the ACL file, TLS files, secrets.

pub mod document;
pub mod files;
pub mod nodes_conf;
pub mod paths;
pub mod redis_conf;
pub mod secrets;
pub mod setting;
pub mod settings;
pub mod tls;
