//! Stops a cluster, and restarts it node by node, without avoidable data loss.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::Instant;

use crate::checks::answers::Roles;
use crate::checks::failover::hand_back::hand_back;
use crate::checks::finding::Check;
use crate::connect::attached::Attached;
use crate::connect::links::{Links, Started, gather};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::lifecycle::bootstrap::readiness::prove;
use crate::runtime::faults::Faults;
use crate::runtime::interface::Runtime;
use crate::runtime::observed::{Activity, ContainerSeen};
use crate::server::conf::settings::effective::settings;
use crate::server::wire::connection::NodeConnection;
use crate::topology::layout::{Node, Topology};
use crate::wait::{Seen, until};

/// Seconds that a server has to save its data and exit before it is killed.
const GRACE: u32 = 60;

/// Poll interval while a node changes its role.
const LOOK: Duration = Duration::from_millis(20);

/// Data of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Data {
    /// Number of keys in all shards together; `None` when a shard has no master that responds.
    pub keys: Option<u64>,
    /// Whether the keys are stored on volumes, so that they outlive the containers.
    pub persistent: bool,
}

impl Data {
    /// Whether the cluster is known to hold no keys.
    pub fn is_nothing(self) -> bool {
        self.keys == Some(0)
    }
}

impl<R: Runtime> Attached<R> {
    /// Determines the data of the cluster. Without volumes, a cluster whose nodes have exited holds no keys.
    pub async fn data(&self) -> Data {
        let persistent = self.topology().spec.persist();
        let runs =
            |container: &ContainerSeen| !matches!(container.activity, Activity::Created | Activity::Exited);
        if !persistent && !self.containers().iter().any(runs) {
            return Data {
                keys: Some(0),
                persistent,
            };
        }
        // Without a login, the number of keys is unknown and reported as `None`.
        let links = self.links().await.unwrap_or_default();
        let counts = join_all(links.iter().map(|(index, link)| async move {
            let shard = self.topology().node(*index)?.shard;
            let master = is_master(link).await.ok()?;
            let keys = link.keys().await.ok()?;
            master.then_some((shard, keys))
        }))
        .await;
        let counts: Vec<(usize, u64)> = counts.into_iter().flatten().collect();
        let told: BTreeSet<usize> = counts.iter().map(|(shard, _)| *shard).collect();
        let all = told.len() == self.topology().shards.len();
        Data {
            keys: all.then(|| counts.iter().map(|(_, keys)| keys).sum()),
            persistent,
        }
    }

    /// Whether restarting these nodes (by index) loses keys. Without volumes, a master's keys are lost if it has no
    /// replica that can be promoted and later demoted again.
    pub fn restart_loses_keys(&self, indices: &[usize]) -> bool {
        let topology = self.topology();
        let alone = |node: &&Node| indices.contains(&node.index) && heir(topology, node).is_none();
        !topology.spec.persist() && topology.nodes.iter().any(|node| alone(&node))
    }
}

impl<R: Faults> Attached<R> {
    /// Stops all nodes gracefully, replicas first, so that no replica detects a failure of its master. Returns the
    /// names of the nodes that ran.
    ///
    /// # Errors
    /// When the container engine refuses it.
    pub async fn stop(&self, observer: &dyn Observer) -> Result<Vec<String>> {
        let running: Vec<(usize, String)> = self
            .containers()
            .iter()
            .filter(|container| !matches!(container.activity, Activity::Created | Activity::Exited))
            .filter_map(|container| Some((container.index()?, container.name.clone())))
            .collect();
        let links = self.links().await.unwrap_or_default();
        let roles = join_all(links.iter().map(|(index, link)| async move {
            let master = is_master(link).await.unwrap_or(true);
            (*index, master)
        }))
        .await;
        let replica = |index: usize| roles.iter().any(|(at, master)| *at == index && !master);
        let (replicas, others): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|(index, _)| replica(*index));
        drop(links);
        let mut stopped = Vec::new();
        for group in [replicas, others] {
            try_join_all(group.iter().map(|(_, name)| async move {
                // A paused server cannot exit.
                let paused = self
                    .containers()
                    .iter()
                    .any(|one| one.name == *name && one.activity == Activity::Paused);
                if paused {
                    self.runtime().resume(name).await?;
                }
                self.runtime().halt(name, GRACE).await?;
                observer.observe(&Event::note(format!("{name} has stopped")));
                Ok::<_, Error>(())
            }))
            .await?;
            stopped.extend(group.into_iter().map(|(_, name)| name));
        }
        stopped.sort();
        Ok(stopped)
    }

    /// Restarts nodes one after the other, replicas first, while the others serve. A replica is promoted before its
    /// master stops, and the master is promoted again at the end, so that no acknowledged write is lost in a shard
    /// with replicas. Returns the results of the final readiness check.
    ///
    /// # Errors
    /// The first failure and its node; the nodes after it are not restarted.
    pub async fn restart(
        &self,
        indices: &[usize],
        timeout: Duration,
        observer: &dyn Observer,
    ) -> Result<Vec<Check>> {
        let deadline = Instant::now() + timeout;
        let topology = self.topology();
        let mut links = self.gather(deadline).await?;
        let (roles, _) = prove(topology, Roles::WithinShards, &links, deadline).await?;
        debug_assert!(!roles.is_empty());
        let mut masters = Vec::new();
        let mut order = Vec::new();
        for node in topology.nodes.iter().filter(|node| indices.contains(&node.index)) {
            if is_master(links.to(node.index)).await? {
                masters.push(node);
            } else {
                order.push(node);
            }
        }
        order.extend(masters);
        for node in order {
            let mut kept = Vec::new();
            if is_master(links.to(node.index)).await? {
                match heir(topology, node) {
                    Some(heir) => {
                        take_role(links.to(heir.index), heir, deadline).await?;
                        observer.observe(&Event::note(format!("{} stands in for {}", heir.name, node.name)));
                    }
                    // No replica could hand the role back, so none may be promoted meanwhile.
                    None => kept = siblings(topology, node),
                }
            }
            keep_from_master(topology, &links, &kept, true).await?;
            let restarted = async {
                self.runtime().halt(&node.name, GRACE).await?;
                self.runtime().start(&node.name).await?;
                self.gather(deadline).await
            };
            let restarted = restarted.await;
            keep_from_master(topology, &links, &kept, false).await?;
            links = restarted?;
            prove(topology, Roles::WithinShards, &links, deadline).await?;
            observer.observe(&Event::note(format!("{} has been restarted", node.name)));
        }
        for name in hand_back(topology, &links, deadline).await? {
            observer.observe(&Event::note(format!("{name} is master again, as planned")));
        }
        let (checks, _) = prove(topology, Roles::AsPlanned, &links, deadline).await?;
        Ok(checks)
    }

    async fn gather(&self, deadline: Instant) -> Result<Links> {
        let started = Started::default();
        let access = self.access().await?;
        gather(self.runtime(), self.topology(), &access, &started, None, deadline).await
    }
}

async fn is_master(link: &NodeConnection) -> Result<bool> {
    let nodes = link.cluster_nodes().await?;
    Ok(nodes.iter().any(|line| line.has("myself") && line.has("master")))
}

/// The other nodes of a node's shard.
fn siblings<'a>(topology: &'a Topology, node: &Node) -> Vec<&'a Node> {
    topology
        .nodes
        .iter()
        .filter(|other| other.shard == node.shard && other.index != node.index)
        .collect()
}

/// Prevents replicas from failing over their master, or restores their configured setting.
async fn keep_from_master(topology: &Topology, links: &Links, replicas: &[&Node], keep: bool) -> Result<()> {
    const NAME: &str = "cluster-replica-no-failover";
    for replica in replicas {
        let all = settings(topology, replica);
        let given = all.iter().find(|setting| setting.name == NAME);
        let given = given.map_or("no", |setting| setting.value.as_str());
        links
            .to(replica.index)
            .set(NAME, if keep { "yes" } else { given })
            .await?;
    }
    Ok(())
}

/// Returns another node of the shard that can be promoted in place of a node, and that this node can replicate
/// until it is promoted again.
fn heir<'a>(topology: &'a Topology, node: &Node) -> Option<&'a Node> {
    siblings(topology, node)
        .into_iter()
        .find(|other| topology.server(node).can_copy(topology.server(other)))
}

async fn take_role(link: &NodeConnection, heir: &Node, deadline: Instant) -> Result<()> {
    let what = format!("{} is master", heir.name);
    until(&what, deadline, LOOK, || async {
        if is_master(link).await? {
            return Ok(Seen::Done(()));
        }
        // Sent repeatedly, because Redis drops a request that coincides with another election.
        let asked = link.fail_over().await;
        Ok(Seen::NotYet(asked.err().map_or_else(
            || "the change of roles is under way".to_owned(),
            |error| error.causes().join(": "),
        )))
    })
    .await
    .map_err(|error| match error.kind() {
        ErrorKind::Timeout => error.hint("See `rcup validate`: the replica must be in step with its master."),
        _ => error,
    })
}
