//! Observations of a cluster, from outside and from inside its nodes.

use std::collections::BTreeMap;

use crate::checks::finding::Check;
use crate::runtime::observed::Activity;
use crate::server::wire::reply::{Answer, NodeLine, NodeView, ServerFacts};
use crate::topology::layout::{NodeId, Role};
use crate::topology::slots::SlotRange;

/// The observed state of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// The cluster's name, or the endpoint.
    pub cluster: String,
    /// Whether rcup created it.
    pub own: bool,
    /// Whether its data persists when its containers are removed.
    pub persists: bool,
    /// The time of the observation, in seconds since the Unix epoch.
    pub looked_at: u64,
    /// The nodes; for a cluster that rcup created, in the order of the plan.
    pub nodes: Vec<NodeFound>,
    /// The results of the bus port tests.
    pub probes: Vec<BusProbe>,
    /// Addresses that are advertised to clients and do not reach the right node.
    pub mislead: Vec<Mislead>,
    /// The results of the read-only checks of the suite.
    pub checks: Vec<Check>,
}

/// The observed state of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFound {
    /// The container's name, or the node's address.
    pub name: String,
    /// The address on the bus network, without the port.
    pub ip: String,
    /// The client port.
    pub port: u16,
    /// The position in the plan of a cluster that rcup created.
    pub place: Option<Place>,
    /// The container, if rcup created it.
    pub container: Option<ContainerFound>,
    /// The node's view of the cluster, or why it does not answer.
    pub answer: Answer,
    /// The facts that the server reports about itself.
    pub server: Option<ServerFacts>,
    /// The results from a client inside the container; collected only for nodes that do not answer from this
    /// host.
    pub inside: Option<Inside>,
    /// The expiry time of the certificate that it serves, in seconds since the Unix epoch; `None` without
    /// TLS.
    pub certificate_ends: Option<u64>,
    /// The number of keys it holds in each uncovered, disputed or moving slot.
    pub keys: BTreeMap<u16, u64>,
    /// The last lines of the log.
    pub log: Vec<String>,
}

/// A position in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node's index, from 1.
    pub index: usize,
    /// The number of its shard.
    pub shard: usize,
    /// The slots of that shard.
    pub slots: SlotRange,
    /// The planned role.
    pub role: Role,
}

/// The state of a container, as the container engine reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFound {
    /// The activity of the container; `None` when the container does not exist.
    pub activity: Option<Activity>,
    /// The exit code of the last run.
    pub exit_code: i64,
    /// Whether the OOM killer ended it.
    pub out_of_memory: bool,
    /// Whether it is connected to the cluster's network.
    pub connected: bool,
    /// Whether its client port is published on this host.
    pub published: bool,
}

/// The results from a client inside a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// The answer to PING, or the error message.
    pub said: String,
    /// Whether the server answered, even with an error.
    pub listens: bool,
    /// The server's `bind`, if it reports it.
    pub bind: Option<String>,
    /// The server's `protected-mode`, if it reports it.
    pub protected: Option<String>,
}

/// The result of a bus port test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusAnswer {
    /// The port accepts connections.
    Open,
    /// The connection is refused.
    Refused,
    /// There is no response.
    Silent,
    /// The test could not run, for this reason.
    Untried(String),
}

/// A test of one node's bus port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusProbe {
    /// The source: the name of the node from which it was tested; `None` for this host.
    pub from: Option<String>,
    /// The name of the node that the port belongs to.
    pub to: String,
    /// The tested address.
    pub address: String,
    /// The result.
    pub answer: BusAnswer,
}

/// An address that is advertised to clients, and the result of a connection to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mislead {
    /// The name of the node that it is advertised for.
    pub node: String,
    /// The advertised address.
    pub told: String,
    /// The result of the connection.
    pub outcome: String,
}

impl Observations {
    /// Returns the nodes that answered, with their views.
    pub(crate) fn seen(&self) -> Vec<(&NodeFound, &NodeView)> {
        self.nodes
            .iter()
            .filter_map(|node| node.answer.as_ref().ok().map(|view| (node, view)))
            .collect()
    }

    /// Returns the nodes that did not answer.
    pub(crate) fn silent(&self) -> impl Iterator<Item = &NodeFound> {
        self.nodes.iter().filter(|node| node.answer.is_err())
    }

    /// Returns the node that reports this id as its own.
    pub(crate) fn by_id(&self, id: &NodeId) -> Option<&NodeFound> {
        self.nodes.iter().find(|node| node.id() == Some(id))
    }

    /// Returns the node that a line describes: by its id, or by its address if the node does not answer. In a
    /// cluster that rcup created, each node has its own port, independent of the announced address.
    pub(crate) fn meant<'a>(&'a self, line: &NodeLine) -> Option<&'a NodeFound> {
        self.by_id(&line.id).or_else(|| {
            self.silent()
                .find(|node| node.port == line.port && (self.own || node.ip == line.ip))
        })
    }

    /// Returns the command line that sends `command` to a node.
    pub(crate) fn command(&self, node: &NodeFound, command: &str) -> String {
        match &node.place {
            Some(place) => format!("rcup cli {} --node {} -- {command}", self.cluster, place.index),
            None => format!("redis-cli -h {} -p {} {command}", node.ip, node.port),
        }
    }
}

impl NodeFound {
    /// Returns the client address.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }

    /// Returns the id that the node reports as its own.
    pub fn id(&self) -> Option<&NodeId> {
        self.myself().map(|line| &line.id)
    }

    /// Returns the node's own line in CLUSTER NODES.
    pub(crate) fn myself(&self) -> Option<&NodeLine> {
        self.answer.as_ref().ok().and_then(NodeView::myself)
    }

    /// Returns whether the node answers and is a master.
    pub(crate) fn is_master(&self) -> bool {
        self.myself().is_some_and(NodeLine::is_master)
    }

    /// Returns why the node does not answer.
    pub(crate) fn silence(&self) -> &str {
        self.answer.as_ref().err().map_or("", String::as_str)
    }

    /// Returns the last line of the log that contains one of these words.
    pub(crate) fn logged(&self, words: &[&str]) -> Option<&str> {
        let holds = |line: &&String| words.iter().any(|word| line.contains(word));
        self.log.iter().rev().find(holds).map(String::as_str)
    }
}
