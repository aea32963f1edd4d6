//! What the nodes of a seeded cluster believe when they boot: decisions that make a large cluster cheap to start.

use crate::spec::capability::Capability;
use crate::spec::server::Server;
use crate::topology::layout::{Node, Shard, Topology};

/// How many nodes a cluster has that is not large. In a larger one, what every node does for every other outweighs what
/// the engine does for the nodes.
const SMALL: usize = 32;

/// How many nodes that wait for the others each processor carries without the start of these being slower for it. Measured
/// with two processors: 30 nodes were there 2 % sooner when most of them dozed, the median of 22 pairs of starts; with 18
/// nodes, of which 8 doze, no difference could be seen.
const AWAKE_OF_A_CORE: usize = 8;

/// How many nodes an engine starts in a second at most, for each of its processors. Measured: a start takes a third of a
/// processor's second with Docker 20.10; who is quicker than this waits longer than it had to, for two seconds at most.
const STARTS_OF_A_CORE: usize = 5;

/// The same, however many processors there are.
const STARTS: usize = 15;

/// How long a master that boots in a failed state serves nobody, in milliseconds: `CLUSTER_WRITABLE_DELAY` in Redis's and
/// Valkey's sources, and two ticks.
const WRITABLE_DELAY: usize = 2_200;

/// How many nodes are started at the same time, or a little more. Which of them is there first nobody knows, so they
/// call each other.
const BESIDE: usize = 8;

/// How many of so many nodes call one that is not there yet.
pub(crate) fn callers(nodes: usize, server: Server) -> usize {
    if nodes > SMALL && server.can(Capability::LearntAddresses) {
        BESIDE
    } else {
        nodes
    }
}

impl Topology {
    /// Whether the nodes are so many that their own work outweighs the engine's.
    pub(crate) fn is_large(&self) -> bool {
        self.nodes.len() > SMALL
    }

    /// Whether this shard boots with its roles swapped, and needs a promotion: not where so many nodes are started after
    /// its master that this one has served its two seconds when the last of them is there.
    pub(crate) fn is_swapped(&self, shard: &Shard) -> bool {
        let meanwhile = self.starts_in_a_second() * WRITABLE_DELAY / 1000;
        shard.master + meanwhile > self.nodes.len()
    }

    /// So many for each processor of the engine, if it is known how many there are.
    fn of_each_core(&self, number: usize) -> Option<usize> {
        let cores = usize::try_from(self.surroundings.machine.cores?).ok()?;
        Some(cores.saturating_mul(number))
    }

    /// How many nodes this engine starts in a second at most.
    fn starts_in_a_second(&self) -> usize {
        self.of_each_core(STARTS_OF_A_CORE).unwrap_or(STARTS).min(STARTS)
    }

    /// Whether a node dozes until the last of many are on their way: a dozing server's clock ticks once a second. The last,
    /// as many as come in a second after those that are started at that time, do not: whoever dozes has ticked at its own
    /// pace when they are there. (Measured where as many dozed as came before the last second: one in five starts of
    /// 30 nodes waited for such a tick, for up to a second.)
    pub(crate) fn dozes(&self, node: &Node) -> bool {
        let nodes = self.nodes.len();
        let few = self.of_each_core(AWAKE_OF_A_CORE).unwrap_or(SMALL);
        nodes > few && node.index + BESIDE + self.starts_in_a_second() <= nodes
    }

    /// Whether `reader` boots with the address of `other`, or learns it when it is called. In a large cluster nobody calls
    /// those that are not there yet: every such call asks the whole bridge for an address that nobody has, and with 60
    /// nodes the kernel drops what exceeds `net.core.netdev_max_backlog`, answers included.
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
        topology.surroundings.machine = Machine { memory: None, cores };
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
        // A quicker engine starts more of them in the same time, and one of which nothing is known is quick.
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
        // The last is called by as many as know its address.
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
