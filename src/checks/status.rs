//! The status of a cluster, for display and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::answers::Roles;
use crate::checks::finding::all_passed;
use crate::checks::readiness::judge;
use crate::connect::attached::Attached;
use crate::error::Error;
use crate::event::Timings;
use crate::runtime::interface::Runtime;
use crate::runtime::observed::{Activity, ContainerSeen};
use crate::server::wire::access::url;
use crate::server::wire::reply::{Answer, NodeLine};
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::{Announce, Node, NodeId, Role, Topology};
use crate::topology::slots::SlotRange;

/// The state of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// Every node meets the readiness contract.
    Ok,
    /// All slots are served, but something is not as planned.
    Degraded,
    /// Some slots are not served.
    Fail,
    /// No node is running.
    Stopped,
}

impl State {
    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Fail => "fail",
            Self::Stopped => "stopped",
        }
    }
}

/// The network of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkReport {
    /// The name.
    pub name: String,
    /// The subnet.
    pub subnet: String,
    /// The address of the bridge.
    pub gateway: String,
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// The index, from 1.
    pub index: usize,
    /// The name of its container.
    pub name: String,
    /// The node id as the node reports it; the planned one if the node does not answer.
    pub id: NodeId,
    /// The current role; the planned one if the node does not answer.
    pub role: Role,
    /// The shard, from 1.
    pub shard: usize,
    /// The slots it owns.
    pub slots: Vec<SlotRange>,
    /// The index of the master that it replicates.
    pub replica_of: Option<usize>,
    /// The address on the bridge network.
    pub address: String,
    /// The address on this host.
    pub host_address: String,
    /// The address that is advertised to clients.
    pub advertised: String,
    /// The replication link (replicas only): `up` or `down`.
    pub link: Option<&'static str>,
    /// The state of its container; `silent` if it runs but does not answer.
    pub state: String,
    /// The server and the image of a node whose image differs from that of the cluster.
    #[serde(flatten)]
    pub own: Option<OwnServer>,
}

/// The server of a node with its own image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnServer {
    /// `redis` or `valkey`.
    pub engine: &'static str,
    /// The server's version.
    pub version: String,
    /// The image.
    pub image: String,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The name.
    pub name: String,
    /// The state.
    pub state: State,
    /// `redis` or `valkey`. This, the version and the image apply to all nodes without their own image.
    pub engine: &'static str,
    /// The server's version.
    pub version: String,
    /// The image.
    pub image: String,
    /// How nodes announce themselves.
    pub announce: Announce,
    /// The network.
    pub network: NetworkReport,
    /// The nodes, in index order.
    pub nodes: Vec<NodeReport>,
    /// How long each phase took, in milliseconds, and `total` (only after `up`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<BTreeMap<String, u64>>,
}

impl Report {
    /// Combines the plan, the container states and the nodes' answers. `answers` are in node order.
    pub(crate) fn new(
        topology: &Topology,
        state: State,
        containers: &[ContainerSeen],
        answers: &[Answer],
    ) -> Self {
        let common = &topology.placement.image;
        let nodes = topology
            .nodes
            .iter()
            .zip(answers)
            .map(|(node, answer)| node_report(topology, node, containers, answer))
            .collect();
        Self {
            name: topology.name().to_string(),
            state,
            engine: common.server.engine.as_str(),
            version: common.server.version.to_string(),
            image: common.reference.clone(),
            announce: topology.announce,
            network: NetworkReport {
                name: topology.network(),
                subnet: topology.placement.subnet.to_string(),
                gateway: topology.gateway().to_string(),
            },
            nodes,
            timings: None,
        }
    }

    pub(crate) fn with_timings(mut self, timings: &Timings, total: std::time::Duration) -> Self {
        let ms = |duration: &std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut all: BTreeMap<String, u64> = timings
            .iter()
            .map(|(phase, took)| (phase.as_str().to_owned(), ms(took)))
            .collect();
        all.insert("total".to_owned(), ms(&total));
        self.timings = Some(all);
        self
    }

    /// Returns the masters, in index order.
    #[doc(hidden)]
    pub fn masters(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|node| node.role == Role::Master)
    }
}

fn node_report(
    topology: &Topology,
    node: &Node,
    containers: &[ContainerSeen],
    answer: &Answer,
) -> NodeReport {
    let view = answer.as_ref().ok();
    let myself: Option<&NodeLine> = view.and_then(|view| view.myself());
    let container = containers
        .iter()
        .find(|container| container.index() == Some(node.index));
    let state = match (container.map(|container| &container.activity), view) {
        (None, _) => "missing".to_owned(),
        (Some(Activity::Running), None) => "silent".to_owned(),
        (Some(activity), _) => activity.as_str().to_owned(),
    };
    let role = match myself {
        Some(line) if line.is_master() => Role::Master,
        Some(_) => Role::Replica,
        None => node.role,
    };
    let master = myself.and_then(|line| line.master.as_ref());
    let replica_of = match (view, master) {
        (Some(view), Some(master)) => view
            .nodes
            .iter()
            .find(|line| line.id == *master)
            .and_then(|line| topology.nodes.iter().find(|node| node.port == line.port))
            .map(|node| node.index),
        (None, _) if role == Role::Replica => Some(topology.shard_of(node).master),
        _ => None,
    };
    let host = match topology.announce {
        Announce::Ip => node.ip.to_string(),
        Announce::Hostname | Announce::ClientIpv4 => node.host_address().ip().to_string(),
    };
    NodeReport {
        index: node.index,
        name: node.name.clone(),
        id: myself.map_or_else(|| node.id.clone(), |line| line.id.clone()),
        role,
        shard: node.shard,
        slots: myself.map(|line| line.slots.clone()).unwrap_or_default(),
        replica_of,
        address: node.address().to_string(),
        host_address: node.host_address().to_string(),
        advertised: format!("{host}:{}", node.port),
        link: view
            .filter(|view| view.replication.replica)
            .map(|view| if view.replication.link_up { "up" } else { "down" }),
        state,
        own: topology.placement.images.get(&node.index).map(|image| OwnServer {
            engine: image.server.engine.as_str(),
            version: image.server.version.to_string(),
            image: image.reference.clone(),
        }),
    }
}

impl<R: Runtime> Attached<R> {
    /// Returns the URL of every node for a client on this host, masters first.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) when the cluster's credentials cannot be read back.
    pub async fn urls(&self) -> Result<Vec<String>, Error> {
        let credentials = self.credentials().await?;
        let of_node = |node: &crate::checks::status::NodeReport| {
            url(&node.advertised, credentials.as_ref(), self.topology().spec.tls())
        };
        Ok(self.planned().nodes.iter().map(of_node).collect())
    }

    /// Returns the planned cluster without querying any node.
    fn planned(&self) -> Report {
        let unasked: Vec<Answer> = self.topology().nodes.iter().map(|_| Err(String::new())).collect();
        Report::new(self.topology(), State::Ok, self.containers(), &unasked)
    }

    /// Queries all nodes and returns the current status.
    pub async fn report(&self) -> Report {
        let answers = self.answers().await;
        let checks = judge(self.topology(), Roles::WithinShards, &answers);
        let state = if self
            .containers()
            .iter()
            .all(|container| container.activity != Activity::Running)
        {
            State::Stopped
        } else if all_passed(&checks) {
            State::Ok
        } else if serving(&answers) {
            State::Degraded
        } else {
            State::Fail
        };
        Report::new(self.topology(), state, self.containers(), &answers)
    }

    async fn answers(&self) -> Vec<Answer> {
        let mut answers: Vec<Answer> = self
            .topology()
            .nodes
            .iter()
            .map(|node| Err(self.silence(node.index)))
            .collect();
        // A table of the nodes needs only the monitoring user.
        let links = match self.links_as(ServiceUser::Monitor).await {
            Ok(links) => links,
            Err(error) => return answers.iter().map(|_| Err(error.to_string())).collect(),
        };
        let views = futures_util::future::join_all(links.iter().map(|(_, link)| link.view())).await;
        for ((index, _), view) in links.iter().zip(views) {
            answers[index - 1] = view.map_err(|error| error.causes().join(": "));
        }
        answers
    }
}

/// Returns whether every slot has a master that answers and reports the state ok.
fn serving(answers: &[Answer]) -> bool {
    let owned: usize = answers
        .iter()
        .flatten()
        .filter(|view| view.field("cluster_state") == "ok")
        .filter_map(|view| view.myself())
        .flat_map(|line| line.slots.iter().map(|range| range.len()))
        .sum();
    owned == usize::from(crate::topology::slots::SLOTS)
}
