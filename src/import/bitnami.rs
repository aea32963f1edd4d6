//! Bitnami's Redis and Valkey Cluster images. Environment variables configure them, and one of the nodes creates the
//! cluster.

use crate::import::command::{Command, Create, options};
use crate::import::conf::{joined, lines};
use crate::import::guard::guard;
use crate::import::node::{Member, Place};
use crate::import::service::{Contents, variable};
use crate::import::shell::words;
use crate::import::tree::Tree;

/// Prefixes of the variable names.
const SERVERS: [&str; 2] = ["REDIS", "VALKEY"];

/// Suffixes of the variables that this module reads, or that rcup replaces with its own settings.
const KNOWN: [&str; 14] = [
    "PASSWORD",
    "PASSWORD_FILE",
    "NODES",
    "PORT_NUMBER",
    "AOF_ENABLED",
    "EXTRA_FLAGS",
    "CLUSTER_CREATOR",
    "CLUSTER_REPLICAS",
    "CLUSTER_DYNAMIC_IPS",
    "CLUSTER_ANNOUNCE_IP",
    "CLUSTER_ANNOUNCE_PORT",
    "CLUSTER_ANNOUNCE_BUS_PORT",
    "CLUSTER_ANNOUNCE_HOSTNAME",
    "CLUSTER_SLEEP_BEFORE_DNS_LOOKUP",
];

/// Checks whether the image of the service is one of Bitnami's cluster images.
pub(crate) fn is_node(service: &Tree) -> bool {
    let image = image(service);
    image.contains("bitnami") && (image.contains("redis-cluster") || image.contains("valkey-cluster"))
}

fn image(service: &Tree) -> &str {
    service.get("image").map(Tree::text).unwrap_or_default()
}

/// Returns the variable whose name ends with `name`.
fn own<'a>(service: &'a Tree, name: &str) -> Option<(usize, &'a str)> {
    SERVERS
        .iter()
        .find_map(|server| variable(service, &format!("{server}_{name}")))
        .filter(|(_, value)| !value.is_empty())
}

fn is_yes(service: &Tree, name: &str) -> bool {
    own(service, name).is_some_and(|(_, value)| {
        ["yes", "true", "1"]
            .iter()
            .any(|yes| value.eq_ignore_ascii_case(yes))
    })
}

fn kind(service: &Tree) -> &'static str {
    if image(service).contains("valkey-cluster") {
        "valkey"
    } else {
        "redis"
    }
}

/// Returns the node that the service runs.
pub(crate) fn member<'a>(
    name: &'a str,
    service: &'a Tree,
    command: &Command,
    contents: Contents<'_>,
) -> Member<'a> {
    let kind = kind(service);
    let mut directives = Vec::new();
    if let Some((_, port)) = own(service, "PORT_NUMBER") {
        directives.push(("port".to_owned(), port.to_owned()));
    }
    // The image enables AOF by default.
    let keeps = own(service, "AOF_ENABLED").is_none_or(|(_, value)| value == "yes");
    let keeps = if keeps { "yes" } else { "no" };
    directives.push(("appendonly".to_owned(), keeps.to_owned()));
    if let Some((_, address)) = own(service, "CLUSTER_ANNOUNCE_IP") {
        directives.push(("cluster-announce-ip".to_owned(), address.to_owned()));
    }
    for file in ["redis.conf", "valkey.conf", "overrides.conf"] {
        let path = format!("/opt/bitnami/{kind}/mounted-etc/{file}");
        directives.extend(lines(&contents.text(service, &path).unwrap_or_default()));
    }
    let from_file = directives.len();
    if let Some((_, flags)) = own(service, "EXTRA_FLAGS") {
        directives.extend(options(&words(flags)));
    }
    directives.extend(command.options_after("run.sh"));
    let password = own(service, "PASSWORD").map(|(line, _)| (line, Place::Environment));
    let in_file = own(service, "PASSWORD_FILE").map(|(line, _)| (line, Place::File));
    let mut member = Member::new(name, service, command.line);
    member.home = format!("/bitnami/{kind}/data");
    member.is_bitnami = true;
    member.tls = is_yes(service, "TLS_ENABLED");
    guard(&mut member, &directives, from_file, contents);
    member.password = member.password.or(password).or(in_file);
    member.directives = joined(directives);
    member
}

/// Returns the cluster creation that the creating node runs. By default, the image gives each master one replica.
pub(crate) fn creation(service: &Tree) -> Option<Create> {
    if !is_yes(service, "CLUSTER_CREATOR") {
        return None;
    }
    let nodes = own(service, "NODES").map_or("", |(_, nodes)| nodes);
    let port = own(service, "PORT_NUMBER").map_or("6379", |(_, port)| port);
    let replicas = own(service, "CLUSTER_REPLICAS").map_or("1", |(_, number)| number);
    let address = |node: &str| {
        if node.contains(':') {
            node.to_owned()
        } else {
            format!("{node}:{port}")
        }
    };
    Some(Create {
        addresses: nodes
            .split([' ', ',', '\n'])
            .filter(|node| !node.is_empty())
            .map(address)
            .collect(),
        replicas: Some(replicas.to_owned()),
    })
}

/// Returns the variables of the image that are not imported, and the line of the first.
pub(crate) fn unknown(service: &Tree) -> Option<(usize, Vec<&str>)> {
    let all = service.get("environment").map_or(&[][..], Tree::entries);
    let unknown = all.iter().filter(|(name, _)| {
        SERVERS.iter().any(|server| {
            let end = name.strip_prefix(server).and_then(|rest| rest.strip_prefix('_'));
            end.is_some_and(|end| !KNOWN.contains(&end) && !end.starts_with("TLS_"))
        })
    });
    let names: Vec<(usize, &str)> = unknown.map(|(name, value)| (value.line, name.as_str())).collect();
    let line = names.first()?.0;
    Some((line, names.into_iter().map(|(_, name)| name).collect()))
}

/// Returns the server and the version in the image reference.
pub(crate) fn server(service: &Tree) -> (&'static str, Option<String>) {
    let image = image(service);
    let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
    let digits = tag.split('-').next().unwrap_or(tag);
    let is_version = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let version: Vec<&str> = digits.split('.').take(2).collect();
    (kind(service), is_version.then(|| version.join(".")))
}
