//! Operations on a running cluster, for handles that started it or attached to it.

use std::time::Duration;

use ::redis::cluster_async::ClusterConnection;
use futures_util::future::{join_all, try_join_all};
use tracing::Instrument as _;

use crate::cluster::client::connection;
use crate::cluster::handle::{Cluster, down};
use crate::cluster::node::NodeHandle;
use crate::connect::attached::Attached;
use crate::connect::links::reachable;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Silent;
use crate::lifecycle::reset::initial_settings;
use crate::lifecycle::reset::run::{Reset, reset};
use crate::lifecycle::reset::settings::Settings;
use crate::ownership::rollback::Removed;
use crate::runtime::faults::Faults;
use crate::runtime::interface::Runtime;
use crate::topology::layout::Topology;

/// Timeout for reading the cluster table of a node.
const PATIENCE: Duration = Duration::from_secs(2);

/// Log lines of one node.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NodeLog {
    /// The node's index, from 1.
    pub index: usize,
    /// Container name.
    pub name: String,
    /// The lines.
    pub lines: Vec<String>,
}

impl<R: Runtime> Cluster<R> {
    /// Returns all nodes, in index order.
    pub fn nodes(&self) -> Vec<NodeHandle<R>> {
        nodes(self.runtime(), self.topology())
    }

    /// Returns the node with this index, from 1. Masters have the lowest indices.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is no such node.
    pub fn node(&self, index: usize) -> Result<NodeHandle<R>> {
        node(self.runtime(), self.topology(), index)
    }

    /// Opens a cluster connection of the `redis` crate.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when the cluster does not respond.
    pub async fn client(&self) -> Result<ClusterConnection> {
        connection(self.urls(), &self.access()).await
    }

    /// Returns the last log lines of every node.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn logs(&self, tail: Option<u32>) -> Result<Vec<NodeLog>> {
        logs(self.nodes(), tail).await
    }
}

impl<R: Runtime> Cluster<R> {
    /// Returns `CLUSTER NODES` of every node in index order, or the error of a node that does not respond.
    pub async fn tables(&self) -> Vec<Result<String, String>> {
        let topology = self.topology();
        let all: Vec<usize> = topology.nodes.iter().map(|node| node.index).collect();
        let links = reachable(topology, &self.access(), &all, PATIENCE).await;
        let links = &links;
        join_all(all.into_iter().map(|index| async move {
            let Some((_, link)) = links.iter().find(|(own, _)| *own == index) else {
                return Err("it does not answer".to_owned());
            };
            let table = link.command::<String>(&["CLUSTER", "NODES"]).await;
            table.map_err(|error| error.causes().join(": "))
        }))
        .await
    }
}

impl<R: Faults> Cluster<R> {
    /// Resets the cluster to its initial state and deletes all keys: restores the planned roles, slots and
    /// replicas, the settings, users, scripts and functions, and undoes injected faults. Verifies the result
    /// on every node before it returns.
    ///
    /// Restarts nodes that were elected or have voted: they would block another failover of the same shard
    /// for up to four node timeouts. Their clients must reconnect.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when a container or the network is missing, [`ErrorKind::Unhealthy`] when the
    /// cluster does not reach this state within 30 seconds.
    pub async fn reset(&self) -> Result<Reset> {
        let span = tracing::info_span!("reset", cluster = %self.name());
        let (runtime, topology) = (self.runtime(), self.topology());
        reset(runtime, topology, &self.access(), self.settings())
            .instrument(span)
            .await
    }
}

impl<R: Runtime> Attached<R> {
    /// Returns all nodes, in index order.
    pub fn nodes(&self) -> Vec<NodeHandle<R>> {
        nodes(self.runtime(), self.topology())
    }

    /// Returns the node with this index, from 1. Masters have the lowest indices.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is no such node.
    pub fn node(&self, index: usize) -> Result<NodeHandle<R>> {
        node(self.runtime(), self.topology(), index)
    }

    /// Returns the last log lines of every node.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn logs(&self, tail: Option<u32>) -> Result<Vec<NodeLog>> {
        logs(self.nodes(), tail).await
    }

    /// Opens a cluster connection of the `redis` crate.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when the cluster does not respond.
    pub async fn client(&self) -> Result<ClusterConnection> {
        connection(self.urls().await?, &self.access().await?).await
    }

    /// Reads the current settings and users, for [`Attached::reset`].
    ///
    /// # Errors
    /// [`ErrorKind::Unhealthy`] when a node does not respond.
    pub async fn settings(&self) -> Result<Settings> {
        Settings::read(self.topology(), &self.access().await?).await
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn down(self) -> Result<Removed> {
        down(self.runtime(), self.topology().name(), false, &Silent).await
    }
}

impl<R: Faults> Attached<R> {
    /// Resets the cluster as [`Cluster::reset`] does, to the given settings and users. Without them, restores
    /// those with which the cluster was created if this host has a record of them, otherwise those that rcup
    /// plans.
    ///
    /// # Errors
    /// As [`Cluster::reset`].
    pub async fn reset(&self, settings: Option<&Settings>) -> Result<Reset> {
        let span = tracing::info_span!("reset", cluster = %self.topology().name());
        let access = self.access().await?;
        let made;
        let settings = if let Some(settings) = settings {
            settings
        } else {
            made = initial_settings::of(self.topology(), self.secrets().await?);
            &made
        };
        reset(self.runtime(), self.topology(), &access, settings)
            .instrument(span)
            .await
    }
}

fn nodes<R: Runtime>(runtime: &R, topology: &Topology) -> Vec<NodeHandle<R>> {
    let handle = |node| NodeHandle::new(runtime, topology, node);
    topology.nodes.iter().map(handle).collect()
}

fn node<R: Runtime>(runtime: &R, topology: &Topology, index: usize) -> Result<NodeHandle<R>> {
    match topology.node(index) {
        Some(node) => Ok(NodeHandle::new(runtime, topology, node)),
        None => Err(Error::new(
            ErrorKind::Usage,
            format!("cluster {} has no node {index}", topology.name()),
        )
        .hint(format!("It has nodes 1 to {}.", topology.nodes.len()))),
    }
}

async fn logs<R: Runtime>(nodes: Vec<NodeHandle<R>>, tail: Option<u32>) -> Result<Vec<NodeLog>> {
    try_join_all(nodes.into_iter().map(|node| async move {
        Ok(NodeLog {
            index: node.plan().index,
            name: node.plan().name.clone(),
            lines: node.logs(tail).await?,
        })
    }))
    .await
}
