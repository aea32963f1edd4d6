//! Directives for the server process.

use crate::spec::directives::row::Kind::{Bool, Choice, Choices, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since, until};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("always-show-logo", Bool),
    Row::new("bgsave-cpulist", Text)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("bgsave_cpulist", Text).same_as("bgsave-cpulist"),
    Row::new("daemonize", Bool).owned("A container runs its server in the foreground."),
    Row::new("databases", Number),
    Row::new("dir", Text).owned("rcup keeps a node's files in one directory of its container."),
    Row::new("gopher-enabled", Bool)
        .redis(until(7, 0))
        .valkey(NEVER)
        .instead("Gopher is gone."),
    Row::new("ignore-warnings", Text),
    Row::new("include", Text).owned("Give the directives themselves with --set."),
    Row::new("loadmodule", Text),
    Row::new("pidfile", Text),
    Row::new("proc-title-template", Text),
    Row::new("set-proc-title", Bool),
    Row::new(
        "shutdown-on-sigint",
        Choices(&["default", "save", "nosave", "now", "force"]),
    )
    .redis(since(7, 0)),
    Row::new(
        "shutdown-on-sigterm",
        Choices(&["default", "save", "nosave", "now", "force"]),
    )
    .redis(since(7, 0)),
    Row::new("shutdown-timeout", Number).redis(since(7, 0)),
    Row::new("supervised", Choice(&["upstart", "systemd", "auto", "no"]))
        .owned("A container runs its server in the foreground."),
    Row::new("use-exit-on-panic", Bool),
];
