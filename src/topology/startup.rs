//! Initial state of the nodes of a seeded cluster: decisions that reduce the cost of starting a large
//! cluster.

use crate::spec::capability::Capability;
use crate::spec::server::Server;
use crate::topology::layout::{Node, Shard, Topology};

/// Maximum number of nodes of a small cluster. In a larger cluster, the work of the nodes for each other
/// exceeds the work of the container engine.
const SMALL: usize = 32;

/// Number of running nodes per processor that do not slow down the start of the others. Measured with two
/// processors: 30 nodes were up 2 % sooner when most of them had a low-frequency cron (median of 22 pairs of
/// starts). With 18 nodes, 8 of them with a low-frequency cron, there was no measurable difference.
const AWAKE_OF_A_CORE: usize = 8;

/// Upper estimate of the nodes that a container engine starts per second and processor. Measured with Docker
/// 20.10: one start takes a third of a processor second. If an engine is faster than the estimate, the start
/// of the cluster takes up to two seconds longer than necessary.
const STARTS_OF_A_CORE: usize = 5;

/// Upper estimate of the nodes that a container engine starts per second, for any number of processors.
const STARTS: usize = 15;

/// Time in milliseconds for which a master that boots in the cluster state `fail` rejects commands:
/// `CLUSTER_WRITABLE_DELAY` in the Redis and Valkey sources, plus two cron ticks.
const WRITABLE_DELAY: usize = 2_200;

/// Number of nodes that are started at the same time, or slightly more. They become ready in any order, so
/// they all connect to each other.
const BESIDE: usize = 8;

/// Returns how many of `nodes` nodes connect to a node that has not started yet.
pub(crate) fn callers(nodes: usize, server: Server) -> usize {
    if nodes > SMALL && server.can(Capability::LearntAddresses) {
        BESIDE
    } else {
        nodes
    }
}

impl Topology {
    /// Returns whether the cluster has so many nodes that their own work exceeds the work of the container
    /// engine.
    pub(crate) fn is_large(&self) -> bool {
        self.nodes.len() > SMALL
    }

    /// Returns whether this shard boots with swapped roles and needs a promotion. It does not if enough nodes
    /// start after its master that the master's writable delay is over when the last node is up.
    pub(crate) fn is_swapped(&self, shard: &Shard) -> bool {
        let meanwhile = self.starts_in_a_second() * WRITABLE_DELAY / 1000;
        shard.master + meanwhile > self.nodes.len()
    }

    /// Returns `number` per processor of the Docker host; `None` if the number of processors is unknown.
    fn of_each_core(&self, number: usize) -> Option<usize> {
        let cores = usize::try_from(self.placement.machine.cores?).ok()?;
        Some(cores.saturating_mul(number))
    }

    /// Returns the upper estimate of the nodes that the container engine starts per second.
    fn starts_in_a_second(&self) -> usize {
        self.of_each_core(STARTS_OF_A_CORE).unwrap_or(STARTS).min(STARTS)
    }

    /// Returns whether a node starts with a low-frequency cron of one tick per second, until the last of many
    /// nodes are being started. The last nodes do not: those that are started at the same time, and those
    /// that start in the second after them. When they are up, every low-frequency node has had the tick after
    /// which its normal rate applies. Measured with a low-frequency cron on all nodes before the last second:
    /// one in five starts of 30 nodes waited up to one second for such a tick.
    pub(crate) fn dozes(&self, node: &Node) -> bool {
        let nodes = self.nodes.len();
        let few = self.of_each_core(AWAKE_OF_A_CORE).unwrap_or(SMALL);
        nodes > few && node.index + BESIDE + self.starts_in_a_second() <= nodes
    }

    /// Returns whether `reader` boots with the address of `other`. Otherwise it learns the address when
    /// `other` connects. In a large cluster, no node connects to nodes that have not started yet: every such
    /// connection attempt broadcasts a request for an unused address on the bridge, and with 60 nodes the
    /// kernel drops packets beyond `net.core.netdev_max_backlog`, including replies.
    pub(crate) fn knows_address(&self, reader: &Node, other: &Node) -> bool {
        let learns = self.server(reader).can(Capability::LearntAddresses);
        !(self.is_large() && learns && other.index > reader.index + BESIDE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Engine;
    use crate::topology::hardware::Machine;
    use crate::topology::layout::tests::topology;

    fn on_cores(masters: usize, replicas: usize, cores: Option<u64>) -> Topology {
        let mut topology = topology(masters, replicas, Engine::Redis, "8.0.2");
        topology.placement.machine = Machine { memory: None, cores };
        topology
    }

    fn swapped(masters: usize, replicas: usize, cores: Option<u64>) -> Vec<usize> {
        let topology = on_cores(masters, replicas, cores);
        let shards = topology.shards.iter();
        shards
            .filter(|shard| topology.is_swapped(shard))
            .map(|shard| shard.number)
            .collect()
    }

    #[test]
    fn whose_master_has_two_seconds_while_others_start_needs_no_promotion() {
        assert_eq!(swapped(3, 1, Some(2)), [1, 2, 3]);
        assert_eq!(swapped(6, 1, Some(2)).len(), 6);
        assert_eq!(swapped(15, 1, Some(2)), (9..=15).collect::<Vec<_>>());
        assert_eq!(swapped(30, 1, Some(2)), Vec::<usize>::new());
        // A faster container engine starts more nodes in the same time. An unknown number of processors
        // counts as fast.
        assert_eq!(swapped(15, 1, Some(16)).len(), 15);
        assert_eq!(swapped(30, 1, Some(16)), [28, 29, 30]);
        assert_eq!(swapped(30, 1, None), [28, 29, 30]);
        // The last master without a replica is the last node.
        assert_eq!(swapped(60, 0, Some(2)), (39..=60).collect::<Vec<_>>());
    }

    #[test]
    fn all_doze_but_as_many_as_come_in_a_second_where_there_are_many_for_the_processors() {
        let dozing = |masters, cores| {
            let topology = on_cores(masters, 1, cores);
            let dozing = topology.nodes.iter().filter(|node| topology.dozes(node));
            dozing.map(|node| node.index).max()
        };
        assert_eq!([dozing(30, Some(1)), dozing(30, Some(2))], [Some(47), Some(42)]);
        assert_eq!([dozing(30, Some(4)), dozing(30, None)], [Some(37), Some(37)]);
        assert_eq!([dozing(15, Some(2)), dozing(10, Some(2))], [Some(12), Some(2)]);
        assert_eq!([dozing(9, Some(2)), dozing(16, Some(4))], [None, None]);
        assert_eq!([dozing(30, Some(64)), dozing(16, None)], [None, None]);
    }

    #[test]
    fn of_two_nodes_of_a_large_cluster_one_calls_the_other() {
        let small = topology(16, 1, Engine::Redis, "8.0.2");
        let large = topology(17, 1, Engine::Redis, "8.0.2");
        let valkey = topology(17, 1, Engine::Valkey, "8.1.1");
        let first_knows_last =
            |topology: &Topology| topology.knows_address(&topology.nodes[0], &topology.nodes[31]);
        assert!(first_knows_last(&small) && first_knows_last(&valkey) && !first_knows_last(&large));
        for (reader, other) in large.nodes.iter().zip(&large.nodes[BESIDE + 1..]) {
            assert!(large.knows_address(reader, reader));
            assert!(large.knows_address(other, reader) && !large.knows_address(reader, other));
            let beside = &large.nodes[reader.index - 1 + BESIDE];
            assert!(large.knows_address(reader, beside) && large.knows_address(beside, reader));
        }
        // The number of nodes that connect to the last node is the number of nodes that boot with its
        // address.
        for topology in [&small, &large, &valkey] {
            let last = topology.nodes.last().unwrap();
            let others = &topology.nodes[..topology.nodes.len() - 1];
            let calling = others
                .iter()
                .filter(|node| topology.knows_address(node, last))
                .count();
            let most = callers(topology.nodes.len(), topology.server(last));
            assert!((calling..=calling + 1).contains(&most), "{calling} of {most}");
        }
    }
}
