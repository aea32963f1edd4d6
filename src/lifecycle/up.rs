//! Starts a cluster, or adopts the existing one.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use tokio::time::Instant;

use crate::connect::credentials;
use crate::connect::host_container::{inside, join};
use crate::doctor::gather;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, Phase};
use crate::image::select::{Images, resolve};
use crate::lifecycle::dry_run::INTERRUPTED;
use crate::lifecycle::execute::{Executor, Outcome};
use crate::lifecycle::options::UpOptions;
use crate::lifecycle::placement::{Reach, choose, is_this_machine, machine, network};
use crate::lifecycle::prepare::{Prepared, prepare};
use crate::lifecycle::prune::beside;
use crate::lifecycle::reset::initial_settings;
use crate::lifecycle::reset::settings::Settings;
use crate::lifecycle::retry::{RetryConstraints, another, constraint};
use crate::lifecycle::secrets::cluster;
use crate::lifecycle::warnings::warn;
use crate::ownership::lock::{Lock, lock};
use crate::ownership::pending::Making;
use crate::ownership::rollback::{Clearing, Guard, clear};
use crate::ownership::steps::{interrupted, overdue};
use crate::plan;
use crate::plan::up::Decision;
use crate::runtime::interface::{EngineInfo, Runtime, Scope};
use crate::runtime::observed::Observed;
use crate::spec::cluster::{ClusterSpec, MOST_NODES};
use crate::spec::expiry::Life;
use crate::spec::security::Secrets;
use crate::topology::layout::Topology;

/// Alternative in the hint, if this process runs in a container that is not on the network that the user chose.
const ELSEWHERE: &str = "leave --network out, and it joins the cluster's own";

/// Maximum number of attempts with other subnets or ports after the container engine refused the choice.
const ATTEMPTS: usize = 12;

/// One start, from the first query to the readiness check.
struct Start<'a, R: Runtime> {
    runtime: R,
    spec: &'a ClusterSpec,
    options: &'a UpOptions,
    begun: Instant,
    deadline: Instant,
}

/// A cluster that has been started or adopted.
pub(crate) struct Started<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) topology: Topology,
    pub(crate) secrets: Secrets,
    pub(crate) outcome: Outcome,
    /// Removes what the start created, until it is disarmed.
    pub(crate) guard: Guard<R>,
    /// Whether the cluster existed before.
    pub(crate) adopted: bool,
    /// How long the whole start took.
    pub(crate) total: Duration,
}

/// Starts or adopts a cluster, see [`Cluster::up`](crate::Cluster::up).
pub(crate) async fn up<R: Runtime>(
    runtime: R,
    spec: &ClusterSpec,
    options: &UpOptions,
) -> Result<Started<R>> {
    let begun = Instant::now();
    let start = Start {
        runtime,
        spec,
        options,
        begun,
        deadline: begun + options.timeout,
    };
    start.run().await
}

impl<R: Runtime> Start<'_, R> {
    fn observer(&self) -> &dyn Observer {
        &*self.options.observer
    }

    async fn run(self) -> Result<Started<R>> {
        let looked = Instant::now();
        self.observer().observe(&Event::PhaseStarted {
            phase: Phase::Engine,
            units: 0,
        });
        let engine = self.in_time(self.runtime.describe().boxed()).await?;
        self.observer().observe(&Event::note(format!(
            "engine {} at {}, found by {}",
            engine.version, engine.endpoint, engine.found_by
        )));
        // Held until the end, so that a second start of the same cluster becomes an adoption.
        let held = lock(
            &engine.endpoint,
            self.spec.name().as_str(),
            self.deadline,
            self.observer(),
        );
        let lock = self.or_cancelled(held.boxed()).await?;
        let mut prepared = self.prepare(&engine, &lock).boxed().await?;
        if prepared.clears {
            self.clear(&lock, true).boxed().await?;
            prepared = self.prepare(&engine, &lock).boxed().await?;
        }
        if let Decision::Restore(topology) = &prepared.decision {
            self.restore(topology, &prepared.observed).boxed().await?;
            prepared = self.prepare(&engine, &lock).boxed().await?;
        }
        let Prepared {
            observed,
            decision,
            secrets,
            orphans,
            ..
        } = prepared;
        let took = looked.elapsed();
        self.observer().observe(&Event::finished(Phase::Engine, took));
        // Only a new cluster on this host's kernel is checked here; for another kernel, there is `rcup doctor`.
        let new = !matches!(decision, Decision::Adopt(_));
        let here = engine.local && is_this_machine(&observed.networks);
        if new && here {
            gather::quick::look(self.spec.profile(), self.options.strict, self.observer())?;
        } else if self.options.strict {
            let why = if new {
                "the containers run on another machine's kernel"
            } else {
                "the cluster is there already"
            };
            self.observer().observe(&Event::warning(format!(
                "--strict did not look at the host, because {why}: `rcup doctor` looks"
            )));
        }
        let sweep = async {
            let beside = beside(&self.runtime, &engine.endpoint, orphans, self.observer());
            beside.boxed().await;
            std::future::pending().await
        };
        let mut cluster = tokio::select! {
            biased;
            cluster = self.carry_out((decision, secrets), &engine, &observed, &lock).boxed() => cluster?,
            never = sweep => never,
        };
        cluster.outcome.timings.insert(Phase::Engine, took);
        cluster.total = self.begun.elapsed();
        Ok(cluster)
    }

    async fn carry_out(
        &self,
        (decision, secrets): (Decision, Secrets),
        engine: &EngineInfo,
        observed: &Observed,
        lock: &Lock,
    ) -> Result<Started<R>> {
        match decision {
            Decision::Adopt(topology) => self.adopt(*topology, secrets, observed).boxed().await,
            Decision::Create => self.create(engine).boxed().await,
            // The restored objects are missing again: another process is working on the cluster.
            Decision::Restore(topology) => Err(plan::up::damaged(topology.name(), &[1])),
            Decision::Replace | Decision::Doubt { .. } => {
                self.clear(lock, false).boxed().await?;
                self.create(engine).boxed().await
            }
        }
    }

    async fn prepare(&self, engine: &EngineInfo, lock: &Lock) -> Result<Prepared> {
        let prepared = prepare(&self.runtime, self.spec, engine, lock.was_abandoned());
        self.in_time(prepared.boxed()).await
    }

    /// Removes the objects of an interrupted start.
    async fn clear(&self, lock: &Lock, keep_volumes: bool) -> Result<()> {
        let name = self.spec.name();
        self.observer().observe(&Event::note(format!(
            "removing what a start of {name} that died has left behind"
        )));
        let clearing = Clearing {
            abandoned: lock.was_abandoned(),
            keep_volumes,
            ..Clearing::of(Scope::Cluster(name.clone()), INTERRUPTED)
        };
        self.or_cancelled(clear(&self.runtime, &clearing, self.observer()).boxed())
            .await
            .map(drop)
    }

    async fn or_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.options.cancel.cancelled() => Err(interrupted()),
            result = work => result,
        }
    }

    /// Applies the deadline to work that has not changed anything yet, and can therefore be dropped.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let work = tokio::time::timeout_at(self.deadline, work);
        self.or_cancelled(async { work.await.unwrap_or_else(|_| Err(overdue())) })
            .await
    }

    fn executor(&self, secrets: &Secrets) -> Executor<'_, R> {
        Executor {
            runtime: &self.runtime,
            observer: self.observer(),
            deadline: self.deadline,
            cancel: &self.options.cancel,
            access: credentials::access(secrets),
            claim: Mutex::default(),
            making: Making::default(),
        }
    }

    /// Recreates the missing objects of a cluster whose data is on volumes. If that fails, the recreated objects
    /// are kept for the next attempt.
    async fn restore(&self, topology: &Topology, observed: &Observed) -> Result<()> {
        let name = topology.name();
        self.observer().observe(&Event::note(format!(
            "the data of {name} is on its volumes: making again what is gone around them"
        )));
        let plan = plan::up::restore(topology, &observed.of(name));
        self.executor(&Secrets::default())
            .bring_up(&plan, topology)
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::Port | ErrorKind::Subnet => error.hint(
                    "The nodes know each other by their addresses, which are in their data: free what is taken, \
                     then start again.",
                ),
                _ => error,
            })?;
        Ok(())
    }

    /// Starts stopped nodes and verifies readiness. Existing objects are not removed if that fails.
    async fn adopt(&self, topology: Topology, secrets: Secrets, observed: &Observed) -> Result<Started<R>> {
        let ours = observed.of(self.spec.name());
        cluster::same(self.spec, &secrets)?;
        let plan = plan::up::adopt(&topology, &ours.containers);
        for planned in plan.steps().filter(|planned| !planned.step.waits()) {
            self.observer()
                .observe(&Event::note(format!("{}: {}", planned.step, planned.cause)));
        }
        self.enter(&topology).boxed().await?;
        let outcome = self
            .executor(&secrets)
            .bring_up(&plan, &topology)
            .boxed()
            .await
            .map_err(|error| {
                if error.kind() == ErrorKind::Timeout {
                    let name = topology.name();
                    Error::new(
                        ErrorKind::Unhealthy,
                        format!("cluster {name} is there, but does not get ready"),
                    )
                    .because(error)
                    .hint(format!("See `rcup status {name}` and `rcup logs {name}`."))
                } else {
                    error
                }
            })?;
        Ok(self.finish(topology, secrets, outcome, Guard::new(self.runtime.clone()), true))
    }

    /// Ensures that the nodes are reachable if this process runs in a container. Does not change objects of the user.
    async fn enter(&self, topology: &Topology) -> Result<()> {
        if let Some(network) = self.spec.network() {
            return self
                .in_time(inside(&self.runtime, network, ELSEWHERE).boxed())
                .await;
        }
        let (network, guests) = (topology.network(), topology.guests());
        self.in_time(join(&self.runtime, &network, &guests, self.observer()))
            .await
    }

    async fn create(&self, engine: &EngineInfo) -> Result<Started<R>> {
        let begun = Instant::now();
        self.observer().observe(&Event::PhaseStarted {
            phase: Phase::Image,
            units: 0,
        });
        let images = self
            .or_cancelled(resolve(&self.runtime, self.spec, true, self.observer()).boxed())
            .await?;
        let image_took = begun.elapsed();
        self.observer()
            .observe(&Event::finished(Phase::Image, image_took));
        warn(self.spec, &images, self.observer());
        debug_assert!(self.spec.nodes() <= MOST_NODES);
        let mut constraints = RetryConstraints::default();
        let mut guard = Guard::new(self.runtime.clone());
        for attempt in 1.. {
            match self
                .attempt(engine, &images, &constraints, &mut guard)
                .boxed()
                .await
            {
                Ok((topology, secrets, mut outcome)) => {
                    outcome.timings.insert(Phase::Image, image_took);
                    outcome.settings = self.settings(&topology, &outcome).boxed().await;
                    return Ok(self.finish(topology, secrets, outcome, guard, false));
                }
                Err(Failed { topology, error }) => {
                    let avoid = topology
                        .as_ref()
                        .and_then(|topology| constraint(self.spec, topology, &error));
                    let Some(avoid) = avoid.filter(|_| attempt < ATTEMPTS) else {
                        return Err(self.give_up(guard, error).boxed().await);
                    };
                    self.observer().observe(&Event::note(format!(
                        "trying again with {}: {error}",
                        another(error.kind())
                    )));
                    guard.try_undo(self.observer()).boxed().await;
                    if guard.is_armed() {
                        return Err(error);
                    }
                    avoid(&mut constraints);
                }
            }
        }
        Err(interrupted())
    }

    /// Reads the settings that a reset restores. If the nodes can no longer be queried, the cluster is still ready,
    /// and a reset uses the planned settings.
    async fn settings(&self, topology: &Topology, outcome: &Outcome) -> Option<Settings> {
        let links = outcome.links.as_ref()?;
        match self.in_time(Settings::of(links).boxed()).await {
            Ok(settings) => {
                initial_settings::keep(topology, &settings);
                Some(settings)
            }
            Err(error) => {
                tracing::debug!(%error, "the settings of a new cluster could not be read");
                None
            }
        }
    }

    /// Runs one attempt with one placement. The choice of the placement is locked until the network reserves it.
    async fn attempt(
        &self,
        engine: &EngineInfo,
        images: &Images,
        constraints: &RetryConstraints,
        guard: &mut Guard<R>,
    ) -> Result<(Topology, Secrets, Outcome), Failed> {
        let nowhere = |error| Failed {
            topology: None,
            error,
        };
        let claim = lock(&engine.endpoint, "place", self.deadline, self.observer());
        let claim = self.or_cancelled(claim.boxed()).await.map_err(nowhere)?;
        let observed = self.runtime.observe(&Scope::Everything);
        let observed = self.in_time(observed.boxed()).await.map_err(nowhere)?;
        let machine = self.in_time(machine(&self.runtime, engine, &observed).boxed());
        let machine = machine.await.map_err(nowhere)?;
        let network = self.in_time(network(&self.runtime, self.spec).boxed());
        let network = network.await.map_err(nowhere)?;
        let network = network.as_ref();
        let images = images.clone();
        if let Some(network) = self.spec.network() {
            self.in_time(inside(&self.runtime, network, ELSEWHERE).boxed())
                .await
                .map_err(nowhere)?;
        }
        let own = self
            .in_time(self.runtime.own_container().boxed())
            .await
            .map_err(nowhere)?;
        let reach = Reach::measure(&self.runtime, engine, &observed.networks, own.as_ref());
        let reach = reach.boxed().await;
        let constrained = constraints.and(reach.reachable);
        let place = choose(
            self.spec,
            images,
            machine,
            engine,
            &observed,
            network,
            &constrained,
        );
        let place = place.map_err(nowhere)?;
        let topology = Topology::new(self.spec, &place)
            .map_err(nowhere)?
            .with_life(self.life());
        let secrets = cluster::make(&topology).map_err(nowhere)?;
        let plan = plan::up::create(&topology, &secrets);
        guard.arm(&topology.run);
        let executor = Executor {
            claim: Mutex::new(Some(claim)),
            making: guard.making(),
            ..self.executor(&secrets)
        };
        match executor.bring_up(&plan, &topology).boxed().await {
            Ok(outcome) => {
                for decided in reach.decided(&topology, constraints) {
                    self.observer().observe(&Event::note(decided));
                }
                Ok((topology, secrets, outcome))
            }
            Err(error) => Err(Failed {
                topology: Some(Box::new(topology)),
                error,
            }),
        }
    }

    fn life(&self) -> Life {
        let life = Life {
            owner: self.options.owner.clone(),
            expires: None,
        };
        match self.options.ttl {
            Some(ttl) => life.until(SystemTime::now(), ttl),
            None => life,
        }
    }

    async fn give_up(&self, mut guard: Guard<R>, error: Error) -> Error {
        if self.options.keep_on_failure {
            if guard.is_armed() {
                guard.disarm();
                let name = self.spec.name();
                self.observer().observe(&Event::note(format!(
                    "the containers are kept: see `rcup logs {name}`, remove them with `rcup down {name}`"
                )));
            }
            return error;
        }
        guard.undo_after(error, self.observer()).await
    }

    fn finish(
        &self,
        topology: Topology,
        secrets: Secrets,
        outcome: Outcome,
        mut guard: Guard<R>,
        adopted: bool,
    ) -> Started<R> {
        if topology.spec.persist() {
            guard.keep_volumes();
        }
        Started {
            runtime: self.runtime.clone(),
            topology,
            secrets,
            outcome,
            guard,
            adopted,
            total: Duration::ZERO,
        }
    }
}

/// A failed attempt, with its topology if it got that far.
struct Failed {
    topology: Option<Box<Topology>>,
    error: Error,
}
