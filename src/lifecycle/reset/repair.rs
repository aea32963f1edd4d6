//! Determines the repairs of an empty cluster whose state differs from the plan.

use std::collections::BTreeSet;
use std::fmt;

use crate::server::wire::reply::{NodeLine, NodeView};
use crate::topology::layout::{NodeId, Topology};
use crate::topology::slots::SlotRange;

/// A repair of one node in a cluster without keys. Indices count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mend {
    /// The node does not know all others: introduce it with `CLUSTER MEET`.
    Introduce {
        /// Its index.
        node: usize,
    },
    /// A planned master replicates another node of its shard: promote it.
    Promote {
        /// Its index.
        node: usize,
    },
    /// A planned master replicates a node of another shard: reset it and introduce it again.
    Rejoin {
        /// Its index.
        node: usize,
    },
    /// A planned master lacks some of its own slots: claim them.
    Claim {
        /// Its index.
        node: usize,
        /// The slots.
        slots: Vec<u16>,
    },
    /// Slots are still migrating or importing: cancel the migration.
    Close {
        /// The index of the node that reports them.
        node: usize,
        /// The slots.
        slots: Vec<u16>,
    },
    /// A planned replica replicates the wrong node or none.
    Follow {
        /// Its index.
        node: usize,
        /// The index of its planned master.
        master: usize,
    },
    /// The node knows nodes that are not in the plan.
    Forget {
        /// The index of the node that knows them.
        node: usize,
        /// Their node ids.
        ids: Vec<NodeId>,
    },
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Introduce { node } => write!(f, "introduce node {node} to the others"),
            Self::Promote { node } => write!(f, "make node {node} master again"),
            Self::Rejoin { node } => write!(f, "take node {node} out of a foreign shard"),
            Self::Claim { node, slots } => write!(f, "give {} slots back to node {node}", slots.len()),
            Self::Close { node, slots } => {
                write!(f, "call off the move of {} slots on node {node}", slots.len())
            }
            Self::Follow { node, master } => write!(f, "make node {node} a replica of node {master}"),
            Self::Forget { node, ids } => {
                write!(
                    f,
                    "make node {node} forget {} nodes that are not planned",
                    ids.len()
                )
            }
        }
    }
}

/// Returns the next repairs, based on what every node reports about itself; `views` are in the order of the nodes.
/// All returned repairs may run concurrently, except promotions and claims, which change epochs and run one after
/// the other. Query the nodes again to find the repairs that follow. An empty result means that all nodes have
/// their planned state, and gossip only has to reach all of them.
pub fn mend(topology: &Topology, views: &[NodeView]) -> Vec<Mend> {
    let ids: Vec<Option<&NodeId>> = views
        .iter()
        .map(|view| view.myself().map(|line| &line.id))
        .collect();
    let of = |id: &NodeId| topology.nodes.iter().find(|node| ids[node.index - 1] == Some(id));
    let orders: [&dyn Fn() -> Vec<Mend>; 6] = [
        &|| introductions(topology, views, &ids),
        &|| {
            topology
                .masters()
                .filter_map(|node| {
                    let myself = views[node.index - 1].myself()?;
                    let master = myself.master.as_ref().filter(|_| !myself.is_master())?;
                    Some(match of(master) {
                        Some(other) if other.shard == node.shard => Mend::Promote { node: node.index },
                        _ => Mend::Rejoin { node: node.index },
                    })
                })
                .collect()
        },
        &|| claims(topology, views),
        &|| open(topology, views),
        &|| {
            topology
                .replicas()
                .filter_map(|node| {
                    let myself = views[node.index - 1].myself()?;
                    let master = topology.shard_of(node).master;
                    // A master that still owns slots first loses them to a claim, and then becomes a replica by itself.
                    let misled = myself.slots.is_empty() && myself.master.as_ref() != ids[master - 1];
                    misled.then_some(Mend::Follow {
                        node: node.index,
                        master,
                    })
                })
                .collect()
        },
        &|| strangers(topology, views, &ids),
    ];
    orders
        .iter()
        .map(|order| order())
        .find(|steps| !steps.is_empty())
        .unwrap_or_default()
}

fn introductions(topology: &Topology, views: &[NodeView], ids: &[Option<&NodeId>]) -> Vec<Mend> {
    let known = |view: &NodeView, id: &NodeId| {
        let at = |line: &&NodeLine| line.id == *id && !line.has("noaddr");
        view.nodes.iter().any(|line| at(&line))
    };
    topology
        .nodes
        .iter()
        .zip(views)
        .filter(|(_, view)| ids.iter().flatten().any(|id| !known(view, id)))
        .map(|(node, _)| Mend::Introduce { node: node.index })
        .collect()
}

fn slots(ranges: &[SlotRange]) -> BTreeSet<u16> {
    ranges.iter().flat_map(|range| range.first..=range.last).collect()
}

/// Returns the claims of slots. A node that loses its last slot becomes a replica of the node that took it. So
/// masters without any of their own slots first claim one each, and only then the rest is claimed.
fn claims(topology: &Topology, views: &[NodeView]) -> Vec<Mend> {
    let lacking = topology.shards.iter().filter_map(|shard| {
        let myself = views[shard.master - 1].myself()?;
        let (planned, owned) = (slots(&[shard.slots]), slots(&myself.slots));
        let lacks: Vec<u16> = planned.difference(&owned).copied().collect();
        let none = lacks.len() == planned.len();
        (!lacks.is_empty()).then_some((shard.master, lacks, none))
    });
    let lacking: Vec<_> = lacking.collect();
    let any_has_none = lacking.iter().any(|(_, _, none)| *none);
    lacking
        .into_iter()
        .filter(|(_, _, none)| *none || !any_has_none)
        .map(|(node, mut slots, none)| {
            if none {
                slots.truncate(1);
            }
            Mend::Claim { node, slots }
        })
        .collect()
}

/// Returns the slots that a node reports as migrating or importing: `[93->-id]` or `[93-<-id]`.
fn open(topology: &Topology, views: &[NodeView]) -> Vec<Mend> {
    topology
        .nodes
        .iter()
        .filter_map(|node| {
            let myself = views[node.index - 1].myself()?;
            let number = |text: &String| -> Option<u16> {
                let digits = text.trim_start_matches('[');
                let end = digits.find('-')?;
                digits[..end].parse().ok()
            };
            let slots: Vec<u16> = myself.moving.iter().filter_map(number).collect();
            (!slots.is_empty()).then_some(Mend::Close {
                node: node.index,
                slots,
            })
        })
        .collect()
}

fn strangers(topology: &Topology, views: &[NodeView], ids: &[Option<&NodeId>]) -> Vec<Mend> {
    topology
        .nodes
        .iter()
        .zip(views)
        .filter_map(|(node, view)| {
            let lines = view.nodes.iter().filter(|line| !ids.contains(&Some(&line.id)));
            let unknown: Vec<NodeId> = lines.map(|line| line.id.clone()).collect();
            (!unknown.is_empty()).then_some(Mend::Forget {
                node: node.index,
                ids: unknown,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::readiness::tests::perfect;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    /// Returns the repairs of a 3×1 cluster whose nodes report these views.
    fn needs(change: impl Fn(&mut Vec<NodeView>)) -> Vec<String> {
        let topology = topology(3, 1, Engine::Redis, "8.0.2");
        let mut views: Vec<NodeView> = perfect(&topology).into_iter().map(Result::unwrap).collect();
        change(&mut views);
        mend(&topology, &views).iter().map(ToString::to_string).collect()
    }

    fn myself(views: &mut [NodeView], index: usize) -> &mut NodeLine {
        let lines = &mut views[index - 1].nodes;
        lines.iter_mut().find(|line| line.has("myself")).unwrap()
    }

    fn id(views: &mut [NodeView], index: usize) -> NodeId {
        myself(views, index).id.clone()
    }

    /// Makes a node report that it replicates another.
    fn copies(views: &mut [NodeView], node: usize, master: usize) {
        let master = id(views, master);
        let line = myself(views, node);
        line.flags = vec!["myself".to_owned(), "slave".to_owned()];
        line.master = Some(master);
        line.slots.clear();
    }

    #[test]
    fn a_cluster_as_planned_needs_nothing() {
        assert!(needs(|_| {}).is_empty());
    }

    #[test]
    fn after_a_failover_the_planned_master_takes_over() {
        let found = needs(|views| {
            let slots = myself(views, 1).slots.clone();
            copies(views, 1, 4);
            let heir = myself(views, 4);
            heir.flags = vec!["myself".to_owned(), "master".to_owned()];
            heir.master = None;
            heir.slots = slots;
        });
        assert_eq!(found, ["make node 1 master again"]);
    }

    #[test]
    fn moved_slots_come_back_and_open_moves_are_called_off() {
        let range = |first, last| SlotRange { first, last };
        let found = needs(|views| {
            myself(views, 1).slots = vec![range(100, 5460)];
            myself(views, 2).slots = vec![range(0, 99), range(5461, 10922)];
        });
        assert_eq!(found, ["give 100 slots back to node 1"]);
        let found = needs(|views| {
            let other = id(views, 2);
            myself(views, 1).moving = vec![format!("[93->-{other}]"), format!("[7->-{other}]")];
        });
        assert_eq!(found, ["call off the move of 2 slots on node 1"]);
    }

    #[test]
    fn masters_that_own_nothing_of_theirs_take_one_slot_before_anybody_takes_more() {
        let found = needs(|views| {
            let (one, two) = (myself(views, 1).slots.clone(), myself(views, 2).slots.clone());
            myself(views, 1).slots = two;
            myself(views, 2).slots = one;
            myself(views, 3).slots = vec![SlotRange {
                first: 10_923,
                last: 16_000,
            }];
        });
        assert_eq!(
            found,
            ["give 1 slots back to node 1", "give 1 slots back to node 2"]
        );
    }

    #[test]
    fn a_master_that_was_drained_leaves_the_foreign_shard() {
        let found = needs(|views| copies(views, 3, 1));
        assert_eq!(found, ["take node 3 out of a foreign shard"]);
    }

    #[test]
    fn replicas_follow_their_planned_masters_again() {
        let found = needs(|views| {
            copies(views, 5, 3);
            let idle = myself(views, 6);
            idle.flags = vec!["myself".to_owned(), "master".to_owned()];
            idle.master = None;
        });
        assert_eq!(
            found,
            [
                "make node 5 a replica of node 2",
                "make node 6 a replica of node 3"
            ]
        );
    }

    #[test]
    fn the_lost_are_introduced_and_strangers_forgotten() {
        let found = needs(|views| {
            let lost = id(views, 6);
            views[0].nodes.retain(|line| line.id != lost);
        });
        assert_eq!(found, ["introduce node 1 to the others"]);
        let found = needs(|views| {
            let mut stranger = views[1].nodes[0].clone();
            stranger.id = NodeId("f".repeat(40));
            views[1].nodes.push(stranger);
        });
        assert_eq!(found, ["make node 2 forget 1 nodes that are not planned"]);
    }
}
