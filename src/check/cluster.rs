//! The readiness contract, judged from what every node says.
//!
//! A cluster is ready when every node, asked by itself, calls the state `ok`, has all 16384 slots assigned
//! and in order, knows every node and none besides, sees no node in handshake or failing, and when all
//! nodes tell the same story: the same roles, the same slots, the same masters' epochs. `redis-cli --cluster
//! check` compares the slots alone, which is why it says OK while clients still see CLUSTERDOWN.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Answer, NodeLine, NodeView};
use super::finding::Check;
use crate::topology::{Node, NodeId, Role, SLOTS, SlotRange, Topology};

/// How strictly roles are compared with the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// Every node has the role that was planned.
    AsPlanned,
    /// Every shard has one master, whichever of its nodes that is: so after a failover.
    WithinShards,
}

/// Judges the answers, which stand in the order of the topology's nodes.
pub fn judge(topology: &Topology, roles: Roles, answers: &[Answer]) -> Vec<Check> {
    let seen: Vec<(&Node, &NodeView)> = topology
        .nodes
        .iter()
        .zip(answers)
        .filter_map(|(node, answer)| answer.as_ref().ok().map(|view| (node, view)))
        .collect();
    if seen.is_empty() {
        let skipped = [
            "cluster-state",
            "slot-coverage",
            "node-count",
            "agreement",
            "roles",
            "replication",
        ];
        return std::iter::once(reachable(topology, answers))
            .chain(skipped.map(|id| Check::skipped(id, "no node answers")))
            .collect();
    }
    vec![
        reachable(topology, answers),
        state(&seen),
        coverage(&seen),
        count(topology, &seen),
        agreement(&seen),
        planned(topology, roles, &seen),
        replication(&seen),
    ]
}

fn reachable(topology: &Topology, answers: &[Answer]) -> Check {
    let detail = topology
        .nodes
        .iter()
        .zip(answers)
        .filter_map(|(node, answer)| answer.as_ref().err().map(|why| format!("{}: {why}", node.name)))
        .collect();
    Check::of(
        "reachable",
        format!("all {} nodes answer", topology.nodes.len()),
        "nodes do not answer",
        detail,
        "See why with `rcup logs`, and start stopped nodes with `rcup up`.",
    )
}

/// One line of evidence for every node for which `wrong` says something.
fn each(seen: &[(&Node, &NodeView)], wrong: impl Fn(&Node, &NodeView) -> Option<String>) -> Vec<String> {
    seen.iter()
        .filter_map(|(node, view)| wrong(node, view).map(|what| format!("{}: {what}", node.name)))
        .collect()
}

fn state(seen: &[(&Node, &NodeView)]) -> Check {
    Check::of(
        "cluster-state",
        format!("cluster_state:ok on {} nodes", seen.len()),
        "cluster_state is not ok everywhere",
        each(seen, |_, view| {
            let state = view.field("cluster_state");
            (state != "ok").then(|| format!("cluster_state:{state}"))
        }),
        "A node says fail while a slot has no owner or it sees no majority of the masters.",
    )
}

fn coverage(seen: &[(&Node, &NodeView)]) -> Check {
    let wanted = u64::from(SLOTS);
    Check::of(
        "slot-coverage",
        format!("all {SLOTS} slots are assigned and ok"),
        "slots are missing",
        each(seen, |_, view| {
            let (assigned, ok) = (
                view.number("cluster_slots_assigned"),
                view.number("cluster_slots_ok"),
            );
            (assigned != wanted || ok != wanted)
                .then(|| format!("{assigned} slots assigned, {ok} of them ok, of {wanted}"))
        }),
        "A slot without an owner makes the whole cluster refuse commands: see `rcup status`.",
    )
}

fn count(topology: &Topology, seen: &[(&Node, &NodeView)]) -> Check {
    let wanted = topology.nodes.len();
    Check::of(
        "node-count",
        format!("every node knows all {wanted} nodes, none of them failing or in handshake"),
        "nodes are missing, failing or strange",
        each(seen, |_, view| {
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
        "A node that stays in handshake or fail? cannot be reached on its bus port.",
    )
}

/// What all nodes must tell alike about one node. A replica's own epoch is left out: other nodes learn it
/// late, and nothing depends on it.
#[derive(PartialEq, Eq)]
struct Story<'a> {
    at: (&'a str, u16),
    master: Option<&'a NodeId>,
    epoch: Option<u64>,
    slots: &'a [SlotRange],
}

fn story(view: &NodeView) -> BTreeMap<&NodeId, Story<'_>> {
    view.nodes
        .iter()
        .map(|line| {
            let story = Story {
                at: (&line.ip, line.port),
                master: line.master.as_ref(),
                epoch: line.is_master().then_some(line.epoch),
                slots: &line.slots,
            };
            (&line.id, story)
        })
        .collect()
}

fn agreement(seen: &[(&Node, &NodeView)]) -> Check {
    let mut detail = Vec::new();
    if let Some((first, view)) = seen.first() {
        let reference = story(view);
        for (node, other) in &seen[1..] {
            let differing: Vec<String> = story(other)
                .iter()
                .filter(|(id, told)| reference.get(*id) != Some(*told))
                .map(|(_, told)| format!("{}:{}", told.at.0, told.at.1))
                .collect();
            if !differing.is_empty() {
                detail.push(format!(
                    "{} and {} tell different things about {}",
                    first.name,
                    node.name,
                    differing.join(", ")
                ));
            }
        }
        detail.extend(epochs(view));
    }
    detail.extend(each(seen, |_, view| {
        let cut: Vec<String> = view
            .nodes
            .iter()
            .filter(|line| !line.connected)
            .map(|line| format!("{}:{}", line.ip, line.port))
            .collect();
        (!cut.is_empty()).then(|| format!("no bus link to {}", cut.join(", ")))
    }));
    detail.extend(each(seen, |_, view| {
        let moving: Vec<&str> = view
            .nodes
            .iter()
            .flat_map(|line| line.moving.iter().map(String::as_str))
            .collect();
        (!moving.is_empty()).then(|| format!("slots are being moved: {}", moving.join(" ")))
    }));
    Check::of(
        "agreement",
        "all nodes agree on roles, slots and epochs, and every bus link stands",
        "the nodes do not agree",
        detail,
        "Views converge within half the node timeout; if they do not, a bus port is cut off.",
    )
}

/// Two masters with one epoch would both be believed about the same slots.
fn epochs(view: &NodeView) -> Option<String> {
    let masters: Vec<&NodeLine> = view.nodes.iter().filter(|line| line.is_master()).collect();
    let distinct: BTreeSet<u64> = masters.iter().map(|line| line.epoch).collect();
    (distinct.len() != masters.len()).then(|| {
        format!(
            "{} masters share {} configuration epochs",
            masters.len(),
            distinct.len()
        )
    })
}

fn planned(topology: &Topology, roles: Roles, seen: &[(&Node, &NodeView)]) -> Check {
    let masters = topology.shards.len();
    let good = format!(
        "{masters} masters and {} replicas as planned",
        topology.nodes.len() - masters
    );
    let mut detail = each(seen, |node, view| {
        let Some(myself) = view.myself() else {
            return Some("has no line about itself".to_owned());
        };
        // A node is known by its port, of which each has its own: the address in a line may be the one that
        // is announced to clients, and the id may be the server's own choice.
        let owner = |id: &NodeId| {
            let line = view.nodes.iter().find(|line| line.id == *id)?;
            topology.nodes.iter().find(|node| node.port == line.port)
        };
        let is = if myself.is_master() {
            Role::Master
        } else {
            Role::Replica
        };
        if roles == Roles::AsPlanned && is != node.role {
            return Some(format!("is a {is}, planned as a {}", node.role));
        }
        let shard = topology.shard_of(node);
        match is {
            Role::Master if myself.slots != [shard.slots] => {
                let owned: Vec<String> = myself.slots.iter().map(ToString::to_string).collect();
                Some(format!(
                    "owns slots [{}], planned {}",
                    owned.join(" "),
                    shard.slots
                ))
            }
            Role::Master => None,
            Role::Replica => match myself.master.as_ref().and_then(owner) {
                Some(master) if master.shard == node.shard => None,
                Some(master) => Some(format!(
                    "copies {} of shard {}, planned for shard {}",
                    master.name, master.shard, node.shard
                )),
                None => Some("copies a node that is not in the plan".to_owned()),
            },
        }
    });
    if roles == Roles::WithinShards && detail.is_empty() && seen.len() == topology.nodes.len() {
        let found = seen
            .iter()
            .filter(|(_, view)| view.myself().is_some_and(NodeLine::is_master))
            .count();
        if found != masters {
            detail.push(format!("{found} masters, planned {masters}"));
        }
    }
    Check::of(
        "roles",
        good,
        "roles differ from the plan",
        detail,
        "After a failover `rcup up` hands the roles back.",
    )
}

fn replication(seen: &[(&Node, &NodeView)]) -> Check {
    let replicas = seen.iter().filter(|(_, view)| view.replication.replica).count();
    Check::of(
        "replication",
        format!("the link of {replicas} replicas to their masters is up"),
        "replication links are down",
        each(seen, |_, view| {
            (view.replication.replica && !view.replication.link_up)
                .then(|| "master_link_status is not up".to_owned())
        }),
        "See the replica's log for why it cannot synchronize: `rcup logs --node N`.",
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::check::{Replication, Status, all_passed};
    use crate::spec::Engine;
    use crate::topology::topology;

    /// The answers of a perfect cluster.
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
                    hostname: None,
                    flags: vec![if master { "master" } else { "slave" }.to_owned()],
                    master: (!master).then(|| topology.master_of(shard).id.clone()),
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
            ["node-count", "roles"]
        );
        assert_eq!(found(&|all| view(all, 3).nodes[1].epoch = 9), ["agreement"]);
        assert_eq!(
            found(&|all| view(all, 3).nodes[1].connected = false),
            ["agreement"]
        );
        assert_eq!(
            found(&|all| {
                for answer in all.iter_mut() {
                    answer.as_mut().unwrap().nodes[1].epoch = 1;
                }
            }),
            ["agreement"]
        );
        assert_eq!(
            found(&|all| view(all, 3).nodes[1].moving.push("[5-<-x]".to_owned())),
            ["agreement"]
        );
        assert_eq!(
            found(&|all| view(all, 4).replication.link_up = false),
            ["replication"]
        );
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
