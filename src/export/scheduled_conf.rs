//! The `redis.conf` of nodes under a scheduler, which assigns their addresses and restarts them.

use crate::error::{Error, ErrorKind, Result};
use crate::server::conf::redis_conf::settled_redis_conf;
use crate::server::conf::tls::is_of_tls;
use crate::topology::layout::Topology;

/// Directives that differ between nodes or depend on the scheduler.
const OTHERWISE: [&str; 7] = [
    "aclfile",
    "port",
    "dir",
    "bind",
    "cluster-announce-ip",
    "appendonly",
    "save",
];

/// Comments that replace those of rcup's own containers. The key is the beginning of the directive below the comment.
const COMMENTS: [(&str, &str); 2] = [
    (
        "protected-mode no",
        "# Clients and the other nodes connect from other addresses.",
    ),
    ("loglevel ", "# The log is the container's output."),
];

/// Refuses a cluster with settings for single nodes. The export generates all nodes from one template.
///
/// # Errors
/// [`ErrorKind::Usage`] names the first such node.
pub(crate) fn refuse_overrides(topology: &Topology, what: &str) -> Result<()> {
    let Some((index, request)) = topology.spec.overrides().iter().next() else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Usage,
        format!("no {what} can be written for a cluster whose node {index} has {request}"),
    )
    .because("its nodes are all made from one pattern, and a scheduler decides which takes which place")
    .hint(
        "Leave out what single nodes have of their own (--node-…, [node.…]), or use `rcup export compose`.",
    ))
}

/// Returns the directives that all nodes share, after `head`. A node that restarts must still have its data: replicas
/// of an empty master delete theirs. Therefore the append-only file is enabled unless the user sets `appendonly`.
pub fn placeless_conf(topology: &Topology, head: &str) -> String {
    let requests = topology.spec.directives();
    let requested = |name: &str| requests.iter().any(|request| request.name() == name);
    let mut text = head.to_owned();
    let keeps = topology.spec.persist();
    if !keeps && !requested("appendonly") {
        text.push_str(
            "\n# A node that starts again has its data: at most a second of writes is lost.\nappendonly yes\n",
        );
    }
    if !keeps && !requested("save") {
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
                    && !(matches!(name, "appendonly" | "save") && (keeps || requested(name)))
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

/// Replaces the comments of a directive if [`COMMENTS`] contains another one.
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
