//! Findings about the nodes' views of each other: removed or unknown nodes, addresses, restarts.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::diagnose::finding::{Action, Finding, short};
use crate::checks::diagnose::observed::{NodeFound, Observations};
use crate::checks::finding::Status;
use crate::server::wire::reply::NodeLine;
use crate::topology::layout::NodeId;

/// Returns the finding for nodes that do not know each other.
pub(crate) fn strangers(all: &Observations) -> Vec<Finding> {
    let seen = all.seen();
    // Each pair of nodes once.
    let mut pairs: Vec<(&NodeFound, &NodeFound)> = Vec::new();
    for (nth, (node, view)) in seen.iter().enumerate() {
        for (other, _) in &seen[nth + 1..] {
            let knows = |lines: &[NodeLine], id: Option<&NodeId>| {
                lines
                    .iter()
                    .any(|line| Some(&line.id) == id && !line.has("handshake") && !line.has("noaddr"))
            };
            let theirs = other
                .answer
                .as_ref()
                .map(|view| view.nodes.as_slice())
                .unwrap_or_default();
            let shared = node.id() == other.id();
            let mutual = knows(&view.nodes, other.id()) && knows(theirs, node.id());
            if !shared && !mutual {
                pairs.push((node, other));
            }
        }
    }
    if pairs.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&str> = pairs
        .iter()
        .flat_map(|(one, two)| [one.name.as_str(), two.name.as_str()])
        .collect();
    let alone: Vec<&str> = seen
        .iter()
        .filter(|(_, view)| view.nodes.len() == 1)
        .map(|(node, _)| node.name.as_str())
        .collect();
    let evidence = seen.iter().filter_map(|(node, _)| {
        let unknown: Vec<&str> = pairs
            .iter()
            .filter_map(
                |(one, two)| match (one.name == node.name, two.name == node.name) {
                    (true, _) => Some((one, two)),
                    (_, true) => Some((two, one)),
                    _ => None,
                },
            )
            .filter(|(me, other)| {
                !me.answer
                    .as_ref()
                    .is_ok_and(|view| view.nodes.iter().any(|line| Some(&line.id) == other.id()))
            })
            .map(|(_, other)| other.name.as_str())
            .collect();
        (!unknown.is_empty()).then(|| format!("{}: does not know {}", node.name, unknown.join(", ")))
    });
    let why = if alone.is_empty() {
        "They were never joined, one was forgotten, or one lost its nodes.conf and started with a new id."
            .to_owned()
    } else {
        format!(
            "CLUSTER NODES of {} lists only itself: it was never joined, or started with an empty or \
             different nodes.conf.",
            alone.join(" and ")
        )
    };
    // One CLUSTER MEET per node is enough: gossip distributes the rest.
    let mut told = BTreeSet::new();
    let meetings: Vec<_> = pairs.iter().filter(|(_, two)| told.insert(&two.name)).collect();
    let command =
        |one: &NodeFound, two: &NodeFound| all.command(one, &format!("CLUSTER MEET {} {}", two.ip, two.port));
    vec![
        Finding::new("strangers", "nodes do not know each other", why)
            .on(names)
            .seen(evidence)
            .mended_by(meetings.iter().map(|(one, two)| command(one, two)))
            .or_by(meetings.iter().map(|(one, two)| Action::Meet {
                node: one.name.clone(),
                other: two.name.clone(),
            })),
    ]
}

/// Returns findings for known nodes that no longer exist.
pub(crate) fn gone(all: &Observations) -> Vec<Finding> {
    let seen = all.seen();
    let mut known: BTreeMap<&NodeId, (&NodeLine, Vec<&str>)> = BTreeMap::new();
    for (node, view) in &seen {
        for line in view.nodes.iter().filter(|line| !line.has("myself")) {
            let (_, by) = known.entry(&line.id).or_insert((line, Vec::new()));
            by.push(&node.name);
        }
    }
    let mut findings = Vec::new();
    for (id, (line, by)) in known {
        let troubled = line.has("fail") || line.has("noaddr") || line.has("fail?");
        let missing = match all.meant(line) {
            None => troubled || !line.connected,
            // In a cluster that rcup did not create: a node in state FAIL that does not answer and has no
            // slots.
            Some(node) => !all.own && node.answer.is_err() && line.has("fail") && line.slots.is_empty(),
        };
        if !missing || line.has("handshake") {
            continue;
        }
        let at = if line.ip.is_empty() {
            "no address".to_owned()
        } else {
            format!("{}:{}", line.ip, line.port)
        };
        let again = all
            .nodes
            .iter()
            .find(|node| node.answer.is_ok() && node.port == line.port && (all.own || node.ip == line.ip));
        let why = match again {
            Some(node) => format!(
                "{} answers there with another id: it lost its nodes.conf and started with a new one.",
                node.name
            ),
            None if line.has("noaddr") => {
                "A node with another id answers at its old address: it lost its nodes.conf and started \
                 with a new one."
                    .to_owned()
            }
            None => "It was removed without CLUSTER FORGET; the other nodes keep trying to reach \
                it."
            .to_owned(),
        };
        let commands = by.iter().filter_map(|name| {
            let node = all.nodes.iter().find(|node| node.name == *name)?;
            Some(all.command(node, &format!("CLUSTER FORGET {id}")))
        });
        findings.push(
            Finding::new(
                "dead-node",
                format!("node {} ({at}) no longer exists but is still known", short(id)),
                why,
            )
            .on(by.iter().copied())
            .seen([format!(
                "{at} has the flags {} on {}",
                line.flags.join(","),
                by.join(", ")
            )])
            .mended_by(commands)
            .or_by([Action::Forget {
                id: id.clone(),
                by: by.iter().map(|name| (*name).to_owned()).collect(),
            }]),
        );
    }
    findings.extend(handshakes(all));
    findings
}

/// Returns the finding for nodes that remain in handshake.
fn handshakes(all: &Observations) -> Vec<Finding> {
    let mut to: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (node, view) in all.seen() {
        for line in view.nodes.iter().filter(|line| line.has("handshake")) {
            to.entry(format!("{}:{}", line.ip, line.port))
                .or_default()
                .insert(&node.name);
        }
    }
    let finding = |(at, by): (String, BTreeSet<&str>)| {
        Finding::new(
            "handshake",
            format!("{at} does not complete the handshake"),
            "Its bus port is unreachable, or it is not a cluster node; the handshake is abandoned after \
             the node timeout.",
        )
        .warning()
        .seen(by.iter().map(|node| format!("{node}: {at} is in handshake")))
        .on(by)
        .mended_by(["Open its bus port (the client port + 10000), then CLUSTER MEET again.".to_owned()])
    };
    to.into_iter().map(finding).collect()
}

/// Returns the finding for a node that runs with a `nodes.conf` of another cluster, which lists
/// other slots and nodes.
pub(crate) fn stale(all: &Observations) -> Vec<Finding> {
    let seen = all.seen();
    let told = |node: &NodeFound| {
        let server = node.server.as_ref();
        let setting = |name: &str| server.and_then(|server| server.setting(name));
        match (setting("dir"), setting("cluster-config-file")) {
            (Some(dir), Some(file)) => format!("{dir}/{file}"),
            _ => "nodes.conf in its working directory".to_owned(),
        }
    };
    let mut findings = Vec::new();
    for (node, view) in &seen {
        let others = seen.len() - 1;
        let known = seen
            .iter()
            .filter(|(other, _)| other.name != node.name)
            .filter(|(other, _)| view.nodes.iter().any(|line| Some(&line.id) == other.id()))
            .count();
        let foreign: Vec<String> = view
            .nodes
            .iter()
            .filter(|line| !line.has("myself") && !line.has("handshake") && all.meant(line).is_none())
            .map(|line| format!("{} at {}:{}", short(&line.id), line.ip, line.port))
            .collect();
        let own: usize = view
            .myself()
            .into_iter()
            .flat_map(|line| &line.slots)
            .map(|range| range.len())
            .sum();
        let claims = view
            .nodes
            .iter()
            .map(|line| line.slots.iter().map(|range| range.len()).sum::<usize>())
            .sum::<usize>();
        // Its `nodes.conf` assigns slots, but contains fewer than half of the other nodes.
        if others == 0 || known * 2 >= others || claims == 0 {
            continue;
        }
        let place = told(node);
        findings.push(
            Finding::new(
                "stale-nodes-conf",
                format!("{} uses the nodes.conf of another cluster", node.name),
                "Its slots are already assigned there, so creating a cluster with it fails with `Slot … is \
                 already busy` (slot already covered) or `Node … is not empty`.",
            )
            .on([&node.name])
            .seen([format!(
                "{}: {place} assigns {claims} slots, {own} of them to itself, and knows {known} of \
                 {others} other nodes",
                node.name
            )])
            .seen(
                (!foreign.is_empty())
                    .then(|| format!("{}: knows other nodes: {}", node.name, foreign.join(", "))),
            )
            .mended_by([
                format!("If its keys are not needed: {}", all.command(node, "FLUSHALL")),
                all.command(node, "CLUSTER RESET HARD"),
                format!(
                    "Or stop the server, delete {place} and the data files next to it, start it, and \
                    join it again."
                ),
            ]),
        );
    }
    findings
}

/// Returns the finding for two nodes that run with copies of the same `nodes.conf`.
pub(crate) fn twins(all: &Observations) -> Vec<Finding> {
    let mut by_id: BTreeMap<&NodeId, Vec<&NodeFound>> = BTreeMap::new();
    for node in &all.nodes {
        if let Some(id) = node.id() {
            by_id.entry(id).or_default().push(node);
        }
    }
    let twins = by_id.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    twins
        .map(|(id, nodes)| {
            let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            Finding::new(
                "same-id",
                format!("{} have the same id {}", names.join(" and "), short(id)),
                "One runs with a copy of the other's nodes.conf; each mistakes the other's messages for \
                 its own.",
            )
            .seen(
                nodes
                    .iter()
                    .map(|node| format!("{} at {}: {id}", node.name, node.address())),
            )
            .mended_by(nodes.iter().skip(1).map(|node| {
                format!(
                    "On the node with the copied file: {}",
                    all.command(node, "CLUSTER RESET HARD")
                )
            }))
            .mended_by(nodes.iter().skip(1).map(|node| {
                // The node has learned the other's address as its own and advertises it until it restarts.
                if all.own {
                    format!("docker restart {}", node.name)
                } else {
                    format!(
                        "Then restart it at {} and join it again with CLUSTER MEET.",
                        node.address()
                    )
                }
            }))
            .on(names)
        })
        .collect()
}

/// Returns findings for addresses that are advertised to clients or nodes and do not reach the right node.
pub(crate) fn announced(all: &Observations) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_node: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for mislead in &all.mislead {
        // A node that does not answer at any address has its own finding.
        if all
            .nodes
            .iter()
            .any(|node| node.name == mislead.node && node.answer.is_ok())
        {
            let line = format!(
                "{} is announced as {}: {}",
                mislead.node, mislead.told, mislead.outcome
            );
            by_node.entry(&mislead.node).or_default().push(line);
        }
    }
    for (name, evidence) in by_node {
        let Some(node) = all.nodes.iter().find(|node| node.name == name) else {
            continue;
        };
        let set: Vec<String> = [
            "cluster-announce-ip",
            "cluster-announce-hostname",
            "cluster-announce-port",
            "cluster-announce-tls-port",
            "cluster-announce-client-ipv4",
        ]
        .into_iter()
        .filter_map(|directive| {
            let value = node.server.as_ref()?.setting(directive)?;
            (!value.is_empty() && value != "0").then(|| format!("{name}: {directive} {value}"))
        })
        .collect();
        findings.push(
            Finding::new(
                "wrong-announce",
                format!("{name} announces a wrong address"),
                "CLUSTER SLOTS and MOVED send clients there, where no node or a different node answers.",
            )
            .on([name])
            .seen(evidence)
            .seen(set)
            .mended_by([
                all.command(node, &format!("CONFIG SET cluster-announce-ip {}", node.ip)),
                all.command(node, "CONFIG SET cluster-announce-port 0"),
                "Then CONFIG REWRITE to keep it. If clients run elsewhere, announce an address that they \
                 can reach."
                    .to_owned(),
            ]),
        );
    }
    findings
}

/// Seconds after its start during which a server counts as recently started.
const YOUNG: u64 = 30;

/// Returns the finding for CLUSTERDOWN after a restart: the nodes look for each other at their previous
/// addresses.
pub(crate) fn restarted(all: &Observations) -> Vec<Finding> {
    let seen = all.seen();
    let failing: Vec<&NodeFound> = seen
        .iter()
        .filter(|(_, view)| view.field("cluster_state") != "ok")
        .map(|(node, _)| *node)
        .collect();
    if failing.is_empty() {
        return Vec::new();
    }
    let age = |node: &NodeFound| node.server.as_ref()?.number("uptime_in_seconds");
    // Nodes that answer, but that others look for at another address.
    let mut moved: Vec<String> = Vec::new();
    for (node, view) in &seen {
        for line in view
            .nodes
            .iter()
            .filter(|line| !line.has("myself") && !line.connected)
        {
            if let Some(other) = all
                .by_id(&line.id)
                .filter(|other| !all.own && other.ip != line.ip)
            {
                moved.push(format!(
                    "{}: expects {} at {}:{}",
                    node.name, other.name, line.ip, line.port
                ));
            }
        }
    }
    let young: Vec<&NodeFound> = failing
        .iter()
        .copied()
        .filter(|node| age(node).is_some_and(|age| age < YOUNG))
        .collect();
    if young.is_empty() && moved.is_empty() {
        return Vec::new();
    }
    let ages = young.iter().filter_map(|node| {
        Some(format!(
            "{}: up for {} s, cluster_state:fail",
            node.name,
            age(node)?
        ))
    });
    let finding = Finding::new(
        "restarted",
        "CLUSTERDOWN after a restart",
        if moved.is_empty() {
            "A restarted master serves only after it sees a majority of masters, plus a delay of at most \
             the node timeout or 5 s."
        } else {
            "nodes.conf has the old addresses, but all nodes have new ones, so they cannot find each other."
        },
    )
    .on(failing.iter().map(|node| &node.name))
    .seen(ages)
    .seen(moved.iter().cloned());
    let finding = if moved.is_empty() {
        finding.warning().mended_by([
            "Wait a few seconds and run the command again; the other findings show what prevents recovery.",
        ])
    } else {
        finding.mended_by([
            "Join them again from one node to each other node: CLUSTER MEET IP PORT",
            "To prevent this, use fixed addresses or set cluster-announce-ip at each start.",
        ])
    };
    vec![finding]
}

/// Returns the finding for `cluster_state:fail`, with all its causes.
pub(crate) fn state(all: &Observations, causes: &[Finding]) -> Option<Finding> {
    let seen = all.seen();
    let failing: Vec<&str> = seen
        .iter()
        .filter(|(_, view)| view.field("cluster_state") != "ok")
        .map(|(node, _)| node.name.as_str())
        .collect();
    if failing.is_empty() {
        return None;
    }
    let because: Vec<&Finding> = causes
        .iter()
        .filter(|finding| finding.status == Status::Fail)
        .collect();
    let told = because
        .iter()
        .map(|finding| format!("{}: {}", finding.id, finding.what));
    let counts = seen
        .iter()
        .filter(|(node, _)| failing.contains(&node.name.as_str()))
        .map(|(node, view)| {
            format!(
                "{}: cluster_state:fail, {} slots assigned, {} ok, {} suspected, {} failed",
                node.name,
                view.field("cluster_slots_assigned"),
                view.field("cluster_slots_ok"),
                view.field("cluster_slots_pfail"),
                view.field("cluster_slots_fail")
            )
        });
    let why = if because.is_empty() {
        "A node reports fail while a slot has no serving owner or while it cannot see a majority of masters."
            .to_owned()
    } else {
        format!("Caused by: {}.", told.collect::<Vec<_>>().join("; "))
    };
    Some(
        Finding::new(
            "state-fail",
            format!("cluster_state:fail on {} of {} nodes", failing.len(), seen.len()),
            why,
        )
        .on(failing.iter().copied())
        .seen(counts)
        .mended_by([if because.is_empty() {
            "Run the command again in a few seconds; then check the nodes' logs.".to_owned()
        } else {
            "It resolves once its cause is fixed.".to_owned()
        }]),
    )
}
