//! Runs the steps of a stage concurrently, and executes removal plans.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::ownership::phases::Phases;
use crate::plan::step::{Plan, Step};
use crate::runtime::interface::Runtime;

/// Number of containers created or removed concurrently. Measured: the container engine serializes most of this
/// work, and more requests only make each of them wait longer.
const SIDE_BY_SIDE: usize = 4;

/// Number of containers started concurrently. A start mostly waits for its own processes,
/// so more can run in parallel; but running calls must be awaited after an interruption.
const STARTS: usize = 8;

/// How long running calls may take to finish after a failure or a cancellation.
const GRACE: Duration = Duration::from_secs(15);

/// Applies a step to the container engine.
pub(crate) trait Effects: Send + Sync {
    /// Applies one step.
    ///
    /// # Errors
    /// When the container engine refuses it.
    fn apply(&self, step: &Step) -> impl Future<Output = Result<()>> + Send;
}

/// Runs steps until they are done, the deadline passes, or the operation is cancelled.
pub(crate) struct StepRunner<'a> {
    pub(crate) observer: &'a dyn Observer,
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
}

impl StepRunner<'_> {
    /// Runs the steps of one stage concurrently, each after the steps that it needs. After the first failure no
    /// further step starts, but running calls are awaited: a container engine whose client disconnects while it
    /// creates a container still creates it, after the cleanup has listed the containers. The wait is limited to
    /// [`GRACE`].
    pub(crate) async fn run(
        &self,
        steps: &[&Step],
        effects: &impl Effects,
        phases: &Phases<'_>,
        stopping: &CancellationToken,
    ) -> Result<()> {
        let (others, starts) = (&Semaphore::new(SIDE_BY_SIDE), &Semaphore::new(STARTS));
        let done: &[CancellationToken] = &steps.iter().map(|_| CancellationToken::new()).collect::<Vec<_>>();
        let mut running: FuturesUnordered<_> = steps
            .iter()
            .zip(done)
            .map(|(step, own)| async move {
                let needed = steps.iter().zip(done).filter(|(other, _)| step.needs(other));
                for (_, needed) in needed {
                    tokio::select! {
                        () = needed.cancelled() => {}
                        () = stopping.cancelled() => return Ok(()),
                    }
                }
                let turns = if matches!(step, Step::StartNode { .. }) {
                    starts
                } else {
                    others
                };
                let turn = turns.acquire().await;
                if stopping.is_cancelled() {
                    return Ok(());
                }
                effects.apply(step).await?;
                drop(turn);
                own.cancel();
                phases.done(step);
                Ok(())
            })
            .collect();
        let failure = loop {
            let next = tokio::select! {
                biased;
                stop = self.stopped() => Some(Err(stop)),
                next = running.next() => next,
            };
            match next {
                None => return Ok(()),
                Some(Ok(())) => {}
                Some(Err(error)) => break error,
            }
        };
        stopping.cancel();
        let rest = running.for_each(|_| std::future::ready(()));
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            self.observer.observe(&Event::warning(format!(
                "no response from the container engine within {} s; giving up",
                GRACE.as_secs()
            )));
        }
        Err(failure)
    }

    /// Resolves with the reason when the operation must end early.
    async fn stopped(&self) -> Error {
        tokio::select! {
            () = self.cancel.cancelled() => interrupted(),
            () = tokio::time::sleep_until(self.deadline) => overdue(),
        }
    }
}

/// The steps that remove objects.
pub(crate) struct Removal<'a, R> {
    pub(crate) runtime: &'a R,
}

impl<R: Runtime> Effects for Removal<'_, R> {
    async fn apply(&self, step: &Step) -> Result<()> {
        match step {
            Step::RemoveContainer { id, .. } => self.runtime.remove_container(id).await,
            Step::RemoveNetwork { id, .. } => self.runtime.remove_network(id).await,
            Step::RemoveVolume { name } => self.runtime.remove_volume(name).await,
            _ => Err(Error::new(
                ErrorKind::Redis,
                format!(
                    "unexpected step `{}` in a plan that removes a cluster",
                    step.action()
                ),
            )),
        }
    }
}

/// Executes a plan that removes objects.
///
/// # Errors
/// The first error of the container engine, or [`ErrorKind::Timeout`] at the deadline.
pub(crate) async fn remove<R: Runtime>(
    runtime: &R,
    plan: &Plan,
    observer: &dyn Observer,
    deadline: Instant,
) -> Result<()> {
    let cancel = CancellationToken::new();
    let runner = StepRunner {
        observer,
        deadline,
        cancel: &cancel,
    };
    let phases = Phases::of(plan, observer);
    for stage in &plan.stages {
        let steps: Vec<&Step> = stage.iter().map(|planned| &planned.step).collect();
        phases.stage(&steps);
        let stopping = CancellationToken::new();
        runner
            .run(&steps, &Removal { runtime }, &phases, &stopping)
            .await?;
    }
    phases.end();
    Ok(())
}

pub(crate) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted before the cluster was ready")
        .hint("Everything the start created is removed, unless --keep-on-failure is set.")
}

pub(crate) fn overdue() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the deadline passed before the cluster was ready",
    )
    .hint("Raise --timeout.")
}
