//! The same for whoever does not await: `rcup::blocking::Cluster`.
//!
//! Each call runs on a thread of its own with its own executor, so these work everywhere: in plain `#[test]`
//! functions, in threads, and even where an executor is running already.

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
    /// Starts the cluster and waits for it: [`Builder::up`] for whoever does not await.
    ///
    /// # Errors
    /// As [`Builder::up`].
    pub fn up_blocking(self) -> Result<Cluster> {
        wait(self.up()).map(|inner| Cluster { inner })
    }
}

impl Builder {
    /// [`Builder::reuse`] for whoever does not await.
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
    /// Collects what the cluster shall be; [`Builder::up_blocking`] starts it.
    pub fn builder() -> Builder {
        Inner::builder()
    }

    /// Takes an existing cluster into the hand. Dropping the handle leaves it alone.
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

    /// The URL of every node as a client on this host must use it, masters first.
    pub fn urls(&self) -> Vec<String> {
        self.inner.urls()
    }

    /// The cluster as it was when it got ready.
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

    /// A blocking connection of the `redis` crate to the whole cluster.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) when the cluster does not answer.
    pub fn client(&self) -> Result<::redis::cluster::ClusterConnection> {
        client::blocking(self.inner.urls(), &self.inner.access())
    }

    /// What every node has printed, at most so many lines from the end of each.
    ///
    /// # Errors
    /// What the engine refused to tell.
    pub fn logs(&self, tail: Option<u32>) -> Result<Vec<NodeLog>> {
        wait(self.inner.logs(tail))
    }

    /// Brings the cluster back to what it was when it was made, without a key.
    ///
    /// # Errors
    /// As [`Inner::reset`].
    pub fn reset(&self) -> Result<Reset> {
        wait(self.inner.reset())
    }

    /// Lets the cluster live on after this handle and this process.
    pub fn keep(&mut self) {
        self.inner.keep();
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// What the engine refused to remove.
    pub fn down(self) -> Result<Removed> {
        wait(self.inner.down())
    }
}

/// An existing cluster, looked at from outside.
pub struct Attached {
    inner: AttachedInner,
}

impl Attached {
    /// The URL of every node as a client on this host must use it, masters first.
    ///
    /// # Errors
    /// As [`AttachedInner::urls`].
    pub fn urls(&self) -> Result<Vec<String>> {
        wait(self.inner.urls())
    }

    /// A blocking connection of the `redis` crate to the whole cluster.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) when the cluster does not answer.
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

    /// What every node has printed, at most so many lines from the end of each.
    ///
    /// # Errors
    /// What the engine refused to tell.
    pub fn logs(&self, tail: Option<u32>) -> Result<Vec<NodeLog>> {
        wait(self.inner.logs(tail))
    }

    /// Brings the cluster back to what it was when it was made, without a key.
    ///
    /// # Errors
    /// As [`AttachedInner::reset`].
    pub fn reset(&self) -> Result<Reset> {
        wait(self.inner.reset(None))
    }

    /// What `up` proves, as it stands now.
    ///
    /// # Errors
    /// When there is no executor to ask with.
    #[cfg(feature = "cli")]
    pub fn validate(&self) -> Result<Vec<Check>> {
        wait(async { Ok(self.inner.validate().await) })
    }

    /// The cluster as it is, every node asked.
    pub fn report(&self) -> Result<Report> {
        wait(async { Ok(self.inner.report().await) })
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// What the engine refused to remove.
    pub fn down(self) -> Result<Removed> {
        wait(self.inner.down())
    }
}

/// A node, for faults.
#[derive(Clone, Debug)]
pub struct Node {
    inner: NodeHandle,
}

impl Node {
    /// Freezes it.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn pause(&self) -> Result<()> {
        wait(self.inner.pause())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn resume(&self) -> Result<()> {
        wait(self.inner.resume())
    }

    /// Asks it to end, and kills it after 10 seconds.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn stop(&self) -> Result<()> {
        wait(self.inner.stop())
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn kill(&self) -> Result<()> {
        wait(self.inner.kill())
    }

    /// Starts it again.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn start(&self) -> Result<()> {
        wait(self.inner.start())
    }

    /// Pulls its network cable.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn disconnect(&self) -> Result<()> {
        wait(self.inner.disconnect())
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// What the engine refused.
    pub fn connect(&self) -> Result<()> {
        wait(self.inner.connect())
    }
}
