//! Directives for the network: addresses and ports that a server listens on.

use crate::spec::directives::row::Kind::{Bool, Memory, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("bind", Text)
        .owned("The nodes listen on every interface of their own container; use --publish for where the ports are published."),
    Row::new("bind-source-addr", Text).redis(since(7, 0)),
    Row::new("mptcp", Bool).redis(NEVER).valkey(since(9, 0)),
    Row::new("port", Number).owned("Use --port for the first node's port."),
    Row::new("rdma-bind", Text).redis(NEVER).valkey(since(8, 1)),
    Row::new("rdma-completion-vector", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("rdma-port", Number).redis(NEVER).valkey(since(8, 1)),
    Row::new("rdma-rx-size", Memory).redis(NEVER).valkey(since(8, 1)),
    Row::new("socket-mark-id", Number).redis(since(7, 0)),
    Row::new("tcp-backlog", Number),
    Row::new("tcp-keepalive", Number),
    Row::new("unixsocket", Text),
    Row::new("unixsocketgroup", Text).redis(NEVER).valkey(since(8, 0)),
    Row::new("unixsocketperm", Text),
];
