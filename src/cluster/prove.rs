//! The proof that a cluster is ready: every node fulfils the contract, every address that a client is told
//! leads from here to the right node, and every master takes a write and gives it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant as Stopwatch;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::form::complaint;
use super::link::Links;
use super::wait::{Seen, pace, until};
use crate::check::{Answer, Check, Endpoint, Roles, SlotOwner, all_passed, judge};
use crate::error::{Error, ErrorKind, Result};
use crate::redis::{Address, NodeConnection};
use crate::topology::{NodeId, SLOTS, SlotRange, Topology, tag_in};

/// How long a key of the proof lives at most, in milliseconds, should its deletion be lost.
const KEY_LIFE: &str = "10000";

/// The readiness contract as it stands now, and the use of every advertised address.
pub(super) async fn validate(topology: &Topology, roles: Roles, links: &Links) -> Vec<Check> {
    let begun = Stopwatch::now();
    let mut checks = judge(topology, roles, &links.views().await);
    let ms = millis(begun);
    for check in &mut checks {
        check.ms = ms;
    }
    checks.extend(advertised(links).await);
    checks
}

/// Waits until the contract holds on every node, then uses every advertised address.
///
/// # Errors
/// [`ErrorKind::Unhealthy`] with everything that is wrong when the deadline passes.
pub(super) async fn prove(
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
                checks.extend(advertised(links).await);
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

fn millis(begun: Stopwatch) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What clients are told, and whether it is true from here.
async fn advertised(links: &Links) -> Vec<Check> {
    let begun = Stopwatch::now();
    let told = join_all(links.iter().map(NodeConnection::cluster_slots)).await;
    let mut detail: Vec<String> = Vec::new();
    let mut maps: Vec<Vec<SlotOwner>> = Vec::new();
    for (answer, link) in told.into_iter().zip(links.iter()) {
        match answer {
            Ok(map) => maps.push(sorted(map)),
            Err(error) => detail.push(format!("{}: {}", link.address(), error.causes().join(": "))),
        }
    }
    // Which replicas are told depends on what each node knows of their progress, and is no contradiction.
    let owners = |map: &[SlotOwner]| -> Vec<(SlotRange, Option<Endpoint>)> {
        map.iter()
            .map(|owner| (owner.slots, owner.endpoints.first().cloned()))
            .collect()
    };
    if let Some((first, rest)) = maps.split_first()
        && rest.iter().any(|map| owners(map) != owners(first))
    {
        detail.push("the nodes tell clients different slot maps".to_owned());
    }
    let told_by_slots = maps
        .iter()
        .flatten()
        .flat_map(|owner| owner.endpoints.iter().cloned());
    // CLUSTER SLOTS leaves out a replica that has not received anything yet, so the nodes are asked too.
    let (lines, failures) = told_by_nodes(links).await;
    detail.extend(failures);
    let endpoints: BTreeSet<Endpoint> = told_by_slots.chain(lines).collect();
    let outcomes = join_all(endpoints.iter().map(|endpoint| reach(links, endpoint))).await;
    let mut reached: BTreeMap<NodeId, NodeConnection> = BTreeMap::new();
    for (endpoint, outcome) in endpoints.iter().zip(outcomes) {
        match outcome {
            Ok(link) => drop(reached.insert(endpoint.id.clone(), link)),
            Err(why) => detail.push(format!("{}:{}: {why}", endpoint.host, endpoint.port)),
        }
    }
    let mut addresses = Check::of(
        "addresses",
        format!(
            "all {} advertised addresses answer from here, each with the right node",
            endpoints.len()
        ),
        "advertised addresses do not answer from here",
        detail,
        "Clients are sent to these addresses: start the cluster anew with another --announce.",
    );
    addresses.ms = millis(begun);
    let owners: Vec<(SlotRange, &Endpoint)> = maps
        .first()
        .into_iter()
        .flatten()
        .filter_map(|owner| Some((owner.slots, owner.endpoints.first()?)))
        .collect();
    let (write_read, redirection) =
        tokio::join!(write_read(&owners, &reached), redirection(&owners, &reached));
    vec![addresses, write_read, redirection]
}

/// Where CLUSTER NODES says that each node is, as every node tells it. A host name stands there only when
/// it is what clients shall use.
async fn told_by_nodes(links: &Links) -> (BTreeSet<Endpoint>, Vec<String>) {
    let answers = join_all(links.iter().map(NodeConnection::cluster_nodes)).await;
    let (mut endpoints, mut failures) = (BTreeSet::new(), Vec::new());
    for (answer, link) in answers.into_iter().zip(links.iter()) {
        match answer {
            Ok(lines) => endpoints.extend(lines.into_iter().map(|line| Endpoint {
                host: line.hostname.unwrap_or(line.ip),
                port: line.port,
                id: line.id,
            })),
            Err(error) => failures.push(format!("{}: {}", link.address(), error.causes().join(": "))),
        }
    }
    (endpoints, failures)
}

fn sorted(mut map: Vec<SlotOwner>) -> Vec<SlotOwner> {
    map.sort_by_key(|owner| owner.slots);
    map
}

/// Connects to an advertised address and checks who answers. A link that leads there already is taken: it
/// was opened from here.
async fn reach(links: &Links, endpoint: &Endpoint) -> Result<NodeConnection, String> {
    if endpoint.host.is_empty() {
        return Err("the address is unknown to the node".to_owned());
    }
    let address = Address::new(&endpoint.host, endpoint.port);
    let link = match links.iter().find(|link| *link.address() == address) {
        Some(link) => link.clone(),
        None => NodeConnection::open(&address)
            .await
            .map_err(|error| error.causes().join(": "))?,
    };
    let id = link.my_id().await.map_err(|error| error.causes().join(": "))?;
    if id == endpoint.id {
        Ok(link)
    } else {
        Err(format!("another node answers there: {id}"))
    }
}

fn key(range: SlotRange) -> String {
    format!("rcup:proof:{}:{{{}}}", std::process::id(), tag_in(range))
}

/// One write, one read and one deletion in every range, through its master's advertised address.
async fn write_read(owners: &[(SlotRange, &Endpoint)], reached: &BTreeMap<NodeId, NodeConnection>) -> Check {
    let begun = Stopwatch::now();
    let outcomes = join_all(owners.iter().map(|(range, endpoint)| async move {
        let at = format!("slots {range} at {}:{}", endpoint.host, endpoint.port);
        let Some(link) = reached.get(&endpoint.id) else {
            return Some(format!("{at}: not reached"));
        };
        let key = key(*range);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let answers: Result<(String, Option<String>, u64)> = link
            .pipeline(&[
                words(&["SET", &key, &at, "PX", KEY_LIFE]),
                words(&["GET", &key]),
                words(&["DEL", &key]),
            ])
            .await;
        match answers {
            Ok((_, Some(read), 1)) if read == at => None,
            Ok(other) => Some(format!("{at}: read something else than was written: {other:?}")),
            Err(error) => Some(format!("{at}: {}", error.causes().join(": "))),
        }
    }))
    .await;
    let covered: usize = owners.iter().map(|(range, _)| range.len()).sum();
    let mut detail: Vec<String> = outcomes.into_iter().flatten().collect();
    if covered != usize::from(SLOTS) {
        detail.push(format!("clients are told of {covered} slots, not of {SLOTS}"));
    }
    let mut check = Check::of(
        "write-read",
        format!(
            "{} masters took a write at their advertised address and gave it back",
            owners.len()
        ),
        "masters do not take writes",
        detail,
        "See the master's log: `rcup logs`.",
    );
    check.ms = millis(begun);
    check
}

/// Asks a wrong node for a key of every range: the redirection must lead to the right address.
async fn redirection(owners: &[(SlotRange, &Endpoint)], reached: &BTreeMap<NodeId, NodeConnection>) -> Check {
    let begun = Stopwatch::now();
    let outcomes = join_all(owners.iter().map(|(range, endpoint)| async move {
        let wrong = owners
            .iter()
            .map(|(_, other)| &other.id)
            .find(|id| **id != endpoint.id)?;
        let link = reached.get(wrong)?;
        let slot = crate::topology::slot_of(key(*range).as_bytes());
        let wanted = format!("MOVED {slot} {}:{}", endpoint.host, endpoint.port);
        let answer = link.command::<Option<String>>(&["GET", &key(*range)]).await;
        let told = answer
            .err()
            .map_or_else(|| "a value".to_owned(), |error| error.causes().join(": "));
        (told != wanted).then(|| format!("{} answers `{told}` instead of `{wanted}`", link.address()))
    }))
    .await;
    let mut check = Check::of(
        "redirection",
        match owners.len() {
            0 | 1 => "a single master redirects nobody".to_owned(),
            masters => format!("a wrong node redirects to the right address, for all {masters} masters"),
        },
        "redirections lead astray",
        outcomes.into_iter().flatten().collect(),
        "The nodes do not agree on the slots, or announce other addresses than they are told to.",
    );
    check.ms = millis(begun);
    check
}
