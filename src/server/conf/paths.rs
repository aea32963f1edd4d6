//! Paths of a node's files inside its container.

use crate::topology::layout::Node;

/// Where the cluster's volume is mounted in every container. It is not `/data`, which the official images
/// declare as a volume of their own.
pub const HOME: &str = "/rcup";

/// A node's own directory on the cluster's volume, which is the server's working directory. It belongs to
/// the node's user: `CONFIG REWRITE` and `nodes.conf` both replace their file by renaming a new one, which
/// needs a writable directory.
pub fn directory(node: &Node) -> String {
    format!("{HOME}/{}", node.index)
}

/// A node's configuration file.
pub fn conf_path(node: &Node) -> String {
    format!("{}/redis.conf", directory(node))
}
