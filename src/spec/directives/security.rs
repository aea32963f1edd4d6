//! Directives for security: access control.

use crate::spec::directives::row::Kind::{Bool, Choice, Number, Text};
use crate::spec::directives::row::Row;
use crate::spec::version_range::{NEVER, since};

/// The directives of this group, see [`super::lookup::all`].
pub(crate) const ROWS: &[Row] = &[
    Row::new("acl-pubsub-default", Choice(&["allchannels", "resetchannels"])),
    Row::new("aclfile", Text).owned("rcup writes it: use --user, or `[users.NAME]` in rcup.toml."),
    Row::new("acllog-max-len", Number),
    Row::new("enable-debug-assert", Bool)
        .redis(NEVER)
        .valkey(since(8, 0)),
    Row::new("enable-debug-command", Choice(&["no", "yes", "local"])).redis(since(7, 0)),
    Row::new("enable-module-command", Choice(&["no", "yes", "local"])).redis(since(7, 0)),
    Row::new("enable-protected-configs", Choice(&["no", "yes", "local"])).redis(since(7, 0)),
    Row::new("hide-user-data-from-log", Bool)
        .redis(since(7, 4))
        .valkey(since(8, 0)),
    Row::new("protected-mode", Bool),
    Row::new("rename-command", Text)
        .owned(
            "Renaming is deprecated, and hides commands from the tools that form and check a cluster too. ACL rules do what \
             it was for: `[users.default]` in rcup.toml with rules such as `~* &* +@all -flushall -config`, or `--profile \
             production`, which keeps the dangerous commands from clients.",
        ),
    Row::new("requirepass", Text).owned("Use --password or --password-file."),
    Row::new("user", Text).owned("Use --user, or `[users.NAME]` in rcup.toml."),
];
