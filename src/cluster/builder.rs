//! The short way to a cluster for a test: a name, ports and a subnet of its own, and an end with the handle.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::handle::Cluster;
use crate::error::Result;
use crate::event::Observer;
use crate::lifecycle::options::UpOptions;
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::Runtime;
use crate::spec::builder::ClusterSpecBuilder;
use crate::spec::cluster::ClusterSpec;
use crate::spec::directive::Directive;
use crate::spec::expiry::Owner;
use crate::spec::name::ClusterName;
use crate::spec::server::Engine;

/// Collects what a cluster shall be and starts it: [`Cluster::builder`].
///
/// Where no name is given, one is made up, so that any number of tests run side by side. The cluster belongs
/// to this process: should the process be killed before the handle is dropped, the next rcup on this machine
/// removes the cluster.
#[derive(Clone)]
#[must_use = "nothing happens until `up` is awaited"]
pub struct Builder {
    name: Option<String>,
    spec: ClusterSpecBuilder,
    options: UpOptions,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            name: None,
            spec: ClusterSpec::builder(),
            options: UpOptions::default(),
        }
    }
}

impl Builder {
    /// A name instead of one that is made up. One that is taken by a cluster of the same specification leads
    /// to that cluster.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many masters (default 3).
    pub fn masters(self, masters: usize) -> Self {
        self.spec(|spec| spec.masters(masters))
    }

    /// How many replicas each master has (default 1).
    pub fn replicas(self, replicas: usize) -> Self {
        self.spec(|spec| spec.replicas(replicas))
    }

    /// The server to run where no image is named (default Redis).
    pub fn engine(self, engine: Engine) -> Self {
        self.spec(|spec| spec.engine(engine))
    }

    /// The image to run (default: the official one, or a local one of `rcup image build`).
    pub fn image(self, image: impl Into<String>) -> Self {
        self.spec(|spec| spec.image(image))
    }

    /// A line for every node's `redis.conf`.
    pub fn set(self, directive: Directive) -> Self {
        self.spec(|spec| spec.set(directive))
    }

    /// Anything else that a specification can say.
    pub fn spec(mut self, change: impl FnOnce(ClusterSpecBuilder) -> ClusterSpecBuilder) -> Self {
        self.spec = change(self.spec);
        self
    }

    /// How long the start may take (default 2 minutes).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// How long the cluster lives at most, should nobody remove it (default: as long as its owner).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options = self.options.ttl(ttl);
        self
    }

    /// Whether what a failed start has made stays for a closer look.
    pub fn keep_on_failure(mut self, keep: bool) -> Self {
        self.options = self.options.keep_on_failure(keep);
        self
    }

    /// Interrupts the start when the future completes; what it has created is then removed.
    pub fn cancel_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.options = self.options.cancel_when(stop);
        self
    }

    /// Somebody who is told what happens.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.options = self.options.observer(Arc::new(observer));
        self
    }

    /// Another owner than this process.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.options = self.options.owner(owner);
        self
    }

    /// Starts the cluster on the engine that Docker's own client would take.
    ///
    /// # Errors
    /// Whatever kept it from getting ready. What was made is removed first.
    pub async fn up(self) -> Result<Cluster> {
        self.up_on(Docker::find()?).await
    }

    /// Starts it on another engine.
    ///
    /// # Errors
    /// As [`Builder::up`].
    pub async fn up_on<R: Runtime>(self, runtime: R) -> Result<Cluster<R>> {
        let (spec, mut options) = self.parts()?;
        if options.owner.is_none() {
            options.owner = Some(Owner::this_process()?);
        }
        Cluster::up(runtime, &spec, &options).await
    }

    /// A cluster that an earlier test has left, as new after a reset, or else a new one: [`Cluster::reuse`] on the engine
    /// that Docker's own client would take. It outlives this process.
    ///
    /// # Errors
    /// As [`Cluster::reuse`].
    pub async fn reuse(self) -> Result<Cluster> {
        let (spec, options) = self.parts()?;
        Cluster::reuse(Docker::find()?, &spec, &options).await
    }

    /// The specification and the options, checked.
    pub(crate) fn parts(self) -> Result<(ClusterSpec, UpOptions)> {
        let name: ClusterName = match &self.name {
            Some(name) => name.parse()?,
            None => ClusterName::generated("test"),
        };
        Ok((self.spec.name(name).build()?, self.options))
    }
}

impl Cluster {
    /// A cluster for a test: `Cluster::builder().masters(3).replicas(1).up().await?`.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tests_never_share_a_name_unless_they_want_to() {
        let name = |builder: Builder| builder.parts().unwrap().0.name().clone();
        let (one, other) = (name(Cluster::builder()), name(Cluster::builder()));
        assert_ne!(one, other);
        assert!(one.as_str().starts_with("test-"));
        assert_eq!(name(Cluster::builder().name("orders")).as_str(), "orders");
        let error = Cluster::builder().name("Orders").parts().err().unwrap();
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
    }
}
