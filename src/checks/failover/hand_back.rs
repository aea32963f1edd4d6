//! Restores the master roles of the planned nodes: after a failover test, a restart, or a repair.

use std::time::Duration;

use tokio::time::Instant;

use crate::checks::answers::Roles;
use crate::checks::finding::{all_passed, complaint};
use crate::checks::readiness::judge;
use crate::connect::links::Links;
use crate::error::{Error, ErrorKind, Result};
use crate::server::wire::gossip::announce;
use crate::server::wire::reply::Answer;
use crate::topology::layout::{Node, Topology};
use crate::wait::{Seen, pace, until};

/// Poll interval for one step on one node.
const STEP: Duration = Duration::from_millis(2);

/// Restores the master roles of the planned nodes, one shard at a time, without losing a write: the current
/// master pauses writes until the planned one has caught up.
pub(crate) async fn hand_back(topology: &Topology, links: &Links, deadline: Instant) -> Result<Vec<String>> {
    let mut moved = Vec::new();
    loop {
        let views = within_shards(topology, links, deadline).await?;
        let displaced = topology.masters().find(|node| {
            views[node.index - 1]
                .as_ref()
                .is_ok_and(|view| view.myself().is_some_and(|line| !line.is_master()))
        });
        let Some(node) = displaced else { return Ok(moved) };
        let link = links.to(node.index);
        let what = format!("{} is master again", node.name);
        until(&what, deadline, Duration::from_millis(100), || async {
            // Redis silently refuses to fail over the same master twice within two node timeouts.
            let asked = link.fail_over().await;
            let nodes = link.cluster_nodes().await?;
            let myself = nodes.iter().find(|line| line.has("myself"));
            Ok(match myself {
                Some(line) if line.is_master() => Seen::Done(()),
                _ => Seen::NotYet(asked.err().map_or_else(
                    || "it is still a replica".to_owned(),
                    |error| error.causes().join(": "),
                )),
            })
        })
        .await?;
        // Its former master and its sibling replicas announce it to the other nodes.
        let shard = topology.shard_of(node);
        let siblings: Vec<&Node> = shard
            .replicas
            .iter()
            .filter_map(|index| topology.node(*index))
            .collect();
        for replica in &siblings {
            follows_any(links, replica, deadline).await?;
            announce(topology, links.to(replica.index), deadline).await?;
        }
        moved.push(node.name.clone());
    }
}

/// How long a node may try to replicate from a master whose data format it cannot load. A partial
/// resynchronization needs no full sync and can still succeed.
const HOPE: Duration = Duration::from_secs(5);

/// Returns the error for a node that can never replicate from the new master: only the user can resolve it.
fn never_follows(topology: &Topology, lost: &Node, heir: &Node) -> Error {
    Error::new(
        ErrorKind::Unhealthy,
        format!(
            "{} was promoted, but {} cannot replicate from it",
            heir.name, lost.name
        ),
    )
    .because(format!(
        "{} cannot replicate from {}",
        topology.server(lost),
        topology.server(heir)
    ))
    .hint(format!(
        "The keys are on {}. Save them, then recreate the cluster with the newer version for both: `rcup \
         down {name}`, `rcup up {name}`.",
        heir.name,
        name = topology.name()
    ))
}

/// Returns a replica that cannot replicate from its master, with that master. `answers` are in the order of
/// the nodes.
fn stranded<'a>(topology: &'a Topology, answers: &[Answer]) -> Option<(&'a Node, &'a Node)> {
    let line = |node: &Node| answers.get(node.index - 1)?.as_ref().ok()?.myself();
    topology.nodes.iter().find_map(|node| {
        let own = line(node).filter(|own| !own.is_master())?;
        let view = answers.get(node.index - 1)?.as_ref().ok()?;
        let master = own.master.as_ref()?;
        let heir = topology
            .nodes
            .iter()
            .find(|other| line(other).is_some_and(|line| line.id == *master))?;
        let apart = !topology.server(node).can_copy(topology.server(heir));
        (apart && !view.replication.link_up).then_some((node, heir))
    })
}

/// Waits until a node is a replica of any master.
pub(crate) async fn follows_any(links: &Links, node: &Node, deadline: Instant) -> Result<()> {
    let what = format!("{} is a replica again", node.name);
    until(&what, deadline, STEP, || async {
        let nodes = links.to(node.index).cluster_nodes().await?;
        let replica = nodes.iter().any(|line| line.has("myself") && line.has("slave"));
        Ok(if replica {
            Seen::Done(())
        } else {
            Seen::NotYet("it is still a master".to_owned())
        })
    })
    .await
}

/// Waits until the nodes agree and every shard has one master, and returns their answers.
async fn within_shards(topology: &Topology, links: &Links, deadline: Instant) -> Result<Vec<Answer>> {
    let what = "nodes to agree on slot owners";
    let stranded_since = std::sync::Mutex::new(None);
    until(what, deadline, pace(topology.nodes.len()), || async {
        let now = links.views().await;
        let checks = judge(topology, Roles::WithinShards, &now);
        if all_passed(&checks) {
            return Ok(Seen::Done(now));
        }
        let stranded = stranded(topology, &now);
        let since = stranded_since.lock().ok().and_then(|mut since| {
            // A node that repeatedly fails to load a full sync does not always answer, so the timer is not
            // reset.
            stranded.map(|_| *since.get_or_insert_with(Instant::now))
        });
        match (stranded, since) {
            (Some((lost, heir)), Some(since)) if since.elapsed() > HOPE => {
                Err(never_follows(topology, lost, heir))
            }
            _ => Ok(Seen::NotYet(complaint(&checks))),
        }
    })
    .await
}
