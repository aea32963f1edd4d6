//! What was seen of a cluster, from outside and from inside its nodes.

use std::collections::BTreeMap;

use crate::checks::finding::Check;
use crate::runtime::observed::Activity;
use crate::server::wire::reply::{Answer, NodeLine, NodeView, ServerFacts};
use crate::topology::layout::{NodeId, Role};
use crate::topology::slots::SlotRange;

/// A cluster as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// Its name, or the endpoint.
    pub cluster: String,
    /// Whether rcup made it.
    pub own: bool,
    /// Whether its data outlives its containers.
    pub persists: bool,
    /// When it was looked at, in seconds since 1970.
    pub looked_at: u64,
    /// Its nodes; those of rcup in the order of the plan.
    pub nodes: Vec<NodeFound>,
    /// Bus ports that were tried.
    pub probes: Vec<BusProbe>,
    /// Addresses that clients are told and that lead nowhere, or to the wrong node.
    pub mislead: Vec<Mislead>,
    /// What the checks of the suite say that only read.
    pub checks: Vec<Check>,
}

/// A node as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFound {
    /// Its name: the container's, or its address.
    pub name: String,
    /// Its address on the bus network, without the port.
    pub ip: String,
    /// Its client port.
    pub port: u16,
    /// Its place in the plan of a cluster of rcup.
    pub place: Option<Place>,
    /// Its container, where rcup made it.
    pub container: Option<ContainerFound>,
    /// What it says of the cluster, or why it says nothing.
    pub answer: Answer,
    /// What it says of itself.
    pub server: Option<ServerFacts>,
    /// What a client inside its container sees; asked only of those that do not answer from here.
    pub inside: Option<Inside>,
    /// When the certificate that it serves ends, in seconds since 1970; `None` without TLS.
    pub certificate_ends: Option<u64>,
    /// How many keys it holds of slots that are in doubt.
    pub keys: BTreeMap<u16, u64>,
    /// The last lines of its log.
    pub log: Vec<String>,
}

/// A place in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node's index, from 1.
    pub index: usize,
    /// The number of its shard.
    pub shard: usize,
    /// The slots of that shard.
    pub slots: SlotRange,
    /// What it began as.
    pub role: Role,
}

/// A container as the engine sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFound {
    /// What it does; `None` when it is gone.
    pub activity: Option<Activity>,
    /// The exit code of its last run.
    pub exit_code: i64,
    /// Whether the kernel killed it for memory.
    pub out_of_memory: bool,
    /// Whether it is plugged into the cluster's network.
    pub connected: bool,
    /// Whether its client port is published on this host.
    pub published: bool,
}

/// What a client inside a container sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// The answer to PING, or the words of the failure.
    pub said: String,
    /// Whether the server answered, be it with a refusal.
    pub listens: bool,
    /// The server's `bind`, where it tells.
    pub bind: Option<String>,
    /// The server's `protected-mode`, where it tells.
    pub protected: Option<String>,
}

/// What came of trying a bus port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusAnswer {
    /// Somebody listens there.
    Open,
    /// Nobody listens there.
    Refused,
    /// Nothing came back.
    Silent,
    /// It could not be tried.
    Untried(String),
}

/// A try of one node's bus port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusProbe {
    /// From where: a node's name when it was tried from inside it; `None` from this host.
    pub from: Option<String>,
    /// The node behind the port, by name.
    pub to: String,
    /// The address.
    pub address: String,
    /// What came of it.
    pub answer: BusAnswer,
}

/// An address that clients are told, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mislead {
    /// The node that is meant, by name.
    pub node: String,
    /// What clients are told.
    pub told: String,
    /// What came of dialling it.
    pub outcome: String,
}

impl Observations {
    /// The nodes that answered, with what they said.
    pub(crate) fn seen(&self) -> Vec<(&NodeFound, &NodeView)> {
        self.nodes
            .iter()
            .filter_map(|node| node.answer.as_ref().ok().map(|view| (node, view)))
            .collect()
    }

    /// The nodes that did not answer.
    pub(crate) fn silent(&self) -> impl Iterator<Item = &NodeFound> {
        self.nodes.iter().filter(|node| node.answer.is_err())
    }

    /// The node that has this id, as it says itself.
    pub(crate) fn by_id(&self, id: &NodeId) -> Option<&NodeFound> {
        self.nodes.iter().find(|node| node.id() == Some(id))
    }

    /// The node of which a line tells: by its id, or as one that is silent and has its address. Each node of rcup
    /// has a port of its own, whatever address it announces.
    pub(crate) fn meant<'a>(&'a self, line: &NodeLine) -> Option<&'a NodeFound> {
        self.by_id(&line.id).or_else(|| {
            self.silent()
                .find(|node| node.port == line.port && (self.own || node.ip == line.ip))
        })
    }

    /// How a person gives `command` to a node.
    pub(crate) fn command(&self, node: &NodeFound, command: &str) -> String {
        match &node.place {
            Some(place) => format!("rcup cli {} --node {} -- {command}", self.cluster, place.index),
            None => format!("redis-cli -h {} -p {} {command}", node.ip, node.port),
        }
    }
}

impl NodeFound {
    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }

    /// Its own id, as it says.
    pub fn id(&self) -> Option<&NodeId> {
        self.myself().map(|line| &line.id)
    }

    /// Its line about itself.
    pub(crate) fn myself(&self) -> Option<&NodeLine> {
        self.answer.as_ref().ok().and_then(NodeView::myself)
    }

    /// Whether it answers and is a master.
    pub(crate) fn is_master(&self) -> bool {
        self.myself().is_some_and(NodeLine::is_master)
    }

    /// Why it does not answer.
    pub(crate) fn silence(&self) -> &str {
        self.answer.as_ref().err().map_or("", String::as_str)
    }

    /// The last line of its log that holds one of these words.
    pub(crate) fn logged(&self, words: &[&str]) -> Option<&str> {
        let holds = |line: &&String| words.iter().any(|word| line.contains(word));
        self.log.iter().rev().find(holds).map(String::as_str)
    }
}
