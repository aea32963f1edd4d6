//! What nodes tell clients, from where an address was tried, and who answered there.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::server::wire::reply::Endpoint;
use crate::topology::layout::{Announce, NodeId};

/// By which answer a client is told an address.
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
    /// The name in upper case, as in the server's documentation.
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

/// From where an address was tried.
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
    /// The words for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "this host",
            Self::Network => "the network",
        }
    }
}

/// One thing that one node told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The node that told it.
    pub by: NodeId,
    /// By which answer.
    pub source: Source,
    /// What it told, and about whom.
    pub endpoint: Endpoint,
}

/// A node as it was planned, with the id that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its index, from 1.
    pub index: usize,
    /// Its container's name.
    pub name: String,
    /// Its id.
    pub id: NodeId,
    /// Its address on the bridge.
    pub ip: Ipv4Addr,
    /// The address of the host on which its port is published.
    pub published: Ipv4Addr,
    /// Its client port, which is the same everywhere.
    pub port: u16,
}

impl Member {
    /// The host that the plan has this answer tell.
    pub(crate) fn planned(&self, announce: Announce, source: Source) -> String {
        match (announce, source) {
            (Announce::Ip, _) | (Announce::Hostname, Source::Nodes) => self.ip.to_string(),
            (Announce::Hostname | Announce::ClientIpv4, _) => self.published.to_string(),
        }
    }

    /// Where it should answer from a place, whatever it tells.
    pub fn ways(&self, place: Place) -> Vec<(String, u16)> {
        let bridge = (self.ip.to_string(), self.port);
        match place {
            Place::Host => vec![(self.published.to_string(), self.port), bridge],
            Place::Network => vec![bridge],
        }
    }
}

/// An address that was tried from a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// From where.
    pub place: Place,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who answered, or why nobody did.
    pub answer: Result<NodeId, String>,
}
