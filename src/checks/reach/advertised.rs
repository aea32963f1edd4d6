//! Addresses that nodes advertise to clients, where each address was tested from, and which node answered.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::server::wire::reply::Endpoint;
use crate::topology::layout::{Announce, NodeId};

/// The response in which a client receives an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
    /// `CLUSTER SLOTS`.
    Slots,
    /// The endpoint in `CLUSTER SHARDS`.
    Shards,
    /// The address in `CLUSTER NODES`.
    Nodes,
    /// The host name in `CLUSTER NODES`, or the address where there is none.
    NodeNames,
    /// A `MOVED` redirection.
    Moved,
    /// An `ASK` redirection.
    Ask,
}

impl Source {
    /// Returns the name in upper case, as in the server's documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slots => "SLOTS",
            Self::Shards => "SHARDS",
            Self::Nodes => "NODES",
            Self::NodeNames => "NODES (names)",
            Self::Moved => "MOVED",
            Self::Ask => "ASK",
        }
    }
}

/// The location from which an address was tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Place {
    /// This host.
    Host,
    /// A container on the cluster's network.
    Network,
}

impl Place {
    /// Returns the name for display.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "this host",
            Self::Network => "the network",
        }
    }
}

/// An address that a node advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The node that advertises it.
    pub by: NodeId,
    /// The response that contains it.
    pub source: Source,
    /// The advertised address, and the node that it belongs to.
    pub endpoint: Endpoint,
}

/// A planned node with its actual id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The index, from 1.
    pub index: usize,
    /// The name of its container.
    pub name: String,
    /// The node id.
    pub id: NodeId,
    /// The address on the bridge network.
    pub ip: Ipv4Addr,
    /// The host address on which its port is published.
    pub published: Ipv4Addr,
    /// The client port, which is the same inside and outside of the container.
    pub port: u16,
}

impl Member {
    /// Returns the host that this response contains according to the plan.
    pub(crate) fn planned(&self, announce: Announce, source: Source) -> String {
        match (announce, source) {
            (Announce::Ip, _) | (Announce::Hostname, Source::Nodes) => self.ip.to_string(),
            (Announce::Hostname | Announce::ClientIpv4, _) => self.published.to_string(),
        }
    }

    /// Returns the addresses at which the node should answer from a location, independent of the advertised
    /// address.
    pub fn ways(&self, place: Place) -> Vec<(String, u16)> {
        let bridge = (self.ip.to_string(), self.port);
        match place {
            Place::Host => vec![(self.published.to_string(), self.port), bridge],
            Place::Network => vec![bridge],
        }
    }
}

/// The result of a connection to an address from a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// The location.
    pub place: Place,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The id of the node that answered, or why there was no answer.
    pub answer: Result<NodeId, String>,
}
