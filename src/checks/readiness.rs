//! The readiness contract, evaluated from the answers of all nodes.
//!
//! A cluster is ready when every node, queried separately, reports the state `ok`, has all 16384 slots
//! assigned and none in migration, knows exactly the nodes of the cluster, sees no node in handshake or
//! failing, and when all nodes agree on the roles, the slots and the masters' epochs.
//! `redis-cli --cluster check` compares only the slots, so it can report OK while clients still receive
//! CLUSTERDOWN.

use std::collections::BTreeSet;

use crate::checks::answers::{Roles, Seen, each, seen};
use crate::checks::finding::Check;
use crate::checks::{agreement, replication, roles, slots};
use crate::connect::target::Target;
use crate::server::wire::reply::Answer;
use crate::topology::layout::{NodeId, Topology};

/// The checks that need an answer from at least one node.
const OF_ANSWERS: [&str; 9] = [
    "cluster-state",
    "slot-coverage",
    "node-count",
    "agreement",
    "slot-owners",
    "open-slots",
    "epochs",
    "bus-links",
    "roles",
];

/// Evaluates the answers of a planned cluster. The answers are in the order of the topology's nodes.
pub fn judge(topology: &Topology, strictness: Roles, answers: &[Answer]) -> Vec<Check> {
    let names: Vec<&str> = topology.nodes.iter().map(|node| node.name.as_str()).collect();
    contract(&names, answers, topology.nodes.len(), || {
        roles::planned(topology, strictness, answers)
    })
}

/// Evaluates the answers of a cluster that rcup did not create: its members are the nodes that its nodes know.
/// `names` and `answers` are in the same order.
pub fn judge_found(names: &[&str], answers: &[Answer]) -> Vec<Check> {
    let known: BTreeSet<&NodeId> = answers
        .iter()
        .flatten()
        .flat_map(|view| view.nodes.iter().map(|line| &line.id))
        .collect();
    contract(names, answers, known.len().max(names.len()), || {
        roles::found(&seen(names, answers))
    })
}

fn contract(
    names: &[&str],
    answers: &[Answer],
    expected: usize,
    roles: impl FnOnce() -> Check,
) -> Vec<Check> {
    let seen = seen(names, answers);
    if seen.is_empty() {
        return std::iter::once(reachable(names, answers))
            .chain(OF_ANSWERS.map(|id| Check::skipped(id, "no node responds")))
            .chain([Check::skipped("replication", "no node responds")])
            .collect();
    }
    vec![
        reachable(names, answers),
        state(&seen),
        slots::coverage(&seen),
        count(expected, &seen),
        agreement::views(&seen),
        slots::owners(&seen),
        slots::open(&seen),
        agreement::epochs(&seen),
        agreement::bus(&seen),
        roles(),
        replication::links(&seen),
    ]
}

fn reachable(names: &[&str], answers: &[Answer]) -> Check {
    let detail = names
        .iter()
        .zip(answers)
        .filter_map(|(name, answer)| answer.as_ref().err().map(|why| format!("{name}: {why}")))
        .collect();
    Check::of(
        "reachable",
        format!("all {} nodes answer", names.len()),
        "nodes do not respond",
        detail,
        "Check `rcup logs`, and start stopped nodes with `rcup up`.",
    )
}

fn state(seen: &Seen<'_>) -> Check {
    Check::of(
        "cluster-state",
        format!("cluster_state:ok on {} nodes", seen.len()),
        "cluster_state is not ok on all nodes",
        each(seen, |view| {
            let state = view.field("cluster_state");
            (state != "ok").then(|| format!("cluster_state:{state}"))
        }),
        "A node reports fail while a slot has no owner or it cannot see a majority of masters.",
    )
}

fn count(wanted: usize, seen: &Seen<'_>) -> Check {
    Check::of(
        "node-count",
        format!("every node knows all {wanted} nodes; none is failing or in handshake"),
        "nodes are missing, failing or unexpected",
        each(seen, |view| {
            let known = view.number("cluster_known_nodes");
            if known != wanted as u64 || view.nodes.len() != wanted {
                return Some(format!("knows {known} nodes instead of {wanted}"));
            }
            let troubled: Vec<String> = view
                .nodes
                .iter()
                .filter_map(|line| {
                    let troubles: Vec<&str> = line.troubles().collect();
                    (!troubles.is_empty())
                        .then(|| format!("{}:{} {}", line.ip, line.port, troubles.join(",")))
                })
                .collect();
            (!troubled.is_empty()).then(|| format!("sees {}", troubled.join("; ")))
        }),
        "A node that stays in `handshake` or `fail?` is unreachable on its bus port.",
    )
}

impl Target<'_> {
    /// Evaluates the readiness contract.
    pub(crate) fn judge(&self, answers: &[Answer]) -> Vec<Check> {
        match self.plan {
            Some(plan) => judge(plan, Roles::WithinShards, answers),
            None => judge_found(&self.names(), answers),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checks::finding::{Status, all_passed};
    use crate::server::wire::reply::NodeView;
    use crate::server::wire::reply::{NodeLine, Replication};
    use crate::spec::server::Engine;
    use crate::topology::layout::Role;
    use crate::topology::layout::tests::topology;
    use crate::topology::slots::SLOTS;

    /// Returns the views of the nodes that answered, each with its node's name.
    pub(crate) fn named<'a>(plan: &'a Topology, answers: &'a [Answer]) -> Vec<(&'a str, &'a NodeView)> {
        let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
        seen(&names, answers)
    }

    /// Returns the answers of a healthy cluster.
    pub(crate) fn perfect(topology: &Topology) -> Vec<Answer> {
        let lines: Vec<NodeLine> = topology
            .nodes
            .iter()
            .map(|node| {
                let shard = topology.shard_of(node);
                let master = node.role == Role::Master;
                NodeLine {
                    id: node.id.clone(),
                    ip: node.ip.to_string(),
                    port: node.port,
                    bus: node.port + crate::spec::cluster::BUS_OFFSET,
                    hostname: None,
                    flags: vec![if master { "master" } else { "slave" }.to_owned()],
                    master: (!master).then(|| topology.master_of(shard).id.clone()),
                    ping: 0,
                    pong: 0,
                    epoch: shard.number as u64,
                    connected: true,
                    slots: if master { vec![shard.slots] } else { Vec::new() },
                    moving: Vec::new(),
                }
            })
            .collect();
        topology
            .nodes
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let mut nodes = lines.clone();
                nodes[at].flags.insert(0, "myself".to_owned());
                let info = [
                    ("cluster_state", "ok".to_owned()),
                    ("cluster_slots_assigned", SLOTS.to_string()),
                    ("cluster_slots_ok", SLOTS.to_string()),
                    ("cluster_known_nodes", topology.nodes.len().to_string()),
                ];
                Ok(NodeView {
                    info: info
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                    nodes,
                    replication: Replication {
                        replica: node.role == Role::Replica,
                        link_up: node.role == Role::Replica,
                        offset: 0,
                    },
                })
            })
            .collect()
    }

    fn failing(topology: &Topology, break_it: impl Fn(&mut Vec<Answer>)) -> Vec<&'static str> {
        let mut answers = perfect(topology);
        break_it(&mut answers);
        judge(topology, Roles::AsPlanned, &answers)
            .into_iter()
            .filter(|check| check.status == Status::Fail)
            .map(|check| check.id)
            .collect()
    }

    fn view(answers: &mut [Answer], at: usize) -> &mut NodeView {
        answers[at].as_mut().unwrap()
    }

    #[test]
    fn a_perfect_cluster_passes() {
        for (masters, replicas) in [(1, 0), (3, 0), (3, 1), (3, 2), (30, 1)] {
            let topology = topology(masters, replicas, Engine::Redis, "7.0.15");
            let checks = judge(&topology, Roles::AsPlanned, &perfect(&topology));
            assert!(all_passed(&checks), "{checks:#?}");
        }
    }

    #[test]
    fn every_break_of_the_contract_is_found_by_its_check() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let found = |break_it: &dyn Fn(&mut Vec<Answer>)| failing(&topology, break_it);
        assert_eq!(
            found(&|all| all[2] = Err("connection refused".to_owned())),
            ["reachable"]
        );
        assert_eq!(
            found(&|all| {
                view(all, 4)
                    .info
                    .insert("cluster_state".to_owned(), "fail".to_owned());
            }),
            ["cluster-state"]
        );
        assert_eq!(
            found(&|all| {
                view(all, 1)
                    .info
                    .insert("cluster_slots_ok".to_owned(), "16383".to_owned());
            }),
            ["slot-coverage"]
        );
        assert_eq!(
            found(&|all| view(all, 5).nodes[0].flags.push("fail?".to_owned())),
            ["node-count"]
        );
        assert_eq!(
            found(&|all| {
                view(all, 5).nodes.pop();
            }),
            ["node-count", "agreement", "roles"]
        );
        assert_eq!(found(&|all| view(all, 3).nodes[1].epoch = 9), ["agreement"]);
        assert_eq!(
            found(&|all| view(all, 3).nodes[1].connected = false),
            ["bus-links"]
        );
        assert_eq!(
            found(&|all| {
                for answer in all.iter_mut() {
                    answer.as_mut().unwrap().nodes[1].epoch = 1;
                }
            }),
            ["epochs"]
        );
        assert_eq!(
            found(&|all| view(all, 3).nodes[1].moving.push("[5-<-x]".to_owned())),
            ["open-slots"]
        );
        assert_eq!(
            found(&|all| view(all, 4).replication.link_up = false),
            ["replication"]
        );
    }

    #[test]
    fn a_cluster_of_somebody_else_is_what_its_nodes_know() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let names = ["a", "b", "c", "d", "e", "f"];
        let failed = |names: &[&str], answers: &[Answer]| -> Vec<&'static str> {
            let checks = judge_found(names, answers);
            checks
                .iter()
                .filter(|check| !check.passed())
                .map(|check| check.id)
                .collect()
        };
        let mut answers = perfect(&topology);
        assert!(failed(&names, &answers).is_empty());
        // A node that was not queried still counts, because the others know it.
        assert!(failed(&names[..5], &answers[..5]).is_empty());
        // A node that no other node knows increases the number of known nodes by one.
        let mut alone = answers.clone();
        let line = alone[5].as_mut().unwrap().nodes.remove(5);
        alone[5].as_mut().unwrap().nodes = vec![NodeLine {
            id: NodeId("x".to_owned()),
            ..line
        }];
        assert_eq!(failed(&names, &alone), ["node-count", "agreement", "roles"]);
        answers[5].as_mut().unwrap().nodes[5].master = None;
        assert_eq!(failed(&names, &answers), ["agreement", "roles"]);
        answers[0] = Err("refused".to_owned());
        assert!(failed(&names, &answers).contains(&"reachable"));
    }

    #[test]
    fn where_nobody_answers_nothing_passes() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let answers: Vec<Answer> = topology.nodes.iter().map(|_| Err("refused".to_owned())).collect();
        let checks = judge(&topology, Roles::AsPlanned, &answers);
        assert_eq!(checks[0].status, Status::Fail);
        assert!(checks[1..].iter().all(|check| check.status == Status::Skip));
    }

    #[test]
    fn a_failover_breaks_the_plan_but_not_the_shard() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let mut answers = perfect(&topology);
        for answer in &mut answers {
            let nodes = &mut answer.as_mut().unwrap().nodes;
            let (old, new) = (nodes[0].id.clone(), nodes[3].id.clone());
            assert_eq!(nodes[3].master.as_ref(), Some(&old));
            let slots = std::mem::take(&mut nodes[0].slots);
            nodes[3].slots = slots;
            nodes[3].master = None;
            nodes[0].master = Some(new);
            for (at, from, to) in [(0, "master", "slave"), (3, "slave", "master")] {
                for flag in &mut nodes[at].flags {
                    if flag == from {
                        to.clone_into(flag);
                    }
                }
            }
            nodes[3].epoch = 7;
        }
        let failed = |roles| -> Vec<&str> {
            judge(&topology, roles, &answers)
                .into_iter()
                .filter(|check| !check.passed())
                .map(|check| check.id)
                .collect()
        };
        assert_eq!(failed(Roles::AsPlanned), ["roles"]);
        assert!(failed(Roles::WithinShards).is_empty());
    }
}
