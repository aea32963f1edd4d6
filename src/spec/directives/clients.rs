//! Directives for clients and threads.

use crate::spec::directives::row::Kind::{Bool, Memory, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, between, since, until};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("bio-cpulist", Text)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("bio_cpulist", Text).same_as("bio-cpulist"),
    Row::new("client-output-buffer-limit", Text),
    Row::new("client-query-buffer-limit", Memory),
    Row::new("events-per-io-thread", Number)
        .redis(NEVER)
        .valkey(between((8, 0), (8, 1)))
        .instead("The server decides by itself when to use its threads."),
    Row::new("io-threads", Number),
    Row::new("io-threads-do-reads", Bool)
        .redis(until(8, 0))
        .valkey(until(8, 1))
        .instead("Reads are threaded wherever io-threads is above 1."),
    Row::new("lookahead", Number).redis(since(8, 4)).valkey(NEVER),
    Row::new("max-new-connections-per-cycle", Number)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("max-new-tls-connections-per-cycle", Number)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("maxclients", Number),
    Row::new("prefetch-batch-max-size", Number)
        .redis(NEVER)
        .valkey(since(8, 0)),
    Row::new("proto-max-bulk-len", Memory),
    Row::new("server-cpulist", Text)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("server_cpulist", Text).same_as("server-cpulist"),
    Row::new("timeout", Number),
];
