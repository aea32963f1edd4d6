//! A service that runs a node of a cluster, however it says so.

use crate::import::bitnami;
use crate::import::command::Command;
use crate::import::conf::{joined, lines};
use crate::import::service::{copies, mounts};
use crate::import::tree::Tree;

/// Gives the text of a file that a Compose file names, by the path that stands there.
pub(crate) type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

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

/// What a service is.
pub(crate) enum Found<'a> {
    Node(Box<Member<'a>>),
    /// It makes a cluster of the nodes and ends.
    Creation(Command),
    /// A server with a file of settings that is not at hand.
    Unread {
        line: usize,
        path: String,
    },
    /// A server that is no node.
    Server,
    Other,
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

/// What the service is.
pub(crate) fn look<'a>(name: &'a str, service: &'a Tree, files: Files<'_>) -> Found<'a> {
    let command = Command::of(service);
    if command.is_creation() {
        return Found::Creation(command);
    }
    if bitnami::is_node(service) {
        return Found::Node(Box::new(bitnami::member(name, service)));
    }
    let mut directives = Vec::new();
    let mut from_file = 0;
    if let Some(path) = command.file() {
        let Some(text) = mounted(service, path, files) else {
            let line = service
                .get("command")
                .map_or(service.line, |command| command.line);
            return Found::Unread {
                line,
                path: path.to_owned(),
            };
        };
        directives.extend(lines(&text));
        from_file = directives.len();
    }
    directives.extend(command.directives());
    let secret = |(name, _): &(String, String)| name == "requirepass";
    let password = directives.iter().rposition(secret).map(|at| {
        if at < from_file {
            (service.line, Place::File)
        } else {
            let command = service.get("command");
            let line = command.map_or(service.line, |command| command.line);
            (line, Place::Command)
        }
    });
    let directives = joined(directives);
    let value = |name: &str| {
        let found = directives.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    };
    if value("cluster-enabled") != Some("yes") {
        return if command.is_server() || has_servers_image(service) {
            Found::Server
        } else {
            Found::Other
        };
    }
    let home = value("dir").unwrap_or("/data");
    let home = if home.starts_with('/') { home } else { "/data" };
    Found::Node(Box::new(Member {
        name,
        service,
        home: home.to_owned(),
        copies: copies(service),
        is_bitnami: false,
        password,
        tls: value("tls-port").is_some_and(|port| port != "0"),
        directives,
    }))
}

/// The text of a file in the container that is mounted from beside the Compose file, by itself or in a directory.
fn mounted(service: &Tree, path: &str, files: Files<'_>) -> Option<String> {
    let all = mounts(service);
    let mount = all
        .iter()
        .filter(|mount| mount.is_path() && mount.holds(path))
        .max_by_key(|mount| mount.target.len())?;
    let source = mount.source.as_deref()?.trim_end_matches('/');
    files(&format!("{source}{}", mount.below(path)?))
}

fn has_servers_image(service: &Tree) -> bool {
    let image = service.get("image").map(Tree::text).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or(image);
    let name = name.split([':', '@']).next().unwrap_or(name);
    matches!(name, "redis" | "valkey" | "redis-stack-server")
}
