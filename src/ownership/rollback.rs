//! Rollback of a start, however it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::event::{Event, Observer, Silent};
use crate::ownership::background::aside;
use crate::ownership::pending::Making;
use crate::ownership::{run_files, steps};
use crate::plan::down::remove;
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels::RUN;
use crate::wait::between_looks;

/// Time limit of a rollback.
const UNDO: Duration = Duration::from_mins(2);

/// How long no new object may appear after a start was killed. The container engine usually completes
/// open requests within a tenth of a second.
const QUIET: Duration = Duration::from_secs(1);

/// How long a failed removal is retried while nothing else changes. A container that the container engine
/// is still creating holds its volume before it is listed; on a busy host that took two seconds.
const HELD: Duration = Duration::from_secs(5);

/// Removes all objects with a run's label when it is dropped while armed: on an error, in a panic, or
/// because the future of the start was dropped. It is created before the first object.
pub(crate) struct Guard<R: Runtime> {
    runtime: R,
    run: Option<String>,
    keep_volumes: bool,
    making: Making,
}

impl<R: Runtime> Guard<R> {
    /// A disarmed guard.
    pub(crate) fn new(runtime: R) -> Self {
        Self {
            runtime,
            run: None,
            keep_volumes: false,
            making: Making::default(),
        }
    }

    /// Open requests of the start.
    pub(crate) fn making(&self) -> Making {
        self.making.clone()
    }

    /// Arms the guard: all objects of this run will be removed.
    pub(crate) fn arm(&mut self, run: &str) {
        self.run = Some(run.to_owned());
    }

    /// Keeps the data volumes from now on.
    pub(crate) fn keep_volumes(&mut self) {
        self.keep_volumes = true;
    }

    /// Disarms the guard.
    pub(crate) fn disarm(&mut self) {
        self.run = None;
    }

    /// Whether it is armed.
    pub(crate) fn is_armed(&self) -> bool {
        self.run.is_some()
    }

    /// Rolls back now.
    async fn undo(&mut self, observer: &dyn Observer) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let scope = Scope::Run(run.clone());
        self.making.settle(&self.runtime, &scope).await;
        clear(
            &self.runtime,
            &Clearing::of(scope, "the start was rolled back"),
            observer,
        )
        .await?;
        self.disarm();
        Ok(())
    }

    /// Rolls back after a failure, which stays the reported error.
    pub(crate) async fn undo_after(&mut self, failure: Error, observer: &dyn Observer) -> Error {
        if !self.is_armed() {
            return failure;
        }
        observer.observe(&Event::Undoing {
            reason: failure.to_string(),
        });
        self.try_undo(observer).await;
        failure
    }

    /// Rolls back now. An incomplete cleanup is only a warning, because another failure is the
    /// one to report; the guard stays armed.
    pub(crate) async fn try_undo(&mut self, observer: &dyn Observer) {
        if let Err(stuck) = self.undo(observer).await {
            observer.observe(&Event::warning(format!(
                "cleanup incomplete ({stuck}): run `rcup down`"
            )));
        }
    }
}

impl<R: Runtime> Drop for Guard<R> {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        let (runtime, making) = (self.runtime.clone(), self.making.clone());
        let keep_volumes = self.keep_volumes;
        aside("clean up", async move {
            let scope = Scope::Run(run.clone());
            making.settle(&runtime, &scope).await;
            let clearing = Clearing {
                keep_volumes,
                ..Clearing::of(scope, "the handle was dropped")
            };
            if let Err(error) = clear(&runtime, &clearing, &Silent).await {
                tracing::warn!(run, %error, "cleanup incomplete");
            }
        });
    }
}

/// Options of a cleanup.
#[derive(Clone, Debug)]
pub(crate) struct Clearing<'a> {
    pub(crate) scope: Scope,
    pub(crate) keep_volumes: bool,
    /// Whether the creator was killed, so that the container engine may still be processing its requests.
    pub(crate) abandoned: bool,
    /// Cause, for the plan.
    pub(crate) cause: &'a str,
}

impl<'a> Clearing<'a> {
    /// Removes everything in `scope`.
    pub(crate) fn of(scope: Scope, cause: &'a str) -> Self {
        Self {
            scope,
            keep_volumes: false,
            abandoned: false,
            cause,
        }
    }
}

/// Removes until no object is left. Failed removals are retried until, for [`HELD`], nothing else was removed and
/// nothing new appeared: a volume may be held by a container that the container engine had not listed yet.
pub(crate) async fn clear<R: Runtime>(
    runtime: &R,
    clearing: &Clearing<'_>,
    observer: &dyn Observer,
) -> Result<Removed> {
    let deadline = Instant::now() + UNDO;
    let mut begun = BTreeSet::new();
    let mut runs = BTreeSet::new();
    let mut stuck: Option<(usize, Error)> = None;
    let mut moved = Instant::now();
    let mut quiet_since = Instant::now();
    loop {
        let observed = runtime.observe(&clearing.scope).await?;
        let plan = remove(&observed, clearing.keep_volumes, clearing.cause);
        runs.extend(
            observed
                .all_labels()
                .filter_map(|labels| labels.get(RUN).cloned()),
        );
        if plan.is_empty() {
            if !clearing.abandoned || quiet_since.elapsed() >= QUIET {
                for run in &runs {
                    run_files::forget(run);
                }
                return Ok(Removed::of(&begun));
            }
            between_looks().await;
            continue;
        }
        let named: BTreeSet<_> = plan
            .steps()
            .map(|planned| (planned.step.action(), planned.step.to_string()))
            .collect();
        let news = named.difference(&begun).next().is_some();
        let left = named.len();
        match stuck.take() {
            Some((before, error)) if left >= before && !news => {
                if moved.elapsed() >= HELD {
                    return Err(error);
                }
                between_looks().await;
            }
            _ => moved = Instant::now(),
        }
        begun.extend(named);
        let removal = steps::remove(runtime, &plan, observer, deadline);
        if let Err(error) = Box::pin(removal).await {
            stuck = Some((left, error));
        }
        quiet_since = Instant::now();
    }
}

/// Number of removed objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Containers.
    pub containers: usize,
    /// Networks.
    pub networks: usize,
    /// Volumes.
    pub volumes: usize,
}

impl Removed {
    /// Counts the executed steps.
    fn of(steps: &BTreeSet<(&str, String)>) -> Self {
        let count = |wanted: &str| steps.iter().filter(|(action, _)| *action == wanted).count();
        Self {
            containers: count("remove-container"),
            networks: count("remove-network"),
            volumes: count("remove-volume"),
        }
    }

    /// Whether nothing was removed.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}
