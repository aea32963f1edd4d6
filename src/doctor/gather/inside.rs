//! Reads kernel settings and limits inside running nodes.

use std::time::Duration;

use crate::doctor::facts::NodeFacts;
use crate::doctor::gather::kernel::quoted;
use crate::error::Result;
use crate::runtime::interface::{ExecRequest, Runtime};
use crate::runtime::observed::{Activity, ContainerSeen, Observed};
use crate::runtime::{exec, labels};
use crate::topology::layout::{Node, Topology};

/// Timeout for a program in a node on a busy host.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the settings in one node of each running cluster.
pub(crate) async fn running_nodes<R: Runtime>(runtime: &R, observed: &Observed) -> Vec<NodeFacts> {
    let clusters = observed.clusters();
    let asked = clusters.iter().filter_map(|name| {
        let ours = observed.of(name);
        let topology = labels::topology(ours.all_labels().next()?).ok()?;
        let running = ours
            .containers
            .iter()
            .filter(|container| container.activity == Activity::Running)
            .filter_map(ContainerSeen::index)
            .min()?;
        let node = topology.nodes.iter().find(|node| node.index == running)?.clone();
        Some((topology, node))
    });
    let answers = asked.map(|(topology, node)| async move { ask(runtime, &topology, &node).await });
    futures_util::future::join_all(answers).await
}

/// Files with the memory limit of a container, as seen inside it: cgroup v2 and v1.
const MEMORY: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

async fn ask<R: Runtime>(runtime: &R, topology: &Topology, node: &Node) -> NodeFacts {
    let (somaxconn, syn_backlog) = (
        "/proc/sys/net/core/somaxconn",
        "/proc/sys/net/ipv4/tcp_max_syn_backlog",
    );
    let limits = "/proc/1/limits";
    let cat = |files: &[&str]| {
        let command = [&["cat"], files]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
        async { printed(runtime, &node.name, command).await.unwrap_or_default() }
    };
    let number = |text: &str| text.lines().next().and_then(|line| line.trim().parse().ok());
    let (text, backlog, memory) = tokio::join!(cat(&[somaxconn, limits]), cat(&[syn_backlog]), cat(&MEMORY));
    let quoted_number = |path: &'static str| async move {
        // In an image without `cat`, the server prints the first line of the file when it is given as its
        // configuration.
        let command = vec![topology.server(node).engine.server().to_owned(), path.to_owned()];
        let text = printed(runtime, &node.name, command).await.unwrap_or_default();
        quoted(&text).and_then(|line| line.parse().ok())
    };
    let mut seen = (number(&text), number(&backlog));
    if seen.0.is_none() {
        seen = tokio::join!(quoted_number(somaxconn), quoted_number(syn_backlog));
    }
    let missing = |what: &str| format!("{} does not show {what}", node.name);
    let asked = topology.placement.machine.memory(&topology.spec, node.index);
    NodeFacts {
        name: node.name.clone(),
        asked: topology.placement.own_sysctls,
        somaxconn: seen.0.ok_or_else(|| missing(somaxconn)),
        syn_backlog: seen.1.ok_or_else(|| missing(syn_backlog)),
        open_files: open_files(&text).ok_or_else(|| missing(limits)),
        asked_memory: asked.and_then(|memory| memory.container),
        memory: memory_limit(&memory).ok_or_else(|| missing(MEMORY[0])),
    }
}

/// Parses the limit from the output for both files; only one of them exists.
fn memory_limit(text: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::trim);
    let bytes = lines.find_map(|line| match line {
        "max" => Some(u64::MAX),
        line => line.parse().ok(),
    })?;
    // cgroup v1 reports the largest possible number of pages if there is no limit.
    Some(if bytes > u64::MAX / 4 { u64::MAX } else { bytes })
}

/// Returns the soft limit from `/proc/PID/limits`.
pub(crate) fn open_files(table: &str) -> Option<u64> {
    let line = table
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

async fn printed<R: Runtime>(runtime: &R, container: &str, command: Vec<String>) -> Result<String> {
    let request = ExecRequest {
        command,
        ..ExecRequest::default()
    };
    exec::printed(runtime, container, &request, PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_version_of_control_groups_tells_the_memory() {
        let first = "cat: /sys/fs/cgroup/memory.max: No such file or directory\n1073741824\n";
        assert_eq!(memory_limit(first), Some(1 << 30));
        assert_eq!(memory_limit("9223372036854771712\n"), Some(u64::MAX));
        assert_eq!(memory_limit("max\ncat: …\n"), Some(u64::MAX));
        assert_eq!(memory_limit("cat: nothing\n"), None);
    }

    #[test]
    fn the_soft_limit_counts() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \nMax processes     \
                     5 6 processes\nMax open files            20000                65536                files     \n";
        assert_eq!(open_files(table), Some(20_000));
        assert_eq!(
            open_files("Max open files unlimited unlimited files"),
            Some(u64::MAX)
        );
        assert_eq!(open_files(""), None);
    }
}
