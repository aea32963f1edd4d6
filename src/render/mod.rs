//! Pure text: what stands in a node's files.

mod nodes_conf;
mod redis_conf;

pub use nodes_conf::{ghost, has_ghosts, nodes_conf};
pub use redis_conf::{CONF, DATA, HOME, Temporary, redis_conf, temporary};
