//! Blocking API: `rcup::blocking::Cluster`.
//!
//! Each call runs on its own thread with its own executor, so it works in plain `#[test]`
//! functions, in threads, and inside another executor.

#[cfg(feature = "cli")]
use crate::checks::finding::Check;
use crate::checks::status::Report;
use crate::cluster::actions::NodeLog;
use crate::cluster::builder::Builder;
use crate::cluster::client;
use crate::cluster::executor::wait;
use crate::cluster::handle::Cluster as Inner;
use crate::cluster::node::NodeHandle;
use crate::connect::attached::Attached as AttachedInner;
use crate::error::Result;
use crate::lifecycle::reset::run::Reset;
use crate::ownership::rollback::Removed;
use crate::runtime::docker::client::Docker;
use crate::spec::name::ClusterName;

impl Builder {
    /// Blocking version of [`Builder::up`].
    ///
    /// # Errors
    /// As [`Builder::up`].
    pub fn up_blocking(self) -> Result<Cluster> {
        wait(self.up()).map(|inner| Cluster { inner })
    }
}

impl Builder {
    /// Blocking version of [`Builder::reuse`].
    ///
    /// # Errors
    /// As [`Builder::reuse`].
    pub fn reuse_blocking(self) -> Result<Cluster> {
        wait(self.reuse()).map(|inner| Cluster { inner })
    }
}

/// A running cluster, removed when this is dropped unless it is kept.
#[derive(Debug)]
pub struct Cluster {
    inner: Inner,
}

impl Cluster {
    /// Returns a builder; [`Builder::up_blocking`] starts the cluster.
    pub fn builder() -> Builder {
        Inner::builder()
    }

    /// Attaches to an existing cluster. Dropping the handle does not remove it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none of that name.
    pub fn attach(name: &ClusterName) -> Result<Attached> {
        wait(async { Inner::attach(Docker::find()?, name).await }).map(|inner| Attached { inner })
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        self.inner.name()
    }

    /// The URL of every node for clients on this host, masters first.
    pub fn urls(&self) -> Vec<String> {
        self.inner.urls()
    }

    /// The state of the cluster when it became ready.
    pub fn report(&self) -> Report {
        self.inner.report()
    }

    /// The node with this index, from 1.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when there is none.
    pub fn node(&self, index: usize) -> Result<Node> {
        self.inner.node(index).map(|inner| Node { inner })
    }

    /// Opens a blocking cluster connection of the `redis` crate.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) when the cluster does not respond.
    pub fn client(&self) -> Result<::redis::cluster::ClusterConnection> {
        client::blocking(self.inner.urls(), &self.inner.access())
    }

    /// The last log lines of every node.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn logs(&self, tail: Option<u32>) -> Result<Vec<NodeLog>> {
        wait(self.inner.logs(tail))
    }

    /// Resets the cluster to its initial state and deletes all keys.
    ///
    /// # Errors
    /// As [`Inner::reset`].
    pub fn reset(&self) -> Result<Reset> {
        wait(self.inner.reset())
    }

    /// Keeps the cluster after this handle and this process.
    pub fn keep(&mut self) {
        self.inner.keep();
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn down(self) -> Result<Removed> {
        wait(self.inner.down())
    }
}

/// An existing cluster; dropping this does not remove it.
pub struct Attached {
    inner: AttachedInner,
}

impl Attached {
    /// The URL of every node for clients on this host, masters first.
    ///
    /// # Errors
    /// As [`AttachedInner::urls`].
    pub fn urls(&self) -> Result<Vec<String>> {
        wait(self.inner.urls())
    }

    /// Opens a blocking cluster connection of the `redis` crate.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) when the cluster does not respond.
    pub fn client(&self) -> Result<::redis::cluster::ClusterConnection> {
        client::blocking(self.urls()?, &wait(self.inner.access())?)
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        self.inner.topology().name()
    }

    /// The node with this index, from 1.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when there is none.
    pub fn node(&self, index: usize) -> Result<Node> {
        self.inner.node(index).map(|inner| Node { inner })
    }

    /// The last log lines of every node.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn logs(&self, tail: Option<u32>) -> Result<Vec<NodeLog>> {
        wait(self.inner.logs(tail))
    }

    /// Resets the cluster to its initial state and deletes all keys.
    ///
    /// # Errors
    /// As [`AttachedInner::reset`].
    pub fn reset(&self) -> Result<Reset> {
        wait(self.inner.reset(None))
    }

    /// Repeats the readiness checks of `up`.
    ///
    /// # Errors
    /// When no executor can be started.
    #[cfg(feature = "cli")]
    pub fn validate(&self) -> Result<Vec<Check>> {
        wait(async { Ok(self.inner.validate().await) })
    }

    /// The current status, queried from every node.
    pub fn report(&self) -> Result<Report> {
        wait(async { Ok(self.inner.report().await) })
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn down(self) -> Result<Removed> {
        wait(self.inner.down())
    }
}

/// A node, for fault injection.
#[derive(Clone, Debug)]
pub struct Node {
    inner: NodeHandle,
}

impl Node {
    /// Pauses it.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn pause(&self) -> Result<()> {
        wait(self.inner.pause())
    }

    /// Resumes it.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn resume(&self) -> Result<()> {
        wait(self.inner.resume())
    }

    /// Stops it (SIGTERM; SIGKILL after 10 seconds).
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn stop(&self) -> Result<()> {
        wait(self.inner.stop())
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn kill(&self) -> Result<()> {
        wait(self.inner.kill())
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn start(&self) -> Result<()> {
        wait(self.inner.start())
    }

    /// Disconnects it from the network.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn disconnect(&self) -> Result<()> {
        wait(self.inner.disconnect())
    }

    /// Reconnects it to the network.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub fn connect(&self) -> Result<()> {
        wait(self.inner.connect())
    }
}
