//! Removing what dead owners have left and what is past its time: by hand with `prune`, and beside every
//! start.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;
use tokio::time::Instant;

use super::guard::{Clearing, Removed, clear};
use super::lock::{abandoned, settle, try_lock};
use super::owner::presence;
use super::pool::unused;
use super::testing::forget;
use super::wait::{Seen, between_looks, until};
use crate::error::{Error, Result};
use crate::event::{Event, Observer, Silent};
use crate::plan::{Leftover, Observed, labels, leftovers};
use crate::runtime::{Runtime, Scope};
use crate::spec::{ClusterName, Presence};

/// How long an owner is waited for.
const LONGEST: Duration = Duration::from_hours(24);

/// How often an owner is looked for.
const LOOK: Duration = Duration::from_millis(200);

/// How many clusters are removed side by side.
const AT_ONCE: usize = 4;

/// How long nothing new must come to light where a process was killed in the middle of its work.
const QUIET: Duration = Duration::from_secs(1);

/// A cluster that was nobody's, and what was removed of it.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// Which, and why.
    #[serde(flatten)]
    pub leftover: Leftover,
    /// How much; nothing in a dry run.
    #[serde(flatten)]
    pub removed: Removed,
}

/// What may go, found on the whole engine. Changes nothing.
///
/// # Errors
/// What the engine refused to list.
pub async fn prunable<R: Runtime>(runtime: &R) -> Result<Vec<Leftover>> {
    let engine = runtime.describe().await?;
    let observed = runtime.observe(&Scope::Clusters).await?;
    Ok(nobodys(&observed, engine.local))
}

/// Removes what dead owners have left and what is past its time, and nothing else. Where a process was killed
/// in the middle of its work, the engine may still be making what it had asked for; that is waited for.
///
/// # Errors
/// What the engine refused to remove, after everything else is gone.
pub async fn prune<R: Runtime>(runtime: &R, observer: &dyn Observer) -> Result<Vec<Swept>> {
    let engine = runtime.describe().await?;
    let marks = abandoned(&engine.endpoint);
    let mut all: Vec<Swept> = Vec::new();
    let mut quiet_since = Instant::now();
    loop {
        let observed = runtime.observe(&Scope::Clusters).await?;
        let found = nobodys(&observed, engine.local);
        if found.is_empty() {
            if marks.is_empty() || quiet_since.elapsed() >= QUIET {
                // Nothing can come to light any more.
                settle(&marks);
                return Ok(all);
            }
            between_looks().await;
            continue;
        }
        let before = all.len();
        let (swept, failure) = sweep(runtime, &engine.endpoint, found, observer).await;
        all.extend(swept);
        if let Some(failure) = failure {
            return Err(failure);
        }
        if all.len() == before {
            // Somebody else is at work on all that is left, and will see to it.
            return Ok(all);
        }
        quiet_since = Instant::now();
    }
}

/// Waits until the owner of a cluster has ended and nobody holds its lease any more, then prunes. Returns when
/// the cluster is gone, whoever has removed it.
///
/// # Errors
/// What the engine refused to remove.
pub async fn prune_when_gone<R: Runtime>(runtime: &R, name: &ClusterName) -> Result<()> {
    let engine = runtime.describe().await?;
    let scope = Scope::Cluster(name.clone());
    let far = Instant::now() + LONGEST;
    until("the cluster is gone", far, LOOK, || async {
        let observed = runtime.observe(&scope).await?;
        let Some(owner) = observed
            .all_labels()
            .find_map(|labels| labels::life(labels).owner)
        else {
            return Ok(Seen::Done(()));
        };
        until("the owner has ended", far, LOOK, || async {
            Ok(match presence(&owner, engine.local) {
                Presence::Here => Seen::NotYet(format!("process {} lives", owner.pid)),
                Presence::Gone | Presence::Unknown => Seen::Done(()),
            })
        })
        .await?;
        prune(runtime, &Silent).await?;
        Ok(Seen::NotYet("it was there at the last look".to_owned()))
    })
    .await
}

/// The sweep beside a start. It is dropped when the start is done; what is then left is for the next one.
pub(super) async fn beside<R: Runtime>(
    runtime: &R,
    endpoint: &str,
    found: Vec<Leftover>,
    observer: &dyn Observer,
) {
    let (swept, failure) = sweep(runtime, endpoint, found, &Silent).await;
    for Swept { leftover, .. } in swept {
        observer.observe(&Event::note(format!(
            "removed cluster {}, because {}",
            leftover.name, leftover.cause
        )));
    }
    if let Some(error) = failure {
        observer.observe(&Event::warning(format!(
            "a cluster that nobody needs could not be removed ({error}): see `rcup prune`"
        )));
    }
}

/// What is nobody's in `observed`.
pub(super) fn nobodys(observed: &Observed, local: bool) -> Vec<Leftover> {
    leftovers(observed, SystemTime::now(), &mut |owner| presence(owner, local))
}

/// Removes by the marks of the runs. What somebody else is at work on is passed over.
async fn sweep<R: Runtime>(
    runtime: &R,
    endpoint: &str,
    found: Vec<Leftover>,
    observer: &dyn Observer,
) -> (Vec<Swept>, Option<Error>) {
    let outcomes: Vec<Option<Result<Swept>>> = stream::iter(found)
        .map(|leftover| async move {
            // Held until the cluster and the file are gone.
            let _claim = unused(&leftover.name).ok()?;
            let lock = match try_lock(endpoint, leftover.name.as_str()) {
                Ok(lock) => lock?,
                Err(error) => return Some(Err(error)),
            };
            let cause = leftover.cause.to_string();
            let clearing = Clearing {
                abandoned: lock.was_abandoned(),
                // Whose data it is, nobody knows.
                keep_volumes: true,
                ..Clearing::of(Scope::Run(leftover.run.clone()), &cause)
            };
            let removed = clear(runtime, &clearing, observer).await;
            if removed.is_ok() {
                forget(&leftover.name);
            }
            Some(removed.map(|removed| Swept { leftover, removed }))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let (mut swept, mut failure) = (Vec::new(), None);
    for outcome in outcomes.into_iter().flatten() {
        match outcome {
            Ok(one) => swept.push(one),
            Err(error) => failure = Some(error),
        }
    }
    swept.sort_by(|one: &Swept, other| one.leftover.name.cmp(&other.leftover.name));
    (swept, failure)
}
