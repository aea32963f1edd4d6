//! What the nodes say about themselves and each other, as plain data. `redis` parses it, `cluster` gathers
//! it, and this folder judges it.

use std::collections::BTreeMap;

use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

/// One line of `CLUSTER NODES`: how the asked node sees one node.
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
    /// When the ping that it has not answered yet was sent to it, in milliseconds of the asked node's clock; 0 if it has
    /// answered all.
    pub ping: u64,
    /// When it last answered a ping, in milliseconds of the asked node's clock; 0 if never. It need not have been a ping of
    /// the asked node's own: see [`NodeLine::is_hearsay`].
    pub pong: u64,
    /// Its configuration epoch, as the asked node knows it.
    pub epoch: u64,
    /// Whether the bus link to it stands.
    pub connected: bool,
    /// Its slots.
    pub slots: Vec<SlotRange>,
    /// Slots that are being moved to or from it, verbatim (`[93-<-id]`).
    pub moving: Vec<String>,
}

impl NodeLine {
    /// Whether it carries `flag`.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Whether it is a master.
    pub fn is_master(&self) -> bool {
        self.has("master")
    }

    /// Whether its last answer may have been another node's, or there was none. Nodes tell each other when they had an
    /// answer, in whole seconds, and who waits for none takes that for its own if it is later
    /// (`clusterProcessGossipSection` in Redis's and Valkey's sources). One of a thousand true answers looks like that too.
    pub fn is_hearsay(&self) -> bool {
        self.pong.is_multiple_of(1000)
    }

    /// The flags with which a node is not in order.
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
    /// Whether the link to its master stands (replicas only).
    pub link_up: bool,
    /// Its offset in the replication stream.
    pub offset: u64,
}

/// What one node answered.
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
    /// A field of `CLUSTER INFO`.
    pub fn field(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// A numeric field of `CLUSTER INFO`.
    pub fn number(&self, name: &str) -> u64 {
        self.field(name).parse().unwrap_or_default()
    }

    /// The node's line about itself.
    pub fn myself(&self) -> Option<&NodeLine> {
        self.nodes.iter().find(|line| line.has("myself"))
    }
}

/// One entry of `CLUSTER SLOTS`: a range and the master's endpoint, as a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotOwner {
    /// The range.
    pub slots: SlotRange,
    /// Master first, then its replicas.
    pub endpoints: Vec<Endpoint>,
}

/// Where a client is told to find a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Host name or address. Empty when the server does not know it.
    pub host: String,
    /// Client port.
    pub port: u16,
    /// The id of the node that should answer there.
    pub id: NodeId,
}

/// What is known of a node: its answers, or why there are none.
pub type Answer = Result<NodeView, String>;

/// A link of the cluster bus, from `CLUSTER LINKS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusLink {
    /// Whether the asked node opened it (`to`), or the other one did (`from`).
    pub outgoing: bool,
    /// The node at its other end.
    pub node: NodeId,
    /// Whether messages can pass. A link that the asked node opens is told before the connection stands, and
    /// `CLUSTER NODES` calls it `connected`.
    pub carries: bool,
}

/// How a node's clock stands to that of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSeen {
    /// By how much it is ahead, in milliseconds.
    pub ahead: i64,
    /// How wrong that may be, in milliseconds: half of the time that the answer took.
    pub doubt: u64,
}

/// What is asked of a single server for the standard suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// The node's name.
    pub name: String,
    /// `INFO`, by field.
    pub info: BTreeMap<String, String>,
    /// `CONFIG GET *`, or why it is not known: managed services refuse to tell.
    pub config: Configured,
    /// `CLUSTER LINKS`; `None` when the server does not know the command.
    pub links: Option<Vec<BusLink>>,
    /// Its clock; `None` where it does not tell.
    pub clock: Option<ClockSeen>,
}

/// The directives of a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Configured {
    /// By name.
    Known(BTreeMap<String, String>),
    /// Why they are not known, in the server's words.
    Refused(String),
}

impl Default for Configured {
    fn default() -> Self {
        Self::Known(BTreeMap::new())
    }
}

impl ServerFacts {
    /// A field of `INFO`; empty when the server has none.
    pub fn field(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// A numeric field of `INFO`.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name).parse().ok()
    }

    /// The value of a directive.
    pub fn setting(&self, name: &str) -> Option<&str> {
        match &self.config {
            Configured::Known(all) => all.get(name).map(String::as_str),
            Configured::Refused(_) => None,
        }
    }
}
