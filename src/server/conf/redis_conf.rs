//! The `redis.conf` of a node, with the reason for each line.

use std::fmt::Write as _;

use crate::server::conf::setting::Setting;
use crate::server::conf::settings::effective::{Temporary, settings, temporary};
use crate::topology::layout::{Node, Topology};

/// Returns the file with which the node boots.
pub fn redis_conf(topology: &Topology, node: &Node) -> String {
    write(topology, node, &temporary(topology, node))
}

/// Returns the file for a node whose cluster is already formed: it has no temporary values.
pub fn settled_redis_conf(topology: &Topology, node: &Node) -> String {
    write(topology, node, &[])
}

fn write(topology: &Topology, node: &Node, temporary: &[Temporary]) -> String {
    let mut text = format!(
        "# Node {} of the cluster `{}`, profile {}, written by rcup {}.\n",
        node.index,
        topology.name(),
        topology.spec.profile(),
        env!("CARGO_PKG_VERSION")
    );
    let settings = settings(topology, node);
    for Setting { name, value, why, .. } in &settings {
        let forming = temporary.iter().find(|temporary| temporary.name == name);
        let value = forming.map_or(value.as_str(), |temporary| temporary.forming.as_str());
        let _ = write!(text, "\n# {why}\n{name} {value}\n");
    }
    // These directives have the server's default once the cluster is formed, so they are not among the settings.
    for Temporary { name, forming, .. } in temporary {
        if !settings.iter().any(|setting| setting.name == *name) {
            let _ = write!(
                text,
                "\n# Only while the cluster is being formed.\n{name} {forming}\n"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::conf::setting::Origin;
    use crate::server::conf::settings::effective::waking;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::modes::AnnounceChoice;
    use crate::spec::node_override::NodeOverride;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

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
        let topology = Topology::new(
            &spec,
            &crate::topology::layout::tests::placement(Engine::Redis, "8.0.2"),
        )
        .unwrap();
        let conf = redis_conf(&topology, &topology.nodes[0]);
        assert_eq!(value(&conf, "maxmemory-policy"), ["allkeys-lru"]);
        assert_eq!(
            value(&conf, "repl-diskless-sync-delay"),
            ["0"],
            "only once the cluster stands"
        );
        let settled: Vec<(&str, String)> = temporary(&topology, &topology.nodes[0])
            .into_iter()
            .map(|each| (each.name, each.settled))
            .collect();
        assert_eq!(
            settled,
            [
                ("cluster-node-timeout", "5000".to_owned()),
                ("repl-diskless-sync-delay", "5".to_owned()),
                ("hz", "10".to_owned())
            ]
        );
    }

    #[test]
    fn a_node_has_its_own_value_and_the_others_the_clusters() {
        let request = |text: &str| NodeOverride::default().set(text.parse().unwrap());
        let spec = ClusterSpec::builder()
            .set("hz=20".parse().unwrap())
            .node(
                "4".parse().unwrap(),
                request("hz=50").set("repl-diskless-sync-delay=3".parse().unwrap()),
            )
            .node(
                "5".parse().unwrap(),
                NodeOverride::default().with_memory(64 << 20),
            )
            .build()
            .unwrap();
        let topology = Topology::new(
            &spec,
            &crate::topology::layout::tests::placement(Engine::Redis, "8.0.2"),
        )
        .unwrap();
        let conf = |index| settled_redis_conf(&topology, topology.node(index).unwrap());
        let (first, fourth, fifth) = (conf(1), conf(4), conf(5));
        assert_eq!(
            (value(&first, "hz"), value(&fourth, "hz")),
            (vec!["20"], vec!["50"])
        );
        assert_eq!(value(&fourth, "repl-diskless-sync-delay"), ["3"]);
        assert_eq!(value(&fifth, "maxmemory"), ["64mb"]);
        assert!(
            value(&first, "maxmemory").is_empty(),
            "nobody has told the machine's memory"
        );
        let waits = |index| {
            let all = temporary(&topology, topology.node(index).unwrap());
            all.iter().any(|each| each.name == "repl-diskless-sync-delay")
        };
        assert!(
            waits(4) && !waits(1),
            "only node 4 waits for others once the cluster stands"
        );
        let origins: Vec<Origin> = settings(&topology, &topology.nodes[3])
            .into_iter()
            .filter(|setting| matches!(setting.name.as_ref(), "hz" | "repl-diskless-sync-delay"))
            .map(|setting| setting.origin)
            .collect();
        assert_eq!(origins, [Origin::Node, Origin::Node]);
    }

    #[test]
    fn everything_temporary_is_in_the_file_that_a_node_boots_with() {
        for formation in ["seeded", "commands"] {
            let spec = ClusterSpec::builder()
                .formation(serde_json::from_str(&format!("\"{formation}\"")).unwrap())
                .set("repl-diskless-sync-delay=5".parse().unwrap())
                .build()
                .unwrap();
            let topology = Topology::new(
                &spec,
                &crate::topology::layout::tests::placement(Engine::Redis, "8.0.2"),
            )
            .unwrap();
            let node = &topology.nodes[0];
            let (boots, settled) = (redis_conf(&topology, node), settled_redis_conf(&topology, node));
            let temporary = temporary(&topology, node);
            assert_eq!(temporary.len(), 3);
            for Temporary { name, forming, .. } in temporary {
                assert_eq!(value(&boots, name), [forming.as_str()], "{formation}: {name}");
                assert!(!value(&settled, name).contains(&forming.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn the_first_of_many_nodes_doze_and_are_given_the_clock_of_the_last() {
        let of = |masters: usize, node: usize, set: &[&str]| {
            let mut spec = ClusterSpec::builder().masters(masters).replicas(1);
            for directive in set {
                spec = spec.set(directive.parse().unwrap());
            }
            let mut place = crate::topology::layout::tests::placement(Engine::Redis, "8.0.2");
            place.machine.cores = Some(2);
            let topology = Topology::new(&spec.build().unwrap(), &place).unwrap();
            let node = topology.node(node).unwrap();
            let settled = temporary(&topology, node)
                .into_iter()
                .find(|each| each.name == "hz")
                .map(|each| each.settled);
            let awake = waking(&topology, node).map(|(name, value)| format!("{name} {value}"));
            (
                value(&redis_conf(&topology, node), "hz").join(","),
                awake,
                settled,
            )
        };
        let clock = |booted: &str, awake: Option<&str>, settled: Option<&str>| {
            let owned = |value: &str| value.to_owned();
            (owned(booted), awake.map(owned), settled.map(owned))
        };
        assert_eq!(of(30, 1, &[]), clock("1", Some("hz 10"), Some("10")));
        assert_eq!(of(30, 1, &["hz=50"]), clock("1", Some("hz 50"), Some("50")));
        assert_eq!(of(30, 60, &[]), clock("", None, None));
        assert_eq!(of(30, 60, &["hz=50"]), clock("50", None, None));
        // A cluster that is not large is formed with a raised `hz`.
        assert_eq!(of(15, 1, &[]), clock("1", Some("hz 19"), Some("10")));
        assert_eq!(of(15, 1, &["hz=50"]), clock("1", Some("hz 19"), Some("50")));
        assert_eq!(of(15, 30, &[]), clock("19", None, Some("10")));
        assert_eq!(of(8, 1, &[]), clock("19", None, Some("10")));
        assert_eq!(of(15, 1, &["hz=1"]), clock("1", None, None), "nothing to wake");
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
                let topology = Topology::new(
                    &spec,
                    &crate::topology::layout::tests::placement(Engine::Redis, "8.0.2"),
                )
                .unwrap();
                let timeout = &temporary(&topology, &topology.nodes[0])[0];
                assert_ne!(timeout.forming, timeout.settled);
            }
        }
    }

    #[test]
    fn an_announcement_for_clients_is_written_in_the_servers_own_words() {
        let conf = |choice, engine, version| {
            let spec = ClusterSpec::builder().announce(choice).build().unwrap();
            let topology =
                Topology::new(&spec, &crate::topology::layout::tests::placement(engine, version)).unwrap();
            redis_conf(&topology, &topology.nodes[0])
        };
        let hostname = conf(AnnounceChoice::Hostname, Engine::Redis, "7.0.15");
        assert_eq!(value(&hostname, "cluster-announce-hostname"), ["127.0.0.1"]);
        assert_eq!(value(&hostname, "cluster-preferred-endpoint-type"), ["hostname"]);
        let client = conf(AnnounceChoice::ClientIpv4, Engine::Valkey, "8.1.1");
        assert_eq!(value(&client, "cluster-announce-client-ipv4"), ["127.0.0.1"]);
    }
}
