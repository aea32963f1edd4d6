//! What a running node sees of its kernel settings and limits.

use std::time::Duration;

use super::kernel::quoted;
use crate::check::host::NodeFacts;
use crate::cluster::inside;
use crate::error::Result;
use crate::plan::{Activity, ContainerSeen, Observed, labels};
use crate::runtime::{ExecRequest, Runtime};
use crate::topology::{Node, Topology};

/// How long such a program may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks one node of each cluster that runs.
pub(super) async fn running_nodes<R: Runtime>(runtime: &R, observed: &Observed) -> Vec<NodeFacts> {
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

async fn ask<R: Runtime>(runtime: &R, topology: &Topology, node: &Node) -> NodeFacts {
    let path = "/proc/sys/net/core/somaxconn";
    let limits = "/proc/1/limits";
    let command = ["cat", path, limits].map(str::to_owned).to_vec();
    let text = printed(runtime, &node.name, command).await.unwrap_or_default();
    let mut somaxconn = text.lines().next().and_then(|line| line.trim().parse().ok());
    if somaxconn.is_none() {
        // An image without `cat` has its server, which quotes the first line of a file that is no configuration.
        let command = vec![topology.server().engine.server().to_owned(), path.to_owned()];
        let text = printed(runtime, &node.name, command).await.unwrap_or_default();
        somaxconn = quoted(&text).and_then(|line| line.parse().ok());
    }
    let missing = |what: &str| format!("{} does not show {what}", node.name);
    NodeFacts {
        name: node.name.clone(),
        asked: topology.surroundings.own_sysctls,
        somaxconn: somaxconn.ok_or_else(|| missing(path)),
        open_files: open_files(&text).ok_or_else(|| missing(limits)),
    }
}

/// The soft limit in the table of `/proc/PID/limits`.
pub(super) fn open_files(table: &str) -> Option<u64> {
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
    inside::printed(runtime, container, &request, PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

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
