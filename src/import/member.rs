//! Classifies a service of a Compose file: a cluster node, a command that creates a cluster, or both.

use crate::error::{Error, ErrorKind, Result};
use crate::import::bitnami;
use crate::import::command::{AddNode, Command, Create, Server};
use crate::import::conf::{joined, lines};
use crate::import::guard::guard;
use crate::import::node::Member;
use crate::import::service::{Contents, copies, variable};
use crate::import::tree::Tree;

/// The maximum depth of `include` directives.
const MOST_INCLUDES: usize = 8;

/// The cluster-related functions of a service.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) name: &'a str,
    pub(crate) service: &'a Tree,
    pub(crate) command: Command,
    /// The nodes that the service runs, usually one.
    pub(crate) nodes: Vec<Member<'a>>,
    /// The clusters that the service creates.
    pub(crate) creates: Vec<Create>,
    /// The nodes that the service adds to a cluster.
    pub(crate) added: Vec<AddNode>,
    /// The unreadable configuration file of a server. It is unknown whether that server is a node.
    pub(crate) unread: Option<String>,
    /// Whether the service runs a server that is not a cluster node.
    pub(crate) is_server: bool,
    /// Whether the service starts a node in a `for` loop.
    pub(crate) in_for: bool,
}

impl Look<'_> {
    /// Checks whether the service is unrelated to a cluster.
    pub(crate) fn is_other(&self) -> bool {
        self.nodes.is_empty()
            && self.creates.is_empty()
            && self.added.is_empty()
            && self.unread.is_none()
            && !self.is_server
            && !self.command.meets()
    }
}

/// Classifies a service.
///
/// # Errors
/// [`ErrorKind::Usage`] if `scale` or `deploy.replicas` is not a number.
pub(crate) fn look<'a>(name: &'a str, service: &'a Tree, contents: Contents<'_>) -> Result<Look<'a>> {
    let command = Command::of(service, &|path| contents.text(service, path), &|name| {
        variable(service, name).map(|(_, value)| value.to_owned())
    });
    let mut look = Look {
        name,
        service,
        nodes: Vec::new(),
        creates: command.creates(),
        added: command.added(),
        unread: None,
        is_server: has_servers_image(service),
        in_for: false,
        command,
    };
    let servers = look.command.servers();
    look.is_server |= !servers.is_empty();
    if bitnami::is_node(service) {
        look.nodes
            .push(bitnami::member(name, service, &look.command, contents));
        look.creates.extend(bitnami::creation(service));
    }
    for server in servers {
        look.in_for |= server.in_for;
        match member(name, service, &look.command, server, contents) {
            Ok(node) => look.nodes.extend(node),
            Err(path) => look.unread = Some(path),
        }
    }
    if !look.nodes.is_empty() {
        let copies = copies(service).map_err(|(line, text)| {
            Error::new(
                ErrorKind::Usage,
                format!("line {line}: service `{name}` has `{text}` containers, which is not a number"),
            )
            .hint("Set the variable in it, or write the number of nodes.")
        })?;
        look.nodes.retain(|_| copies > 0);
        look.is_server &= copies > 0;
        for node in &mut look.nodes {
            node.copies = copies;
        }
    }
    Ok(look)
}

/// Returns the node that a server runs as, or `None` if it is not a cluster node. The error is the path of a
/// configuration file that cannot be read.
fn member<'a>(
    name: &'a str,
    service: &'a Tree,
    command: &Command,
    server: Server,
    contents: Contents<'_>,
) -> Result<Option<Member<'a>>, String> {
    let mut directives = Vec::new();
    let mut unread = None;
    if let Some(path) = server.file {
        match contents.text(service, &path) {
            Some(text) => directives.extend(included(lines(&text), service, contents, MOST_INCLUDES)),
            None => unread = Some(path),
        }
    }
    let from_file = directives.len();
    directives.extend(server.directives);
    let mut member = Member::new(name, service, command.line);
    guard(&mut member, &directives, from_file, contents);
    member.directives = joined(directives);
    let is_node = member
        .value("cluster-enabled")
        .is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    if !is_node {
        return unread.map_or(Ok(None), Err);
    }
    member.tls = member.value("tls-port").is_some_and(|port| port != "0");
    let home = member.value("dir").filter(|home| home.starts_with('/'));
    member.home = home.unwrap_or("/data").to_owned();
    Ok(Some(member))
}

/// Returns the directives, with those of included files.
fn included(
    directives: Vec<(String, String)>,
    service: &Tree,
    contents: Contents<'_>,
    most: usize,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in directives {
        let text = (name == "include" && most > 0).then(|| contents.text(service, &value));
        match text.flatten() {
            Some(text) => all.extend(included(lines(&text), service, contents, most - 1)),
            None => all.push((name, value)),
        }
    }
    all
}

fn has_servers_image(service: &Tree) -> bool {
    let image = service.get("image").map(Tree::text).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or(image);
    let name = name.split([':', '@']).next().unwrap_or(name);
    matches!(name, "redis" | "valkey" | "redis-stack-server" | "redis-stack")
}
