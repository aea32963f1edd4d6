//! Cluster handle: the main type of the library.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::checks::finding::Check;
use crate::checks::status::{Report, State};
use crate::connect::attached::Attached;
use crate::connect::credentials;
use crate::error::Result;
use crate::event::Timings;
use crate::event::{Event, Observer};
use crate::lifecycle::dry_run::{lay_out, plan_only};
use crate::lifecycle::keep::keep;
use crate::lifecycle::options::UpOptions;
use crate::lifecycle::reset::initial_settings;
use crate::lifecycle::reset::settings::Settings;
use crate::lifecycle::up::{Started, up};
use crate::ownership::lock::{Held, lock};
use crate::ownership::rollback::{Clearing, Guard, Removed, clear};
use crate::plan::step::Plan;
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels;
use crate::runtime::observed::{Activity, ContainerSeen};
use crate::server::wire::access::{Access, Credentials, url};
use crate::server::wire::reply::Answer;
use crate::spec::cluster::ClusterSpec;
use crate::spec::name::ClusterName;
use crate::spec::security::{Certificates, Secrets};
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::Topology;

/// A running cluster.
///
/// Dropping the handle removes a cluster that [`Cluster::up`] created, also in a panic, unless
/// [`Cluster::keep`] was called. An adopted cluster and one of [`Cluster::reuse`] stay.
pub struct Cluster<R: Runtime = Docker> {
    runtime: R,
    topology: Topology,
    secrets: Secrets,
    checks: Vec<Check>,
    answers: Vec<Answer>,
    timings: Timings,
    total: Duration,
    guard: Guard<R>,
    adopted: bool,
    settings: Settings,
    /// The lease on a reusable cluster.
    used: Option<Held>,
}

impl<R: Runtime> std::fmt::Debug for Cluster<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("name", self.name())
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> Cluster<R> {
    /// Starts the cluster, or adopts the running one if it matches. When this returns, the readiness checks
    /// have passed on every node and every advertised address has responded.
    ///
    /// # Errors
    /// When any step fails; the start is rolled back first, unless the options keep it.
    pub async fn up(runtime: R, spec: &ClusterSpec, options: &UpOptions) -> Result<Self> {
        let span = tracing::info_span!("up", cluster = %spec.name());
        // Boxed, because the future is large and would be embedded in the caller's.
        up(runtime, spec, options)
            .instrument(span)
            .boxed()
            .await
            .map(Self::new)
    }

    /// Returns the actions that [`Cluster::up`] would take now. Changes nothing.
    ///
    /// # Errors
    /// When `up` could not start.
    #[doc(hidden)]
    pub async fn plan(runtime: &R, spec: &ClusterSpec, observer: &dyn Observer) -> Result<Plan> {
        plan_only(runtime, spec, observer).await
    }

    /// Returns the topology that a new cluster with these settings would have. Changes nothing.
    ///
    /// # Errors
    /// When `up` could not start.
    #[doc(hidden)]
    pub async fn lay_out(runtime: &R, spec: &ClusterSpec, observer: &dyn Observer) -> Result<Topology> {
        lay_out(runtime, spec, observer).await
    }

    /// Attaches to an existing cluster in any state. Dropping the handle does not remove it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) when there is no cluster of that name.
    pub async fn attach(runtime: R, name: &ClusterName) -> Result<Attached<R>> {
        let span = tracing::info_span!("attach", cluster = %name);
        Attached::to(runtime, name).instrument(span).await
    }

    pub(crate) fn new(started: Started<R>) -> Self {
        let Started {
            runtime,
            topology,
            secrets,
            outcome,
            guard,
            adopted,
            total,
        } = started;
        Self {
            settings: outcome
                .settings
                .unwrap_or_else(|| initial_settings::of(&topology, &secrets)),
            runtime,
            topology,
            secrets,
            checks: outcome.checks,
            answers: outcome.answers,
            timings: outcome.timings,
            total,
            guard,
            adopted,
            used: None,
        }
    }

    /// Stores the lease of a reusable cluster, which can be reused after this handle is dropped.
    pub(crate) fn use_alone(&mut self, claim: Held) {
        self.used = Some(claim);
    }

    /// Returns the name of the cluster.
    pub fn name(&self) -> &ClusterName {
        self.topology.name()
    }

    /// Returns the topology.
    #[doc(hidden)]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Returns the container engine.
    #[doc(hidden)]
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    pub(crate) fn access(&self) -> Access {
        credentials::access(&self.secrets)
    }

    /// Returns the settings and users that [`Cluster::reset`] restores: those of the cluster's creation, or
    /// those that rcup plans for an adopted cluster of which this host has no record.
    #[doc(hidden)]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Records the current settings and users of all nodes for [`Cluster::reset`] on this handle.
    ///
    /// # Errors
    /// [`ErrorKind::Unhealthy`](crate::error::ErrorKind::Unhealthy) when a node does not respond.
    pub async fn remember(&mut self) -> Result<()> {
        self.settings = Settings::read(&self.topology, &self.access()).await?;
        Ok(())
    }

    /// Returns whether the cluster existed before.
    pub fn was_adopted(&self) -> bool {
        self.adopted
    }

    /// Returns the readiness checks of [`Cluster::up`].
    #[doc(hidden)]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Returns the state of the cluster when [`Cluster::up`] returned.
    pub fn report(&self) -> Report {
        let containers: Vec<ContainerSeen> = self
            .topology
            .nodes
            .iter()
            .map(|node| ContainerSeen {
                name: node.name.clone(),
                activity: Activity::Running,
                labels: labels::of_node(&self.topology, node),
                ..ContainerSeen::default()
            })
            .collect();
        Report::new(&self.topology, State::Ok, &containers, &self.answers)
            .with_timings(&self.timings, self.total)
    }

    /// Returns `redis[s]://[USER:PASSWORD@]HOST:PORT` of every node for clients on this host, masters first.
    pub fn urls(&self) -> Vec<String> {
        let credentials = self.credentials();
        self.report()
            .nodes
            .iter()
            .map(|node| url(&node.advertised, credentials.as_ref(), self.topology.spec.tls()))
            .collect()
    }

    /// Returns the credentials for clients, if the nodes require a password.
    pub fn credentials(&self) -> Option<Credentials> {
        credentials::of_clients(&self.secrets)
    }

    /// Returns the credentials of a service user, if the cluster has them.
    #[doc(hidden)]
    pub fn credentials_of(&self, user: ServiceUser) -> Option<Credentials> {
        credentials::of_own(&self.secrets, user)
    }

    /// Returns the client certificates, if the cluster uses TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.secrets.certificates.as_ref()
    }

    /// Keeps the cluster when this handle is dropped and its owner exits.
    pub fn keep(&mut self) {
        self.guard.disarm();
        if self.topology.life.owner.is_some() && !self.adopted {
            keep(&self.runtime, &self.topology);
        }
    }

    /// Keeps the cluster when this handle is dropped, until its owner exits.
    pub fn release(&mut self) {
        self.guard.disarm();
    }

    /// Removes the cluster, including an adopted one.
    ///
    /// # Errors
    /// When the container engine returns an error.
    pub async fn down(mut self) -> Result<Removed> {
        let span = tracing::info_span!("down", cluster = %self.name());
        let scope = Scope::Cluster(self.name().clone());
        let clearing = Clearing::of(scope, "the cluster was removed");
        let removed = clear(&self.runtime, &clearing, &crate::event::Silent);
        let removed = removed.instrument(span).await;
        self.guard.disarm();
        removed
    }
}

/// Removes the remaining objects of a cluster by their labels. Succeeds if there are none.
///
/// # Errors
/// When the container engine returns an error.
pub async fn down<R: Runtime>(
    runtime: &R,
    name: &ClusterName,
    keep_volumes: bool,
    observer: &dyn Observer,
) -> Result<Removed> {
    let span = tracing::info_span!("down", cluster = %name);
    removed(runtime, name, keep_volumes, observer)
        .instrument(span)
        .await
}

async fn removed<R: Runtime>(
    runtime: &R,
    name: &ClusterName,
    keep_volumes: bool,
    observer: &dyn Observer,
) -> Result<Removed> {
    let engine = runtime.describe().await?;
    // Waits for a concurrent start of the same cluster, and then removes it.
    let deadline = Instant::now() + Duration::from_mins(3);
    let lock = lock(&engine.endpoint, name.as_str(), deadline, observer).await?;
    let clearing = Clearing {
        keep_volumes,
        abandoned: lock.was_abandoned(),
        ..Clearing::of(Scope::Cluster(name.clone()), "the cluster was removed")
    };
    let removed = clear(runtime, &clearing, observer).await?;
    if removed.is_nothing() {
        observer.observe(&Event::note(format!("no cluster named {name}")));
    }
    Ok(removed)
}
