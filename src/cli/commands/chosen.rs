//! Nodes matched by a selector.

use crate::cli::executor::engine;
use crate::cli::exit::Failure;
use crate::cli::terminal::Terminal;
use crate::cluster::handle::Cluster;
use crate::connect::attached::Attached;
use crate::error::{Error, ErrorKind};
use crate::runtime::docker::client::Docker;
use crate::runtime::observed::Activity;
use crate::spec::name::ClusterName;
use crate::spec::selector::Selector;
use crate::topology::layout::{Node, Role};

/// A cluster and some of its nodes, in index order.
pub struct Chosen {
    pub attached: Attached<Docker>,
    pub nodes: Vec<Node>,
}

impl Chosen {
    /// Finds the nodes by their current roles, which a failover changes.
    pub async fn find(name: &ClusterName, selector: Selector, terminal: &Terminal) -> Result<Self, Failure> {
        let attached = Cluster::attach(engine(terminal).await?, name).await?;
        let by_role = !matches!(selector, Selector::All | Selector::Node(_));
        let roles: Vec<(usize, bool)> = if by_role {
            let report = attached.report().await;
            let of_node = |node: &crate::checks::status::NodeReport| (node.index, node.role == Role::Master);
            report.nodes.iter().map(of_node).collect()
        } else {
            let of_node = |node: &Node| (node.index, node.role == Role::Master);
            attached.topology().nodes.iter().map(of_node).collect()
        };
        let indices = selector.choose(&roles)?;
        let nodes = attached
            .topology()
            .nodes
            .iter()
            .filter(|node| indices.contains(&node.index))
            .cloned()
            .collect();
        Ok(Self { attached, nodes })
    }

    /// Returns the single selected node.
    pub fn single(&self, selector: Selector) -> Result<&Node, Error> {
        match self.nodes.as_slice() {
            [node] => Ok(node),
            several => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "`{selector}` selects {} nodes; this command takes one",
                    several.len()
                ),
            )
            .hint("Use an index, `master:N` or `replica:N`.")),
        }
    }

    /// Returns the activity of a node's container; `None` if the container does not exist.
    pub fn activity(&self, node: &Node) -> Option<&Activity> {
        self.attached
            .containers()
            .iter()
            .find(|container| container.index() == Some(node.index))
            .map(|container| &container.activity)
    }

    /// Returns an error if one of the nodes is not running.
    pub fn all_run(&self) -> Result<(), Error> {
        for node in &self.nodes {
            let state = match self.activity(node) {
                Some(Activity::Running) => continue,
                Some(other) => other.as_str(),
                None => "missing",
            };
            let name = self.attached.topology().name();
            return Err(Error::new(
                ErrorKind::NodeFailed,
                format!(
                    "node {} of cluster {name} is not running ({state})",
                    node.index
                ),
            )
            .hint(format!(
                "Run `rcup status {name}`. `rcup up {name}` starts stopped nodes; --node selects another node."
            )));
        }
        Ok(())
    }
}
