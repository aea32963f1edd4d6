//! Spreads the nodes of a cluster over hosts.

use crate::topology::layout::{Node, Role, Topology};

/// Returns the host of a node, from 0: masters round-robin, and the replicas of a shard on the hosts that follow.
pub fn host_of(topology: &Topology, node: &Node, hosts: usize) -> usize {
    let home = node.shard - 1;
    let at = match node.role {
        Role::Replica if hosts > 1 => {
            let nth = (node.index - 1) / topology.shards.len();
            home + 1 + (nth - 1) % (hosts - 1)
        }
        Role::Master | Role::Replica => home,
    };
    at % hosts
}
