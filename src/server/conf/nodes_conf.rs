//! The `nodes.conf` with which a node boots into a cluster that is already formed.
//!
//! The roles are swapped: the first replica of every shard owns the slots, and the future master replicates it. A
//! server that boots as a master of a failed cluster refuses commands for two seconds (`CLUSTER_WRITABLE_DELAY` in
//! Redis's sources). A server that boots as a replica does not. Promoting the future masters afterwards takes
//! milliseconds. The promotion is safe because the cluster is new and empty, and no client has its address yet. If
//! the two seconds of a shard's master pass anyway while other nodes start, the shard keeps its planned roles.
//!
//! A swapped shard without replicas has no node to swap roles with. A placeholder master (`ghost`) owns its slots.
//! This node does not exist, and its address refuses connections. Every node forgets it after its own promotion.

use std::fmt::Write as _;

use crate::topology::layout::{Announce, Node, NodeId, Shard, Topology};

/// Address of a placeholder master. `noaddr` would count as a failure on Valkey 9, so it must be an address. No
/// process listens there: port 9 (discard) of the node itself.
const GHOST_IP: &str = "127.0.0.1";

/// Client port and bus port of a placeholder master.
const GHOST_PORTS: (u16, u16) = (9, 19);

/// Returns the ids of the placeholder masters that own the slots of swapped shards without replicas.
pub fn ghosts(topology: &Topology) -> Vec<NodeId> {
    let swapped = topology.shards.iter().filter(|shard| topology.is_swapped(shard));
    swapped
        .filter(|shard| shard.replicas.is_empty())
        .map(ghost)
        .collect()
}

/// Returns the id of a shard's placeholder master: the shard id reversed, which is just as unlikely to be taken.
fn ghost(shard: &Shard) -> NodeId {
    NodeId(shard.id.0.chars().rev().collect())
}

/// Returns the file for `node`, with swapped roles where that is faster. Masters come first, because a replica's
/// line refers to its master.
pub fn nodes_conf(topology: &Topology, node: &Node) -> String {
    let owner = |shard: &Shard| {
        if topology.is_swapped(shard) {
            shard.replicas.first().copied()
        } else {
            Some(shard.master)
        }
    };
    write(topology, node, owner, |other| topology.knows_address(node, other))
}

/// Returns the file for `node` with the planned roles, for nodes that are not promoted after their start: the
/// masters serve after two seconds.
pub fn settled_nodes_conf(topology: &Topology, node: &Node) -> String {
    write(topology, node, |shard| Some(shard.master), |_| true)
}

/// Returns the file in the format of the server that reads it. `owner` returns the node that owns a shard's slots;
/// if there is none, a placeholder master owns them. Nodes for which `knows` returns false have no address.
fn write(
    topology: &Topology,
    node: &Node,
    owner: impl Fn(&Shard) -> Option<usize>,
    knows: impl Fn(&Node) -> bool,
) -> String {
    let mut text = String::new();
    let address = |other: &Node, shard: &Shard| address(topology, node, other, shard, knows(other));
    let flags = |other: &Node, role: &str| {
        let myself = if other.index == node.index { "myself," } else { "" };
        let nowhere = if knows(other) { "" } else { ",noaddr" };
        format!("{myself}{role}{nowhere}")
    };
    let owner = |shard: &Shard| owner(shard).and_then(|index| topology.node(index));
    for shard in &topology.shards {
        let (id, address, flags) = match owner(shard) {
            Some(owner) => (owner.id.clone(), address(owner, shard), flags(owner, "master")),
            None => (
                ghost(shard),
                endpoint(topology, node, shard, "", GHOST_IP, GHOST_PORTS),
                "master".to_owned(),
            ),
        };
        let _ = writeln!(
            text,
            "{id} {address} {flags} - 0 0 {} connected {}",
            shard.number, shard.slots
        );
    }
    for shard in &topology.shards {
        let owner = owner(shard);
        let master = owner.map_or_else(|| ghost(shard), |owner| owner.id.clone());
        let members = std::iter::once(&shard.master).chain(&shard.replicas);
        let copies = members.filter_map(|index| topology.node(*index));
        for copy in copies.filter(|copy| owner.is_none_or(|owner| owner.index != copy.index)) {
            let _ = writeln!(
                text,
                "{} {} {} {master} 0 0 {} connected",
                copy.id,
                address(copy, shard),
                flags(copy, "slave"),
                shard.number
            );
        }
    }
    let _ = writeln!(
        text,
        "vars currentEpoch {} lastVoteEpoch 0",
        topology.shards.len()
    );
    text
}

/// Returns the address of `node` in the file that `reader` reads.
fn address(topology: &Topology, reader: &Node, node: &Node, shard: &Shard, known: bool) -> String {
    let hostname = match topology.announce {
        Announce::Hostname => node.host_address().ip().to_string(),
        Announce::Ip | Announce::ClientIpv4 => String::new(),
    };
    if known {
        let ports = (node.port, node.bus_port());
        endpoint(topology, reader, shard, &hostname, &node.ip.to_string(), ports)
    } else {
        endpoint(topology, reader, shard, &hostname, "", (0, 0))
    }
}

/// Returns `ip:port@bus` and the fields after it: `,hostname` in Redis 7.0, and the auxiliary fields from 7.2 on.
/// The shard id is mandatory from 7.2 on. A server exits on a field that it does not know. The port before the `@`
/// is the plaintext port; in 7.0 it is the port that the cluster uses, with or without TLS.
fn endpoint(
    topology: &Topology,
    reader: &Node,
    shard: &Shard,
    hostname: &str,
    ip: &str,
    (port, bus): (u16, u16),
) -> String {
    let named = if hostname.is_empty() {
        String::new()
    } else {
        format!(",{hostname}")
    };
    if !topology.server(reader).has_shard_ids() {
        return format!("{ip}:{port}@{bus}{named}");
    }
    let (plain, tls) = if topology.spec.tls() { (0, port) } else { (port, 0) };
    format!(
        "{ip}:{plain}@{bus},{hostname},tls-port={tls},shard-id={}",
        shard.id
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{mixed, topology};

    #[test]
    fn the_format_follows_the_version() {
        let old = topology(3, 1, Engine::Redis, "7.0.15");
        insta::assert_snapshot!("redis_7_0", nodes_conf(&old, &old.nodes[0]));
        let new = topology(3, 2, Engine::Valkey, "8.1.1");
        insta::assert_snapshot!("valkey_8_1_two_replicas", nodes_conf(&new, &new.nodes[8]));
        insta::assert_snapshot!("redis_8_settled", settled_nodes_conf(&new, &new.nodes[8]));
        let lone = topology(2, 0, Engine::Redis, "8.0.2");
        insta::assert_snapshot!("redis_8_ghosts", nodes_conf(&lone, &lone.nodes[1]));
    }

    #[test]
    fn a_large_cluster_boots_as_planned_where_there_is_time_and_calls_nobody_who_is_not_there() {
        let large = topology(17, 1, Engine::Redis, "8.0.2");
        let conf = nodes_conf(&large, &large.nodes[0]);
        let line = |node: usize| {
            let id = &large.nodes[node - 1].id.0;
            conf.lines().find(|line| line.starts_with(id.as_str())).unwrap()
        };
        assert!(line(1).contains(" myself,master - ") && line(1).contains("10.213.0.2:7001@17001,"));
        assert!(line(18).contains(" :0@0,,tls-port=0,shard-id=") && line(18).contains(" slave,noaddr "));
        // Too few nodes start after the second shard's master: its two seconds do not pass meanwhile.
        assert!(line(2).contains("10.213.0.3:7002@17002,") && line(2).contains(" slave "));
        assert!(line(10).contains(" slave,noaddr ") && line(19).contains(" master,noaddr - "));
        let last = nodes_conf(&large, &large.nodes[33]);
        assert!(!last.contains("noaddr"));
        assert!(!settled_nodes_conf(&large, &large.nodes[0]).contains("noaddr"));
        let lone = topology(40, 0, Engine::Redis, "7.0.15");
        assert_eq!(ghosts(&lone).len(), 33);
        assert_eq!(nodes_conf(&lone, &lone.nodes[0]).matches(":9@19").count(), 33);
    }

    #[test]
    fn every_server_reads_its_own_format() {
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &[(4, Engine::Redis, "8.0.2")]);
        let topology = Topology::new(&spec, &place).unwrap();
        let file = |index| settled_nodes_conf(&topology, topology.node(index).unwrap());
        assert!(!file(1).contains("shard-id") && !file(5).contains("shard-id"));
        // Every line has a shard id, the same within a shard: the server exits otherwise.
        let new = file(4);
        let lines: Vec<&str> = new.lines().filter(|line| !line.starts_with("vars ")).collect();
        assert_eq!(lines.len(), 6);
        for shard in &topology.shards {
            let mark = format!("shard-id={} ", shard.id);
            assert_eq!(new.matches(&mark).count(), 2, "{new}");
        }
    }

    #[test]
    fn the_files_of_all_nodes_differ_only_in_who_reads() {
        let topology = topology(4, 2, Engine::Redis, "8.0.2");
        let plain = |node: &Node| nodes_conf(&topology, node).replace("myself,", "");
        for node in &topology.nodes {
            assert_eq!(plain(node), plain(&topology.nodes[0]));
            assert_eq!(nodes_conf(&topology, node).matches("myself,").count(), 1);
        }
    }
}
