//! What does not depend on the node's place: memory, replication, threads, monitoring.

use crate::server::conf::setting::{Origin, Setting};
use crate::spec::capability::Capability;
use crate::spec::profile::Profile;
use crate::spec::server::Server;
use crate::spec::size::size;
use crate::topology::hardware::MIB;
use crate::topology::layout::{Node, Topology};

/// The directives that the profile and the machine decide.
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
            "So many connections may wait to be accepted; the container's own limit is above it.",
        ),
        Setting::new(
            "tcp-keepalive",
            "300",
            "Dead connections are found within five minutes.",
        ),
        Setting::new(
            "slowlog-log-slower-than",
            "10000",
            "Microseconds: commands over 10 ms are kept.",
        ),
        Setting::new("slowlog-max-len", "128", "So many of them."),
        Setting::new(
            "latency-monitor-threshold",
            "100",
            "Milliseconds: LATENCY records events above.",
        ),
        Setting::new("loglevel", "notice", "Read them with `rcup logs`."),
    ]);
    settings
}

fn memory(topology: &Topology, node: &Node, profile: Profile) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(memory) = topology.surroundings.machine.memory(&topology.spec, node.index) {
        let mut setting = Setting::new("maxmemory", size(memory.data), "").wished("memory");
        setting.why = if memory.chosen {
            "As it was asked for.".into()
        } else {
            format!(
                "The part of the machine's {} that {} nodes in profile {profile} share.",
                size(topology.surroundings.machine.memory.unwrap_or_default() / MIB * MIB),
                topology.nodes.len()
            )
            .into()
        };
        let wish = topology.spec.overrides().get(&node.index);
        let mut setting = setting.fitted();
        if wish.is_some_and(|wish| wish.memory().is_some()) {
            setting.origin = Origin::Node;
            setting.why = "As it was asked for this node.".into();
        }
        settings.push(setting);
    }
    let why = match profile {
        Profile::Dev => "A test shall see its own keys: a full node refuses writes instead of losing keys.",
        _ => "A full node makes room by the keys that were used least recently.",
    };
    settings.push(Setting::new("maxmemory-policy", profile.eviction(), why).of_profile());
    settings.push(Setting::new(
        "maxmemory-samples",
        "5",
        "So many keys are compared to find one to evict.",
    ));
    settings
}

fn replication(topology: &Topology, node: &Node, profile: Profile) -> Vec<Setting> {
    let wanted = profile.backlog();
    let most = topology
        .surroundings
        .machine
        .memory(&topology.spec, node.index)
        .map_or(wanted, |memory| (memory.data / 8).max(MIB) / MIB * MIB);
    let backlog = Setting::new(
        "repl-backlog-size",
        size(wanted.min(most)),
        "A short break needs no full copy.",
    );
    let delay = match profile {
        Profile::Dev => Setting::new(
            "repl-diskless-sync-delay",
            "0",
            "A replica is served at once instead of waiting for others to join it.",
        ),
        _ => Setting::new(
            "repl-diskless-sync-delay",
            "5",
            "Seconds in which further replicas may join a full copy. It is set once the cluster is formed.",
        ),
    };
    vec![
        Setting::new(
            "repl-diskless-sync",
            "yes",
            "A full copy goes through the socket, not through the disk.",
        ),
        delay.of_profile(),
        Setting::new(
            "repl-diskless-load",
            "on-empty-db",
            "An empty replica loads straight from the socket.",
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
    let threads = topology.surroundings.machine.io_threads(&topology.spec);
    let setting = Setting::new(
        "io-threads",
        threads.to_string(),
        "More than one pays only where every node has so many processors to itself.",
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
            "The threads read as well. Later servers do so by themselves.",
        ));
    }
    settings
}
