//! What clients are told, and whether it is true from here: every advertised address is dialled, every master
//! written to, every redirection followed.

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

/// How long a key of a validation lives at most, in milliseconds, should its deletion be lost.
pub(crate) const KEY_LIFE: &str = "10000";

/// What clients are told, and whether it is true from here.
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
    // Which replicas are told depends on what each node knows of their progress, and is no contradiction.
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

/// The addresses that clients are told and that lead from here to nobody, or to the wrong node; and what
/// happens
/// there.
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

/// Every address that clients are told, and which nodes did not tell. CLUSTER SLOTS leaves out a replica that
/// has
/// not received anything yet, so CLUSTER NODES is asked too.
async fn endpoints(links: &Links, maps: &[Vec<SlotOwner>]) -> (BTreeSet<Endpoint>, Vec<String>) {
    let ((lines, mut failures), (shards, others)) = tokio::join!(told_by_nodes(links), told_by_shards(links));
    failures.extend(others);
    let owners = maps.iter().flatten();
    let told = owners.flat_map(|owner| owner.endpoints.iter().cloned());
    (told.chain(lines).chain(shards).collect(), failures)
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
            Err(error) => failures.push(format!("{}: {}", link.address(), error.reason())),
        }
    }
    (endpoints, failures)
}

/// What CLUSTER SHARDS says, on every node.
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

/// Connects to an advertised address and checks who answers. A link that leads there already is taken: it
/// was opened from here.
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

/// One write, one read and one deletion in every range, through its master's advertised address.
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

/// Of so many other masters at most each node is asked for a key: all of them, in clusters that fit on a
/// machine.
const ASKED: usize = 64;

/// Asks every wrong node, replicas included, for a key of every range: the redirection must lead to the right
/// address,
/// and the node there must answer.
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
    // Who may not ask for a key learns nothing of where it is.
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
