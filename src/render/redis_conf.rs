//! The `redis.conf` of a node, each line with its reason.

use std::fmt::Write as _;

use crate::spec::Directive;
use crate::topology::{Announce, Formation, Node, Topology};

/// Where the cluster's volume is mounted in every container. It is not `/data`, which the official images
/// declare as a volume of their own.
pub const HOME: &str = "/rcup";

/// A node's own directory on the cluster's volume, which is the server's working directory. It belongs to
/// the node's user: `CONFIG REWRITE` and `nodes.conf` both replace their file by renaming a new one, which
/// needs a writable directory.
pub fn directory(node: &Node) -> String {
    format!("{HOME}/{}", node.index)
}

/// A node's configuration file.
pub fn conf_path(node: &Node) -> String {
    format!("{}/redis.conf", directory(node))
}

/// The directive whose value tells whether a node's formation was finished.
pub const NODE_TIMEOUT: &str = "cluster-node-timeout";

/// A directive, its value while the cluster is formed, its value afterwards, and why.
struct Line {
    name: &'static str,
    value: String,
    why: &'static str,
}

/// A directive that has one value while the cluster is formed and another when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// The directive.
    pub name: &'static str,
    /// Its value until the cluster stands.
    pub forming: String,
    /// Its value from then on.
    pub settled: String,
}

/// What differs while the cluster is formed.
///
/// The seeded way must not take a node that starts late for a failed one, so its node timeout is long;
/// the plain way waits for the rejoin delay, which Redis derives from the node timeout, so there it is
/// short. Either value differs from the user's own by at least a millisecond, so that a node can be
/// asked whether its formation was finished.
pub fn temporary(topology: &Topology) -> Vec<Temporary> {
    let settled = topology.spec.node_timeout().as_millis();
    let wanted = match topology.formation {
        Formation::Seeded => 60_000,
        Formation::Commands => 1_000,
    };
    let forming = if wanted == settled { wanted + 1 } else { wanted };
    let sync_delay = setting(topology, "repl-diskless-sync-delay").unwrap_or("0");
    let mut all = vec![Temporary {
        name: NODE_TIMEOUT,
        forming: forming.to_string(),
        settled: settled.to_string(),
    }];
    if sync_delay != "0" {
        all.push(Temporary {
            name: "repl-diskless-sync-delay",
            forming: "0".to_owned(),
            settled: sync_delay.to_owned(),
        });
    }
    all
}

fn setting<'a>(topology: &'a Topology, name: &str) -> Option<&'a str> {
    topology
        .spec
        .directives()
        .iter()
        .find(|directive| directive.name() == name)
        .map(Directive::value)
}

/// The file as the node boots with it.
pub fn redis_conf(topology: &Topology, node: &Node) -> String {
    let temporary = temporary(topology);
    let mut text = format!(
        "# Node {} of the cluster `{}`, written by rcup {}.\n",
        node.index,
        topology.name(),
        env!("CARGO_PKG_VERSION")
    );
    for line in lines(topology, node) {
        let overridden = setting(topology, line.name).is_some();
        let forming = temporary.iter().find(|temporary| temporary.name == line.name);
        if overridden && forming.is_none() {
            continue;
        }
        let value = forming.map_or(line.value.as_str(), |temporary| temporary.forming.as_str());
        let _ = write!(text, "\n# {}\n{} {value}\n", line.why, line.name);
    }
    let own = topology.spec.directives().iter().filter(|directive| {
        !temporary
            .iter()
            .any(|temporary| temporary.name == directive.name())
    });
    for (nth, directive) in own.enumerate() {
        if nth == 0 {
            text.push_str("\n# Set by the user.\n");
        }
        let _ = writeln!(text, "{}", directive.line());
    }
    text
}

fn lines(topology: &Topology, node: &Node) -> Vec<Line> {
    let line = |name, value: String, why| Line { name, value, why };
    let text = |name, value: &str, why| Line {
        name,
        value: value.to_owned(),
        why,
    };
    let mut lines = vec![
        line(
            "port",
            node.port.to_string(),
            "One number inside the container, published and announced.",
        ),
        text(
            "protected-mode",
            "no",
            "Only 127.0.0.1 is published; the other nodes must get in without a password.",
        ),
        line(
            "dir",
            directory(node),
            "nodes.conf is saved by renaming, so it needs a directory of its own.",
        ),
        text("cluster-enabled", "yes", "Every node of rcup is a cluster node."),
        text(
            "cluster-config-file",
            "nodes.conf",
            "Written by the server alone once it runs.",
        ),
        line(
            "cluster-node-timeout",
            topology.spec.node_timeout().as_millis().to_string(),
            "Milliseconds without an answer until a node is suspected. It is set once the cluster is formed.",
        ),
        text(
            "cluster-require-full-coverage",
            "yes",
            "A missing shard shall be seen, not worked around.",
        ),
        line(
            "cluster-announce-ip",
            node.ip.to_string(),
            "The fixed address, so that a restart changes nothing.",
        ),
    ];
    match topology.announce {
        Announce::Ip => {}
        Announce::Hostname => {
            lines.push(text(
                "cluster-announce-hostname",
                "127.0.0.1",
                "Clients are sent to the published port, since the bridge cannot be reached from the host.",
            ));
            lines.push(text(
                "cluster-preferred-endpoint-type",
                "hostname",
                "Redirections carry the announced host name.",
            ));
        }
        Announce::ClientIpv4 => lines.push(text(
            "cluster-announce-client-ipv4",
            "127.0.0.1",
            "Clients are sent to the published port; bus and replication keep the bridge's addresses.",
        )),
    }
    lines.extend(tuning());
    lines
}

/// What does not depend on the node.
fn tuning() -> Vec<Line> {
    let text = |name, value: &str, why| Line {
        name,
        value: value.to_owned(),
        why,
    };
    vec![
        text("databases", "1", "A cluster has one database."),
        text("save", "\"\"", "No snapshots: the cluster lives in memory."),
        text(
            "appendonly",
            "no",
            "No append-only file: the cluster lives in memory.",
        ),
        text(
            "maxmemory-policy",
            "noeviction",
            "A test shall see its own keys, whatever the memory.",
        ),
        text(
            "repl-diskless-sync",
            "yes",
            "A full copy goes through the socket, not through the disk.",
        ),
        text(
            "repl-diskless-sync-delay",
            "0",
            "A replica is served at once instead of waiting 5 s for others to join it.",
        ),
        text(
            "repl-diskless-load",
            "on-empty-db",
            "An empty replica loads straight from the socket.",
        ),
        text("repl-backlog-size", "16mb", "A short break needs no full copy."),
        text(
            "tcp-keepalive",
            "300",
            "Dead connections are found within five minutes.",
        ),
        text(
            "slowlog-log-slower-than",
            "10000",
            "Microseconds: commands over 10 ms are kept.",
        ),
        text("slowlog-max-len", "128", "So many of them."),
        text(
            "latency-monitor-threshold",
            "100",
            "Milliseconds: LATENCY records events above.",
        ),
        text("loglevel", "notice", "Read them with `rcup logs`."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{AnnounceChoice, ClusterSpec, Engine};
    use crate::topology::topology;

    fn value<'a>(conf: &'a str, name: &str) -> Vec<&'a str> {
        conf.lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .collect()
    }

    #[test]
    fn the_file_says_what_the_topology_says() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let conf = redis_conf(&topology, &topology.nodes[4]);
        insta::assert_snapshot!(conf);
    }

    #[test]
    fn the_users_value_replaces_ours() {
        let spec = ClusterSpec::builder()
            .set("maxmemory-policy=allkeys-lru".parse().unwrap())
            .set("repl-diskless-sync-delay=5".parse().unwrap())
            .build()
            .unwrap();
        let topology = Topology::new(&spec, &crate::topology::surroundings(Engine::Redis, "8.0.2")).unwrap();
        let conf = redis_conf(&topology, &topology.nodes[0]);
        assert_eq!(value(&conf, "maxmemory-policy"), ["allkeys-lru"]);
        assert_eq!(
            value(&conf, "repl-diskless-sync-delay"),
            ["0"],
            "only once the cluster stands"
        );
        let settled: Vec<(&str, String)> = temporary(&topology)
            .into_iter()
            .map(|each| (each.name, each.settled))
            .collect();
        assert_eq!(
            settled,
            [
                ("cluster-node-timeout", "5000".to_owned()),
                ("repl-diskless-sync-delay", "5".to_owned())
            ]
        );
    }

    #[test]
    fn the_forming_timeout_always_differs_from_the_users() {
        for ms in [500, 1000, 5000, 60_000] {
            for choice in ["seeded", "commands"] {
                let spec = ClusterSpec::builder()
                    .node_timeout(std::time::Duration::from_millis(ms))
                    .formation(serde_json::from_str(&format!("\"{choice}\"")).unwrap())
                    .build()
                    .unwrap();
                let topology =
                    Topology::new(&spec, &crate::topology::surroundings(Engine::Redis, "8.0.2")).unwrap();
                let timeout = &temporary(&topology)[0];
                assert_ne!(timeout.forming, timeout.settled);
            }
        }
    }

    #[test]
    fn an_announcement_for_clients_is_written_in_the_servers_own_words() {
        let conf = |choice, engine, version| {
            let spec = ClusterSpec::builder().announce(choice).build().unwrap();
            let topology = Topology::new(&spec, &crate::topology::surroundings(engine, version)).unwrap();
            redis_conf(&topology, &topology.nodes[0])
        };
        let hostname = conf(AnnounceChoice::Hostname, Engine::Redis, "7.0.15");
        assert_eq!(value(&hostname, "cluster-announce-hostname"), ["127.0.0.1"]);
        assert_eq!(value(&hostname, "cluster-preferred-endpoint-type"), ["hostname"]);
        let client = conf(AnnounceChoice::ClientIpv4, Engine::Valkey, "8.1.1");
        assert_eq!(value(&client, "cluster-announce-client-ipv4"), ["127.0.0.1"]);
    }
}
