//! Directives that do not depend on the node's placement: memory, replication, threads, monitoring.

use crate::server::conf::setting::{Origin, Setting};
use crate::spec::capability::Capability;
use crate::spec::profile::Profile;
use crate::spec::server::Server;
use crate::spec::size::size;
use crate::topology::hardware::MIB;
use crate::topology::layout::{Node, Topology};

/// Returns the directives that depend on the profile and the host hardware.
pub(crate) fn tuning(topology: &Topology, node: &Node) -> Vec<Setting> {
    let profile = topology.spec.profile();
    let mut settings = vec![Setting::new("databases", "1", "A cluster has one database.")];
    settings.extend(memory(topology, node, profile));
    settings.extend(replication(topology, node, profile));
    settings.extend(threads(topology, topology.server(node), profile));
    settings.extend([
        Setting::new(
            "tcp-backlog",
            "511",
            "TCP accept backlog. The container's somaxconn is higher.",
        ),
        Setting::new(
            "tcp-keepalive",
            "300",
            "Detects dead connections within five minutes.",
        ),
        Setting::new(
            "slowlog-log-slower-than",
            "10000",
            "Logs commands that take longer than 10 ms (in microseconds).",
        ),
        Setting::new("slowlog-max-len", "128", "Number of slow log entries."),
        Setting::new(
            "latency-monitor-threshold",
            "100",
            "LATENCY records events longer than this (in milliseconds).",
        ),
        Setting::new("loglevel", "notice", "Read the log with `rcup logs`."),
    ]);
    settings
}

fn memory(topology: &Topology, node: &Node, profile: Profile) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(memory) = topology.placement.machine.memory(&topology.spec, node.index) {
        let mut setting = Setting::new("maxmemory", size(memory.data), "").requested("memory");
        setting.why = if memory.chosen {
            "Requested.".into()
        } else {
            format!(
                "Share of {} for each of {} nodes, by profile {profile}.",
                size(topology.placement.machine.memory.unwrap_or_default() / MIB * MIB),
                topology.nodes.len()
            )
            .into()
        };
        let request = topology.spec.overrides().get(&node.index);
        let mut setting = setting.fitted();
        if request.is_some_and(|request| request.memory().is_some()) {
            setting.origin = Origin::Node;
            setting.why = "Requested for this node.".into();
        }
        settings.push(setting);
    }
    let why = match profile {
        Profile::Dev => "Tests should not lose keys: a full node refuses writes.",
        _ => "A full node evicts the least recently used keys.",
    };
    settings.push(Setting::new("maxmemory-policy", profile.eviction(), why).of_profile());
    settings.push(Setting::new(
        "maxmemory-samples",
        "5",
        "Number of keys sampled for each eviction.",
    ));
    settings
}

fn replication(topology: &Topology, node: &Node, profile: Profile) -> Vec<Setting> {
    let wanted = profile.backlog();
    let most = topology
        .placement
        .machine
        .memory(&topology.spec, node.index)
        .map_or(wanted, |memory| (memory.data / 8).max(MIB) / MIB * MIB);
    let backlog = Setting::new(
        "repl-backlog-size",
        size(wanted.min(most)),
        "Avoids a full sync after a short disconnection.",
    );
    let delay = match profile {
        Profile::Dev => Setting::new(
            "repl-diskless-sync-delay",
            "0",
            "Starts a full sync at once instead of waiting for more replicas.",
        ),
        _ => Setting::new(
            "repl-diskless-sync-delay",
            "5",
            "Seconds to wait for more replicas before a full sync. Set once the cluster is formed.",
        ),
    };
    vec![
        Setting::new(
            "repl-diskless-sync",
            "yes",
            "Sends a full sync over the socket, without a file.",
        ),
        delay.of_profile(),
        Setting::new(
            "repl-diskless-load",
            "on-empty-db",
            "An empty replica loads a full sync directly from the socket.",
        ),
        if most < wanted {
            backlog.fitted()
        } else {
            backlog.of_profile()
        },
        Setting::new(
            "repl-backlog-ttl",
            "3600",
            "Seconds for which a master without replicas keeps its backlog.",
        ),
    ]
}

fn threads(topology: &Topology, server: Server, profile: Profile) -> Vec<Setting> {
    let threads = topology.placement.machine.io_threads(&topology.spec);
    let setting = Setting::new(
        "io-threads",
        threads.to_string(),
        "More than one thread helps only if each node has that many CPUs.",
    );
    let mut settings = vec![if threads == profile.io_threads() {
        setting.of_profile()
    } else {
        setting.fitted()
    }];
    if threads > 1 && !server.can(Capability::ThreadedReads) {
        settings.push(Setting::new(
            "io-threads-do-reads",
            "yes",
            "Lets the I/O threads read. Later versions always do.",
        ));
    }
    settings
}
