//! Resets a cluster to its plan and deletes all keys, in much less time than a start takes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use serde::Serialize;
use tokio::time::Instant;

use crate::checks::answers::Roles;
use crate::checks::failover::hand_back::follows_any;
use crate::checks::finding::complaint;
use crate::checks::finding::{Check, all_passed};
use crate::checks::readiness::judge;
use crate::connect::links::{Links, all_reachable, reachable};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::bootstrap::form::number;
use crate::lifecycle::bootstrap::readiness::prove;
use crate::lifecycle::reset::repair::{Mend, mend};
use crate::lifecycle::reset::settings::Settings;
use crate::lifecycle::reset::votes::{Remembered, Unvote, unvote};
use crate::plan::up::damaged;
use crate::runtime::faults::Faults;
use crate::runtime::interface::Scope;
use crate::runtime::observed::{Activity, ContainerSeen, Observed};
use crate::server::wire::access::Access;
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::gossip::announce;
use crate::server::wire::reply::{Answer, NodeView};
use crate::topology::layout::Topology;
use crate::wait::{Seen, pace, until};

/// Timeout of a reset. Nodes that were unreachable for longer than the node timeout are marked as failed, and the
/// others take twice that time to accept a master again.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a node that should run may not answer before its network connection is checked.
const SILENCE: Duration = Duration::from_millis(300);

/// Result of a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reset {
    /// The repairs in the order in which they were applied; empty when only keys, scripts and functions were removed.
    pub mended: Vec<String>,
    /// Total duration in milliseconds.
    pub ms: u64,
}

/// Resets a cluster, see [`Cluster::reset`](crate::Cluster::reset).
pub(crate) async fn reset<R: Faults>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    settings: &Settings,
) -> Result<Reset> {
    let (reset, _) = proven(runtime, topology, access, settings).await?;
    Ok(reset)
}

/// Resets a cluster and also returns the results of the readiness check.
pub(crate) async fn proven<R: Faults>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    settings: &Settings,
) -> Result<(Reset, (Vec<Check>, Vec<Answer>))> {
    let begun = Instant::now();
    let deadline = begun + LONGEST;
    let mut mended = wake(runtime, topology).await?;
    mended.extend(plug_in(runtime, topology, access).await?);
    let mut links = all_reachable(topology, access, deadline).await?;
    wipe(&links).await?;
    mended.extend(settings.restore(topology, &links).await?);
    let before = mended.len();
    straighten(topology, &links, deadline, &mut mended).await?;
    if let Some(new) = unvoted(runtime, topology, access, &links, deadline, &mut mended).await? {
        links = new;
        // The restarted nodes have read their files again, which a `CONFIG REWRITE` may have changed.
        mended.extend(settings.restore(topology, &links).await?);
        straighten(topology, &links, deadline, &mut mended).await?;
    }
    if mended.len() > before {
        // A node that could not replicate its master has become a master with the data that it had.
        wipe(&links).await?;
    }
    let proof = prove(topology, Roles::AsPlanned, &links, deadline).await?;
    empty(topology, &links, deadline).await?;
    // After a change, the settings are read again; without one, the first read has verified them.
    if mended.iter().any(|what| what.starts_with("set ")) {
        let again = settings.restore(topology, &links).await?;
        if !again.is_empty() {
            return Err(
                Error::new(ErrorKind::Unhealthy, "the settings do not stay as they were set")
                    .details(again)
                    .hint("Recreate the cluster with `rcup down` and `rcup up`."),
            );
        }
    }
    let reset = Reset {
        mended,
        ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok((reset, proof))
}

/// Starts stopped nodes and resumes paused ones.
async fn wake<R: Faults>(runtime: &R, topology: &Topology) -> Result<Vec<String>> {
    let observed = runtime.observe(&Scope::Cluster(topology.name().clone())).await?;
    whole(topology, &observed)?;
    let woken = try_join_all(observed.containers.iter().map(|container| async move {
        let name = &container.name;
        if container.index().is_none() {
            return Ok(None);
        }
        Ok::<_, Error>(match container.activity {
            Activity::Running | Activity::Restarting => None,
            Activity::Paused => {
                runtime.resume(name).await?;
                Some(format!("resumed {name}"))
            }
            _ => {
                runtime.start(name).await?;
                Some(format!("started {name}"))
            }
        })
    }))
    .await?;
    Ok(woken.into_iter().flatten().collect())
}

/// Checks that no container and no network is missing. Missing objects cannot be reset.
fn whole(topology: &Topology, observed: &Observed) -> Result<()> {
    let name = topology.name();
    let there = |index: usize| {
        let mut indices = observed.containers.iter().map(ContainerSeen::index);
        indices.any(|own| own == Some(index))
    };
    let missing: Vec<usize> = topology
        .nodes
        .iter()
        .map(|node| node.index)
        .filter(|index| !there(*index))
        .collect();
    if !missing.is_empty() {
        return Err(damaged(name, &missing));
    }
    if topology.placement.shared.is_none() && observed.networks.is_empty() {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("the network {} of cluster {name} is gone", topology.network()),
        )
        .hint(format!("Recreate it: `rcup down {name}`, then `rcup up {name}`.")));
    }
    Ok(())
}

/// Connects the nodes that are disconnected from the network.
async fn plug_in<R: Faults>(runtime: &R, topology: &Topology, access: &Access) -> Result<Vec<String>> {
    let all: Vec<usize> = topology.nodes.iter().map(|node| node.index).collect();
    let answering = reachable(topology, access, &all, SILENCE).await;
    let network = &topology.network();
    let silent = topology
        .nodes
        .iter()
        .filter(|node| !answering.iter().any(|(index, _)| *index == node.index));
    let plugged = try_join_all(silent.map(|node| async move {
        if runtime.is_connected(&node.name, network).await? {
            return Ok::<_, Error>(None);
        }
        runtime.connect(&node.name, network, node.ip).await?;
        Ok(Some(format!("connected {}", node.name)))
    }))
    .await?;
    Ok(plugged.into_iter().flatten().collect())
}

/// Removes all keys, functions and scripts. A replica rejects writes; its master replicates them to it.
async fn wipe(links: &Links) -> Result<()> {
    try_join_all(links.iter().map(|link| async move {
        link.command::<::redis::Value>(&["CLIENT", "UNPAUSE"]).await?;
        link.command::<::redis::Value>(&["SCRIPT", "FLUSH"]).await?;
        let replication = link.view().await?.replication;
        if !replication.replica {
            link.command::<::redis::Value>(&["FLUSHALL"]).await?;
            link.command::<::redis::Value>(&["FUNCTION", "FLUSH"]).await?;
        }
        Ok(())
    }))
    .await
    .map(drop)
}

/// Applies repairs until every node has its planned state and all other nodes know it.
async fn straighten(
    topology: &Topology,
    links: &Links,
    deadline: Instant,
    mended: &mut Vec<String>,
) -> Result<()> {
    let told = std::sync::Mutex::new(mended);
    until(
        "the cluster is as planned",
        deadline,
        pace(topology.nodes.len()),
        || async {
            let answers = links.views().await;
            let checks = judge(topology, Roles::AsPlanned, &answers);
            if all_passed(&checks) {
                return Ok(Seen::Done(()));
            }
            let views: Result<Vec<NodeView>, String> = answers.into_iter().collect();
            let steps = match views {
                Ok(views) => mend(topology, &views),
                Err(why) => return Ok(Seen::NotYet(why)),
            };
            for step in &steps {
                if let Err(error) = apply(topology, links, step, deadline).await {
                    if error.kind() == ErrorKind::Timeout {
                        return Err(error);
                    }
                    // A node that does not know of a change yet rejects the commands that depend on it.
                    return Ok(Seen::NotYet(format!("{step}: {}", error.causes().join(": "))));
                }
                let step = step.to_string();
                if let Ok(mut told) = told.lock()
                    && told.last() != Some(&step)
                {
                    told.push(step);
                }
            }
            followed(topology, links, &steps, deadline).await?;
            Ok(Seen::NotYet(complaint(&checks)))
        },
    )
    .await
}

async fn apply(topology: &Topology, links: &Links, step: &Mend, deadline: Instant) -> Result<()> {
    match step {
        Mend::Introduce { node } => introduce(topology, links, *node).await,
        Mend::Rejoin { node } => {
            let link = links.to(*node);
            link.command::<String>(&["CLUSTER", "RESET", "SOFT"]).await?;
            introduce(topology, links, *node).await
        }
        Mend::Promote { node } => take_over(links, *node, deadline).await,
        Mend::Claim { node, slots } => claim(topology, links, *node, slots, deadline).await,
        Mend::Close { node, slots } => {
            let stable = |slot: &u16| cluster(&["SETSLOT", &slot.to_string(), "STABLE"]);
            let commands: Vec<Vec<String>> = slots.iter().map(stable).collect();
            links.to(*node).pipeline::<Vec<String>>(&commands).await.map(drop)
        }
        Mend::Follow { node, master } => {
            let id = links.to(*master).my_id().await?;
            links.to(*node).replicate(&id).await?;
            announce(topology, links.to(*node), deadline).await
        }
        Mend::Forget { node, ids } => links.to(*node).forget(ids).await,
    }
}

/// The counters in `CLUSTER INFO` of the votes that a server has requested and granted since it was started.
const ASKED: &str = "cluster_stats_messages_auth-req_sent";
const GAVE: &str = "cluster_stats_messages_auth-ack_sent";

/// Makes all nodes forget elections. An elected node counts the old votes as new ones for four node timeouts (Redis
/// 7.0 and 8.0), and a node that has voted refuses another vote about the same master for two (all servers), so the
/// same shard could not fail over again in that time. Returns new connections if a node was restarted.
async fn unvoted<R: Faults>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    links: &Links,
    deadline: Instant,
    mended: &mut Vec<String>,
) -> Result<Option<Links>> {
    let mut renewed: Option<Links> = None;
    loop {
        let links = renewed.as_ref().unwrap_or(links);
        let remembered = remembered(topology, links).await?;
        if remembered == Remembered::default() {
            return Ok(renewed);
        }
        let views: Result<Vec<NodeView>, String> = links.views().await.into_iter().collect();
        let steps = match views {
            Ok(views) => unvote(topology, &views, &remembered),
            Err(why) => return Err(Error::new(ErrorKind::Unhealthy, "a node does not answer").detail(why)),
        };
        if steps.is_empty() {
            return Ok(renewed);
        }
        let mut restarts = Vec::new();
        for step in &steps {
            match step {
                Unvote::StepDown { node, heir } => {
                    take_over(links, *heir, deadline).await?;
                    if let Some(node) = topology.node(*node) {
                        follows_any(links, node, deadline).await?;
                    }
                }
                Unvote::Restart { node } => restarts.extend(topology.node(*node)),
            }
            mended.push(step.to_string());
        }
        if restarts.is_empty() {
            continue;
        }
        try_join_all(restarts.iter().map(|node| async {
            runtime.kill(&node.name).await?;
            runtime.start(&node.name).await
        }))
        .await?;
        renewed = Some(all_reachable(topology, access, deadline).await?);
    }
}

/// Returns the nodes that remember an election.
async fn remembered(topology: &Topology, links: &Links) -> Result<Remembered> {
    let infos = try_join_all(topology.nodes.iter().map(|node| async {
        let info = links.to(node.index).cluster_info().await?;
        Ok::<_, Error>((node.index, info))
    }));
    let infos = infos.await?;
    let who = |field: &str| {
        let counting = infos.iter().filter(|(_, info)| number(info, field) > 0);
        counting.map(|(index, _)| *index).collect()
    };
    Ok(Remembered {
        asked: who(ASKED),
        gave: who(GAVE),
    })
}

fn cluster(words: &[&str]) -> Vec<String> {
    let words = std::iter::once("CLUSTER").chain(words.iter().copied());
    words.map(str::to_owned).collect()
}

async fn introduce(topology: &Topology, links: &Links, index: usize) -> Result<()> {
    let others: Vec<(String, u16)> = topology
        .nodes
        .iter()
        .filter(|other| other.index != index)
        .map(|other| (other.ip.to_string(), other.port))
        .collect();
    links.to(index).meet(&others).await
}

/// Waits until a node knows the highest epoch that any node knows. It must know it before it chooses the next
/// epoch, because a collision of two equal epochs is resolved only seconds later.
async fn heard(links: &Links, link: &NodeConnection, deadline: Instant) -> Result<()> {
    let infos = try_join_all(links.iter().map(NodeConnection::cluster_info)).await?;
    let epoch = |info: &BTreeMap<String, String>| number(info, "cluster_current_epoch");
    let highest = infos.iter().map(epoch).max().unwrap_or_default();
    let what = format!("{} has heard of the latest change", link.address());
    until(&what, deadline, Duration::from_millis(2), || async {
        let epoch = epoch(&link.cluster_info().await?);
        Ok(if epoch >= highest {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("its epoch is {epoch}, not {highest}"))
        })
    })
    .await
}

/// Waits until the other nodes of promoted shards replicate their new masters, and announces their roles, concurrently.
async fn followed(topology: &Topology, links: &Links, steps: &[Mend], deadline: Instant) -> Result<()> {
    let promoted = steps.iter().filter_map(|step| match step {
        Mend::Promote { node } => topology.node(*node),
        _ => None,
    });
    let siblings = promoted.flat_map(|node| topology.shard_of(node).replicas.iter());
    try_join_all(
        siblings
            .filter_map(|index| topology.node(*index))
            .map(|replica| async {
                follows_any(links, replica, deadline).await?;
                announce(topology, links.to(replica.index), deadline).await
            }),
    )
    .await
    .map(drop)
}

/// Promotes a node. It needs no vote, and no write can be lost: the cluster is empty.
async fn take_over(links: &Links, index: usize, deadline: Instant) -> Result<()> {
    let link = links.to(index);
    heard(links, link, deadline).await?;
    link.take_over().await
}

/// Assigns slots to a node. A node that completes an import takes a new epoch and broadcasts it at once, so the
/// slots that are claimed between two completed imports are announced with them, and their former owner yields to
/// the newer epoch. The slots in between are claimed in ranges: Valkey waits until its replicas have confirmed each
/// single `SETSLOT` before the next.
async fn claim(
    topology: &Topology,
    links: &Links,
    index: usize,
    slots: &[u16],
    deadline: Instant,
) -> Result<()> {
    let link = links.to(index);
    heard(links, link, deadline).await?;
    let Some(other) = topology.masters().find(|node| node.index != index) else {
        return Ok(());
    };
    let (id, from) = (link.my_id().await?.0, links.to(other.index).my_id().await?.0);
    let import = |slot: &u16| {
        let slot = slot.to_string();
        [
            cluster(&["SETSLOT", &slot, "IMPORTING", &from]),
            cluster(&["SETSLOT", &slot, "NODE", &id]),
        ]
    };
    let mut commands: Vec<Vec<String>> = Vec::new();
    let (first, last) = (slots.first(), slots.last().filter(|_| slots.len() > 1));
    commands.extend(first.into_iter().flat_map(import));
    let between = slots.get(1..slots.len().saturating_sub(1)).unwrap_or_default();
    if !between.is_empty() {
        let nodes = link.cluster_nodes().await?;
        let owned = |slot: u16| {
            nodes
                .iter()
                .any(|line| line.slots.iter().any(|range| range.contains(slot)))
        };
        let taken: Vec<u16> = between.iter().copied().filter(|slot| owned(*slot)).collect();
        if !taken.is_empty() {
            commands.push(ranges("DELSLOTSRANGE", &taken));
        }
        commands.push(ranges("ADDSLOTSRANGE", between));
    }
    commands.extend(last.into_iter().flat_map(import));
    link.pipeline::<Vec<String>>(&commands).await.map(drop)
}

/// Returns a command with the fewest ranges that cover exactly these slots, which are sorted.
fn ranges(verb: &str, slots: &[u16]) -> Vec<String> {
    let mut words = cluster(&[verb]);
    let runs = slots.chunk_by(|one, next| one + 1 == *next);
    words.extend(runs.flat_map(|run| [run[0].to_string(), run[run.len() - 1].to_string()]));
    words
}

/// Waits until no node holds a key, a function or a script.
async fn empty(topology: &Topology, links: &Links, deadline: Instant) -> Result<()> {
    until(
        "no node holds anything",
        deadline,
        pace(topology.nodes.len()),
        || async {
            let holds = join_all(topology.nodes.iter().map(|node| async {
                let link = links.to(node.index);
                let keys = link.keys().await?;
                let memory = link.memory().await?;
                let count = |field: &str| memory.get(field).map_or("0", String::as_str) != "0";
                let what = if keys > 0 {
                    Some(format!("{keys} keys"))
                } else if count("number_of_functions") {
                    Some("a function".to_owned())
                } else if count("number_of_cached_scripts") {
                    Some("a script".to_owned())
                } else {
                    None
                };
                Ok::<_, Error>(what.map(|what| format!("{} holds {what}", node.name)))
            }))
            .await;
            for held in holds {
                if let Some(held) = held? {
                    return Ok(Seen::NotYet(held));
                }
            }
            Ok(Seen::Done(()))
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_told_in_as_few_ranges_as_possible() {
        let words = ranges("ADDSLOTSRANGE", &[1, 2, 3, 7, 9, 10]);
        assert_eq!(words.join(" "), "CLUSTER ADDSLOTSRANGE 1 3 7 7 9 10");
    }
}
