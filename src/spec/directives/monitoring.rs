//! Directives for monitoring: logs, latency, events.

use crate::spec::directives::row::Kind::{Bool, Choice, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("commandlog-large-reply-max-len", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("commandlog-large-request-max-len", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("commandlog-reply-larger-than", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("commandlog-request-larger-than", Number)
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new("crash-log-enabled", Bool),
    Row::new("crash-memcheck-enabled", Bool),
    Row::new("latency-monitor-threshold", Number),
    Row::new("latency-tracking", Bool).redis(since(7, 0)),
    Row::new("latency-tracking-info-percentiles", Text).redis(since(7, 0)),
    Row::new("log-format", Choice(&["legacy", "logfmt"]))
        .redis(NEVER)
        .valkey(since(8, 1)),
    Row::new(
        "log-timestamp-format",
        Choice(&["legacy", "iso8601", "milliseconds"]),
    )
    .redis(NEVER)
    .valkey(since(8, 1)),
    Row::new("logfile", Text).owned("The nodes log to the container's output: see `rcup logs`."),
    Row::new(
        "loglevel",
        Choice(&["debug", "verbose", "notice", "warning", "nothing"]),
    ),
    Row::new("notify-keyspace-events", Text),
    Row::new("slowlog-entry-max-argc", Number)
        .redis(since(8, 8))
        .valkey(NEVER),
    Row::new("slowlog-entry-max-string-len", Number)
        .redis(since(8, 8))
        .valkey(NEVER),
    Row::new("slowlog-log-slower-than", Number),
    Row::new("commandlog-execution-slower-than", Number)
        .redis(NEVER)
        .valkey(since(8, 1))
        .same_as("slowlog-log-slower-than"),
    Row::new("slowlog-max-len", Number),
    Row::new("commandlog-slow-execution-max-len", Number)
        .redis(NEVER)
        .valkey(since(8, 1))
        .same_as("slowlog-max-len"),
    Row::new("syslog-enabled", Bool),
    Row::new(
        "syslog-facility",
        Choice(&[
            "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
        ]),
    ),
    Row::new("syslog-ident", Text),
    Row::new("watchdog-period", Number).redis(since(7, 0)),
];
