//! Directives for the encoding of data types, and for scripts.

use crate::spec::directives::row::Kind::{Bool, Memory, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since, until};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("array-slice-size", Number)
        .redis(since(8, 8))
        .valkey(NEVER),
    Row::new("array-sparse-kmax", Number)
        .redis(since(8, 8))
        .valkey(NEVER),
    Row::new("array-sparse-kmin", Number)
        .redis(since(8, 8))
        .valkey(NEVER),
    Row::new("busy-reply-threshold", Number).redis(since(7, 0)),
    Row::new("lua-time-limit", Number).same_as("busy-reply-threshold"),
    Row::new("hash-max-listpack-entries", Number).redis(since(7, 0)),
    Row::new("hash-max-ziplist-entries", Number).same_as("hash-max-listpack-entries"),
    Row::new("hash-max-listpack-value", Memory).redis(since(7, 0)),
    Row::new("hash-max-ziplist-value", Memory).same_as("hash-max-listpack-value"),
    Row::new("hash-seed", Text).redis(NEVER).valkey(since(9, 0)),
    Row::new("hll-sparse-max-bytes", Memory),
    Row::new("list-compress-depth", Number),
    Row::new("list-max-listpack-size", Number).redis(since(7, 0)),
    Row::new("list-max-ziplist-size", Number).same_as("list-max-listpack-size"),
    Row::new("locale-collate", Text).redis(since(7, 2)),
    Row::new("lua-replicate-commands", Bool)
        .redis(until(7, 0))
        .valkey(NEVER)
        .instead("Scripts always replicate their effects."),
    Row::new("set-max-intset-entries", Number),
    Row::new("set-max-listpack-entries", Number).redis(since(7, 2)),
    Row::new("set-max-listpack-value", Number).redis(since(7, 2)),
    Row::new("stream-idmp-duration", Number)
        .redis(since(8, 6))
        .valkey(NEVER),
    Row::new("stream-idmp-maxsize", Number)
        .redis(since(8, 6))
        .valkey(NEVER),
    Row::new("stream-node-max-bytes", Memory),
    Row::new("stream-node-max-entries", Number),
    Row::new("vset-force-single-threaded-execution", Bool)
        .redis(since(8, 2))
        .valkey(NEVER),
    Row::new("zset-max-listpack-entries", Number).redis(since(7, 0)),
    Row::new("zset-max-ziplist-entries", Number).same_as("zset-max-listpack-entries"),
    Row::new("zset-max-listpack-value", Memory).redis(since(7, 0)),
    Row::new("zset-max-ziplist-value", Memory).same_as("zset-max-listpack-value"),
];
