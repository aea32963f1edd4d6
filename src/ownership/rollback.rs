//! Undoing what a start has made, whatever ends it.

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

/// How long an undo may take.
const UNDO: Duration = Duration::from_mins(2);

/// How long nothing new must come to light after a start was killed. The engine has usually made what it was
/// asked for within a tenth of a second.
const QUIET: Duration = Duration::from_secs(1);

/// How long what cannot be removed is tried again without anything else changing. A container that the engine
/// is still making holds its volume before it can be seen; on a busy machine that has lasted two seconds.
const HELD: Duration = Duration::from_secs(5);

/// Removes everything that carries a run's mark, when it is dropped armed: on an error, in a panic, or
/// because the future of the start was dropped. It exists before the first thing is made.
pub(crate) struct Guard<R: Runtime> {
    runtime: R,
    run: Option<String>,
    keep_volumes: bool,
    making: Making,
}

impl<R: Runtime> Guard<R> {
    /// A guard that has nothing to remove yet.
    pub(crate) fn new(runtime: R) -> Self {
        Self {
            runtime,
            run: None,
            keep_volumes: false,
            making: Making::default(),
        }
    }

    /// Where the start notes what it has asked for.
    pub(crate) fn making(&self) -> Making {
        self.making.clone()
    }

    /// From now on everything of this run will be removed.
    pub(crate) fn arm(&mut self, run: &str) {
        self.run = Some(run.to_owned());
    }

    /// From now on the volumes with data stay, whatever is removed.
    pub(crate) fn keep_volumes(&mut self) {
        self.keep_volumes = true;
    }

    /// Nothing will be removed any more.
    pub(crate) fn disarm(&mut self) {
        self.run = None;
    }

    /// Whether something would be removed.
    pub(crate) fn is_armed(&self) -> bool {
        self.run.is_some()
    }

    /// Removes it now.
    async fn undo(&mut self, observer: &dyn Observer) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let scope = Scope::Run(run.clone());
        self.making.settle(&self.runtime, &scope).await;
        clear(
            &self.runtime,
            &Clearing::of(scope, "the start is undone"),
            observer,
        )
        .await?;
        self.disarm();
        Ok(())
    }

    /// Removes it after a failure, which stays the error that is told.
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

    /// Removes it now. That something could not be removed is only a warning, because another failure is the
    /// one to tell; the guard stays armed.
    pub(crate) async fn try_undo(&mut self, observer: &dyn Observer) {
        if let Err(stuck) = self.undo(observer).await {
            observer.observe(&Event::warning(format!(
                "not everything could be removed ({stuck}): use `rcup down`"
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
                tracing::warn!(run, %error, "not everything could be removed");
            }
        });
    }
}

/// What is removed, and how.
#[derive(Clone, Debug)]
pub(crate) struct Clearing<'a> {
    pub(crate) scope: Scope,
    pub(crate) keep_volumes: bool,
    /// Whether whoever made it was killed, so that the engine may still be making what it had asked for.
    pub(crate) abandoned: bool,
    /// Why, for the plan.
    pub(crate) cause: &'a str,
}

impl<'a> Clearing<'a> {
    /// Everything in `scope`.
    pub(crate) fn of(scope: Scope, cause: &'a str) -> Self {
        Self {
            scope,
            keep_volumes: false,
            abandoned: false,
            cause,
        }
    }
}

/// Removes until nothing is seen any more. What could not be removed is tried again until for [`HELD`] nothing
/// else could be and nothing new has come to light: a volume may be held by a container that the engine had not
/// made yet at the first look.
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

/// How much was removed.
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
    /// By the actions and the objects of the steps that were carried out.
    fn of(steps: &BTreeSet<(&str, String)>) -> Self {
        let count = |wanted: &str| steps.iter().filter(|(action, _)| *action == wanted).count();
        Self {
            containers: count("remove-container"),
            networks: count("remove-network"),
            volumes: count("remove-volume"),
        }
    }

    /// Whether there was nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}
