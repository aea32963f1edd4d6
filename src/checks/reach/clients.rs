//! The families of clients, and what each of them is promised.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::finding::Status;
use crate::checks::reach::advertised::{Place, Source};
use crate::topology::layout::Announce;

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
    pub(crate) fn hears(self, source: Source) -> bool {
        match source {
            Source::Moved | Source::Ask => true,
            Source::Slots => self == Self::Slots,
            Source::Shards => self == Self::Shards,
            Source::Nodes => self == Self::Nodes,
            Source::NodeNames => self == Self::NodeNames,
        }
    }

    /// Whether it is meant to work from a place. Nodes that announce 127.0.0.1 are for clients on the host;
    /// those
    /// that do so by a host name leave the bridge's addresses in `CLUSTER NODES`.
    pub(crate) fn promised(self, announce: Announce, place: Place) -> bool {
        match (announce, place) {
            (Announce::Ip, _) | (Announce::ClientIpv4, Place::Host) => true,
            (Announce::Hostname, Place::Host) => self != Self::Nodes,
            (Announce::Hostname | Announce::ClientIpv4, Place::Network) => false,
        }
    }
}

/// Whom this way of announcing does not serve, and what to set for them, in a line; `None` where it serves
/// everybody.
/// Those who are told the bridge's addresses are served where this host reaches these.
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

/// Whether a family works from a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientVerdict {
    /// Which family.
    pub family: Family,
    /// From where.
    pub place: Place,
    /// `pass` when it works; `warn` when it does not, and this way of announcing does not promise it; else
    /// `fail`.
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
                // What stands in CLUSTER NODES is an address for clients, or is reached.
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
