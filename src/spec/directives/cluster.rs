//! Directives for the cluster.

use crate::spec::directives::row::Kind::{Bool, Choice, Memory, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("availability-zone", Text)
        .redis(NEVER)
        .valkey(since(8, 0)),
    Row::new("cluster-allow-pubsubshard-when-down", Bool).redis(since(7, 0)),
    Row::new("cluster-allow-reads-when-down", Bool),
    Row::new("cluster-allow-replica-migration", Bool),
    Row::new("cluster-announce-bus-port", Number).owned("A node announces the bus port on which it listens."),
    Row::new("cluster-announce-client-ipv4", Text)
        .redis(NEVER)
        .valkey(since(8, 0))
        .owned("Use --announce."),
    Row::new("cluster-announce-client-ipv6", Text)
        .redis(NEVER)
        .valkey(since(8, 0))
        .owned("Use --announce."),
    Row::new("cluster-announce-client-port", Number)
        .redis(NEVER)
        .valkey(since(9, 0))
        .owned("A node announces the port on which it listens."),
    Row::new("cluster-announce-client-tls-port", Number)
        .redis(NEVER)
        .valkey(since(9, 0))
        .owned("A node announces the port on which it listens."),
    Row::new("cluster-announce-hostname", Text)
        .redis(since(7, 0))
        .owned("Use --announce."),
    Row::new("cluster-announce-human-nodename", Text).redis(since(7, 2)),
    Row::new("cluster-announce-ip", Text).owned("Use --announce."),
    Row::new("cluster-announce-port", Number).owned("A node announces the port on which it listens."),
    Row::new("cluster-announce-tls-port", Number).owned("A node announces the port on which it listens."),
    Row::new("cluster-blacklist-ttl", Number)
        .redis(NEVER)
        .valkey(since(8, 0)),
    Row::new("cluster-compatibility-sample-ratio", Number)
        .redis(since(8, 0))
        .valkey(NEVER),
    Row::new("cluster-config-file", Text)
        .owned("rcup keeps a node's files in one directory of its container."),
    Row::new("cluster-config-save-behavior", Text)
        .redis(NEVER)
        .valkey(since(9, 0)),
    Row::new("cluster-databases", Number)
        .redis(NEVER)
        .valkey(since(9, 0)),
    Row::new("cluster-enabled", Bool).owned("Cluster mode."),
    Row::new("cluster-link-sendbuf-limit", Memory).redis(since(7, 0)),
    Row::new("cluster-manual-failover-timeout", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("cluster-migration-barrier", Number),
    Row::new("cluster-node-timeout", Number).owned("Use --node-timeout."),
    Row::new("cluster-ping-interval", Number).redis(since(7, 2)),
    Row::new("cluster-port", Number)
        .redis(since(7, 0))
        .owned("The bus listens on the client port plus 10000."),
    Row::new(
        "cluster-preferred-endpoint-type",
        Choice(&["ip", "hostname", "unknown-endpoint"]),
    )
    .redis(since(7, 0))
    .owned("Use --announce."),
    Row::new("cluster-replica-no-failover", Bool),
    Row::new("cluster-slave-no-failover", Bool).same_as("cluster-replica-no-failover"),
    Row::new("cluster-replica-validity-factor", Number),
    Row::new("cluster-slave-validity-factor", Number).same_as("cluster-replica-validity-factor"),
    Row::new("cluster-require-full-coverage", Bool),
    Row::new("cluster-slot-migration-handoff-max-lag-bytes", Memory)
        .redis(since(8, 4))
        .valkey(NEVER),
    Row::new("cluster-slot-migration-log-max-len", Number)
        .redis(NEVER)
        .valkey(since(9, 0)),
    Row::new("cluster-slot-migration-max-archived-tasks", Number)
        .redis(since(8, 4))
        .valkey(NEVER),
    Row::new("cluster-slot-migration-sync-buffer-drain-timeout", Number)
        .redis(since(8, 4))
        .valkey(NEVER),
    Row::new("cluster-slot-migration-write-pause-timeout", Number)
        .redis(since(8, 4))
        .valkey(NEVER),
    Row::new("cluster-slot-stats-enabled", Bool)
        .redis(since(8, 2))
        .valkey(since(8, 0)),
    Row::new("extended-redis-compatibility", Bool)
        .redis(NEVER)
        .valkey(since(8, 0)),
    Row::new("slot-migration-max-failover-repl-bytes", Memory)
        .redis(NEVER)
        .valkey(since(9, 0)),
];
