//! Determines what a start has to do, given what exists. `up` executes it and `--dry-run` prints it.

use crate::error::Result;
use crate::lifecycle::bootstrap::unfinished::doubt;
use crate::lifecycle::prune::nobodys;
use crate::plan::prune::Leftover;
use crate::plan::up::{Decision, decide};
use crate::runtime::interface::{EngineInfo, Runtime, Scope};
use crate::runtime::observed::Observed;
use crate::spec::cluster::ClusterSpec;
use crate::spec::security::Secrets;

/// The decision of a start, and what it was based on.
pub(crate) struct Prepared {
    /// What exists, before anything is removed.
    pub(crate) observed: Observed,
    /// Whether the cluster's containers and network are orphaned and are removed first; its volumes hold data and stay.
    pub(crate) clears: bool,
    /// What to do afterwards.
    pub(crate) decision: Decision,
    /// The secrets of a cluster that exists.
    pub(crate) secrets: Secrets,
    /// Orphaned clusters of other names, which are removed beside the start.
    pub(crate) orphans: Vec<Leftover>,
}

impl Prepared {
    /// What exists once the orphaned containers are removed.
    pub(crate) fn remaining(&self, spec: &ClusterSpec) -> Observed {
        if self.clears {
            self.observed.without_containers_of(spec.name())
        } else {
            self.observed.clone()
        }
    }
}

/// Decides what a start does. `abandoned`: the last process that worked on this cluster was killed, so the
/// container engine may still be processing its requests.
///
/// # Errors
/// [`ErrorKind::Different`](crate::error::ErrorKind::Different) and
/// [`ErrorKind::Damaged`](crate::error::ErrorKind::Damaged) when the existing cluster does not match, or when the
/// container engine refuses a request.
pub(crate) async fn prepare<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    engine: &EngineInfo,
    abandoned: bool,
) -> Result<Prepared> {
    let observed = runtime.observe(&Scope::Everything).await?;
    let mut orphans = nobodys(&observed, engine.local);
    let orphaned = orphans.extract_if(.., |one| one.name == *spec.name()).count() > 0;
    let data = observed.of(spec.name()).has_data();
    let mut prepared = Prepared {
        observed,
        clears: orphaned && data,
        decision: Decision::Replace,
        secrets: Secrets::default(),
        orphans,
    };
    if orphaned && !data {
        return Ok(prepared);
    }
    let remaining = prepared.remaining(spec);
    let decision = decide(spec, &remaining)?;
    (prepared.decision, prepared.secrets) = doubt(runtime, decision, &remaining).await?;
    if abandoned && matches!(prepared.decision, Decision::Create) {
        prepared.decision = Decision::Replace;
    }
    Ok(prepared)
}
