//! Roles: compared with the plan, or checked for consistency without one; distribution of replicas.

use std::collections::BTreeMap;

use crate::checks::answers::{Roles, Seen, each};
use crate::checks::finding::Check;
use crate::server::wire::reply::{Answer, NodeLine, NodeView};
use crate::topology::layout::{Node, NodeId, Role, Topology};

/// Checks the roles of a planned cluster.
pub(crate) fn planned(topology: &Topology, strictness: Roles, answers: &[Answer]) -> Check {
    let seen: Vec<(&Node, &NodeView)> = topology
        .nodes
        .iter()
        .zip(answers)
        .filter_map(|(node, answer)| answer.as_ref().ok().map(|view| (node, view)))
        .collect();
    let masters = topology.shards.len();
    let good = format!(
        "{masters} masters and {} replicas as planned",
        topology.nodes.len() - masters
    );
    let mut detail: Vec<String> = seen
        .iter()
        .filter_map(|(node, view)| {
            differs(topology, strictness, node, view).map(|what| format!("{}: {what}", node.name))
        })
        .collect();
    if strictness == Roles::WithinShards && detail.is_empty() && seen.len() == topology.nodes.len() {
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
        "After a failover, `rcup up` restores the planned roles.",
    )
}

/// Returns how a node differs from the plan.
fn differs(topology: &Topology, strictness: Roles, node: &Node, view: &NodeView) -> Option<String> {
    let Some(myself) = view.myself() else {
        return Some("has no line about itself".to_owned());
    };
    // Identify a node by its port, which is unique in the cluster: the address in a line can be the one that
    // is announced to clients, and the server can generate its own id.
    let owner = |id: &NodeId| {
        let line = view.nodes.iter().find(|line| line.id == *id)?;
        topology.nodes.iter().find(|node| node.port == line.port)
    };
    let is = if myself.is_master() {
        Role::Master
    } else {
        Role::Replica
    };
    if strictness == Roles::AsPlanned && is != node.role {
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
                "replicates {} of shard {}, planned for shard {}",
                master.name, master.shard, node.shard
            )),
            None => Some("replicates a node that is not in the plan".to_owned()),
        },
    }
}

/// Checks the roles of a cluster without a plan: each replica replicates a master, each master serves slots.
pub(crate) fn found(seen: &Seen<'_>) -> Check {
    let masters = seen
        .iter()
        .filter(|(_, view)| view.myself().is_some_and(NodeLine::is_master))
        .count();
    let detail = each(seen, |view| {
        let Some(myself) = view.myself() else {
            return Some("has no line about itself".to_owned());
        };
        if myself.is_master() {
            return None;
        }
        let Some(id) = &myself.master else {
            return Some("is a replica without a master".to_owned());
        };
        match view.nodes.iter().find(|line| line.id == *id) {
            None => Some(format!("replicates {id}, which it does not know")),
            Some(line) if !line.is_master() => Some(format!(
                "replicates {}:{}, which is not a master",
                line.ip, line.port
            )),
            Some(_) => None,
        }
    });
    let mut check = Check::of(
        "roles",
        format!("{masters} masters, {} replicas", seen.len() - masters),
        "roles are wrong",
        detail,
        "Assign the replica to a master with CLUSTER REPLICATE.",
    );
    if check.passed() {
        let idle = each(seen, |view| {
            let myself = view.myself()?;
            (myself.is_master() && myself.slots.is_empty()).then(|| "is a master without slots".to_owned())
        });
        check = check.or_warn(
            idle,
            "It holds no data: rebalance slots to it, or turn it into a replica.",
        );
    }
    check
}

/// Returns the masters that serve slots, each with its replicas, as the first node reports them.
fn shards<'a>(seen: &'a [(&str, &NodeView)]) -> Vec<(&'a NodeLine, Vec<&'a NodeLine>)> {
    let Some((_, view)) = seen.first() else {
        return Vec::new();
    };
    view.nodes
        .iter()
        .filter(|line| line.is_master() && !line.slots.is_empty())
        .map(|master| {
            let replicas = view
                .nodes
                .iter()
                .filter(|line| line.master.as_ref() == Some(&master.id))
                .collect();
            (master, replicas)
        })
        .collect()
}

/// Checks whether all masters have the same number of replicas.
pub fn balance(seen: &[(&str, &NodeView)]) -> Check {
    let shards = shards(seen);
    let counts: BTreeMap<usize, usize> = shards.iter().fold(BTreeMap::new(), |mut counts, (_, replicas)| {
        *counts.entry(replicas.len()).or_default() += 1;
        counts
    });
    let most = counts.keys().next_back().copied().unwrap_or_default();
    if most == 0 {
        return Check::good(
            "replica-balance",
            "no master has a replica: losing any master loses its slots",
        );
    }
    let behind: Vec<String> = shards
        .iter()
        .filter(|(_, replicas)| replicas.len() < most && (replicas.is_empty() || replicas.len() + 1 < most))
        .map(|(master, replicas)| {
            format!(
                "{}:{} has {} replicas, others have {most}",
                master.ip,
                master.port,
                replicas.len()
            )
        })
        .collect();
    let least = counts.keys().next().copied().unwrap_or_default();
    let good = if least == most {
        format!(
            "every master has {most} replica{}",
            if most == 1 { "" } else { "s" }
        )
    } else {
        format!("every master has {least} to {most} replicas")
    };
    Check::good("replica-balance", good).or_warn(
        behind,
        "A master without a replica loses its slots when it fails. Add one with CLUSTER REPLICATE.",
    )
}

/// Checks that no replica has the IP address or the zone of its master. `zones` contains the nodes'
/// `availability-zone`, if set. Equal addresses mean one host; different addresses do not mean different
/// machines, for example those of pods in Kubernetes.
pub fn apart(seen: &[(&str, &NodeView)], one_machine: bool, zones: &BTreeMap<NodeId, String>) -> Check {
    const ID: &str = "anti-affinity";
    if one_machine {
        return Check::skipped(ID, "all nodes run on one machine, as requested");
    }
    let shards = shards(seen);
    let pairs: Vec<(&NodeLine, &NodeLine)> = shards
        .iter()
        .flat_map(|(master, replicas)| replicas.iter().map(move |replica| (*master, *replica)))
        .collect();
    if pairs.is_empty() {
        return Check::skipped(ID, "there are no replicas");
    }
    let mut hosts: Vec<&str> = pairs
        .iter()
        .flat_map(|(master, replica)| [master.ip.as_str(), replica.ip.as_str()])
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    if let [only] = hosts.as_slice() {
        return Check::skipped(ID, &format!("all nodes run on one host, {only}"));
    }
    let at = |line: &NodeLine| format!("{}:{}", line.ip, line.port);
    let beside = pairs
        .iter()
        .filter(|(master, replica)| master.ip == replica.ip)
        .map(|(master, replica)| format!("{} replicates {} on the same host", at(replica), at(master)));
    let in_zone = pairs.iter().filter_map(|(master, replica)| {
        let zone = zones.get(&master.id).filter(|zone| !zone.is_empty())?;
        (master.ip != replica.ip && zones.get(&replica.id) == Some(zone)).then(|| {
            format!(
                "{} replicates {} in the same zone, {zone}",
                at(replica),
                at(master)
            )
        })
    });
    Check::good(
        ID,
        format!(
            "no replica has the IP address of its master ({} addresses)",
            hosts.len()
        ),
    )
    .or_warn(
        beside.chain(in_zone).collect(),
        "Losing one host then loses both copies of the data. Exchange replicas between masters with \
         CLUSTER REPLICATE.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;
    use crate::checks::readiness::tests::{named, perfect};
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    /// Returns a plan with three masters and one replica each.
    fn plan() -> Topology {
        topology(3, 1, Engine::Redis, "8.0.2")
    }

    /// Changes a node's line in the answers of all nodes.
    fn everywhere(answers: &mut [Answer], at: usize, change: impl Fn(&mut NodeLine)) {
        for answer in answers {
            change(&mut answer.as_mut().unwrap().nodes[at]);
        }
    }

    fn promote(line: &mut NodeLine) {
        line.flags.retain(|flag| flag != "slave");
        line.flags.push("master".to_owned());
        line.master = None;
    }

    #[test]
    fn a_plan_is_compared_node_by_node() {
        let plan = plan();
        let judged = |strictness, change: &dyn Fn(&mut Vec<Answer>)| {
            let mut answers = perfect(&plan);
            change(&mut answers);
            planned(&plan, strictness, &answers)
        };
        let good = judged(Roles::AsPlanned, &|_| ());
        assert_eq!(
            (good.status, good.summary.as_str()),
            (Status::Pass, "3 masters and 3 replicas as planned")
        );
        let second = perfect(&plan)[1].as_ref().unwrap().myself().unwrap().id.clone();
        let astray = judged(Roles::WithinShards, &|all| {
            everywhere(all, 3, |line| line.master = Some(second.clone()));
        });
        assert_eq!(astray.status, Status::Fail);
        assert!(
            astray.summary.ends_with("of shard 2, planned for shard 1"),
            "{astray:#?}"
        );
        let stranger = judged(Roles::WithinShards, &|all| {
            everywhere(all, 3, |line| line.master = Some(NodeId("x".to_owned())));
        });
        assert!(
            stranger
                .summary
                .ends_with("replicates a node that is not in the plan"),
            "{stranger:#?}"
        );
        let short = judged(Roles::AsPlanned, &|all| {
            everywhere(all, 0, |line| {
                line.slots = vec![crate::topology::slots::SlotRange::new(0, 5459)];
            });
        });
        assert!(
            short.summary.ends_with("owns slots [0-5459], planned 0-5460"),
            "{short:#?}"
        );
        let exchanged = |strictness| judged(strictness, &|all| everywhere(all, 3, promote));
        let strict = exchanged(Roles::AsPlanned);
        assert!(
            strict.summary.ends_with("is a master, planned as a replica"),
            "{strict:#?}"
        );
        let lone = judged(Roles::AsPlanned, &|all| all[2].as_mut().unwrap().nodes.clear());
        assert!(lone.summary.ends_with("has no line about itself"), "{lone:#?}");
        // A shard with two masters that claim its planned slots: each role is valid within the shard, but
        // there is one master too many.
        let twice = judged(Roles::WithinShards, &|all| {
            let slots = plan.shards[0].slots;
            everywhere(all, 3, |line| {
                promote(line);
                line.slots = vec![slots];
            });
        });
        assert_eq!(twice.summary, "4 masters, planned 3");
    }

    #[test]
    fn roles_without_a_plan_are_judged_in_themselves() {
        let plan = plan();
        let judged = |change: &dyn Fn(&mut Vec<Answer>)| {
            let mut answers = perfect(&plan);
            change(&mut answers);
            found(&named(&plan, &answers))
        };
        assert_eq!(judged(&|_| ()).summary, "3 masters, 3 replicas");
        let nobody = judged(&|all| everywhere(all, 3, |line| line.master = None));
        assert!(
            nobody.summary.ends_with("is a replica without a master"),
            "{nobody:#?}"
        );
        let unknown = judged(&|all| everywhere(all, 3, |line| line.master = Some(NodeId("x".to_owned()))));
        assert!(
            unknown.summary.ends_with("replicates x, which it does not know"),
            "{unknown:#?}"
        );
        let fifth = perfect(&plan)[4].as_ref().unwrap().myself().unwrap().id.clone();
        let chain = judged(&|all| everywhere(all, 3, |line| line.master = Some(fifth.clone())));
        assert!(chain.summary.ends_with("which is not a master"), "{chain:#?}");
        let idle = judged(&|all| everywhere(all, 3, promote));
        assert_eq!(idle.status, Status::Warn);
        assert!(idle.summary.ends_with("is a master without slots"), "{idle:#?}");
        let lone = judged(&|all| all[2].as_mut().unwrap().nodes.clear());
        assert_eq!(lone.status, Status::Fail, "{lone:#?}");
    }

    #[test]
    fn replicas_are_counted_for_each_master() {
        let plan = plan();
        let judged = |change: &dyn Fn(&mut Vec<Answer>)| {
            let mut answers = perfect(&plan);
            change(&mut answers);
            balance(&named(&plan, &answers))
        };
        let even = judged(&|_| ());
        assert_eq!(
            (even.status, even.summary.as_str()),
            (Status::Pass, "every master has 1 replica")
        );
        let second = perfect(&plan)[1].as_ref().unwrap().myself().unwrap().id.clone();
        let bare = judged(&|all| everywhere(all, 3, |line| line.master = Some(second.clone())));
        assert_eq!(bare.status, Status::Warn);
        assert!(
            bare.summary.ends_with("has 0 replicas, others have 2"),
            "{bare:#?}"
        );
        let none = judged(&|all| (3..6).for_each(|at| everywhere(all, at, |line| line.master = None)));
        assert_eq!(none.status, Status::Pass);
        assert!(none.summary.starts_with("no master has a replica"), "{none:#?}");
        // A difference of one is not an imbalance.
        let odd = topology(3, 2, Engine::Redis, "8.0.2");
        let mut answers = perfect(&odd);
        everywhere(&mut answers, 3, |line| line.master = None);
        let odd = balance(&named(&odd, &answers));
        assert_eq!(
            (odd.status, odd.summary.as_str()),
            (Status::Pass, "every master has 1 to 2 replicas")
        );
    }

    #[test]
    fn a_replica_beside_its_master_is_told_by_host_and_by_zone() {
        let plan = plan();
        let answers = perfect(&plan);
        let none = BTreeMap::new();
        assert_eq!(apart(&named(&plan, &answers), true, &none).status, Status::Skip);
        let good = apart(&named(&plan, &answers), false, &none);
        assert_eq!(
            (good.status, good.summary.as_str()),
            (
                Status::Pass,
                "no replica has the IP address of its master (6 addresses)"
            )
        );
        let mut beside = answers.clone();
        everywhere(&mut beside, 3, |line| line.ip = plan.nodes[0].ip.to_string());
        let beside = apart(&named(&plan, &beside), false, &none);
        assert_eq!(beside.status, Status::Warn);
        assert!(beside.summary.ends_with("on the same host"), "{beside:#?}");
        let mut one_host = answers.clone();
        for at in 0..6 {
            everywhere(&mut one_host, at, |line| line.ip = "10.0.0.9".to_owned());
        }
        let skipped = apart(&named(&plan, &one_host), false, &none);
        assert_eq!(
            (skipped.status, skipped.summary.as_str()),
            (Status::Skip, "all nodes run on one host, 10.0.0.9")
        );
        let zones = |names: [&str; 6]| -> BTreeMap<NodeId, String> {
            let ids = plan.nodes.iter().map(|node| node.id.clone());
            ids.zip(names.map(str::to_owned)).collect()
        };
        let same = apart(
            &named(&plan, &answers),
            false,
            &zones(["a", "b", "c", "a", "c", "b"]),
        );
        assert_eq!(same.status, Status::Warn);
        assert!(same.summary.ends_with("in the same zone, a"), "{same:#?}");
        let other = apart(
            &named(&plan, &answers),
            false,
            &zones(["a", "b", "c", "b", "c", "a"]),
        );
        assert_eq!(other.status, Status::Pass);
        let unnamed = apart(&named(&plan, &answers), false, &zones(["", "", "", "", "", ""]));
        assert_eq!(unnamed.status, Status::Pass, "an empty zone is none");
        let mut alone = answers.clone();
        (3..6).for_each(|at| everywhere(&mut alone, at, |line| line.master = None));
        assert_eq!(apart(&named(&plan, &alone), false, &none).status, Status::Skip);
    }
}
