//! Slots: all assigned, each with one owner, none migrating or importing.

use std::collections::BTreeMap;

use crate::checks::answers::{Seen, each};
use crate::checks::finding::Check;
use crate::topology::slots::{SLOTS, SlotRange};

pub(crate) fn coverage(seen: &Seen<'_>) -> Check {
    let wanted = u64::from(SLOTS);
    Check::of(
        "slot-coverage",
        format!("all {SLOTS} slots are assigned and ok"),
        "slots are missing",
        each(seen, |view| {
            let (assigned, ok) = (
                view.number("cluster_slots_assigned"),
                view.number("cluster_slots_ok"),
            );
            if assigned == wanted && ok == wanted {
                return None;
            }
            let missing = unowned(
                view.nodes
                    .iter()
                    .flat_map(|line| line.slots.iter().copied())
                    .collect(),
            );
            let which = if missing.is_empty() {
                String::new()
            } else {
                format!("; without an owner: {}", joined(&missing))
            };
            Some(format!(
                "{assigned} slots assigned, {ok} of them ok, of {wanted}{which}"
            ))
        }),
        "By default the whole cluster rejects commands while a slot has no owner. Assign it with CLUSTER \
         ADDSLOTS or run `redis-cli --cluster fix`.",
    )
}

/// Checks for slots that two masters claim: each would accept writes that the other does not have. A node's
/// own line decides, because a node serves only the slots in it.
pub(crate) fn owners(seen: &Seen<'_>) -> Check {
    let mut claims: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (name, view) in seen {
        let own = view.myself().into_iter().flat_map(|line| line.slots.iter());
        for slot in own.flat_map(|range| range.first..=range.last) {
            claims.entry(slot).or_default().push(name);
        }
    }
    // Adjacent slots with the same claimants are one finding.
    let mut disputed: Vec<(SlotRange, Vec<&str>)> = Vec::new();
    for (slot, names) in claims.into_iter().filter(|(_, names)| names.len() > 1) {
        match disputed.last_mut() {
            Some((range, same)) if *same == names && range.last + 1 == slot => range.last = slot,
            _ => disputed.push((SlotRange::new(slot, slot), names)),
        }
    }
    Check::of(
        "slot-owners",
        "no slot has two owners",
        "slots have two owners",
        disputed
            .into_iter()
            .map(|(range, names)| format!("slots {range} are claimed by {}", names.join(" and ")))
            .collect(),
        "The claim with the higher configuration epoch wins once the nodes can communicate; otherwise run \
         CLUSTER SETSLOT … NODE on every master.",
    )
}

pub(crate) fn open(seen: &Seen<'_>) -> Check {
    Check::of(
        "open-slots",
        "no slot is migrating or importing",
        "slots are migrating or importing",
        each(seen, |view| {
            let moving: Vec<String> = view
                .nodes
                .iter()
                .flat_map(|line| line.moving.iter().map(|text| told(text)))
                .collect();
            (!moving.is_empty()).then(|| format!("slots are migrating or importing: {}", moving.join(", ")))
        }),
        "If no migration is running, one was interrupted: finish it with CLUSTER SETSLOT … NODE, or cancel \
         it with CLUSTER SETSLOT … STABLE on both nodes.",
    )
}

/// Describes a slot in migration such as `[93->-ID]`, with a shortened id.
fn told(text: &str) -> String {
    let inside = text.trim_matches(['[', ']']);
    let short = |id: &str| id.chars().take(8).collect::<String>();
    if let Some((slot, id)) = inside.split_once("->-") {
        format!("{slot} to {}", short(id))
    } else if let Some((slot, id)) = inside.split_once("-<-") {
        format!("{slot} from {}", short(id))
    } else {
        inside.to_owned()
    }
}

/// Returns the slots that are in none of the ranges.
fn unowned(mut ranges: Vec<SlotRange>) -> Vec<SlotRange> {
    ranges.sort_unstable();
    let mut missing = Vec::new();
    let mut next = 0;
    for range in ranges {
        if range.first > next {
            missing.push(SlotRange::new(next, range.first - 1));
        }
        next = next.max(range.last + 1);
    }
    if next < SLOTS {
        missing.push(SlotRange::new(next, SLOTS - 1));
    }
    missing
}

/// Formats the first few ranges on one line.
pub(crate) fn joined(ranges: &[SlotRange]) -> String {
    const MOST: usize = 8;
    let mut texts: Vec<String> = ranges.iter().take(MOST).map(ToString::to_string).collect();
    if ranges.len() > MOST {
        texts.push(format!("and {} more ranges", ranges.len() - MOST));
    }
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(ends: &[(u16, u16)]) -> Vec<SlotRange> {
        ends.iter().copied().map(SlotRange::from).collect()
    }

    #[test]
    fn missing_slots_are_named() {
        assert_eq!(unowned(ranges(&[(0, 5460), (5461, 16383)])), []);
        assert_eq!(
            unowned(ranges(&[(8000, 16382), (1, 5460)])),
            ranges(&[(0, 0), (5461, 7999), (16383, 16383)])
        );
        assert_eq!(unowned(Vec::new()), ranges(&[(0, 16383)]));
        assert_eq!(joined(&ranges(&[(0, 0), (5, 9)])), "0 5-9");
    }

    #[test]
    fn a_slot_with_two_owners_is_told_with_both() {
        use crate::checks::finding::Status;
        use crate::checks::readiness::tests::perfect;

        let plan =
            crate::topology::layout::tests::topology(3, 1, crate::spec::server::Engine::Redis, "8.0.2");
        let mut answers = perfect(&plan);
        let judged = |answers: &[crate::server::wire::reply::Answer]| {
            let names = ["a", "b", "c", "d", "e", "f"].into_iter();
            let seen: Vec<(&str, &crate::server::wire::reply::NodeView)> = names
                .zip(answers)
                .map(|(name, answer)| (name, answer.as_ref().unwrap()))
                .collect();
            owners(&seen)
        };
        assert_eq!(judged(&answers).status, Status::Pass);
        // A node's report about another node is not a claim.
        answers[1].as_mut().unwrap().nodes[2]
            .slots
            .push(SlotRange::new(7, 7));
        assert_eq!(judged(&answers).status, Status::Pass);
        answers[1].as_mut().unwrap().nodes[1]
            .slots
            .push(SlotRange::new(10, 12));
        answers[2].as_mut().unwrap().nodes[2]
            .slots
            .push(SlotRange::new(12, 12));
        let check = judged(&answers);
        assert_eq!(check.status, Status::Fail);
        assert_eq!(
            check.detail,
            [
                "slots 10-11 are claimed by a and b",
                "slots 12 are claimed by a and b and c"
            ]
        );
    }

    #[test]
    fn half_migrated_slots_read_well() {
        assert_eq!(told("[93->-0123456789abcdef]"), "93 to 01234567");
        assert_eq!(told("[93-<-0123456789abcdef]"), "93 from 01234567");
    }
}
