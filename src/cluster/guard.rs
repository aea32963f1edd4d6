//! Undoing what a start has made, whatever ends it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::execute::Executor;
use super::making::Making;
use crate::error::{Error, Result};
use crate::event::{Event, Observer, Silent};
use crate::plan::remove;
use crate::runtime::{Runtime, Scope};

/// How long an undo may take.
const UNDO: Duration = Duration::from_secs(120);

/// Removes everything that carries a run's mark, when it is dropped armed: on an error, in a panic, or
/// because the future of the start was dropped. It exists before the first thing is made.
pub(super) struct Guard<R: Runtime> {
    runtime: R,
    run: Option<String>,
    making: Making,
}

impl<R: Runtime> Guard<R> {
    /// A guard that has nothing to remove yet.
    pub(super) fn new(runtime: R) -> Self {
        Self {
            runtime,
            run: None,
            making: Making::default(),
        }
    }

    /// Where the start notes what it has asked for.
    pub(super) fn making(&self) -> Making {
        self.making.clone()
    }

    /// From now on everything of this run will be removed.
    pub(super) fn arm(&mut self, run: &str) {
        self.run = Some(run.to_owned());
    }

    /// Nothing will be removed any more.
    pub(super) fn disarm(&mut self) {
        self.run = None;
    }

    /// Whether something would be removed.
    pub(super) fn is_armed(&self) -> bool {
        self.run.is_some()
    }

    /// Removes it now.
    async fn undo(&mut self, observer: &dyn Observer) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let scope = Scope::Run(run.clone());
        self.making.settle(&self.runtime, &scope).await;
        clear(&self.runtime, &scope, false, "the start is undone", observer).await?;
        self.disarm();
        Ok(())
    }

    /// Removes it after a failure, which stays the error that is told.
    pub(super) async fn undo_after(&mut self, failure: Error, observer: &dyn Observer) -> Error {
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
    pub(super) async fn try_undo(&mut self, observer: &dyn Observer) {
        if let Err(stuck) = self.undo(observer).await {
            observer.observe(&Event::warning(format!(
                "not everything could be removed ({stuck}): use `rcup down`"
            )));
        }
    }
}

impl<R: Runtime> Drop for Guard<R> {
    /// On a thread of its own with its own executor, because whatever runtime this is dropped on, if any,
    /// may be about to end.
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        let (runtime, making) = (self.runtime.clone(), self.making.clone());
        let cleaner = std::thread::spawn(move || {
            let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match executor {
                Ok(executor) => executor.block_on(async {
                    let scope = Scope::Run(run.clone());
                    making.settle(&runtime, &scope).await;
                    if let Err(error) =
                        clear(&runtime, &scope, false, "the handle was dropped", &Silent).await
                    {
                        tracing::warn!(run, %error, "not everything could be removed");
                    }
                }),
                Err(error) => tracing::warn!(run, %error, "no executor to clean up with"),
            }
        });
        if cleaner.join().is_err() {
            tracing::warn!("the clean-up panicked");
        }
    }
}

/// Removes everything in `scope` until nothing of it is seen any more. What could not be removed is tried
/// again as long as something else could be.
pub(super) async fn clear<R: Runtime>(
    runtime: &R,
    scope: &Scope,
    keep_volumes: bool,
    cause: &str,
    observer: &dyn Observer,
) -> Result<Removed> {
    let cancel = CancellationToken::new();
    let deadline = Instant::now() + UNDO;
    let mut begun = BTreeSet::new();
    let mut stuck: Option<(usize, Error)> = None;
    loop {
        let plan = remove(&runtime.observe(scope).await?, keep_volumes, cause);
        let left = plan.steps().count();
        match stuck.take() {
            _ if plan.is_empty() => return Ok(Removed::of(&begun)),
            Some((before, error)) if left >= before => return Err(error),
            _ => {}
        }
        begun.extend(
            plan.steps()
                .map(|planned| (planned.step.action(), planned.step.to_string())),
        );
        let executor = Executor {
            runtime,
            observer,
            deadline,
            cancel: &cancel,
            claim: std::sync::Mutex::default(),
            making: Making::default(),
        };
        if let Err(error) = executor.remove(&plan).await {
            stuck = Some((left, error));
        }
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
