//! What servers can do, by engine and version: the one place where versions are compared, beside the
//! directives that they know.

use crate::spec::server::{Engine, Server};
use crate::spec::version_range::{ALWAYS, Span, between, since};

/// Something that some servers can do and others cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// rcup works with the server at all: Redis 7.0 brought `CLUSTER ADDSLOTSRANGE`, announced host names
    /// and `CLUSTER SHARDS`; Valkey forked after that.
    Cluster,
    /// `nodes.conf` carries `tls-port` and `shard-id` fields. Redis 7.0 takes whatever stands there for a
    /// host name.
    ShardIds,
    /// The formation from a seeded `nodes.conf` is proven. A later major version may change the file's
    /// format or the promotion, so it is formed by plain commands until somebody has tried.
    SeededFormation,
    /// A node whose address is not known counts as one that is well, and its own call tells where it is. Valkey takes it
    /// for failed, which was seen with 8.1.1.
    LearntAddresses,
    /// `cluster-announce-client-ipv4`: an address for clients alone, while the bus and the replication keep
    /// using the bridge's addresses.
    ClientAddress,
    /// `io-threads` above 1 also reads and parses requests in threads, without a directive of its own.
    ThreadedReads,
    /// The bus carries a secret of the cluster's own (Redis), under the number by which Valkey's carries the address for
    /// clients.
    BusSecret,
    /// Clients may say by `CLIENT SETINFO` what they are.
    ClientInfo,
}

/// The capability, Redis, Valkey.
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
    /// Whether this server can do that.
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

    /// Whether rcup works with this server: see [`Capability::Cluster`].
    pub fn is_supported(self) -> bool {
        self.can(Capability::Cluster)
    }

    /// See [`Capability::ShardIds`].
    pub fn has_shard_ids(self) -> bool {
        self.can(Capability::ShardIds)
    }

    /// See [`Capability::SeededFormation`].
    pub fn seeding_is_proven(self) -> bool {
        self.can(Capability::SeededFormation)
    }

    /// See [`Capability::ClientAddress`].
    pub fn announces_client_address(self) -> bool {
        self.can(Capability::ClientAddress)
    }

    /// Whether both can be in one cluster. Extensions of the bus that came after the fork have the same numbers for
    /// different things: Redis 8.0.2 and Valkey 8.1.1 were seen to take the one's secret for the other's address.
    pub fn understands(self, other: Self) -> bool {
        let clash =
            |one: Self, other: Self| one.can(Capability::BusSecret) && other.announces_client_address();
        !clash(self, other) && !clash(other, self)
    }

    /// Whether a replica with this server can copy a master with that one. The data goes over in the
    /// format of the master's RDB files, which a server reads up to its own version; Valkey numbers its
    /// formats from 80 on since 9.0 and reads those of Redis up to 11.
    pub fn can_copy(self, master: Self) -> bool {
        let (own, theirs) = (self.rdb_version(), master.rdb_version());
        theirs <= own && (own < FIRST_OF_VALKEY || theirs <= LAST_SHARED || theirs >= FIRST_OF_VALKEY)
    }

    /// The version of the RDB format that the server writes (`RDB_VERSION` in `src/rdb.h`).
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

/// The first format of Valkey's own numbering.
const FIRST_OF_VALKEY: u16 = 80;

/// The last format that Redis and Valkey share.
const LAST_SHARED: u16 = 11;

/// From which version on a server writes which RDB format.
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
