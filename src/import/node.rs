//! A service of a Compose file that runs a node of a cluster.

use crate::import::tree::Tree;

/// Where a password stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Command,
    Environment,
    File,
}

/// A service with a node.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) service: &'a Tree,
    /// What the server is told, by its command and by its file.
    pub(crate) directives: Vec<(String, String)>,
    /// Where the server keeps its files.
    pub(crate) home: String,
    /// How many containers there are of it.
    pub(crate) copies: usize,
    /// Whether its image is one of Bitnami's, which variables set up.
    pub(crate) is_bitnami: bool,
    /// Where its password stands, and on which line.
    pub(crate) password: Option<(usize, Place)>,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
}

impl Member<'_> {
    /// A directive's value.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.directives.iter().find(|(own, _)| own == name)?;
        Some(&found.1)
    }

    /// The port at which clients find it, in the container.
    pub(crate) fn port(&self) -> u16 {
        let port = self.value("tls-port").or_else(|| self.value("port"));
        port.and_then(|port| port.parse().ok()).unwrap_or(6379)
    }

    /// The line of its command, or its own.
    pub(crate) fn command_line(&self) -> usize {
        let command = self.service.get("command");
        command.map_or(self.service.line, |command| command.line)
    }
}
