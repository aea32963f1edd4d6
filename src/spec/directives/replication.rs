//! Directives for replication.

use crate::spec::directives::row::Kind::{Bool, Choice, Memory, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since};

const REPLICA: &str =
    "Replicas log in as a user of rcup's own, who can do nothing else. The clients' password is --password.";

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("dual-channel-replication-enabled", Bool)
        .redis(NEVER)
        .valkey(since(8, 0)),
    Row::new("import-mode", Bool).redis(NEVER).valkey(since(8, 1)),
    Row::new("masterauth", Text).owned(REPLICA),
    Row::new("primaryauth", Text)
        .redis(NEVER)
        .valkey(since(8, 0))
        .same_as("masterauth")
        .owned(REPLICA),
    Row::new("masteruser", Text).owned(REPLICA),
    Row::new("primaryuser", Text)
        .redis(NEVER)
        .valkey(since(8, 0))
        .same_as("masteruser")
        .owned(REPLICA),
    Row::new("min-replicas-max-lag", Number),
    Row::new("min-slaves-max-lag", Number).same_as("min-replicas-max-lag"),
    Row::new("min-replicas-to-write", Number),
    Row::new("min-slaves-to-write", Number).same_as("min-replicas-to-write"),
    Row::new(
        "propagation-error-behavior",
        Choice(&["ignore", "panic", "panic-on-replicas"]),
    )
    .redis(since(7, 0)),
    Row::new("repl-backlog-size", Memory),
    Row::new("repl-backlog-ttl", Number),
    Row::new("repl-disable-tcp-nodelay", Bool),
    Row::new(
        "repl-diskless-load",
        Choice(&["disabled", "on-empty-db", "swapdb", "flush-before-load"]),
    ),
    Row::new("repl-diskless-sync", Bool),
    Row::new("repl-diskless-sync-delay", Number),
    Row::new("repl-diskless-sync-max-replicas", Number).redis(since(7, 0)),
    Row::new("repl-mptcp", Bool).redis(NEVER).valkey(since(9, 0)),
    Row::new("repl-ping-replica-period", Number),
    Row::new("repl-ping-slave-period", Number).same_as("repl-ping-replica-period"),
    Row::new("repl-timeout", Number),
    Row::new("replica-announce-ip", Text)
        .owned("Replicas announce the addresses of the cluster: use --announce."),
    Row::new("slave-announce-ip", Text)
        .same_as("replica-announce-ip")
        .owned("Replicas announce the addresses of the cluster: use --announce."),
    Row::new("replica-announce-port", Number)
        .owned("Replicas announce the addresses of the cluster: use --announce."),
    Row::new("slave-announce-port", Number)
        .same_as("replica-announce-port")
        .owned("Replicas announce the addresses of the cluster: use --announce."),
    Row::new("replica-announced", Bool),
    Row::new("replica-full-sync-buffer-limit", Memory)
        .redis(since(8, 0))
        .valkey(NEVER),
    Row::new("replica-ignore-disk-write-errors", Bool).redis(since(7, 0)),
    Row::new("replica-ignore-maxmemory", Bool),
    Row::new("slave-ignore-maxmemory", Bool).same_as("replica-ignore-maxmemory"),
    Row::new("replica-lazy-flush", Bool),
    Row::new("slave-lazy-flush", Bool).same_as("replica-lazy-flush"),
    Row::new("replica-priority", Number),
    Row::new("slave-priority", Number).same_as("replica-priority"),
    Row::new("replica-read-only", Bool),
    Row::new("slave-read-only", Bool).same_as("replica-read-only"),
    Row::new("replica-serve-stale-data", Bool),
    Row::new("slave-serve-stale-data", Bool).same_as("replica-serve-stale-data"),
    Row::new("replicaof", Text).owned("rcup assigns the replicas: see --replicas."),
    Row::new("slaveof", Text)
        .same_as("replicaof")
        .owned("rcup assigns the replicas: see --replicas."),
];
