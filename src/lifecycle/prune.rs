//! Garbage collection of orphaned and expired clusters: with `prune`, and during every start.

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

/// How long to wait for an owner to exit.
const LONGEST: Duration = Duration::from_hours(24);

/// Poll interval while waiting for an owner to exit.
const LOOK: Duration = Duration::from_millis(200);

/// Number of clusters removed concurrently.
const AT_ONCE: usize = 4;

/// How long no new object may appear after a process was killed.
const QUIET: Duration = Duration::from_secs(1);

/// How long to wait for other processes that are removing the same clusters: a removal takes seconds.
const OTHERS: Duration = Duration::from_secs(30);

/// An orphaned or expired cluster, and what was removed of it.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// The cluster, and why it was removed.
    #[serde(flatten)]
    pub leftover: Leftover,
    /// Number of removed objects; zero in a dry run.
    #[serde(flatten)]
    pub removed: Removed,
}

/// Lists the orphaned and expired clusters of the container engine. Changes nothing.
///
/// # Errors
/// When the container engine refuses to list them.
pub async fn prunable<R: Runtime>(runtime: &R) -> Result<Vec<Leftover>> {
    let engine = runtime.describe().await?;
    let observed = runtime.observe(&Scope::Clusters).await?;
    Ok(nobodys(&observed, engine.local))
}

/// Removes orphaned and expired clusters, and nothing else. If a process was killed, the container engine may still
/// be processing its requests; this function waits for them. It also waits up to half a minute for another process
/// that is removing the same clusters; what that process has removed is not returned.
///
/// # Errors
/// When the container engine refuses a removal, after everything else is removed.
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
                // No new object can appear any more.
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
            // All that is left has expired, but is in use.
            return Ok(all);
        }
    }
}

/// Waits until the owner of a cluster has exited and no process holds its lease, then prunes. Returns when the
/// cluster is removed, by this or by another process.
///
/// # Errors
/// When the container engine refuses a removal.
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

/// Prunes during a start. Dropped when the start is done; the next start or `prune` removes the rest.
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

/// Returns the orphaned and expired clusters in `observed`.
pub(crate) fn nobodys(observed: &Observed, local: bool) -> Vec<Leftover> {
    leftovers(observed, SystemTime::now(), &mut |owner| presence(owner, local))
}

/// Result of a garbage collection.
#[derive(Debug, Default)]
struct Done {
    swept: Vec<Swept>,
    /// Clusters that other processes are working on.
    others: Vec<ClusterName>,
    failure: Option<Error>,
}

/// Result for one cluster.
enum Fate {
    Swept(Result<Swept>),
    /// It has expired but is in use.
    InUse,
    /// Another process is working on it.
    Others(ClusterName),
}

/// Removes objects by the labels of their runs. Skips clusters that another process is working on.
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
            // Held until the cluster and the file are removed.
            let Ok(_claim) = unused(&leftover.name) else {
                lock.give_back();
                return Fate::InUse;
            };
            let cause = leftover.cause.to_string();
            let clearing = Clearing {
                abandoned: lock.was_abandoned(),
                // The owner of the data is unknown.
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
