//! Pure text: what stands in a node's files.

mod nodes_conf;
mod redis_conf;

pub use nodes_conf::{ghost, has_ghosts, nodes_conf};
pub use redis_conf::{HOME, NODE_TIMEOUT, Temporary, conf_path, directory, redis_conf, temporary};
