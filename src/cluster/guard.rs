//! Undoing what a start has made, whatever ends it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::execute::Executor;
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
}

impl<R: Runtime> Guard<R> {
    /// A guard that has nothing to remove yet.
    pub(super) fn new(runtime: R) -> Self {
        Self { runtime, run: None }
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
    pub(super) async fn undo(&mut self, observer: &dyn Observer) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        clear(
            &self.runtime,
            &Scope::Run(run.clone()),
            false,
            "the start is undone",
            observer,
        )
        .await?;
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
        match self.undo(observer).await {
            Ok(()) => failure,
            Err(error) => {
                observer.observe(&Event::warning(format!(
                    "not everything could be removed ({error}): use `rcup down`"
                )));
                failure
            }
        }
    }
}

impl<R: Runtime> Drop for Guard<R> {
    /// On a thread of its own with its own executor, because whatever runtime this is dropped on, if any,
    /// may be about to end.
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        let runtime = self.runtime.clone();
        let cleaner = std::thread::spawn(move || {
            let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match executor {
                Ok(executor) => executor.block_on(async {
                    let scope = Scope::Run(run.clone());
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

/// Removes everything in `scope` until nothing of it is seen any more. What was being made when its maker
/// died may appear only after the first look.
pub(super) async fn clear<R: Runtime>(
    runtime: &R,
    scope: &Scope,
    keep_volumes: bool,
    cause: &str,
    observer: &dyn Observer,
) -> Result<Removed> {
    let cancel = CancellationToken::new();
    let deadline = Instant::now() + UNDO;
    let mut removed = Removed::default();
    loop {
        let observed = runtime.observe(scope).await?;
        let plan = remove(&observed, keep_volumes, cause);
        if plan.is_empty() {
            return Ok(removed);
        }
        removed.containers += observed.containers.len();
        removed.networks += observed.networks.len();
        removed.volumes += if keep_volumes { 0 } else { observed.volumes.len() };
        let executor = Executor {
            runtime,
            observer,
            deadline,
            cancel: &cancel,
            claim: std::sync::Mutex::default(),
        };
        executor.remove(&plan).await?;
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
    /// Whether there was nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}
