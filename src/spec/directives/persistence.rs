//! Directives for persistence.

use crate::spec::directives::row::Kind::{Bool, Choice, Memory, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since, until};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("aof-disable-auto-gc", Bool).redis(since(7, 0)),
    Row::new("aof-load-corrupt-tail-max-size", Memory)
        .redis(since(8, 4))
        .valkey(NEVER),
    Row::new("aof-load-truncated", Bool),
    Row::new("aof-rewrite-cpulist", Text)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("aof_rewrite_cpulist", Text).same_as("aof-rewrite-cpulist"),
    Row::new("aof-rewrite-incremental-fsync", Bool),
    Row::new("aof-timestamp-enabled", Bool).redis(since(7, 0)),
    Row::new("aof-use-rdb-preamble", Bool),
    Row::new("appenddirname", Text).redis(since(7, 0)),
    Row::new("appendfilename", Text),
    Row::new("appendfsync", Choice(&["everysec", "always", "no"])),
    Row::new("appendonly", Bool),
    Row::new("auto-aof-rewrite-min-size", Memory),
    Row::new("auto-aof-rewrite-percentage", Number),
    Row::new("dbfilename", Text),
    Row::new("debug-context", Text).redis(NEVER).valkey(since(8, 0)),
    Row::new("key-load-delay", Number),
    Row::new("loading-process-events-interval-bytes", Number).redis(since(7, 0)),
    Row::new("no-appendfsync-on-rewrite", Bool),
    Row::new("rdb-del-sync-files", Bool),
    Row::new("rdb-key-save-delay", Number),
    Row::new("rdb-save-incremental-fsync", Bool),
    Row::new("rdb-version-check", Choice(&["strict", "relaxed"]))
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("rdbchecksum", Bool),
    Row::new("rdbcompression", Bool),
    Row::new("sanitize-dump-payload", Choice(&["no", "yes", "clients"]))
        .valkey(until(9, 0))
        .instead("Payloads are always checked."),
    Row::new("save", Text),
    Row::new("stop-writes-on-bgsave-error", Bool),
];
