//! Bitnami's images of a Redis or Valkey Cluster, which variables set up. One of the nodes makes the cluster of the
//! others and lives on.

use crate::import::member::{Member, Place};
use crate::import::service::{copies, variable};
use crate::import::tree::Tree;

/// The beginnings of the variables' names.
const ENGINES: [&str; 2] = ["REDIS", "VALKEY"];

/// Whether the service's image is one of them.
pub(crate) fn is_node(service: &Tree) -> bool {
    let image = image(service);
    image.contains("bitnami") && (image.contains("redis-cluster") || image.contains("valkey-cluster"))
}

fn image(service: &Tree) -> &str {
    service.get("image").map(Tree::text).unwrap_or_default()
}

/// A variable by the end of its name.
pub(crate) fn own<'a>(service: &'a Tree, name: &str) -> Option<(usize, &'a str)> {
    ENGINES
        .iter()
        .find_map(|engine| variable(service, &format!("{engine}_{name}")))
        .filter(|(_, value)| !value.is_empty())
}

fn is_yes(service: &Tree, name: &str) -> bool {
    own(service, name).is_some_and(|(_, value)| matches!(value, "yes" | "true" | "1"))
}

/// The node.
pub(crate) fn member<'a>(name: &'a str, service: &'a Tree) -> Member<'a> {
    let mut directives = Vec::new();
    if let Some((_, port)) = own(service, "PORT_NUMBER") {
        directives.push(("port".to_owned(), port.to_owned()));
    }
    // The image has it on unless it is told otherwise.
    let keeps = own(service, "AOF_ENABLED").is_none_or(|(_, value)| value == "yes");
    directives.push((
        "appendonly".to_owned(),
        if keeps { "yes" } else { "no" }.to_owned(),
    ));
    let engine = if image(service).contains("valkey-cluster") {
        "valkey"
    } else {
        "redis"
    };
    Member {
        name,
        service,
        directives,
        home: format!("/bitnami/{engine}/data"),
        copies: copies(service),
        is_bitnami: true,
        password: own(service, "PASSWORD").map(|(line, _)| (line, Place::Environment)),
        tls: is_yes(service, "TLS_ENABLED"),
    }
}

/// How many replicas each master gets, and on which line that stands, if the service is the one that makes the cluster.
/// Without a number it is one.
pub(crate) fn creation(service: &Tree) -> Option<(usize, usize)> {
    if !is_yes(service, "CLUSTER_CREATOR") {
        return None;
    }
    let said = own(service, "CLUSTER_REPLICAS");
    Some(said.map_or((service.line, 1), |(line, number)| {
        (line, number.parse().unwrap_or(1))
    }))
}

/// The engine and the version that stand in the image's name.
pub(crate) fn server(service: &Tree) -> (&'static str, Option<String>) {
    let image = image(service);
    let engine = if image.contains("valkey-cluster") {
        "valkey"
    } else {
        "redis"
    };
    let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
    let digits = tag.split('-').next().unwrap_or(tag);
    let is_version = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let version: Vec<&str> = digits.split('.').take(2).collect();
    (engine, is_version.then(|| version.join(".")))
}
