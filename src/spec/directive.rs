//! One line of a `redis.conf`, as `--set` takes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// Directives that rcup writes itself, with what to use in their place.
const RESERVED: &[(&str, &str)] = &[
    ("port", "Use --port for the first node's port."),
    ("cluster-port", "The bus listens on the client port plus 10000."),
    (
        "bind",
        "The nodes listen on every interface of their own container; only 127.0.0.1 is published.",
    ),
    (
        "dir",
        "rcup keeps a node's files in one directory of its container.",
    ),
    ("cluster-enabled", "Every node of rcup is a cluster node."),
    (
        "cluster-config-file",
        "rcup keeps a node's files in one directory of its container.",
    ),
    ("cluster-node-timeout", "Use --node-timeout."),
    ("cluster-announce-ip", "Use --announce."),
    (
        "cluster-announce-port",
        "A node announces the port on which it listens.",
    ),
    (
        "cluster-announce-bus-port",
        "A node announces the bus port on which it listens.",
    ),
    ("cluster-announce-hostname", "Use --announce."),
    ("cluster-announce-client-ipv4", "Use --announce."),
    ("cluster-preferred-endpoint-type", "Use --announce."),
    ("daemonize", "A container runs its server in the foreground."),
    ("supervised", "A container runs its server in the foreground."),
    (
        "logfile",
        "The nodes log to the container's output: see `rcup logs`.",
    ),
    ("include", "Give the directives themselves with --set."),
    (
        "requirepass",
        "This version of rcup starts clusters without a password.",
    ),
    (
        "masterauth",
        "This version of rcup starts clusters without a password.",
    ),
    (
        "masteruser",
        "This version of rcup starts clusters without a password.",
    ),
    (
        "primaryauth",
        "This version of rcup starts clusters without a password.",
    ),
    ("user", "This version of rcup starts clusters without a password."),
    (
        "aclfile",
        "This version of rcup starts clusters without a password.",
    ),
    ("tls-port", "This version of rcup starts clusters without TLS."),
    ("tls-cluster", "This version of rcup starts clusters without TLS."),
    ("replicaof", "rcup assigns the replicas: see --replicas."),
    ("slaveof", "rcup assigns the replicas: see --replicas."),
    (
        "rename-command",
        "rcup forms the cluster with the commands under their own names.",
    ),
];

/// A directive and its value, such as `maxmemory` and `64mb`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Directive {
    name: String,
    value: String,
}

impl Directive {
    /// The lower-case name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value as it was given, which may be empty.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The line of the configuration file.
    pub fn line(&self) -> String {
        if self.value.is_empty() {
            format!("{} \"\"", self.name)
        } else {
            format!("{} {}", self.name, self.value)
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl FromStr for Directive {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let usage = |message: String| Error::new(ErrorKind::Usage, message);
        let Some((name, value)) = text.split_once('=') else {
            return Err(usage(format!("`{text}` sets no directive"))
                .hint("Write it as directive=value, such as `--set maxmemory=64mb`."));
        };
        let name = name.trim().to_ascii_lowercase();
        let well_formed = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_'));
        if !well_formed {
            return Err(usage(format!("`{name}` is not the name of a directive"))
                .hint("The names stand in redis.conf, such as `maxmemory-policy`."));
        }
        if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            return Err(usage(format!("rcup sets `{name}` itself")).hint(*instead));
        }
        let value = value.trim();
        if value.chars().any(char::is_control) {
            return Err(
                usage(format!("the value of `{name}` contains a control character"))
                    .hint("A directive is one line of redis.conf."),
            );
        }
        let value = if value == "\"\"" { "" } else { value };
        Ok(Self {
            name,
            value: value.to_owned(),
        })
    }
}

impl TryFrom<String> for Directive {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Directive> for String {
    fn from(directive: Directive) -> Self {
        directive.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_becomes_one_line() {
        let line = |text: &str| text.parse::<Directive>().unwrap().line();
        assert_eq!(line("maxmemory=64mb"), "maxmemory 64mb");
        assert_eq!(line("Save=900 1 300 10"), "save 900 1 300 10");
        assert_eq!(line("save="), "save \"\"");
        assert_eq!(line("save=\"\""), "save \"\"");
    }

    #[test]
    fn what_would_break_the_file_or_the_cluster_is_refused() {
        for bad in [
            "maxmemory",
            "=1",
            "a b=1",
            "loglevel=a\nport 1",
            "port=1",
            "requirepass=x",
        ] {
            let error = bad.parse::<Directive>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
            assert!(error.hint_text().is_some(), "{bad}");
        }
    }

    #[test]
    fn a_secret_never_reaches_the_error() {
        let error = "requirepass=s3cret".parse::<Directive>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
