//! One node in the hand: what can be done to it on purpose, and what undoes it.

use futures_util::TryStreamExt as _;

use crate::error::Result;
use crate::runtime::docker::client::Docker;
use crate::runtime::faults::Faults;
use crate::runtime::interface::{LogRequest, Runtime};
use crate::topology::layout::{Node, Topology};

/// How many seconds a node has to end by itself before it is killed.
const GRACE: u32 = 10;

/// A node of a running cluster. `reset` heals whatever is done to it here.
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

    /// Its place in the plan: index, name, address, port, and the role it began with.
    pub fn plan(&self) -> &Node {
        &self.node
    }

    /// What it has printed, at most so many lines from the end.
    ///
    /// # Errors
    /// What the engine refused to tell.
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

    /// Starts it after [`NodeHandle::stop`] or [`NodeHandle::kill`]. What runs is left alone.
    ///
    /// # Errors
    /// What the engine refused.
    pub async fn start(&self) -> Result<()> {
        self.runtime.start(&self.node.name).await
    }

    /// Lets it go on after [`NodeHandle::pause`].
    ///
    /// # Errors
    /// What the engine refused: that it is not paused, for example.
    pub async fn resume(&self) -> Result<()> {
        self.runtime.resume(&self.node.name).await
    }
}

impl<R: Faults> NodeHandle<R> {
    /// Freezes it: its connections stand, and nothing answers.
    ///
    /// # Errors
    /// What the engine refused.
    pub async fn pause(&self) -> Result<()> {
        self.runtime.pause(&self.node.name).await
    }

    /// Asks it to end in an orderly way (SIGTERM), and kills it after 10 seconds.
    ///
    /// # Errors
    /// What the engine refused.
    pub async fn stop(&self) -> Result<()> {
        self.runtime.halt(&self.node.name, GRACE).await
    }

    /// Kills it as a power cut would (SIGKILL).
    ///
    /// # Errors
    /// What the engine refused.
    pub async fn kill(&self) -> Result<()> {
        self.runtime.kill(&self.node.name).await
    }

    /// Pulls its network cable: it runs, and nobody reaches it, neither from this host nor from the other nodes.
    ///
    /// # Errors
    /// What the engine refused.
    pub async fn disconnect(&self) -> Result<()> {
        self.runtime.disconnect(&self.node.name, &self.network).await
    }

    /// Plugs it in again, under its old address.
    ///
    /// # Errors
    /// What the engine refused.
    pub async fn connect(&self) -> Result<()> {
        let (name, network) = (&self.node.name, &self.network);
        if self.runtime.is_connected(name, network).await? {
            return Ok(());
        }
        self.runtime.connect(name, network, self.node.ip).await
    }
}
