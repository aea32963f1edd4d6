//! Findings about slots: uncovered, owned by a failed master, disputed, or with an interrupted migration.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::diagnose::finding::{Action, Finding, listed};
use crate::checks::diagnose::observed::{NodeFound, Observations};
use crate::server::wire::reply::NodeLine;
use crate::topology::slots::{SLOTS, SlotRange};

/// The nodes that report themselves as the owner of each slot.
pub(crate) struct Claims<'a> {
    by_slot: BTreeMap<u16, Vec<&'a NodeFound>>,
}

impl<'a> Claims<'a> {
    pub(crate) fn of(all: &'a Observations) -> Self {
        let mut by_slot: BTreeMap<u16, Vec<&NodeFound>> = BTreeMap::new();
        for node in &all.nodes {
            let own = node.myself().filter(|line| line.is_master());
            for slot in own.into_iter().flat_map(|line| expand(&line.slots)) {
                by_slot.entry(slot).or_default().push(node);
            }
        }
        Self { by_slot }
    }

    fn owner(&self, slot: u16) -> Option<&'a NodeFound> {
        match self.by_slot.get(&slot)?.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Returns the slots that no answering node claims.
    pub(crate) fn missing(&self) -> Vec<u16> {
        (0..SLOTS)
            .filter(|slot| !self.by_slot.contains_key(slot))
            .collect()
    }

    /// Returns the slots that several nodes claim.
    pub(crate) fn disputed(&self) -> Vec<u16> {
        let several = self.by_slot.iter().filter(|(_, nodes)| nodes.len() > 1);
        several.map(|(slot, _)| *slot).collect()
    }
}

fn expand(ranges: &[SlotRange]) -> impl Iterator<Item = u16> {
    ranges.iter().flat_map(|range| range.first..=range.last)
}

/// Combines adjacent slots into ranges.
pub(crate) fn ranges(slots: impl IntoIterator<Item = u16>) -> Vec<SlotRange> {
    let mut ranges: Vec<SlotRange> = Vec::new();
    for slot in slots {
        match ranges.last_mut() {
            Some(range) if u32::from(range.last) + 1 == u32::from(slot) => range.last = slot,
            _ => ranges.push(SlotRange::new(slot, slot)),
        }
    }
    ranges
}

/// Returns the owner that the answering nodes report for each slot that no node claims.
fn believed<'a>(all: &'a Observations, missing: &BTreeSet<u16>) -> BTreeMap<u16, &'a NodeLine> {
    let mut believed = BTreeMap::new();
    for (_, view) in all.seen() {
        for line in view.nodes.iter().filter(|line| !line.has("myself")) {
            for slot in expand(&line.slots).filter(|slot| missing.contains(slot)) {
                believed.insert(slot, line);
            }
        }
    }
    believed
}

/// Returns findings for slots whose owner is down, and for slots without an owner.
pub(crate) fn unserved(all: &Observations) -> Vec<Finding> {
    let claims = Claims::of(all);
    let missing: BTreeSet<u16> = claims.missing().into_iter().collect();
    if missing.is_empty() || all.seen().is_empty() {
        return Vec::new();
    }
    let believed = believed(all, &missing);
    let mut down: BTreeMap<&str, (&NodeFound, Vec<u16>)> = BTreeMap::new();
    let mut orphans: Vec<u16> = Vec::new();
    for slot in missing {
        let line = believed.get(&slot);
        match line.and_then(|line| all.meant(line)) {
            // A node that does not answer from this host may still serve its slots.
            Some(node)
                if node.answer.is_err() && line.is_some_and(|line| line.troubles().next().is_none()) => {}
            Some(node) if node.answer.is_err() => {
                down.entry(&node.name).or_insert((node, Vec::new())).1.push(slot);
            }
            _ => orphans.push(slot),
        }
    }
    let mut findings: Vec<Finding> = down
        .into_values()
        .map(|(node, slots)| master_down(all, node, slots))
        .collect();
    if !orphans.is_empty() {
        findings.push(orphaned(all, &claims, &orphans));
    }
    findings
}

fn master_down(all: &Observations, node: &NodeFound, slots: Vec<u16>) -> Finding {
    let replicas: Vec<&str> = all
        .seen()
        .iter()
        .filter(|(_, view)| {
            let id = view
                .nodes
                .iter()
                .find(|line| all.meant(line).is_some_and(|meant| meant.name == node.name));
            let master = view.myself().and_then(|line| line.master.as_ref());
            master.is_some() && master == id.map(|line| &line.id)
        })
        .map(|(replica, _)| replica.name.as_str())
        .collect();
    let why = if replicas.is_empty() {
        "None of its replicas answers, so no failover is possible.".to_owned()
    } else {
        format!(
            "{} should be promoted after the node timeout and a majority vote. Promotion never happens \
             with cluster-replica-no-failover or when the replica's data is too old.",
            replicas.join(" or ")
        )
    };
    let slots = listed(&ranges(slots));
    let mut finding = Finding::new(
        "master-down",
        format!("the owner of slots {slots} does not answer"),
        why,
    )
    .on([&node.name])
    .seen([format!("{}: {}", node.name, node.silence())])
    .mended_by([format!("Restore {}: find out why it does not answer.", node.name)]);
    if let Some(replica) = replicas
        .first()
        .and_then(|name| all.nodes.iter().find(|node| node.name == *name))
    {
        finding = finding.mended_by([format!(
            "Or promote its replica now: {}",
            all.command(replica, "CLUSTER FAILOVER TAKEOVER")
        )]);
    }
    finding
}

fn orphaned(all: &Observations, claims: &Claims<'_>, orphans: &[u16]) -> Finding {
    let range_text = listed(&ranges(orphans.iter().copied()));
    let mut to: BTreeMap<&str, (&NodeFound, Vec<u16>)> = BTreeMap::new();
    for slot in orphans {
        if let Some(node) = heir(all, claims, *slot) {
            to.entry(&node.name).or_insert((node, Vec::new())).1.push(*slot);
        }
    }
    let keys: u64 = all
        .nodes
        .iter()
        .flat_map(|node| orphans.iter().filter_map(|slot| node.keys.get(slot)))
        .sum();
    let finding = Finding::new(
        "orphan-slots",
        format!("slots {range_text} have no owner"),
        "With cluster-require-full-coverage yes (the default), the whole cluster rejects commands with \
         CLUSTERDOWN; otherwise only commands on these slots fail.",
    )
    .seen([format!(
        "no reachable node owns {} of {SLOTS} slots: {range_text}",
        orphans.len()
    )])
    .seen((keys > 0).then(|| format!("{keys} keys of these slots are on nodes that do not own them")));
    to.into_values().fold(finding, |finding, (node, slots)| {
        let slots = ranges(slots);
        let words: Vec<String> = slots
            .iter()
            .map(|range| format!("{} {}", range.first, range.last))
            .collect();
        finding
            .on([&node.name])
            .mended_by([all.command(node, &format!("CLUSTER ADDSLOTSRANGE {}", words.join(" ")))])
            .or_by([Action::Cover {
                node: node.name.clone(),
                slots,
            }])
    })
}

/// Returns the node to assign a slot to: the master with most of its keys, else the master of the planned
/// shard, else the owner of the nearest slot below or above, else any master.
fn heir<'a>(all: &'a Observations, claims: &Claims<'a>, slot: u16) -> Option<&'a NodeFound> {
    let masters = || all.nodes.iter().filter(|node| node.is_master());
    let holder = masters()
        .filter_map(|node| Some((node.keys.get(&slot).copied().filter(|keys| *keys > 0)?, node)))
        .max_by_key(|(keys, _)| *keys)
        .map(|(_, node)| node);
    holder
        .or_else(|| {
            let shard = all.nodes.iter().filter_map(|node| node.place.as_ref());
            let shard = shard
                .filter(|place| place.slots.contains(slot))
                .map(|place| place.shard)
                .next()?;
            // Prefer a master that already serves slots to one that has restarted empty.
            masters()
                .filter(|node| node.place.as_ref().is_some_and(|place| place.shard == shard))
                .max_by_key(|node| node.myself().map_or(0, |line| line.slots.len()))
        })
        .or_else(|| (0..slot).rev().find_map(|below| claims.owner(below)))
        .or_else(|| (slot..SLOTS).find_map(|above| claims.owner(above)))
        .or_else(|| masters().next())
}

/// Returns findings for slots that two nodes claim. Nodes with working bus links resolve it themselves.
pub(crate) fn disputed(all: &Observations) -> Vec<Finding> {
    let claims = Claims::of(all);
    let mut groups: BTreeMap<Vec<&str>, (Vec<&NodeFound>, Vec<u16>)> = BTreeMap::new();
    for slot in claims.disputed() {
        let nodes = &claims.by_slot[&slot];
        let names = nodes.iter().map(|node| node.name.as_str()).collect();
        groups
            .entry(names)
            .or_insert((nodes.clone(), Vec::new()))
            .1
            .push(slot);
    }
    groups
        .into_values()
        .map(|(nodes, slots)| dispute(all, nodes, &slots))
        .collect()
}

fn dispute(all: &Observations, mut nodes: Vec<&NodeFound>, slots: &[u16]) -> Finding {
    let epoch = |node: &NodeFound| node.myself().map_or(0, |line| line.epoch);
    let keys = |node: &NodeFound| slots.iter().filter_map(|slot| node.keys.get(slot)).sum::<u64>();
    // Keep the slots on the node that holds the keys; for equal key counts use the configuration epoch, as the
    // servers do.
    nodes.sort_by_key(|node| std::cmp::Reverse((keys(node), epoch(node))));
    let (owner, others) = (nodes[0], &nodes[1..]);
    let range_text = listed(&ranges(slots.iter().copied()));
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let free = others.iter().all(|node| keys(node) == 0);
    let action = Action::Settle {
        owner: owner.name.clone(),
        others: others.iter().map(|node| node.name.clone()).collect(),
        slots: ranges(slots.iter().copied()),
    };
    let id = owner.id().map_or("", |id| id.0.as_str());
    let remedy = slots.first().map(|slot| {
        let each = if slots.len() > 1 {
            ", and the same for each slot"
        } else {
            ""
        };
        others
            .iter()
            .map(|node| all.command(node, &format!("CLUSTER SETSLOT {slot} NODE {id}")) + each)
            .chain([all.command(owner, "CLUSTER BUMPEPOCH")])
            .collect::<Vec<_>>()
    });
    Finding::new(
        "disputed-slots",
        format!("slots {range_text} are claimed by {}", names.join(" and ")),
        "Each accepts writes that the other does not see. The claim with the higher configuration epoch \
         wins once the nodes can communicate; if the dispute persists, a bus port is blocked or nodes.conf was replaced.",
    )
    .on(names)
    .seen(nodes.iter().map(|node| {
        format!("{}: claims them with epoch {}, has {} of their keys", node.name, epoch(node), keys(node))
    }))
    .seen((!free).then(|| "several nodes have keys; decide manually which ones to keep".to_owned()))
    .mended_by(remedy.into_iter().flatten())
    .or_by(free.then_some(action))
}

/// Returns findings for slot migrations that were started and not finished.
pub(crate) fn open(all: &Observations) -> Vec<Finding> {
    let claims = Claims::of(all);
    // By slot: the migrating and the importing nodes.
    let mut moves: BTreeMap<u16, (Vec<&NodeFound>, Vec<&NodeFound>)> = BTreeMap::new();
    for node in &all.nodes {
        for text in node.myself().into_iter().flat_map(|line| &line.moving) {
            let Some((slot, gives)) = moving(text) else {
                continue;
            };
            let (from, to) = moves.entry(slot).or_default();
            if gives { from.push(node) } else { to.push(node) }
        }
    }
    moves
        .into_iter()
        .map(|(slot, (from, to))| half_way(all, &claims, slot, &from, &to))
        .collect()
}

/// Returns the uncovered, disputed and moving slots, whose keys should be counted on every node.
pub fn doubtful(all: &Observations) -> BTreeSet<u16> {
    let claims = Claims::of(all);
    let lines = all.nodes.iter().filter_map(NodeFound::myself);
    let moved = lines.flat_map(|line| {
        line.moving
            .iter()
            .filter_map(|text| moving(text).map(|(slot, _)| slot))
    });
    claims
        .missing()
        .into_iter()
        .chain(claims.disputed())
        .chain(moved)
        .collect()
}

/// Parses a slot in migration: `[93->-ID]` is migrating, `[93-<-ID]` is importing.
fn moving(text: &str) -> Option<(u16, bool)> {
    let inside = text.trim_matches(['[', ']']);
    let gives = inside.contains("->-");
    let (slot, _) = inside.split_once(if gives { "->-" } else { "-<-" })?;
    Some((slot.parse().ok()?, gives))
}

fn half_way(
    all: &Observations,
    claims: &Claims<'_>,
    slot: u16,
    from: &[&NodeFound],
    to: &[&NodeFound],
) -> Finding {
    let keys = |node: &NodeFound| node.keys.get(&slot).copied().unwrap_or_default();
    let both = || from.iter().chain(to);
    let why = match (from, to) {
        ([_, ..], [_, ..]) => {
            "A slot migration was not finished: clients are redirected with ASK, and multi-key commands \
             fail with TRYAGAIN."
        }
        ([_, ..], []) => {
            "The owner is migrating the slot but no node is importing it: requests for missing keys are \
             redirected and fail."
        }
        _ => "A node is importing the slot but no node is migrating it: keys that it received are not found.",
    };
    let finding = Finding::new(
        "open-slots",
        format!("slot {slot} is in migrating or importing state"),
        why,
    )
    .on(both().map(|node| &node.name))
    .seen(
        from.iter()
            .map(|node| format!("{}: migrating, has {} of its keys", node.name, keys(node))),
    )
    .seen(
        to.iter()
            .map(|node| format!("{}: importing, has {} of its keys", node.name, keys(node))),
    )
    .mended_by(["If a migration is in progress, let it finish; this is not an error then.".to_owned()]);
    let arrived = to.iter().any(|node| keys(node) > 0);
    let finding = if arrived {
        finding.mended_by([format!(
            "Move the keys back to the owner with MIGRATE, or all of them to the new owner; then, on both \
             nodes: CLUSTER SETSLOT {slot} STABLE"
        )])
    } else {
        finding.mended_by(both().map(|node| all.command(node, &format!("CLUSTER SETSLOT {slot} STABLE"))))
    };
    let Some(owner) = claims.owner(slot) else {
        return finding;
    };
    let guests = to.iter().map(|node| (node.name.clone(), keys(node))).collect();
    finding.or_by([Action::Close {
        slot,
        owner: owner.name.clone(),
        guests,
    }])
}
