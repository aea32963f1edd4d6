//! Checks whether the nodes agree on the cluster topology and whether the bus links are up.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::answers::{Seen, each};
use crate::checks::finding::Check;
use crate::server::wire::reply::{BusLink, NodeLine, NodeView};
use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

/// The fields about one node on which all nodes must agree. A replica's own epoch is excluded: other nodes
/// receive it late, and nothing depends on it.
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

pub(crate) fn views(seen: &Seen<'_>) -> Check {
    let mut detail = Vec::new();
    if let Some(((first, view), rest)) = seen.split_first() {
        let reference = story(view);
        for (name, other) in rest {
            let told = story(other);
            let missing = reference
                .iter()
                .filter(|(id, _)| !told.contains_key(*id))
                .map(|(_, told)| told.at);
            let differing: Vec<String> = told
                .iter()
                .filter(|(id, told)| reference.get(*id) != Some(*told))
                .map(|(_, told)| told.at)
                .chain(missing)
                .map(|(ip, port)| format!("{ip}:{port}"))
                .collect();
            if !differing.is_empty() {
                detail.push(format!(
                    "{first} and {name} disagree about {}",
                    differing.join(", ")
                ));
            }
        }
    }
    Check::of(
        "agreement",
        "all nodes agree on addresses, roles, slots and epochs",
        "the nodes disagree",
        detail,
        "Views converge within half the node timeout; otherwise a bus port is probably blocked.",
    )
}

/// Checks that all masters have different configuration epochs. Nodes cannot decide between two masters with the
/// same epoch that claim the same slots.
pub(crate) fn epochs(seen: &Seen<'_>) -> Check {
    let mut shared: BTreeSet<String> = BTreeSet::new();
    for (_, view) in seen {
        let mut by_epoch: BTreeMap<u64, Vec<&NodeLine>> = BTreeMap::new();
        // A master without slots has nothing to dispute and keeps its initial epoch.
        for line in view
            .nodes
            .iter()
            .filter(|line| line.is_master() && !line.slots.is_empty())
        {
            by_epoch.entry(line.epoch).or_default().push(line);
        }
        for (epoch, lines) in by_epoch.into_iter().filter(|(_, lines)| lines.len() > 1) {
            let mut at: Vec<String> = lines
                .iter()
                .map(|line| format!("{}:{}", line.ip, line.port))
                .collect();
            at.sort_unstable();
            shared.insert(format!(
                "masters {} share configuration epoch {epoch}",
                at.join(" and ")
            ));
        }
    }
    Check::of(
        "epochs",
        "every master has a unique configuration epoch",
        "masters share configuration epochs",
        shared.into_iter().collect(),
        "Connected nodes resolve this within seconds; CLUSTER BUMPEPOCH on one of them resolves it \
         immediately.",
    )
}

/// Checks whether every node has a link to every other node, according to CLUSTER NODES.
pub(crate) fn bus(seen: &Seen<'_>) -> Check {
    bus_check(
        "every bus link is up",
        each(seen, |view| {
            let cut: Vec<String> = view
                .nodes
                .iter()
                .filter(|line| !line.connected)
                .map(|line| format!("{}:{}", line.ip, line.port))
                .collect();
            (!cut.is_empty()).then(|| format!("no bus link to {}", cut.join(", ")))
        }),
    )
}

fn bus_check(good: &str, detail: Vec<String>) -> Check {
    Check::of(
        "bus-links",
        good,
        "bus links are down",
        detail,
        "Each node must reach every other node on its bus port (client port + 10000 unless cluster-port is \
         set). Check firewalls in both directions.",
    )
}

/// Checks whether every node has a link to and from every other node, according to CLUSTER LINKS. `links` are
/// in the order of `seen`; `None` for a server without the command (before Redis 7.0).
pub fn bus_both_ways(seen: &[(&str, &NodeView)], links: &[Option<&[BusLink]>]) -> Check {
    let mut check = bus(seen);
    if links.iter().any(Option::is_none) {
        return check;
    }
    let mut detail = std::mem::take(&mut check.detail);
    for ((name, view), links) in seen.iter().zip(links) {
        let has = |outgoing: bool, id: &NodeId| links.is_some_and(|links| stands(links, outgoing, id));
        let missing = |outgoing: bool| -> Vec<String> {
            view.nodes
                .iter()
                .filter(|line| !line.has("myself") && line.connected && !has(outgoing, &line.id))
                .map(|line| format!("{}:{}", line.ip, line.port))
                .collect()
        };
        for (outgoing, words) in [(true, "no bus link to"), (false, "no inbound bus link from")] {
            let missing = missing(outgoing);
            if !missing.is_empty() {
                detail.push(format!("{name}: {words} {}", missing.join(", ")));
            }
        }
    }
    let pairs = seen.len() * seen.len().saturating_sub(1);
    bus_check(
        &format!("all {pairs} bus links are up in both directions"),
        detail,
    )
}

/// Returns whether a link in this direction to or from the node can carry messages.
fn stands(links: &[BusLink], outgoing: bool, id: &NodeId) -> bool {
    let mut links = links.iter();
    links.any(|link| link.outgoing == outgoing && link.node == *id && link.carries)
}

/// Returns the nodes other than `ghosts` that may not have answered the queried node.
pub(crate) fn doubtful<'a>(
    nodes: &'a [NodeLine],
    ghosts: &'a [NodeId],
) -> impl Iterator<Item = &'a NodeLine> {
    let others = nodes
        .iter()
        .filter(|line| !line.has("myself") && !ghosts.contains(&line.id));
    others.filter(|line| line.is_hearsay())
}

/// Returns the first node that is known only through gossip and has not answered the queried node. `nodes`
/// was read after `links`: a node sends a ping over each link as soon as the link is up.
pub(crate) fn only_heard_of<'a>(
    nodes: &'a [NodeLine],
    links: &[BusLink],
    ghosts: &'a [NodeId],
) -> Option<&'a NodeLine> {
    doubtful(nodes, ghosts).find(|line| line.ping > 0 || !stands(links, true, &line.id))
}

/// Checks for two nodes with the same id, for example after copying a `nodes.conf`: each would process the
/// other's messages as its own. `astray` lists the addresses that the cluster advertises for one node and
/// where another node answers.
pub fn identities(seen: &[(&str, &NodeView)], astray: &[String]) -> Check {
    let mut by_id: BTreeMap<&NodeId, Vec<&str>> = BTreeMap::new();
    for (name, view) in seen {
        if let Some(line) = view.myself() {
            by_id.entry(&line.id).or_default().push(name);
        }
    }
    let mut detail: Vec<String> = by_id
        .iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(id, names)| format!("{} all have the id {id}", names.join(" and ")))
        .collect();
    detail.extend(each(seen, |view| {
        view.myself()
            .is_none()
            .then(|| "has no line about itself".to_owned())
    }));
    detail.extend_from_slice(astray);
    Check::of(
        "node-ids",
        "every node has a unique id",
        "node ids are wrong",
        detail,
        "Two nodes with the same id share a copy of nodes.conf: stop one, delete its nodes.conf and join \
         it again. If another node answers at a node's address, set cluster-announce-ip to the node's own address.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;
    use crate::checks::readiness::tests::{named, perfect};
    use crate::spec::server::Engine;
    use crate::topology::layout::Topology;
    use crate::topology::layout::tests::topology;

    fn plan() -> Topology {
        topology(3, 1, Engine::Redis, "8.0.2")
    }

    /// Returns the links of a healthy cluster: from every node to every other node, in both directions.
    fn links(plan: &Topology) -> Vec<Vec<BusLink>> {
        let others = |at: usize| {
            plan.nodes
                .iter()
                .enumerate()
                .filter(move |(other, _)| *other != at)
        };
        (0..plan.nodes.len())
            .map(|at| {
                let both = |(_, node): (usize, &crate::topology::layout::Node)| {
                    [true, false].map(|outgoing| BusLink {
                        outgoing,
                        node: node.id.clone(),
                        carries: true,
                    })
                };
                others(at).flat_map(both).collect()
            })
            .collect()
    }

    #[test]
    fn a_bus_link_is_missed_in_either_direction() {
        let plan = plan();
        let answers = perfect(&plan);
        let judged = |links: &[Vec<BusLink>]| {
            let links: Vec<Option<&[BusLink]>> = links.iter().map(|links| Some(links.as_slice())).collect();
            bus_both_ways(&named(&plan, &answers), &links)
        };
        let good = judged(&links(&plan));
        assert_eq!(
            (good.status, good.summary.as_str()),
            (Status::Pass, "all 30 bus links are up in both directions")
        );
        let at = format!("{}:{}", plan.nodes[1].ip, plan.nodes[1].port);
        for (outgoing, words) in [(true, "no bus link to"), (false, "no inbound bus link from")] {
            let mut cut = links(&plan);
            cut[0].retain(|link| link.outgoing != outgoing || link.node != plan.nodes[1].id);
            let check = judged(&cut);
            assert_eq!(check.status, Status::Fail);
            assert_eq!(check.detail, [format!("{}: {words} {at}", plan.nodes[0].name)]);
            assert!(check.hint.is_some());
        }
        // A link that is still being established does not count.
        let mut made = links(&plan);
        let to = made[0]
            .iter_mut()
            .find(|link| link.outgoing && link.node == plan.nodes[1].id);
        to.unwrap().carries = false;
        let missing = format!("{}: no bus link to {at}", plan.nodes[0].name);
        assert_eq!(judged(&made).detail, [missing]);
        // For a server without CLUSTER LINKS, the check uses CLUSTER NODES.
        let mut without: Vec<Option<&[BusLink]>> = vec![Some(&[]); 6];
        without[2] = None;
        assert_eq!(
            bus_both_ways(&named(&plan, &answers), &without).status,
            Status::Pass
        );
        let mut answers = perfect(&plan);
        answers[0].as_mut().unwrap().nodes[1].connected = false;
        let check = bus_both_ways(&named(&plan, &answers), &without);
        assert_eq!(
            check.detail,
            [format!("{}: no bus link to {at}", plan.nodes[0].name)]
        );
    }

    #[test]
    fn a_node_is_only_heard_of_until_it_answers_over_a_link_that_stands() {
        let plan = plan();
        let answers = perfect(&plan);
        let mut nodes = answers[0].as_ref().unwrap().nodes.clone();
        for line in &mut nodes {
            (line.ping, line.pong) = (0, 1_426_238_317_239);
        }
        let mut links = links(&plan)[0].clone();
        let id = nodes[1].id.clone();
        links.retain(|link| link.node != id);
        let found = |nodes: &[NodeLine], links: &[BusLink], ghosts: &[NodeId]| {
            only_heard_of(nodes, links, ghosts).map(|line| line.id.clone())
        };
        assert_eq!(found(&nodes, &links, &[]), None, "an answer of its own");
        nodes[1].pong = 1_426_238_317_000;
        assert_eq!(found(&nodes, &links, &[]).as_ref(), Some(&id), "no link");
        assert_eq!(found(&nodes, &links, std::slice::from_ref(&id)), None, "a ghost");
        let link = |outgoing, carries| BusLink {
            outgoing,
            node: id.clone(),
            carries,
        };
        links.extend([link(false, true), link(true, false)]);
        assert_eq!(
            found(&nodes, &links, &[]).as_ref(),
            Some(&id),
            "its own is being made"
        );
        links.push(link(true, true));
        assert_eq!(found(&nodes, &links, &[]), None);
        nodes[1].ping = 1_426_238_317_300;
        assert_eq!(
            found(&nodes, &links, &[]).as_ref(),
            Some(&id),
            "the first ping is out"
        );
    }

    #[test]
    fn an_id_belongs_to_one_node() {
        let plan = plan();
        let mut answers = perfect(&plan);
        assert_eq!(identities(&named(&plan, &answers), &[]).status, Status::Pass);
        let line = "10.0.0.2:7001: there should be a, and b answers".to_owned();
        let stranger = identities(&named(&plan, &answers), std::slice::from_ref(&line));
        assert_eq!((stranger.status, stranger.summary), (Status::Fail, line));
        answers[5] = answers[4].clone();
        let shared = identities(&named(&plan, &answers), &[]);
        assert_eq!(shared.status, Status::Fail);
        let (one, other) = (&plan.nodes[4].name, &plan.nodes[5].name);
        assert_eq!(
            shared.detail,
            [format!("{one} and {other} all have the id {}", plan.nodes[4].id)]
        );
        answers[5].as_mut().unwrap().nodes.clear();
        let lost = identities(&named(&plan, &answers), &[]);
        assert_eq!(lost.detail, [format!("{other}: has no line about itself")]);
    }
}
