//! Directives for memory: limits, eviction, defragmentation.

use crate::spec::directives::row::Kind::{Bool, Choice, Memory, MemoryOrPercent, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since, until};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("active-defrag-cycle-max", Number),
    Row::new("active-defrag-cycle-min", Number),
    Row::new("active-defrag-cycle-us", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("active-defrag-ignore-bytes", Memory),
    Row::new("active-defrag-max-scan-fields", Number),
    Row::new("active-defrag-threshold-lower", Number),
    Row::new("active-defrag-threshold-upper", Number),
    Row::new("active-expire-effort", Number),
    Row::new("activedefrag", Bool),
    Row::new("activerehashing", Bool),
    Row::new("disable-thp", Bool),
    Row::new("dynamic-hz", Bool)
        .valkey(until(8, 1))
        .instead("The server adapts hz by itself."),
    Row::new("hz", Number),
    Row::new("jemalloc-bg-thread", Bool),
    Row::new("key-memory-histograms", Bool)
        .redis(since(8, 6))
        .valkey(NEVER),
    Row::new("lazyfree-lazy-eviction", Bool),
    Row::new("lazyfree-lazy-expire", Bool),
    Row::new("lazyfree-lazy-server-del", Bool),
    Row::new("lazyfree-lazy-user-del", Bool),
    Row::new("lazyfree-lazy-user-flush", Bool),
    Row::new("lfu-decay-time", Number),
    Row::new("lfu-log-factor", Number),
    Row::new("maxmemory", Memory),
    Row::new("maxmemory-clients", MemoryOrPercent).redis(since(7, 0)),
    Row::new("maxmemory-eviction-tenacity", Number),
    Row::new(
        "maxmemory-policy",
        Choice(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ]),
    ),
    Row::new("maxmemory-samples", Number),
    Row::new("oom-score-adj", Choice(&["no", "yes", "relative", "absolute"])),
    Row::new("oom-score-adj-values", Text),
    Row::new("tracking-table-max-keys", Number),
];
