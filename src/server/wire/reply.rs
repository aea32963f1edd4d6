//! What nodes report about themselves and each other, as plain data.

use std::collections::BTreeMap;

use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

/// One line of `CLUSTER NODES`: the state of one node, as the queried node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// The node's id.
    pub id: NodeId,
    /// Its address, empty when unknown.
    pub ip: String,
    /// Its client port.
    pub port: u16,
    /// Its port on the cluster bus; 0 when unknown.
    pub bus: u16,
    /// Its announced host name.
    pub hostname: Option<String>,
    /// The flags, such as `myself`, `master`, `slave`, `fail?`, `handshake`.
    pub flags: Vec<String>,
    /// Its master, when it is a replica.
    pub master: Option<NodeId>,
    /// When the pending ping was sent to it, in milliseconds of the queried node's clock; 0 if none is pending.
    pub ping: u64,
    /// When its last PONG was received, in milliseconds of the queried node's clock; 0 if never. The time may come
    /// from gossip: see [`NodeLine::is_hearsay`].
    pub pong: u64,
    /// Its configuration epoch, as the queried node knows it.
    pub epoch: u64,
    /// Whether the cluster bus link to it is connected.
    pub connected: bool,
    /// Its slots.
    pub slots: Vec<SlotRange>,
    /// Migrating and importing slots, verbatim (`[93-<-id]`).
    pub moving: Vec<String>,
}

impl NodeLine {
    /// Returns whether it has `flag`.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Returns whether it is a master.
    pub fn is_master(&self) -> bool {
        self.has("master")
    }

    /// Returns whether its PONG time may come from gossip, or is missing. Nodes send each other the time of the
    /// last PONG in whole seconds. A node without a pending ping takes that time as its own if it is later
    /// (`clusterProcessGossipSection` in Redis's and Valkey's sources). One of a thousand real PONG times looks the
    /// same.
    pub fn is_hearsay(&self) -> bool {
        self.pong.is_multiple_of(1000)
    }

    /// Returns the flags that report a fault.
    pub fn troubles(&self) -> impl Iterator<Item = &str> {
        const TROUBLE: [&str; 4] = ["fail", "fail?", "handshake", "noaddr"];
        self.flags
            .iter()
            .map(String::as_str)
            .filter(|flag| TROUBLE.contains(flag))
    }
}

/// The replication role of a node, from `INFO replication`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// Whether it is a replica.
    pub replica: bool,
    /// Whether the link to its master is up (replicas only).
    pub link_up: bool,
    /// Its offset in the replication stream.
    pub offset: u64,
}

/// The replies of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// `CLUSTER INFO`, by field.
    pub info: BTreeMap<String, String>,
    /// `CLUSTER NODES`.
    pub nodes: Vec<NodeLine>,
    /// `INFO replication`.
    pub replication: Replication,
}

impl NodeView {
    /// Returns a field of `CLUSTER INFO`; empty if it is missing.
    pub fn field(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// Returns a numeric field of `CLUSTER INFO`; 0 if it is missing.
    pub fn number(&self, name: &str) -> u64 {
        self.field(name).parse().unwrap_or_default()
    }

    /// Returns the node's line about itself.
    pub fn myself(&self) -> Option<&NodeLine> {
        self.nodes.iter().find(|line| line.has("myself"))
    }
}

/// One entry of `CLUSTER SLOTS`: a slot range and the endpoints of its nodes, as clients receive them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotOwner {
    /// The range.
    pub slots: SlotRange,
    /// Master first, then its replicas.
    pub endpoints: Vec<Endpoint>,
}

/// Address of a node that clients receive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Host name or address. Empty when the server does not know it.
    pub host: String,
    /// Client port.
    pub port: u16,
    /// The id of the node that is expected to respond there.
    pub id: NodeId,
}

/// The replies of a node, or why there are none.
pub type Answer = Result<NodeView, String>;

/// A link of the cluster bus, from `CLUSTER LINKS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusLink {
    /// Whether the queried node opened it (`to`), or the other one did (`from`).
    pub outgoing: bool,
    /// The node at its other end.
    pub node: NodeId,
    /// Whether messages can pass. The queried node lists an outgoing link before the connection is established, and
    /// `CLUSTER NODES` reports it as `connected`.
    pub carries: bool,
}

/// Difference between a node's clock and the clock of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSeen {
    /// Milliseconds by which the node's clock is ahead.
    pub ahead: i64,
    /// Maximum error in milliseconds: half of the round-trip time.
    pub doubt: u64,
}

/// Replies of a single server for the standard suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// The node's name.
    pub name: String,
    /// `INFO`, by field.
    pub info: BTreeMap<String, String>,
    /// `CONFIG GET *`, or why it is unknown: managed services refuse the command.
    pub config: Configured,
    /// `CLUSTER LINKS`; `None` if the server does not support the command.
    pub links: Option<Vec<BusLink>>,
    /// Its clock; `None` if it does not report it.
    pub clock: Option<ClockSeen>,
}

/// The directives of a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Configured {
    /// By name.
    Known(BTreeMap<String, String>),
    /// Why they are unknown: the server's error message.
    Refused(String),
}

impl Default for Configured {
    fn default() -> Self {
        Self::Known(BTreeMap::new())
    }
}

impl ServerFacts {
    /// Returns a field of `INFO`; empty if it is missing.
    pub fn field(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// Returns a numeric field of `INFO`.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name).parse().ok()
    }

    /// Returns the value of a directive.
    pub fn setting(&self, name: &str) -> Option<&str> {
        match &self.config {
            Configured::Known(all) => all.get(name).map(String::as_str),
            Configured::Refused(_) => None,
        }
    }
}
