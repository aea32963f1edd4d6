//! Tests the addresses that are advertised to clients from this host: connects to every advertised address,
//! writes to every master, follows every redirection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant as Stopwatch;

use futures_util::future::join_all;

use crate::checks::finding::Check;
use crate::checks::masters::millis;
use crate::connect::links::Links;
use crate::error::Result;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::server::wire::reply::{Endpoint, SlotOwner};
use crate::topology::layout::NodeId;
use crate::topology::slots::{SLOTS, SlotRange, tag_in};

/// Maximum TTL of a validation key in milliseconds, in case its deletion fails.
pub(crate) const KEY_LIFE: &str = "10000";

/// Tests the advertised addresses from this host.
pub(crate) async fn advertised(links: &Links, write: bool) -> Vec<Check> {
    let begun = Stopwatch::now();
    let told = join_all(links.iter().map(NodeConnection::cluster_slots)).await;
    let mut detail: Vec<String> = Vec::new();
    let mut maps: Vec<Vec<SlotOwner>> = Vec::new();
    for (answer, link) in told.into_iter().zip(links.iter()) {
        match answer {
            Ok(map) => maps.push(sorted(map)),
            Err(error) => detail.push(format!("{}: {}", link.address(), error.reason())),
        }
    }
    // The list of replicas depends on each node's knowledge of their progress, so differences are valid.
    let owners = |map: &[SlotOwner]| -> Vec<(SlotRange, Option<Endpoint>)> {
        map.iter()
            .map(|owner| (owner.slots, owner.endpoints.first().cloned()))
            .collect()
    };
    if let Some((first, rest)) = maps.split_first()
        && rest.iter().any(|map| owners(map) != owners(first))
    {
        detail.push("the nodes report different slot maps".to_owned());
    }
    let (endpoints, failures) = endpoints(links, &maps).await;
    detail.extend(failures);
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
            "all {} advertised addresses lead to the right node from here",
            endpoints.len()
        ),
        "advertised addresses are unreachable from here",
        detail,
        "Clients connect to these addresses: recreate the cluster with a different --announce.",
    );
    addresses.ms = millis(begun);
    let owners: Vec<(SlotRange, &Endpoint)> = maps
        .first()
        .into_iter()
        .flatten()
        .filter_map(|owner| Some((owner.slots, owner.endpoints.first()?)))
        .collect();
    let written = async {
        if write {
            write_read(&owners, &reached).await
        } else {
            Check::skipped("write-read", crate::checks::masters::UNASKED)
        }
    };
    let (write_read, redirection) = tokio::join!(written, redirection(&owners, &reached));
    vec![addresses, write_read, redirection]
}

/// Returns the advertised addresses that reach no node or the wrong node from this host, with the result of
/// each connection.
pub(crate) async fn astray(links: &Links) -> Vec<(Endpoint, String)> {
    let told = join_all(links.iter().map(NodeConnection::cluster_slots)).await;
    let maps: Vec<Vec<SlotOwner>> = told.into_iter().flatten().collect();
    let (endpoints, _) = endpoints(links, &maps).await;
    let outcomes = join_all(endpoints.iter().map(|endpoint| reach(links, endpoint))).await;
    let pairs = endpoints.into_iter().zip(outcomes);
    pairs
        .filter_map(|(endpoint, outcome)| Some((endpoint, outcome.err()?)))
        .collect()
}

/// Returns all advertised addresses, and the nodes that did not return any. CLUSTER SLOTS omits a replica
/// that has not received any data yet, so CLUSTER NODES is read as well.
async fn endpoints(links: &Links, maps: &[Vec<SlotOwner>]) -> (BTreeSet<Endpoint>, Vec<String>) {
    let ((lines, mut failures), (shards, others)) = tokio::join!(told_by_nodes(links), told_by_shards(links));
    failures.extend(others);
    let owners = maps.iter().flatten();
    let told = owners.flat_map(|owner| owner.endpoints.iter().cloned());
    (told.chain(lines).chain(shards).collect(), failures)
}

/// Returns the node addresses in CLUSTER NODES of every node. It contains a host name only when clients
/// should use it.
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
            Err(error) => failures.push(format!("{}: {}", link.address(), error.reason())),
        }
    }
    (endpoints, failures)
}

/// Returns the node addresses in CLUSTER SHARDS of every node.
async fn told_by_shards(links: &Links) -> (BTreeSet<Endpoint>, Vec<String>) {
    let answers = join_all(links.iter().map(NodeConnection::cluster_shards)).await;
    let (mut endpoints, mut failures) = (BTreeSet::new(), Vec::new());
    for (answer, link) in answers.into_iter().zip(links.iter()) {
        match answer {
            Ok(told) => endpoints.extend(told),
            Err(error) => failures.push(format!("{}: {}", link.address(), error.reason())),
        }
    }
    (endpoints, failures)
}

fn sorted(mut map: Vec<SlotOwner>) -> Vec<SlotOwner> {
    map.sort_by_key(|owner| owner.slots);
    map
}

/// Connects to an advertised address and verifies which node answers. Uses an existing link to that address
/// if there is one: it was opened from this host.
async fn reach(links: &Links, endpoint: &Endpoint) -> Result<NodeConnection, String> {
    if endpoint.host.is_empty() {
        return Err("the node does not know the address".to_owned());
    }
    let address = Address::new(&endpoint.host, endpoint.port);
    let link = match links.iter().find(|link| *link.address() == address) {
        Some(link) => link.clone(),
        None => links.elsewhere(&address).await.map_err(|error| error.reason())?,
    };
    let id = link.my_id().await.map_err(|error| error.reason())?;
    if id == endpoint.id {
        Ok(link)
    } else {
        Err(format!("a different node answers there: {id}"))
    }
}

fn key(range: SlotRange) -> String {
    crate::checks::masters::key(tag_in(range), "clients")
}

/// Writes, reads and deletes one key in every range, through the advertised address of its master.
async fn write_read(owners: &[(SlotRange, &Endpoint)], reached: &BTreeMap<NodeId, NodeConnection>) -> Check {
    let begun = Stopwatch::now();
    let outcomes = join_all(owners.iter().map(|(range, endpoint)| async move {
        let at = format!("slots {range} at {}:{}", endpoint.host, endpoint.port);
        let Some(link) = reached.get(&endpoint.id) else {
            return Some(format!("{at}: unreachable"));
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
            Ok(other) => Some(format!(
                "{at}: read a different value than was written: {other:?}"
            )),
            Err(error) => Some(format!("{at}: {}", error.reason())),
        }
    }))
    .await;
    let covered: usize = owners.iter().map(|(range, _)| range.len()).sum();
    let mut detail: Vec<String> = outcomes.into_iter().flatten().collect();
    if covered != usize::from(SLOTS) {
        detail.push(format!("the reported slot map covers {covered} of {SLOTS} slots"));
    }
    let mut check = Check::of(
        "write-read",
        format!(
            "{} masters accepted a write at their advertised address and returned it",
            owners.len()
        ),
        "masters do not accept writes",
        detail,
        "Check the master's log: `rcup logs`.",
    );
    check.ms = millis(begun);
    check
}

/// Maximum number of other masters for whose keys each node is queried: includes all of them in clusters that
/// fit on one host.
const ASKED: usize = 64;

/// Queries every other node, replicas included, for a key of every range: the redirection must contain the
/// right address, and the node there must answer.
async fn redirection(owners: &[(SlotRange, &Endpoint)], reached: &BTreeMap<NodeId, NodeConnection>) -> Check {
    let begun = Stopwatch::now();
    let outcomes = join_all(
        owners
            .iter()
            .enumerate()
            .map(|(nth, (range, endpoint))| async move {
                let key = key(*range);
                let slot = crate::topology::slots::slot_of(key.as_bytes());
                let wanted = format!("MOVED {slot} {}:{}", endpoint.host, endpoint.port);
                let wrong = reached
                    .iter()
                    .enumerate()
                    .filter(|(place, (id, _))| {
                        **id != endpoint.id
                            && (nth + owners.len() - place % owners.len()) % owners.len() < ASKED
                    })
                    .map(|(_, (_, link))| link);
                let told = join_all(wrong.map(|link| async {
                    let told = link.said(&["GET", &key]).await;
                    if told.starts_with("NOPERM") {
                        return Some(told);
                    }
                    (told != wanted)
                        .then(|| format!("{} returns `{told}` instead of `{wanted}`", link.address()))
                }))
                .await;
                let asked = told.len();
                let mut wrong: Vec<String> = told.into_iter().flatten().collect();
                if asked > 0 && wrong.is_empty() {
                    match reached.get(&endpoint.id) {
                        None => wrong.push(format!("`{wanted}` leads to no node")),
                        Some(right) => {
                            let answer = right.said(&["EXISTS", &key]).await;
                            if answer.parse::<u64>().is_err() {
                                wrong.push(format!("`{wanted}` leads to a node that returns `{answer}`"));
                            }
                        }
                    }
                }
                (asked, wrong)
            }),
    )
    .await;
    let asked: usize = outcomes.iter().map(|(asked, _)| asked).sum();
    let outcomes: Vec<String> = outcomes.into_iter().flat_map(|(_, wrong)| wrong).collect();
    // A user without permission for a key receives no redirection.
    if let Some(why) = outcomes.iter().find(|line| line.starts_with("NOPERM")) {
        return Check::skipped(
            "redirection",
            &format!("this user has no permission to read keys: {why}"),
        );
    }
    let mut check = Check::of(
        "redirection",
        match asked {
            0 => "a single node never redirects".to_owned(),
            _ => {
                format!("every node redirects correctly for every other master's keys: {asked} redirections")
            }
        },
        "wrong redirects",
        outcomes,
        "The nodes disagree on slots or announce wrong addresses.",
    );
    check.ms = millis(begun);
    check
}
