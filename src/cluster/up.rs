//! Starting a cluster, or adopting the one that is there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::execute::{Executor, Outcome, interrupted, overdue};
use super::form::is_forming;
use super::guard::{Clearing, Guard, clear};
use super::handle::Cluster;
use super::image::resolve;
use super::link::reachable;
use super::lock::lock;
use super::making::Making;
use super::place::{Lessons, surroundings};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, Phase, Silent};
use crate::plan::{self, Decision, Observed, Plan};
use crate::runtime::{EngineInfo, Runtime, Scope};
use crate::spec::{ClusterSpec, MOST_NODES};
use crate::topology::{Image, TakenPort, TakenSubnet, Topology};

/// How often a start is tried again on another subnet or other ports after the engine refused its choice.
const ATTEMPTS: usize = 12;

/// How long a running node may take to say whether its formation was finished.
const DOUBT: Duration = Duration::from_secs(1);

/// How a start goes about it.
#[derive(Clone)]
#[non_exhaustive]
pub struct UpOptions {
    /// How long it may take until the cluster is ready (default 2 minutes).
    pub timeout: Duration,
    /// Whether what a failed start has made stays for a closer look.
    pub keep_on_failure: bool,
    /// Ends the start early; what it has made is then removed.
    pub cancel: CancellationToken,
    /// Is told what happens.
    pub observer: Arc<dyn Observer>,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(2),
            keep_on_failure: false,
            cancel: CancellationToken::new(),
            observer: Arc::new(Silent),
        }
    }
}

impl UpOptions {
    /// The same with another deadline.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, keeping what a failed start has made.
    #[must_use]
    pub fn keep_on_failure(mut self, keep: bool) -> Self {
        self.keep_on_failure = keep;
        self
    }

    /// The same with a token that ends the start early.
    #[must_use]
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same with an observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }
}

/// One start, from the first look to the proof.
struct Start<'a, R: Runtime> {
    runtime: R,
    spec: &'a ClusterSpec,
    options: &'a UpOptions,
    begun: Instant,
    deadline: Instant,
}

/// See [`Cluster::up`].
pub(super) async fn up<R: Runtime>(
    runtime: R,
    spec: &ClusterSpec,
    options: &UpOptions,
) -> Result<Cluster<R>> {
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

/// See [`Cluster::plan`].
pub(super) async fn plan_only<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    observer: &dyn Observer,
) -> Result<Plan> {
    let engine = runtime.describe().await?;
    let observed = runtime.observe(&Scope::Everything).await?;
    let decision = doubt(plan::decide(spec, &observed)?, &observed).await?;
    let ours = observed.of(spec.name());
    match decision {
        Decision::Adopt(topology) => Ok(plan::adopt(&topology, &ours.containers)),
        Decision::Create | Decision::Replace | Decision::Doubt { .. } => {
            let image = resolve(runtime, spec, false, observer).await?;
            let place = surroundings(spec, image, &engine, &observed, &Lessons::default())?;
            let mut whole = plan::remove(&ours, false, "a start that died has left it behind");
            whole
                .stages
                .extend(plan::create(&Topology::new(spec, &place)?).stages);
            Ok(whole)
        }
    }
}

impl<R: Runtime> Start<'_, R> {
    fn observer(&self) -> &dyn Observer {
        &*self.options.observer
    }

    async fn run(self) -> Result<Cluster<R>> {
        let looked = Instant::now();
        self.observer().observe(&Event::PhaseStarted {
            phase: Phase::Engine,
            units: 0,
        });
        let engine = self.in_time(self.runtime.describe()).await?;
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
        let lock = self.or_cancelled(held).await?;
        let observed = self.in_time(self.runtime.observe(&Scope::Everything)).await?;
        let decision = plan::decide(self.spec, &observed)?;
        let decision = self.in_time(doubt(decision, &observed)).await?;
        let took = looked.elapsed();
        self.observer().observe(&Event::finished(Phase::Engine, took));
        let mut cluster = match decision {
            Decision::Adopt(topology) => self.adopt(*topology, &observed).await?,
            Decision::Create if !lock.was_abandoned() => self.create(&engine).await?,
            Decision::Create | Decision::Replace | Decision::Doubt { .. } => {
                let name = self.spec.name();
                self.observer().observe(&Event::note(format!(
                    "removing what a start of {name} that died has left behind"
                )));
                let clearing = Clearing {
                    abandoned: lock.was_abandoned(),
                    ..Clearing::of(
                        Scope::Cluster(name.clone()),
                        "a start that died has left it behind",
                    )
                };
                self.or_cancelled(clear(&self.runtime, &clearing, self.observer()))
                    .await?;
                self.create(&engine).await?
            }
        };
        cluster.timed(Phase::Engine, took, self.begun.elapsed());
        Ok(cluster)
    }

    async fn or_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.options.cancel.cancelled() => Err(interrupted()),
            result = work => result,
        }
    }

    /// For what has changed nothing yet, and can therefore be dropped.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let work = tokio::time::timeout_at(self.deadline, work);
        self.or_cancelled(async { work.await.unwrap_or_else(|_| Err(overdue())) })
            .await
    }

    fn executor(&self) -> Executor<'_, R> {
        Executor {
            runtime: &self.runtime,
            observer: self.observer(),
            deadline: self.deadline,
            cancel: &self.options.cancel,
            claim: Mutex::default(),
            making: Making::default(),
        }
    }

    /// Wakes what sleeps, and proves the whole. What was there before is not removed if that fails.
    async fn adopt(&self, topology: Topology, observed: &Observed) -> Result<Cluster<R>> {
        let ours = observed.of(self.spec.name());
        let plan = plan::adopt(&topology, &ours.containers);
        for planned in plan.steps().filter(|planned| !planned.step.waits()) {
            self.observer()
                .observe(&Event::note(format!("{}: {}", planned.step, planned.cause)));
        }
        let outcome = self
            .executor()
            .bring_up(&plan, &topology)
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
        Ok(self.finish(topology, outcome, Guard::new(self.runtime.clone()), true))
    }

    async fn create(&self, engine: &EngineInfo) -> Result<Cluster<R>> {
        let begun = Instant::now();
        self.observer().observe(&Event::PhaseStarted {
            phase: Phase::Image,
            units: 0,
        });
        let image = self
            .or_cancelled(resolve(&self.runtime, self.spec, true, self.observer()))
            .await?;
        let image_took = begun.elapsed();
        self.observer()
            .observe(&Event::finished(Phase::Image, image_took));
        if self.spec.masters() < 3 {
            let why = match self.spec.masters() {
                1 => "a single master has no other to replace it",
                _ => "two masters have no majority when one of them is lost",
            };
            self.observer().observe(&Event::warning(format!(
                "{why}: this cluster cannot fail over by itself"
            )));
        }
        debug_assert!(self.spec.nodes() <= MOST_NODES);
        let mut lessons = Lessons::default();
        let mut guard = Guard::new(self.runtime.clone());
        for attempt in 1.. {
            match self.attempt(engine, &image, &lessons, &mut guard).await {
                Ok((topology, mut outcome)) => {
                    outcome.timings.insert(Phase::Image, image_took);
                    return Ok(self.finish(topology, outcome, guard, false));
                }
                Err(Failed { topology, error }) => {
                    let lesson = topology
                        .as_ref()
                        .and_then(|topology| self.lesson(topology, &error));
                    let Some(lesson) = lesson.filter(|_| attempt < ATTEMPTS) else {
                        return Err(self.give_up(guard, error).await);
                    };
                    self.observer()
                        .observe(&Event::note(format!("trying again elsewhere: {error}")));
                    guard.try_undo(self.observer()).await;
                    if guard.is_armed() {
                        return Err(error);
                    }
                    lesson(&mut lessons);
                }
            }
        }
        Err(interrupted())
    }

    /// One attempt at one place. The choice of the place is locked until the network claims it.
    async fn attempt(
        &self,
        engine: &EngineInfo,
        image: &Image,
        lessons: &Lessons,
        guard: &mut Guard<R>,
    ) -> Result<(Topology, Outcome), Failed> {
        let nowhere = |error| Failed {
            topology: None,
            error,
        };
        let claim = lock(&engine.endpoint, "place", self.deadline, self.observer());
        let claim = self.or_cancelled(claim).await.map_err(nowhere)?;
        let observed = self.runtime.observe(&Scope::Everything);
        let observed = self.in_time(observed).await.map_err(nowhere)?;
        let place = surroundings(self.spec, image.clone(), engine, &observed, lessons).map_err(nowhere)?;
        let topology = Topology::new(self.spec, &place).map_err(nowhere)?;
        let plan = plan::create(&topology);
        guard.arm(&topology.run);
        let executor = Executor {
            claim: Mutex::new(Some(claim)),
            making: guard.making(),
            ..self.executor()
        };
        match executor.bring_up(&plan, &topology).await {
            Ok(outcome) => Ok((topology, outcome)),
            Err(error) => Err(Failed {
                topology: Some(Box::new(topology)),
                error,
            }),
        }
    }

    /// What an attempt's failure teaches, where the user has left the choice to rcup.
    fn lesson(&self, topology: &Topology, error: &Error) -> Option<impl FnOnce(&mut Lessons) + use<R>> {
        let place = &topology.surroundings;
        let by = "something that the engine sees".to_owned();
        let kind = error.kind();
        let open = match kind {
            ErrorKind::Subnet => self.spec.subnet().is_none(),
            ErrorKind::Port => self.spec.port().is_none(),
            ErrorKind::Limit => true,
            ErrorKind::Address => self.spec.announce() == crate::spec::AnnounceChoice::Auto,
            _ => false,
        };
        let subnet = TakenSubnet {
            subnet: place.subnet,
            by: by.clone(),
        };
        let ports: Vec<TakenPort> = topology
            .nodes
            .iter()
            .map(|node| TakenPort {
                port: node.port,
                by: by.clone(),
            })
            .collect();
        open.then_some(move |lessons: &mut Lessons| match kind {
            ErrorKind::Subnet => lessons.subnets.push(subnet),
            ErrorKind::Port => lessons.ports.extend(ports),
            ErrorKind::Limit => lessons.open_files_refused = true,
            _ => lessons.bridge_unreachable = true,
        })
    }

    async fn give_up(&self, mut guard: Guard<R>, error: Error) -> Error {
        if self.options.keep_on_failure {
            if guard.is_armed() {
                guard.disarm();
                let name = self.spec.name();
                self.observer().observe(&Event::note(format!(
                    "what was made is kept: see `rcup logs {name}`, remove it with `rcup down {name}`"
                )));
            }
            return error;
        }
        guard.undo_after(error, self.observer()).await
    }

    fn finish(&self, topology: Topology, outcome: Outcome, guard: Guard<R>, adopted: bool) -> Cluster<R> {
        Cluster::new(self.runtime.clone(), topology, outcome, guard, adopted)
    }
}

/// An attempt that failed, and where it was, if it got so far.
struct Failed {
    topology: Option<Box<Topology>>,
    error: Error,
}

/// Asks the nodes that run whether their formation was ever finished. An unfinished cluster without a key
/// is nobody's, and is replaced; one that has lost nodes is not touched.
async fn doubt(decision: Decision, observed: &Observed) -> Result<Decision> {
    let (topology, missing) = match &decision {
        Decision::Create | Decision::Replace => return Ok(decision),
        Decision::Adopt(topology) => (topology, Vec::new()),
        Decision::Doubt { topology, missing } => (topology, missing.clone()),
    };
    let running = observed.of(topology.name()).running();
    let links = reachable(topology, &running, DOUBT).await;
    let answers = join_all(links.iter().map(|(_, link)| async {
        let forming = is_forming(topology, link).await.unwrap_or(false);
        let keys = link.keys().await.unwrap_or(u64::MAX);
        (forming, keys)
    }))
    .await;
    let unfinished = answers.iter().any(|(forming, _)| *forming);
    let keys = answers.iter().any(|(_, keys)| *keys > 0);
    if unfinished && !keys {
        return Ok(Decision::Replace);
    }
    if !missing.is_empty() {
        return Err(plan::damaged(topology.name(), &missing));
    }
    Ok(decision)
}
