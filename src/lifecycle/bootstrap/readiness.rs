//! Readiness check: every node meets the readiness contract, every address that is advertised to clients reaches
//! the right node from this host, and every master accepts a write and returns it.

use std::sync::Mutex;
use std::time::Instant as Stopwatch;

use tokio::time::Instant;

use crate::checks::answers::Roles;
use crate::checks::finding::complaint;
use crate::checks::finding::{Check, all_passed};
use crate::checks::masters::millis;
use crate::checks::readiness::judge;
use crate::checks::suite::clients::advertised;
use crate::connect::links::Links;
use crate::error::{Error, ErrorKind, Result};
use crate::server::wire::reply::Answer;
use crate::topology::layout::Topology;
use crate::wait::{Seen, pace, until};

/// Waits until the readiness contract holds on every node, then connects to every advertised address.
///
/// # Errors
/// [`ErrorKind::Unhealthy`] with all failed checks when the deadline passes.
pub(crate) async fn prove(
    topology: &Topology,
    roles: Roles,
    links: &Links,
    deadline: Instant,
) -> Result<(Vec<Check>, Vec<Answer>)> {
    let last: Mutex<Vec<Check>> = Mutex::default();
    let waited = until(
        "the cluster is ready",
        deadline,
        pace(topology.nodes.len()),
        || async {
            let begun = Stopwatch::now();
            let views = links.views().await;
            let mut checks = judge(topology, roles, &views);
            let ms = millis(begun);
            for check in &mut checks {
                check.ms = ms;
            }
            if all_passed(&checks) {
                checks.extend(advertised(links, true).await);
            }
            if all_passed(&checks) {
                return Ok(Seen::Done((checks, views)));
            }
            let why = complaint(&checks);
            if let Ok(mut last) = last.lock() {
                *last = checks;
            }
            Ok(Seen::NotYet(why))
        },
    )
    .await;
    waited.map_err(|error| unready(topology, &last.into_inner().unwrap_or_default(), error))
}

/// The error for a cluster that did not become ready.
fn unready(topology: &Topology, checks: &[Check], error: Error) -> Error {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed()).collect();
    if error.kind() != ErrorKind::Timeout || failed.is_empty() {
        return error;
    }
    let hint = failed
        .iter()
        .find_map(|check| check.hint.clone())
        .unwrap_or_default();
    let details = failed.iter().flat_map(|check| {
        check
            .detail
            .iter()
            .take(6)
            .map(move |line| format!("{}: {line}", check.id))
            .collect::<Vec<_>>()
    });
    Error::new(
        ErrorKind::Unhealthy,
        format!("cluster {} did not become ready in time", topology.name()),
    )
    .details(details)
    .hint(hint)
}
