//! Builder for test clusters, with a generated name and removal on drop.

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

/// Configures and starts a cluster; see [`Cluster::builder`].
///
/// Without a name, one is generated, so that tests can run concurrently. This process owns the cluster: if it
/// is killed before the handle is dropped, the next rcup command on this host removes the cluster.
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
    /// Sets the name (default: generated). If a cluster of that name has the same settings, `up` adopts it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the number of masters (default 3).
    pub fn masters(self, masters: usize) -> Self {
        self.spec(|spec| spec.masters(masters))
    }

    /// Sets the number of replicas per master (default 1).
    pub fn replicas(self, replicas: usize) -> Self {
        self.spec(|spec| spec.replicas(replicas))
    }

    /// Sets the server to run if no image is set (default Redis).
    pub fn engine(self, engine: Engine) -> Self {
        self.spec(|spec| spec.engine(engine))
    }

    /// Sets the image to run (default: the official one, or a local one of `rcup image build`).
    pub fn image(self, image: impl Into<String>) -> Self {
        self.spec(|spec| spec.image(image))
    }

    /// Adds a directive to every node's `redis.conf`.
    pub fn set(self, directive: Directive) -> Self {
        self.spec(|spec| spec.set(directive))
    }

    /// Changes any other setting of the specification.
    pub fn spec(mut self, change: impl FnOnce(ClusterSpecBuilder) -> ClusterSpecBuilder) -> Self {
        self.spec = change(self.spec);
        self
    }

    /// Sets the time limit of the start (default 2 minutes).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options = self.options.timeout(timeout);
        self
    }

    /// Sets the TTL of the cluster (default: until its owner exits).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options = self.options.ttl(ttl);
        self
    }

    /// Sets whether to keep the containers of a failed start for debugging.
    pub fn keep_on_failure(mut self, keep: bool) -> Self {
        self.options = self.options.keep_on_failure(keep);
        self
    }

    /// Interrupts the start and rolls it back when the future completes.
    pub fn cancel_when(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.options = self.options.cancel_when(stop);
        self
    }

    /// Sets the receiver of progress events.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.options = self.options.observer(Arc::new(observer));
        self
    }

    /// Sets an owner other than this process.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.options = self.options.owner(owner);
        self
    }

    /// Starts the cluster on the container engine that the Docker CLI would use.
    ///
    /// # Errors
    /// When the cluster does not become ready; the start is rolled back first.
    pub async fn up(self) -> Result<Cluster> {
        let docker = Docker::find_with(&*self.options.observer)?;
        self.up_on(docker).await
    }

    /// Starts the cluster on another container engine.
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

    /// Reuses an idle cluster after a reset, or creates one, with [`Cluster::reuse`] on the container engine
    /// that the Docker CLI would use. The cluster stays after this process exits.
    ///
    /// # Errors
    /// As [`Cluster::reuse`].
    pub async fn reuse(self) -> Result<Cluster> {
        let (spec, options) = self.parts()?;
        Cluster::reuse(Docker::find_with(&*options.observer)?, &spec, &options).await
    }

    /// Returns the validated specification and the options.
    pub(crate) fn parts(self) -> Result<(ClusterSpec, UpOptions)> {
        let name: ClusterName = match &self.name {
            Some(name) => name.parse()?,
            None => ClusterName::generated("test"),
        };
        Ok((self.spec.name(name).build()?, self.options))
    }
}

impl Cluster {
    /// Returns a builder for a test cluster: `Cluster::builder().masters(3).replicas(1).up().await?`.
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
