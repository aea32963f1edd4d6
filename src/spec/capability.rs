//! Features of the servers by server and version. Versions are compared only here and in the table of
//! directives.

use crate::spec::server::{Engine, Server};
use crate::spec::version_range::{ALWAYS, Span, between, since};

/// A feature that not all servers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// rcup supports the server: Redis 7.0 introduced `CLUSTER ADDSLOTSRANGE`, announced host names and
    /// `CLUSTER SHARDS`; Valkey forked after that.
    Cluster,
    /// `nodes.conf` contains the fields `tls-port` and `shard-id`. Redis 7.0 reads any value in their
    /// position as a host name.
    ShardIds,
    /// Formation from a seeded `nodes.conf` is verified. A later major version may change the file format or
    /// the promotion, so it is formed by commands until it is tested.
    SeededFormation,
    /// A node without a known address is considered healthy, and the address is learned when that node
    /// connects. Valkey marks such a node as failed (observed with 8.1.1).
    LearntAddresses,
    /// `cluster-announce-client-ipv4`: an address for clients only, while the cluster bus and replication
    /// keep using the bridge addresses.
    ClientAddress,
    /// `io-threads` above 1 also reads and parses requests in threads, without a separate directive.
    ThreadedReads,
    /// Cluster bus messages contain a secret of the cluster (Redis), with the extension number that Valkey
    /// uses for the client address.
    BusSecret,
    /// Clients can send their name and version with `CLIENT SETINFO`.
    ClientInfo,
}

/// Each capability with the versions of Redis and of Valkey that have it.
const TABLE: [(Capability, Span, Span); 8] = [
    (Capability::Cluster, since(7, 0), ALWAYS),
    (Capability::ShardIds, since(7, 2), ALWAYS),
    (
        Capability::SeededFormation,
        between((7, 0), (9, 0)),
        between((8, 0), (10, 0)),
    ),
    (
        Capability::LearntAddresses,
        between((7, 0), (9, 0)),
        crate::spec::version_range::NEVER,
    ),
    (
        Capability::ClientAddress,
        crate::spec::version_range::NEVER,
        since(8, 0),
    ),
    (
        Capability::BusSecret,
        since(8, 0),
        crate::spec::version_range::NEVER,
    ),
    (Capability::ThreadedReads, since(8, 0), since(8, 0)),
    (Capability::ClientInfo, since(7, 2), ALWAYS),
];

impl Server {
    /// Returns whether this server has a capability.
    pub fn can(self, capability: Capability) -> bool {
        TABLE.iter().any(|(known, redis, valkey)| {
            *known == capability
                && match self.engine {
                    Engine::Redis => redis,
                    Engine::Valkey => valkey,
                }
                .contains(self.version)
        })
    }

    /// Returns whether rcup supports this server, see [`Capability::Cluster`].
    pub fn is_supported(self) -> bool {
        self.can(Capability::Cluster)
    }

    /// Returns whether this server has [`Capability::ShardIds`].
    pub fn has_shard_ids(self) -> bool {
        self.can(Capability::ShardIds)
    }

    /// Returns whether this server has [`Capability::SeededFormation`].
    pub fn seeding_is_proven(self) -> bool {
        self.can(Capability::SeededFormation)
    }

    /// Returns whether this server has [`Capability::ClientAddress`].
    pub fn announces_client_address(self) -> bool {
        self.can(Capability::ClientAddress)
    }

    /// Returns whether both servers can be in one cluster. Bus extensions added after the fork use the same
    /// numbers for different data: Redis 8.0.2 and Valkey 8.1.1 were observed to read the secret of one as
    /// the client address of the other.
    pub fn understands(self, other: Self) -> bool {
        let clash =
            |one: Self, other: Self| one.can(Capability::BusSecret) && other.announces_client_address();
        !clash(self, other) && !clash(other, self)
    }

    /// Returns whether a replica with this server can replicate from a master with the server `master`. The
    /// data is sent in the RDB format of the master. A server reads formats up to its own version. Since 9.0,
    /// Valkey numbers its formats from 80 and reads those of Redis up to 11.
    pub fn can_copy(self, master: Self) -> bool {
        let (own, theirs) = (self.rdb_version(), master.rdb_version());
        theirs <= own && (own < FIRST_OF_VALKEY || theirs <= LAST_SHARED || theirs >= FIRST_OF_VALKEY)
    }

    /// Returns the version of the RDB format that the server writes (`RDB_VERSION` in `src/rdb.h`).
    fn rdb_version(self) -> u16 {
        let written = RDB_VERSIONS
            .iter()
            .filter(|(engine, major, minor, _)| {
                *engine == self.engine && (self.version.major, self.version.minor) >= (*major, *minor)
            })
            .map(|(.., rdb)| *rdb);
        written.max().unwrap_or_default()
    }
}

/// First RDB version of Valkey's own numbering.
const FIRST_OF_VALKEY: u16 = 80;

/// Last RDB version that Redis and Valkey share.
const LAST_SHARED: u16 = 11;

/// RDB format versions: server, first major and minor version that writes the format, RDB version.
const RDB_VERSIONS: [(Engine, u16, u16, u16); 6] = [
    (Engine::Redis, 6, 2, 9),
    (Engine::Redis, 7, 0, 10),
    (Engine::Redis, 7, 2, 11),
    (Engine::Redis, 7, 4, 12),
    (Engine::Valkey, 7, 2, 11),
    (Engine::Valkey, 9, 0, FIRST_OF_VALKEY),
];

#[cfg(test)]
mod tests {
    use crate::spec::server::Version;

    use super::*;

    fn server(engine: Engine, major: u16, minor: u16) -> Server {
        Server::new(engine, Version::new(major, minor, 0))
    }

    #[test]
    fn the_table_knows_where_servers_changed() {
        let redis = |major, minor| server(Engine::Redis, major, minor);
        assert!(!redis(6, 2).is_supported() && redis(7, 0).is_supported());
        assert!(!redis(7, 0).has_shard_ids());
        assert!(redis(7, 2).has_shard_ids());
        assert!(redis(8, 2).seeding_is_proven());
        assert!(!redis(9, 0).seeding_is_proven());
        let valkey = |major, minor| server(Engine::Valkey, major, minor);
        assert!(!valkey(7, 2).seeding_is_proven(), "Valkey 7.2 was not tried");
        assert!(valkey(9, 1).seeding_is_proven());
        assert!(valkey(8, 0).announces_client_address() && !redis(8, 0).announces_client_address());
    }

    #[test]
    fn redis_8_and_valkey_8_do_not_understand_each_other() {
        let redis = |major, minor| server(Engine::Redis, major, minor);
        let valkey = |major, minor| server(Engine::Valkey, major, minor);
        assert!(!redis(8, 0).understands(valkey(8, 1)) && !valkey(9, 0).understands(redis(8, 2)));
        assert!(redis(7, 0).understands(valkey(8, 1)) && redis(8, 0).understands(valkey(7, 2)));
        assert!(redis(8, 0).understands(redis(7, 0)) && valkey(9, 0).understands(valkey(8, 0)));
    }

    #[test]
    fn a_replica_copies_a_master_whose_format_it_reads() {
        let redis = |major, minor| server(Engine::Redis, major, minor);
        let valkey = |major, minor| server(Engine::Valkey, major, minor);
        assert!(redis(8, 0).can_copy(redis(7, 0)));
        assert!(!redis(7, 0).can_copy(redis(8, 0)));
        assert!(valkey(8, 1).can_copy(redis(7, 2)));
        assert!(!valkey(8, 1).can_copy(redis(8, 0)));
        assert!(redis(8, 0).can_copy(valkey(8, 1)));
        assert!(valkey(9, 0).can_copy(valkey(8, 1)) && valkey(9, 1).can_copy(redis(7, 2)));
        assert!(!valkey(9, 0).can_copy(redis(7, 4)) && !redis(8, 0).can_copy(valkey(9, 0)));
    }
}
