//! Client families, and which of them each announce mode supports.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::finding::Status;
use crate::checks::reach::advertised::{Place, Source};
use crate::topology::layout::Announce;

/// A family of clients that discover the cluster with the same command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Family {
    /// Clients that read `CLUSTER SLOTS`: most clients.
    Slots,
    /// Clients that read `CLUSTER SHARDS`.
    Shards,
    /// Clients that read `CLUSTER NODES` and use its IP addresses.
    Nodes,
    /// Clients that read `CLUSTER NODES` and prefer a host name.
    NodeNames,
    /// Clients that only follow redirections.
    Redirections,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 5] = [
        Self::Slots,
        Self::Shards,
        Self::Nodes,
        Self::NodeNames,
        Self::Redirections,
    ];

    /// Returns what the family reads, for display.
    pub fn reads(self) -> &'static str {
        match self {
            Self::Slots => "CLUSTER SLOTS",
            Self::Shards => "CLUSTER SHARDS",
            Self::Nodes => "CLUSTER NODES",
            Self::NodeNames => "CLUSTER NODES (names)",
            Self::Redirections => "redirections alone",
        }
    }

    /// Returns examples of clients in the family.
    pub fn examples(self) -> &'static str {
        match self {
            Self::Slots => "redis-py, redis-rs, Jedis, go-redis, ioredis, node-redis",
            Self::Shards => "rueidis",
            Self::Nodes => "StackExchange.Redis, hiredis-cluster",
            Self::NodeNames => "Lettuce, Spring",
            Self::Redirections => "redis-cli -c",
        }
    }

    /// Returns whether the family uses addresses from `source`. All clients follow redirections.
    pub(crate) fn hears(self, source: Source) -> bool {
        match source {
            Source::Moved | Source::Ask => true,
            Source::Slots => self == Self::Slots,
            Source::Shards => self == Self::Shards,
            Source::Nodes => self == Self::Nodes,
            Source::NodeNames => self == Self::NodeNames,
        }
    }

    /// Returns whether the announce mode supports the family from a location. Nodes that announce 127.0.0.1 are
    /// for clients on the host; with a host name, `CLUSTER NODES` still contains the bridge addresses.
    pub(crate) fn promised(self, announce: Announce, place: Place) -> bool {
        match (announce, place) {
            (Announce::Ip, _) | (Announce::ClientIpv4, Place::Host) => true,
            (Announce::Hostname, Place::Host) => self != Self::Nodes,
            (Announce::Hostname | Announce::ClientIpv4, Place::Network) => false,
        }
    }
}

/// Returns the clients that an announce mode does not support and how to configure them, on one line; `None`
/// if it supports all clients. Clients that receive bridge addresses work if this host can reach these
/// addresses.
pub(crate) fn left_out(announce: Announce, bridge_reachable: bool, name: &str) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    let without = |place: Place| {
        Family::ALL
            .into_iter()
            .filter(move |one| !one.promised(announce, place))
    };
    if without(Place::Network).next().is_some() {
        let or = if bridge_reachable {
            "; with `--announce ip` no map is needed"
        } else {
            ""
        };
        all.push(format!(
            "the advertised addresses do not work inside containers: `rcup env {name} --from network \
             --format LIBRARY` prints the address map to use there{or}"
        ));
    }
    if !bridge_reachable {
        all.extend(without(Place::Host).map(|family| {
            format!(
                "clients on this host that use {} ({}) get unreachable addresses: give them the address \
                 map from `rcup env {name} --format stackexchange-redis`, or use Valkey, which can advertise a separate client address",
                family.reads(),
                family.examples()
            )
        }));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

/// Whether a client family works from a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientVerdict {
    /// The client family.
    pub family: Family,
    /// The location.
    pub place: Place,
    /// `pass` if it works; `warn` if it does not work and the announce mode does not support it; otherwise
    /// `fail`.
    pub status: Status,
    /// A one-line summary.
    pub summary: String,
    /// The causes, one line each.
    pub detail: Vec<String>,
    /// What to configure, one line each.
    pub remedies: Vec<String>,
    /// A map from advertised addresses to reachable addresses, with which a client of the family works. Empty
    /// if no map is needed or no map would work.
    pub nat_map: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_left_out_is_told_with_what_to_set() {
        for reachable in [false, true] {
            assert_eq!(left_out(Announce::Ip, reachable, "a"), None);
        }
        let told = |announce, reachable| left_out(announce, reachable, "orders").unwrap();
        for announce in [Announce::Hostname, Announce::ClientIpv4] {
            for reachable in [false, true] {
                let told = told(announce, reachable);
                assert!(told.contains("`rcup env orders --from network"), "{told}");
                assert_eq!(told.contains("--announce ip"), reachable, "{told}");
                // The address in CLUSTER NODES is intended for clients, or is reachable.
                let readers = announce == Announce::Hostname && !reachable;
                assert_eq!(
                    told.contains("CLUSTER NODES (StackExchange.Redis"),
                    readers,
                    "{told}"
                );
            }
        }
    }
}
