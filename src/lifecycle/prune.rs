//! Removing what dead owners have left and what is past its time: by hand with `prune`, and beside every
//! start.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::event::{Event, Observer, Silent};
use crate::ownership::lease::{forget, unused};
use crate::ownership::lock::{abandoned, settle, try_lock};
use crate::ownership::owner::presence;
use crate::ownership::rollback::{Clearing, Removed, clear};
use crate::plan::prune::{Leftover, leftovers};
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels;
use crate::runtime::observed::Observed;
use crate::spec::expiry::Presence;
use crate::spec::name::ClusterName;
use crate::wait::{Seen, between_looks, until};

/// How long an owner is waited for.
const LONGEST: Duration = Duration::from_hours(24);

/// How often an owner is looked for.
const LOOK: Duration = Duration::from_millis(200);

/// How many clusters are removed side by side.
const AT_ONCE: usize = 4;

/// How long nothing new must come to light where a process was killed in the middle of its work.
const QUIET: Duration = Duration::from_secs(1);

/// How long others are waited for that are at work on what is to go: a removal takes seconds.
const OTHERS: Duration = Duration::from_secs(30);

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
/// in the middle of its work, the engine may still be making what it had asked for; that is waited for. So is another
/// process that is removing the same, for half a minute; what that has removed is not among what is returned.
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
        let done = sweep(runtime, &engine.endpoint, found, observer).await;
        if let Some(failure) = done.failure {
            return Err(failure);
        }
        if !done.swept.is_empty() {
            all.extend(done.swept);
            quiet_since = Instant::now();
        } else if let Some(name) = done.others.first() {
            if quiet_since.elapsed() >= OTHERS {
                observer.observe(&Event::warning(format!(
                    "another rcup has been at work on cluster {name} for {} s: it is left to that",
                    OTHERS.as_secs()
                )));
                return Ok(all);
            }
            between_looks().await;
        } else {
            // All that is left is past its time, but in use.
            return Ok(all);
        }
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
pub(crate) async fn beside<R: Runtime>(
    runtime: &R,
    endpoint: &str,
    found: Vec<Leftover>,
    observer: &dyn Observer,
) {
    let Done { swept, failure, .. } = sweep(runtime, endpoint, found, &Silent).await;
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
pub(crate) fn nobodys(observed: &Observed, local: bool) -> Vec<Leftover> {
    leftovers(observed, SystemTime::now(), &mut |owner| presence(owner, local))
}

/// What a sweep has come to.
#[derive(Debug, Default)]
struct Done {
    swept: Vec<Swept>,
    /// What other processes are at work on.
    others: Vec<ClusterName>,
    failure: Option<Error>,
}

/// What becomes of one cluster in a sweep.
enum Fate {
    Swept(Result<Swept>),
    /// Somebody uses it, although its time has passed.
    InUse,
    /// Another process is at work on it.
    Others(ClusterName),
}

/// Removes by the marks of the runs. What somebody else is at work on is passed over.
async fn sweep<R: Runtime>(
    runtime: &R,
    endpoint: &str,
    found: Vec<Leftover>,
    observer: &dyn Observer,
) -> Done {
    let fates: Vec<Fate> = stream::iter(found)
        .map(|leftover| async move {
            let lock = match try_lock(endpoint, leftover.name.as_str()) {
                Ok(Some(lock)) => lock,
                Ok(None) => return Fate::Others(leftover.name),
                Err(error) => return Fate::Swept(Err(error)),
            };
            // Held until the cluster and the file are gone.
            let Ok(_claim) = unused(&leftover.name) else {
                lock.give_back();
                return Fate::InUse;
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
            Fate::Swept(removed.map(|removed| Swept { leftover, removed }))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut done = Done::default();
    for fate in fates {
        match fate {
            Fate::Swept(Ok(one)) => done.swept.push(one),
            Fate::Swept(Err(error)) => done.failure = Some(error),
            Fate::Others(name) => done.others.push(name),
            Fate::InUse => {}
        }
    }
    done.swept
        .sort_by(|one, other| one.leftover.name.cmp(&other.leftover.name));
    done.others.sort();
    done
}
