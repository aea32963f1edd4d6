//! Blocking API: `rcup::blocking::Cluster`.
//!
//! Each call runs on its own thread with its own async runtime, so it works in plain `#[test]` functions, in
//! threads, and inside another async runtime.

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

/// A running cluster. Dropping the handle removes it unless [`Cluster::keep`] was called.
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
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no cluster of that name.
    pub fn attach(name: &ClusterName) -> Result<Attached> {
        wait(async { Inner::attach(Docker::find()?, name).await }).map(|inner| Attached { inner })
    }

    /// Returns the name of the cluster.
    pub fn name(&self) -> &ClusterName {
        self.inner.name()
    }

    /// Returns the URL of every node for clients on this host, masters first.
    pub fn urls(&self) -> Vec<String> {
        self.inner.urls()
    }

    /// Returns the state of the cluster when it became ready.
    pub fn report(&self) -> Report {
        self.inner.report()
    }

    /// Returns the node with this index, from 1.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when there is no such node.
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

    /// Returns the last log lines of every node.
    ///
    /// # Errors
    /// When the container engine returns an error.
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

    /// Keeps the cluster when this handle is dropped and this process exits.
    pub fn keep(&mut self) {
        self.inner.keep();
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn down(self) -> Result<Removed> {
        wait(self.inner.down())
    }
}

/// An existing cluster. Dropping the handle does not remove it.
pub struct Attached {
    inner: AttachedInner,
}

impl Attached {
    /// Returns the URL of every node for clients on this host, masters first.
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

    /// Returns the name of the cluster.
    pub fn name(&self) -> &ClusterName {
        self.inner.topology().name()
    }

    /// Returns the node with this index, from 1.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when there is no such node.
    pub fn node(&self, index: usize) -> Result<Node> {
        self.inner.node(index).map(|inner| Node { inner })
    }

    /// Returns the last log lines of every node.
    ///
    /// # Errors
    /// When the container engine returns an error.
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
    /// When the async runtime cannot be started.
    #[cfg(feature = "cli")]
    pub fn validate(&self) -> Result<Vec<Check>> {
        wait(async { Ok(self.inner.validate().await) })
    }

    /// Returns the current status, queried from every node.
    pub fn report(&self) -> Result<Report> {
        wait(async { Ok(self.inner.report().await) })
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// When the container engine returns an error.
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
    /// Pauses the node.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn pause(&self) -> Result<()> {
        wait(self.inner.pause())
    }

    /// Resumes the node.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn resume(&self) -> Result<()> {
        wait(self.inner.resume())
    }

    /// Stops the node (SIGTERM; SIGKILL after 10 seconds).
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn stop(&self) -> Result<()> {
        wait(self.inner.stop())
    }

    /// Kills the node (SIGKILL).
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn kill(&self) -> Result<()> {
        wait(self.inner.kill())
    }

    /// Starts the node again.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn start(&self) -> Result<()> {
        wait(self.inner.start())
    }

    /// Disconnects the node from the network.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn disconnect(&self) -> Result<()> {
        wait(self.inner.disconnect())
    }

    /// Reconnects the node to the network.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub fn connect(&self) -> Result<()> {
        wait(self.inner.connect())
    }
}
