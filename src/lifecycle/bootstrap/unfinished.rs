//! Determines whether the existing nodes ever formed a cluster. Only the nodes themselves know.

use std::time::Duration;

use futures_util::future::join_all;

use crate::connect::credentials;
use crate::connect::links::reachable;
use crate::error::Result;
use crate::lifecycle::bootstrap::form::is_forming;
use crate::plan;
use crate::plan::up::Decision;
use crate::runtime::interface::Runtime;
use crate::runtime::observed::Observed;
use crate::spec::security::Secrets;

/// How long a running node may take to report whether its formation was finished.
const DOUBT: Duration = Duration::from_secs(1);

/// Asks the running nodes whether their formation was ever finished. An unfinished cluster without keys is
/// orphaned and is replaced; a cluster that has lost nodes is not changed. Also returns the secrets that the
/// queries needed.
pub(crate) async fn doubt<R: Runtime>(
    runtime: &R,
    decision: Decision,
    observed: &Observed,
) -> Result<(Decision, Secrets)> {
    let (topology, missing) = match &decision {
        Decision::Create | Decision::Replace | Decision::Restore(_) => {
            return Ok((decision, Secrets::default()));
        }
        Decision::Adopt(topology) => (topology, Vec::new()),
        Decision::Doubt { topology, missing } => (topology, missing.clone()),
    };
    let ours = observed.of(topology.name());
    let secrets = credentials::read_back(runtime, topology, &ours.containers).await?;
    let links = reachable(topology, &credentials::access(&secrets), &ours.running(), DOUBT).await;
    let answers = join_all(links.iter().map(|(index, link)| async {
        let forming = match topology.node(*index) {
            Some(node) => is_forming(topology, node, link).await.unwrap_or(false),
            None => false,
        };
        let keys = link.keys().await.unwrap_or(u64::MAX);
        (forming, keys)
    }))
    .await;
    let unfinished = answers.iter().any(|(forming, _)| *forming);
    let keys = answers.iter().any(|(_, keys)| *keys > 0);
    if unfinished && !keys {
        return Ok((Decision::Replace, secrets));
    }
    if !missing.is_empty() {
        return Err(plan::up::damaged(topology.name(), &missing));
    }
    Ok((decision, secrets))
}
