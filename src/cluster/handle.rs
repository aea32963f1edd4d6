//! A cluster in the hand: the face of the library.

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
use crate::spec::service_user::OwnUser;
use crate::topology::layout::Topology;

/// A running cluster.
///
/// One that [`Cluster::up`] made is removed when the handle is dropped, on any thread and in a panic too,
/// unless [`Cluster::keep`] lets it live. One that was there before stays, as does one of [`Cluster::reuse`].
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
    /// The claim on a cluster that others use afterwards.
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
    /// Starts the cluster, or adopts the running one when it matches. When this returns, the readiness
    /// contract holds on every node and every advertised address has answered from here.
    ///
    /// # Errors
    /// Whatever failed; what was made is removed first, unless the options keep it.
    pub async fn up(runtime: R, spec: &ClusterSpec, options: &UpOptions) -> Result<Self> {
        let span = tracing::info_span!("up", cluster = %spec.name());
        // Boxed, because it is large and deep, and whoever awaits it would have to carry it.
        up(runtime, spec, options)
            .instrument(span)
            .boxed()
            .await
            .map(Self::new)
    }

    /// What [`Cluster::up`] would do now. Changes nothing.
    ///
    /// # Errors
    /// What would keep `up` from beginning.
    #[doc(hidden)]
    pub async fn plan(runtime: &R, spec: &ClusterSpec, observer: &dyn Observer) -> Result<Plan> {
        plan_only(runtime, spec, observer).await
    }

    /// Where a new cluster of this specification would go on this engine, were it made now. Changes nothing.
    ///
    /// # Errors
    /// What would keep `up` from beginning.
    #[doc(hidden)]
    pub async fn lay_out(runtime: &R, spec: &ClusterSpec, observer: &dyn Observer) -> Result<Topology> {
        lay_out(runtime, spec, observer).await
    }

    /// Takes an existing cluster into the hand, whatever its state. Dropping the handle leaves it alone.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) when there is none of that name.
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

    /// Others have it when this handle is gone.
    pub(crate) fn use_alone(&mut self, claim: Held) {
        self.used = Some(claim);
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        self.topology.name()
    }

    /// Where everything is.
    #[doc(hidden)]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The engine it runs on.
    #[doc(hidden)]
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    pub(crate) fn access(&self) -> Access {
        credentials::access(&self.secrets)
    }

    /// What [`Cluster::reset`] brings back: the settings and users with which the cluster was made. Of one that was
    /// there before, and of which nobody on this machine remembers them, those that rcup has planned.
    #[doc(hidden)]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Notes the settings and users of all nodes as they are now, for [`Cluster::reset`] on this handle.
    ///
    /// # Errors
    /// [`ErrorKind::Unhealthy`](crate::error::ErrorKind::Unhealthy) when a node does not answer.
    pub async fn remember(&mut self) -> Result<()> {
        self.settings = Settings::read(&self.topology, &self.access()).await?;
        Ok(())
    }

    /// Whether the cluster was there before.
    pub fn was_adopted(&self) -> bool {
        self.adopted
    }

    /// What was proven before [`Cluster::up`] returned.
    #[doc(hidden)]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The cluster as it was when [`Cluster::up`] returned.
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

    /// `redis[s]://[USER:PASSWORD@]HOST:PORT` of every node as a client on this host must use them, masters first.
    pub fn urls(&self) -> Vec<String> {
        let credentials = self.credentials();
        self.report()
            .nodes
            .iter()
            .map(|node| url(&node.advertised, credentials.as_ref(), self.topology.spec.tls()))
            .collect()
    }

    /// With what a client logs in, where the nodes ask for it.
    pub fn credentials(&self) -> Option<Credentials> {
        credentials::of_clients(&self.secrets)
    }

    /// With what a user of rcup's own logs in, where the nodes have such users.
    #[doc(hidden)]
    pub fn credentials_of(&self, user: OwnUser) -> Option<Credentials> {
        credentials::of_own(&self.secrets, user)
    }

    /// What a client needs that speaks TLS, where the nodes do.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.secrets.certificates.as_ref()
    }

    /// Lets the cluster live on after this handle, and after its owner.
    pub fn keep(&mut self) {
        self.guard.disarm();
        if self.topology.life.owner.is_some() && !self.adopted {
            keep(&self.runtime, &self.topology);
        }
    }

    /// Lets the cluster live on after this handle, but not after its owner.
    pub fn release(&mut self) {
        self.guard.disarm();
    }

    /// Removes the cluster, also one that was there before.
    ///
    /// # Errors
    /// What the engine refused to remove.
    pub async fn down(mut self) -> Result<Removed> {
        let span = tracing::info_span!("down", cluster = %self.name());
        let scope = Scope::Cluster(self.name().clone());
        let clearing = Clearing::of(scope, "the cluster is taken down");
        let removed = clear(&self.runtime, &clearing, &crate::event::Silent);
        let removed = removed.instrument(span).await;
        self.guard.disarm();
        removed
    }
}

/// Removes a cluster by its labels alone, whatever is left of it. Nothing to remove is success.
///
/// # Errors
/// What the engine refused to remove.
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
    // A start of the same cluster is seen to its end, and its work then removed.
    let deadline = Instant::now() + Duration::from_mins(3);
    let lock = lock(&engine.endpoint, name.as_str(), deadline, observer).await?;
    let clearing = Clearing {
        keep_volumes,
        abandoned: lock.was_abandoned(),
        ..Clearing::of(Scope::Cluster(name.clone()), "the cluster is taken down")
    };
    let removed = clear(runtime, &clearing, observer).await?;
    if removed.is_nothing() {
        observer.observe(&Event::note(format!(
            "there is nothing of cluster {name} on this engine"
        )));
    }
    Ok(removed)
}
