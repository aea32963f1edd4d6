//! Paths of a node's files inside its container.

use crate::topology::layout::Node;

/// Mount point of the cluster's volume in every container. It is not `/data`, which the official images declare as
/// a volume of their own.
pub const HOME: &str = "/rcup";

/// Returns a node's directory on the cluster's volume, which is the server's working directory. The node's user
/// owns it: `CONFIG REWRITE` and saving `nodes.conf` both write a new file and rename it, which needs a writable
/// directory.
pub fn directory(node: &Node) -> String {
    format!("{HOME}/{}", node.index)
}

/// Returns the path of a node's configuration file.
pub fn conf_path(node: &Node) -> String {
    format!("{}/redis.conf", directory(node))
}
