//! Forms one cluster from nodes that answer.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use crate::checks::agreement::{doubtful, only_heard_of};
use crate::checks::answers::Roles;
use crate::checks::finding::{all_passed, complaint};
use crate::checks::readiness::judge;
use crate::connect::links::{Links, Started, gather};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::interface::Runtime;
use crate::server::conf::nodes_conf::ghosts;
use crate::server::conf::settings::effective::{NODE_TIMEOUT, Temporary, temporary};
use crate::server::wire::access::Access;
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::cron_rate::dozing;
use crate::server::wire::gossip::{is_of_a_teller, tell_while_forming};
use crate::server::wire::reply::NodeLine;
use crate::topology::layout::{Formation, Node, NodeId, Topology};
use crate::wait::{Seen, pace, until};

/// Poll interval for one step of one node.
const STEP: Duration = Duration::from_millis(2);

/// Connects to the nodes while they start, forms the cluster with the formation of the topology, and applies the
/// settled configuration. `arrived` is called when all nodes answer.
pub(crate) async fn form<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    started: &Started,
    deadline: Instant,
    arrived: &(dyn Fn() + Send + Sync),
) -> Result<Links> {
    let dozing = dozing(topology);
    let links = gather(runtime, topology, access, started, Some(&dozing), deadline).await?;
    arrived();
    match topology.formation {
        Formation::Seeded => seeded(topology, &links, deadline).await?,
        Formation::Commands => commands(topology, &links, deadline).await?,
    }
    Ok(links)
}

/// Forms a cluster whose nodes booted from a seeded `nodes.conf`, most of them with swapped roles. Waits until they
/// are connected, promotes the masters of the swapped shards one after the other, announces the replicas' roles to
/// all nodes, and applies the settled configuration.
async fn seeded(topology: &Topology, links: &Links, deadline: Instant) -> Result<()> {
    let ghosts = ghosts(topology);
    connected(topology, links, &ghosts, deadline).await?;
    promote(topology, links, deadline).await?;
    let masters = try_join_all(
        topology
            .masters()
            .map(|node| forget(links.to(node.index), &ghosts, deadline)),
    );
    let replicas = topology.replicas().filter(|node| is_swapped(topology, node));
    let replicas = try_join_all(replicas.map(|node| async {
        let link = links.to(node.index);
        follows(topology, link, node, deadline).await?;
        // While the cron frequency is still raised, and the node timeout still marks the cluster as unfinished.
        tell_while_forming(topology, link, &temporary(topology, node)[0].forming, deadline).await
    }));
    tokio::try_join!(masters, replicas)?;
    // Only now, because with the settled timeout a node that is slow to answer would be marked as failed.
    settle_all(topology, links).await
}

/// Waits until every node has received an answer from every other node, and the future masters report the state
/// `ok`. (A link that is still being established counts as `connected` in `CLUSTER NODES`.)
///
/// A master could be promoted as soon as it boots, and its links would carry the update. That is one cron tick
/// faster, but unsafe: messages from before the promotion then cross those from after it while the links are
/// established, which was observed to put Redis 8.0.6 into an infinite loop. Once all nodes are connected, no such
/// messages are in transit.
async fn connected(topology: &Topology, links: &Links, ghosts: &[NodeId], deadline: Instant) -> Result<()> {
    let masters = topology.shards.len();
    let expected = topology.nodes.len() + ghosts.len();
    let each = topology.nodes.iter().map(|node| async move {
        let what = format!("{} is connected to all others", node.name);
        let link = links.to(node.index);
        until(&what, deadline, pace(topology.nodes.len()), || async {
            let nodes = link.cluster_nodes().await?;
            if nodes.len() != expected {
                return Ok(Seen::NotYet(format!(
                    "it knows {} nodes of {expected}",
                    nodes.len()
                )));
            }
            let cut = nodes.iter().find(|line| {
                let stands = line.connected && (line.pong > 0 || line.has("myself"));
                !stands && !ghosts.contains(&line.id)
            });
            let cut = match cut {
                Some(line) => Some(line.clone()),
                None => unheard(link, &nodes, ghosts).await?,
            };
            if let Some(line) = cut {
                return Ok(Seen::NotYet(format!(
                    "{}:{} has not answered it",
                    line.ip, line.port
                )));
            }
            if node.index > masters {
                return Ok(Seen::Done(()));
            }
            let info = link.cluster_info().await?;
            let state = info.get("cluster_state").map_or("", String::as_str);
            Ok(if state == "ok" {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("its state is {state}"))
            })
        })
        .await
    });
    try_join_all(each).await.map(drop)
}

/// Returns a node that the queried node knows only through gossip. A PONG time may come from gossip while the link to
/// the node is not established, or while the PING that is sent over each new link is pending.
async fn unheard(link: &NodeConnection, nodes: &[NodeLine], ghosts: &[NodeId]) -> Result<Option<NodeLine>> {
    if doubtful(nodes, ghosts).next().is_none() {
        return Ok(None);
    }
    let Some(links) = link.bus_links().await else {
        return Ok(None);
    };
    // Queried after the links: a node that has answered over an established link has no PING from it pending.
    let later = link.cluster_nodes().await?;
    Ok(only_heard_of(&later, &links, ghosts).cloned())
}

/// Waits until every node meets the readiness contract. The settings are not part of it.
async fn agreed(topology: &Topology, links: &Links, deadline: Instant) -> Result<()> {
    until(
        "all nodes agree",
        deadline,
        pace(topology.nodes.len()),
        || async {
            let checks = judge(topology, Roles::AsPlanned, &links.views().await);
            Ok(if all_passed(&checks) {
                Seen::Done(())
            } else {
                Seen::NotYet(complaint(&checks))
            })
        },
    )
    .await
}

fn is_swapped(topology: &Topology, node: &Node) -> bool {
    topology.is_swapped(topology.shard_of(node))
}

/// Promotes the masters that booted as replicas, in their order. Two concurrent promotions would choose the same
/// epoch, and the collision is resolved only seconds later; so each waits until its node knows the epoch of the
/// previous one.
async fn promote(topology: &Topology, links: &Links, deadline: Instant) -> Result<()> {
    let mut reached = 0;
    for master in topology.masters().filter(|node| is_swapped(topology, node)) {
        let link = links.to(master.index);
        let what = format!("{} has heard of the promotion before its own", master.name);
        until(&what, deadline, STEP, || async {
            let epoch = number(&link.cluster_info().await?, "cluster_current_epoch");
            Ok(if epoch >= reached {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("its epoch is {epoch}, not {reached}"))
            })
        })
        .await?;
        link.take_over().await?;
        reached = number(&link.cluster_info().await?, "cluster_my_epoch");
    }
    Ok(())
}

pub(crate) fn number(info: &BTreeMap<String, String>, field: &str) -> u64 {
    info.get(field)
        .and_then(|value| value.parse().ok())
        .unwrap_or_default()
}

/// Waits until a replica replicates its planned master.
async fn follows(topology: &Topology, link: &NodeConnection, node: &Node, deadline: Instant) -> Result<()> {
    let master = &topology.master_of(topology.shard_of(node)).id;
    let what = format!("{} copies its master", node.name);
    until(&what, deadline, STEP, || async {
        let nodes = link.cluster_nodes().await?;
        let myself = nodes.iter().find(|line| line.has("myself"));
        Ok(match myself {
            Some(line) if line.master.as_ref() == Some(master) => Seen::Done(()),
            _ => Seen::NotYet("it does not yet".to_owned()),
        })
    })
    .await
}

fn others(topology: &Topology, node: &Node) -> Vec<(String, u16)> {
    topology
        .nodes
        .iter()
        .filter(|other| other.index != node.index)
        .map(|other| (other.ip.to_string(), other.port))
        .collect()
}

/// Sends `CLUSTER FORGET` for the ghosts, once the node sees that they own no slots any more.
async fn forget(link: &NodeConnection, ghosts: &[NodeId], deadline: Instant) -> Result<()> {
    if ghosts.is_empty() {
        return Ok(());
    }
    let what = format!("{} sees every slot with its master", link.address());
    until(&what, deadline, STEP, || async {
        let nodes = link.cluster_nodes().await?;
        let owning = nodes
            .iter()
            .filter(|line| ghosts.contains(&line.id) && !line.slots.is_empty())
            .count();
        Ok(if owning == 0 {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{owning} shards still wait for theirs"))
        })
    })
    .await?;
    link.forget(ghosts).await
}

/// Forms a cluster whose nodes booted with an empty configuration: assigns slots and epochs, lets all nodes meet
/// each other, and attaches the replicas.
async fn commands(topology: &Topology, links: &Links, deadline: Instant) -> Result<()> {
    // An epoch can be set only while a node knows no other, and every node gets its own: future replicas are
    // masters at first, and masters with the same epoch collide.
    try_join_all(topology.nodes.iter().map(|node| async move {
        let link = links.to(node.index);
        link.set_epoch(node.index as u64).await?;
        if let Some(shard) = topology.shards.iter().find(|shard| shard.master == node.index) {
            link.own(shard.slots).await?;
        }
        Ok::<_, Error>(())
    }))
    .await?;
    // In both directions, because only the sender of MEET learns the other's slots at once.
    try_join_all(
        topology
            .nodes
            .iter()
            .map(|node| async { links.to(node.index).meet(&others(topology, node)).await }),
    )
    .await?;
    try_join_all(
        topology
            .replicas()
            .map(|node| attach(topology, links, node, deadline)),
    )
    .await?;
    agreed(topology, links, deadline).await?;
    settle_all(topology, links).await
}

/// Makes a node a replica as soon as it knows its master.
async fn attach(topology: &Topology, links: &Links, node: &Node, deadline: Instant) -> Result<()> {
    let master = topology.master_of(topology.shard_of(node));
    let id = links.to(master.index).my_id().await?;
    let link = links.to(node.index);
    let what = format!("{} copies {}", node.name, master.name);
    until(&what, deadline, Duration::from_millis(10), || async {
        Ok(match link.replicate(&id).await {
            Ok(()) => Seen::Done(()),
            Err(error) => Seen::NotYet(error.causes().join(": ")),
        })
    })
    .await
}

/// Applies the settled values of the temporary settings on all nodes.
async fn settle_all(topology: &Topology, links: &Links) -> Result<()> {
    let settled = topology.nodes.iter().map(|node| async move {
        let settings = temporary(topology, node);
        settle(links.to(node.index), &settings).await
    });
    try_join_all(settled).await.map(drop)
}

/// Applies the settled values of the temporary settings to the running server and its configuration file.
async fn settle(link: &NodeConnection, settings: &[Temporary]) -> Result<()> {
    let lasting: Vec<(&str, &str)> = settings
        .iter()
        .map(|setting| (setting.name, setting.settled.as_str()))
        .collect();
    link.configure(&lasting).await?;
    confirm(link, settings).await
}

/// Reads the settled values back and compares them.
async fn confirm(link: &NodeConnection, settings: &[Temporary]) -> Result<()> {
    for Temporary { name, settled, .. } in settings {
        let is = link.configured(name).await?;
        if is != *settled {
            return Err(Error::new(
                ErrorKind::Redis,
                format!(
                    "{name} on {} is {is} after it was set to {settled}",
                    link.address()
                ),
            ));
        }
    }
    Ok(())
}

/// Whether a node still has a node timeout that it has only while its cluster is formed. Other settings that differ
/// during that time are no evidence: a user may have set the same values.
pub(crate) async fn is_forming(topology: &Topology, node: &Node, link: &NodeConnection) -> Result<bool> {
    let is = link.configured(NODE_TIMEOUT).await?;
    let mut settings = temporary(topology, node).into_iter();
    Ok(is_of_a_teller(&is) || settings.any(|setting| setting.name == NODE_TIMEOUT && setting.forming == is))
}
