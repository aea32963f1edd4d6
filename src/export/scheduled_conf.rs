//! The `redis.conf` of nodes that somebody else places: a scheduler gives them their addresses and restarts them.

use crate::error::{Error, ErrorKind, Result};
use crate::server::conf::redis_conf::settled_redis_conf;
use crate::server::conf::tls::is_of_tls;
use crate::topology::layout::Topology;

/// Directives that differ from node to node, or are the scheduler's matter.
const OTHERWISE: [&str; 7] = [
    "aclfile",
    "port",
    "dir",
    "bind",
    "cluster-announce-ip",
    "appendonly",
    "save",
];

/// Comments that are true of rcup's own containers only, by the beginning of the line below them, and what is true here.
const COMMENTS: [(&str, &str); 2] = [
    (
        "protected-mode no",
        "# Clients and the other nodes connect from other addresses.",
    ),
    ("loglevel ", "# The log is the container's output."),
];

/// Refuses a cluster of which single nodes have something of their own, where all are made from one pattern.
///
/// # Errors
/// [`ErrorKind::Usage`] names the first such node.
pub(crate) fn refuse_overrides(topology: &Topology, what: &str) -> Result<()> {
    let Some((index, wish)) = topology.spec.overrides().iter().next() else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Usage,
        format!("no {what} can be written for a cluster whose node {index} has {wish}"),
    )
    .because("its nodes are all made from one pattern, and a scheduler decides which takes which place")
    .hint(
        "Leave out what single nodes have of their own (--node-…, [node.…]), or use `rcup export compose`.",
    ))
}

/// What all nodes have in common, after `head`. A node that is started anew by itself must have its data, or an
/// empty master would empty its replicas: where nothing else is wished, there is an append-only file.
pub fn placeless_conf(topology: &Topology, head: &str) -> String {
    let wishes = topology.spec.directives();
    let wished = |name: &str| wishes.iter().any(|wish| wish.name() == name);
    let mut text = head.to_owned();
    let keeps = topology.spec.persist();
    if !keeps && !wished("appendonly") {
        text.push_str(
            "\n# A node that starts again has its data: at most a second of writes is lost.\nappendonly yes\n",
        );
    }
    if !keeps && !wished("save") {
        text.push_str("save \"\"\n");
    }
    let Some(node) = topology.nodes.first() else {
        return text;
    };
    for paragraph in settled_redis_conf(topology, node).split("\n\n").skip(1) {
        let is_otherwise = |line: &str| {
            let name = line.split(' ').next().unwrap_or_default();
            is_of_tls(name)
                || OTHERWISE.contains(&name)
                    && !(matches!(name, "appendonly" | "save") && (keeps || wished(name)))
        };
        let lines: Vec<&str> = paragraph.lines().filter(|line| !is_otherwise(line)).collect();
        if lines.iter().any(|line| !line.starts_with('#')) {
            text.push('\n');
            text.push_str(&commented(lines).join("\n"));
            text.push('\n');
        }
    }
    text
}

/// A directive with its comments, which are replaced where [`COMMENTS`] has another.
fn commented(lines: Vec<&str>) -> Vec<&str> {
    let other = COMMENTS
        .iter()
        .find(|(directive, _)| lines.iter().any(|line| line.starts_with(directive)));
    let Some((_, comment)) = other else {
        return lines;
    };
    let directives = lines.into_iter().filter(|line| !line.starts_with('#'));
    std::iter::once(*comment).chain(directives).collect()
}
