//! Determines how the nodes of an empty cluster forget elections, so that every shard can fail over again.

use std::fmt;

use crate::server::wire::reply::{NodeLine, NodeView};
use crate::topology::layout::{Node, Role, Topology};

/// The nodes, by their indices, that remember an election since they were started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Nodes that have requested votes.
    pub asked: Vec<usize>,
    /// Nodes that have granted a vote.
    pub gave: Vec<usize>,
}

/// A step on one node of a cluster without keys. Indices count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unvote {
    /// A master remembers an election, and must be a replica before it is restarted: one of its replicas is promoted.
    StepDown {
        /// Its index.
        node: usize,
        /// The index of the replica.
        heir: usize,
    },
    /// A replica remembers an election: only a restart clears it.
    Restart {
        /// Its index.
        node: usize,
    },
}

impl fmt::Display for Unvote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StepDown { node, heir } => write!(f, "let node {heir} stand in for node {node}"),
            Self::Restart { node } => write!(f, "restart node {node}, which remembers an election"),
        }
    }
}

/// Returns the next steps after which every shard can fail over, whatever the nodes remember. Replicas are
/// restarted concurrently, without an interruption of service. A restarted master would serve again only after
/// seconds, so one of its replicas is promoted first. A master without replicas keeps remembering.
pub fn unvote(topology: &Topology, views: &[NodeView], remembered: &Remembered) -> Vec<Unvote> {
    let myself = |index: usize| views.get(index - 1).and_then(NodeView::myself);
    let is_master = |index: usize| myself(index).is_some_and(NodeLine::is_master);
    let all = topology.shards.len();
    let majority = all / 2 + 1;
    if remembered.asked.is_empty() && remembered.gave.len() < majority && all > majority {
        // A shard's master remembers a vote about its own shard, and the other masters are enough to elect.
        return Vec::new();
    }
    let mut failed_over = remembered
        .asked
        .iter()
        .filter_map(|index| Some(topology.node(*index)?.shard));
    let only = failed_over
        .next()
        .filter(|first| all > majority && failed_over.all(|other| other == *first));
    let spared = |index: usize| {
        let of_it = |node: &Node| Some(node.shard) == only && node.role == Role::Master;
        topology.node(index).is_some_and(of_it) && !remembered.asked.contains(&index)
    };
    let gave = remembered
        .gave
        .iter()
        .filter(|index| !remembered.asked.contains(index));
    let voted: Vec<usize> = remembered
        .asked
        .iter()
        .chain(gave)
        .copied()
        .filter(|index| !spared(*index))
        .collect();
    let step_down = |node: usize| {
        let id = &myself(node)?.id;
        let mut others = topology.nodes.iter().map(|other| other.index);
        let heir = others.find(|other| {
            !voted.contains(other) && myself(*other).is_some_and(|line| line.master.as_ref() == Some(id))
        })?;
        Some(Unvote::StepDown { node, heir })
    };
    let masters = voted.iter().copied().filter(|index| is_master(*index));
    let handovers: Vec<Unvote> = masters.filter_map(step_down).collect();
    if !handovers.is_empty() {
        return handovers;
    }
    let replicas = voted.iter().copied().filter(|index| !is_master(*index));
    replicas.map(|node| Unvote::Restart { node }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::readiness::tests::perfect;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    /// Returns the steps of a cluster of this size whose nodes remember these elections.
    fn forgets(masters: usize, replicas: usize, asked: &[usize], gave: &[usize]) -> Vec<String> {
        let topology = topology(masters, replicas, Engine::Redis, "8.0.2");
        let views: Vec<NodeView> = perfect(&topology).into_iter().map(Result::unwrap).collect();
        let remembered = Remembered {
            asked: asked.to_vec(),
            gave: gave.to_vec(),
        };
        let steps = unvote(&topology, &views, &remembered);
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn elections_are_forgotten_by_a_restart_and_a_master_hands_over_before() {
        let restart = |node: usize| format!("restart node {node}, which remembers an election");
        let stand_in = |heir: usize, node: usize| format!("let node {heir} stand in for node {node}");
        assert!(forgets(3, 1, &[], &[]).is_empty());
        // The master of the shard that failed over need not vote for it again.
        assert_eq!(forgets(3, 1, &[4], &[1, 2, 3]), [stand_in(5, 2), stand_in(6, 3)]);
        assert_eq!(forgets(3, 1, &[4], &[1]), [restart(4)]);
        assert!(forgets(3, 1, &[], &[1]).is_empty(), "and is left so");
        // If two shards have failed over, it has to vote for the other one.
        assert_eq!(forgets(3, 1, &[4, 5], &[1, 2, 3]), [stand_in(6, 3)]);
        assert_eq!(forgets(3, 1, &[4, 5], &[1, 2]), [restart(4), restart(5)]);
        // Failover and failback.
        assert_eq!(forgets(3, 1, &[1, 4], &[2, 3]), [stand_in(5, 2), stand_in(6, 3)]);
        assert_eq!(forgets(3, 1, &[1, 4], &[]), [restart(4)]);
        assert_eq!(forgets(3, 1, &[1], &[]), [stand_in(4, 1)]);
        // The elected node was already restarted by another process.
        assert_eq!(forgets(3, 1, &[], &[1, 2]), [stand_in(4, 1), stand_in(5, 2)]);
    }

    #[test]
    fn where_every_vote_is_needed_nobody_may_remember() {
        assert_eq!(forgets(1, 1, &[], &[1]), ["let node 2 stand in for node 1"]);
        assert_eq!(forgets(2, 1, &[3], &[1, 2]), ["let node 4 stand in for node 2"]);
        assert!(
            forgets(3, 0, &[1], &[2, 3]).is_empty(),
            "a master without replicas is left alone"
        );
    }
}
