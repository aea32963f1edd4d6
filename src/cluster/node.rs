//! Node handle: fault injection and its reversal.

use futures_util::TryStreamExt as _;

use crate::error::Result;
use crate::runtime::docker::client::Docker;
use crate::runtime::faults::Faults;
use crate::runtime::interface::{LogRequest, Runtime};
use crate::topology::layout::{Node, Topology};

/// Seconds that a stopped node has before SIGKILL.
const GRACE: u32 = 10;

/// A node of a running cluster. `reset` undoes these faults.
#[derive(Clone, Debug)]
pub struct NodeHandle<R: Runtime = Docker> {
    runtime: R,
    node: Node,
    network: String,
}

impl<R: Runtime> NodeHandle<R> {
    pub(crate) fn new(runtime: &R, topology: &Topology, node: &Node) -> Self {
        Self {
            runtime: runtime.clone(),
            node: node.clone(),
            network: topology.network(),
        }
    }

    /// Returns the node's index, name, address, port, and initial role.
    pub fn plan(&self) -> &Node {
        &self.node
    }

    /// Returns the last log lines of the node.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn logs(&self, tail: Option<u32>) -> Result<Vec<String>> {
        let request = LogRequest {
            tail,
            ..LogRequest::default()
        };
        self.runtime
            .logs(&self.node.name, request)
            .map_ok(|line| line.text)
            .try_collect()
            .await
    }

    /// Starts the node after [`NodeHandle::stop`] or [`NodeHandle::kill`]. A running node is not changed.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn start(&self) -> Result<()> {
        self.runtime.start(&self.node.name).await
    }

    /// Resumes the node after [`NodeHandle::pause`].
    ///
    /// # Errors
    /// When the container engine returns an error, for example because the node is not paused.
    pub async fn resume(&self) -> Result<()> {
        self.runtime.resume(&self.node.name).await
    }
}

impl<R: Faults> NodeHandle<R> {
    /// Pauses the node: connections stay open, but it does not respond.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn pause(&self) -> Result<()> {
        self.runtime.pause(&self.node.name).await
    }

    /// Stops the node (SIGTERM; SIGKILL after 10 seconds).
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn stop(&self) -> Result<()> {
        self.runtime.halt(&self.node.name, GRACE).await
    }

    /// Kills the node (SIGKILL).
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn kill(&self) -> Result<()> {
        self.runtime.kill(&self.node.name).await
    }

    /// Disconnects the node from the network: it runs, but neither this host nor other nodes can reach it.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn disconnect(&self) -> Result<()> {
        self.runtime.disconnect(&self.node.name, &self.network).await
    }

    /// Reconnects the node with its previous address.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn connect(&self) -> Result<()> {
        let (name, network) = (&self.node.name, &self.network);
        if self.runtime.is_connected(name, network).await? {
            return Ok(());
        }
        self.runtime.connect(name, network, self.node.ip).await
    }
}
