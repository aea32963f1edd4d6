//! The `nodes.conf` from which a node boots into a cluster that is already formed.
//!
//! The roles stand swapped: the first replica of every shard owns the slots, and the future master copies
//! it. A server that boots as a master of a failed cluster refuses commands for two seconds
//! (`CLUSTER_WRITABLE_DELAY` in Redis's sources); one that boots as a replica does not. Promoting the
//! future masters afterwards takes milliseconds. It is safe because the cluster is new, empty, and nobody
//! has been told of it.
//!
//! A shard without replicas has nobody to swap with, so a ghost stands in: a master that does not exist,
//! at an address that refuses, which every node forgets once its own promotion is done.

use std::fmt::Write as _;

use crate::topology::{Announce, Node, NodeId, Shard, Topology};

/// The ghost's address. It must be an address (`noaddr` would count as a failure on Valkey 9) at which
/// nobody listens: port 9, discard, of the node itself.
const GHOST_ADDRESS: &str = "127.0.0.1:9@19";

/// Whether the shards' first owners are ghosts.
pub fn has_ghosts(topology: &Topology) -> bool {
    topology.spec.replicas() == 0
}

/// The ghost of a shard without replicas. Its id is the shard's id reversed: as unlikely to be taken.
pub fn ghost(shard: &Shard) -> NodeId {
    NodeId(shard.id.0.chars().rev().collect())
}

/// The id of the node that owns the shard's slots while the cluster boots.
fn first_owner(topology: &Topology, shard: &Shard) -> NodeId {
    shard
        .replicas
        .first()
        .and_then(|index| topology.node(*index))
        .map_or_else(|| ghost(shard), |node| node.id.clone())
}

/// The file for `node`. Masters stand first, because a replica's line refers to its master.
pub fn nodes_conf(topology: &Topology, node: &Node) -> String {
    let mut text = String::new();
    for shard in &topology.shards {
        let owner = first_owner(topology, shard);
        let (address, flags) = match shard.replicas.first().and_then(|index| topology.node(*index)) {
            Some(replica) => (
                self::address(topology, replica, shard),
                flags(replica, node, "master"),
            ),
            None => (
                format!("{GHOST_ADDRESS}{}", auxiliary(topology, shard, "")),
                "master".to_owned(),
            ),
        };
        let _ = writeln!(
            text,
            "{owner} {address} {flags} - 0 0 {} connected {}",
            shard.number, shard.slots
        );
    }
    for shard in &topology.shards {
        let owner = first_owner(topology, shard);
        let copies = std::iter::once(&shard.master).chain(shard.replicas.iter().skip(1));
        for copy in copies.filter_map(|index| topology.node(*index)) {
            let _ = writeln!(
                text,
                "{} {} {} {owner} 0 0 {} connected",
                copy.id,
                address(topology, copy, shard),
                flags(copy, node, "slave"),
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

fn flags(line: &Node, myself: &Node, role: &str) -> String {
    if line.index == myself.index {
        format!("myself,{role}")
    } else {
        role.to_owned()
    }
}

fn address(topology: &Topology, node: &Node, shard: &Shard) -> String {
    let hostname = match topology.announce {
        Announce::Hostname => "127.0.0.1",
        Announce::Ip | Announce::ClientIpv4 => "",
    };
    format!(
        "{}:{}@{}{}",
        node.ip,
        node.port,
        node.bus_port(),
        auxiliary(topology, shard, hostname)
    )
}

/// What follows the address: `,hostname` in Redis 7.0, and from 7.2 on the auxiliary fields. The shard id
/// is then mandatory; a field that a version does not know makes it exit.
fn auxiliary(topology: &Topology, shard: &Shard, hostname: &str) -> String {
    if topology.server().has_shard_ids() {
        format!(",{hostname},tls-port=0,shard-id={}", shard.id)
    } else if hostname.is_empty() {
        String::new()
    } else {
        format!(",{hostname}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Engine;
    use crate::topology::topology;

    #[test]
    fn the_format_follows_the_version() {
        let old = topology(3, 1, Engine::Redis, "7.0.15");
        insta::assert_snapshot!("redis_7_0", nodes_conf(&old, &old.nodes[0]));
        let new = topology(3, 2, Engine::Valkey, "8.1.1");
        insta::assert_snapshot!("valkey_8_1_two_replicas", nodes_conf(&new, &new.nodes[8]));
        let lone = topology(2, 0, Engine::Redis, "8.0.2");
        insta::assert_snapshot!("redis_8_ghosts", nodes_conf(&lone, &lone.nodes[1]));
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
