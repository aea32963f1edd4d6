//! The families of clients, and what each of them is promised.

use std::collections::BTreeMap;

use serde::Serialize;

use super::told::{Place, Source};
use crate::check::Status;
use crate::topology::Announce;

/// Clients that learn the cluster from the same answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// Those that read `CLUSTER SLOTS`: most of them.
    Slots,
    /// Those that read `CLUSTER SHARDS`.
    Shards,
    /// Those that read `CLUSTER NODES` and take the addresses there.
    Nodes,
    /// Those that read `CLUSTER NODES` and prefer a host name.
    NodeNames,
    /// Those that only follow redirections.
    Redirections,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Slots,
        Self::Shards,
        Self::Nodes,
        Self::NodeNames,
        Self::Redirections,
    ];

    /// What it reads, for a person.
    pub fn reads(self) -> &'static str {
        match self {
            Self::Slots => "CLUSTER SLOTS",
            Self::Shards => "CLUSTER SHARDS",
            Self::Nodes => "CLUSTER NODES",
            Self::NodeNames => "CLUSTER NODES (names)",
            Self::Redirections => "redirections alone",
        }
    }

    /// Some clients that belong to it.
    pub fn examples(self) -> &'static str {
        match self {
            Self::Slots => "redis-py, redis-rs, Jedis, go-redis, ioredis, node-redis",
            Self::Shards => "rueidis",
            Self::Nodes => "StackExchange.Redis, hiredis-cluster",
            Self::NodeNames => "Lettuce, Spring",
            Self::Redirections => "redis-cli -c",
        }
    }

    /// Whether what `source` tells matters to it. All clients follow redirections.
    pub(super) fn hears(self, source: Source) -> bool {
        match source {
            Source::Moved | Source::Ask => true,
            Source::Slots => self == Self::Slots,
            Source::Shards => self == Self::Shards,
            Source::Nodes => self == Self::Nodes,
            Source::NodeNames => self == Self::NodeNames,
        }
    }

    /// Whether it is meant to work from a place. Nodes that announce 127.0.0.1 are for clients on the host; those
    /// that do so by a host name leave the bridge's addresses in `CLUSTER NODES`.
    pub(super) fn promised(self, announce: Announce, place: Place) -> bool {
        match (announce, place) {
            (Announce::Ip, _) | (Announce::ClientIpv4, Place::Host) => true,
            (Announce::Hostname, Place::Host) => self != Self::Nodes,
            (Announce::Hostname | Announce::ClientIpv4, Place::Network) => false,
        }
    }
}

/// Whether a family works from a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientVerdict {
    /// Which family.
    pub family: Family,
    /// From where.
    pub place: Place,
    /// `pass` when it works; `warn` when it does not, and this way of announcing does not promise it; else `fail`.
    pub status: Status,
    /// One line.
    pub summary: String,
    /// What stands in its way, a line each.
    pub detail: Vec<String>,
    /// What to set, a line each.
    pub remedies: Vec<String>,
    /// With this map from addresses as they are told to addresses that answer, a client of the family works.
    /// Empty when none is needed, or none would do.
    pub nat_map: BTreeMap<String, String>,
}
