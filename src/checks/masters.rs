//! The masters that functional checks use, and the keys of these checks.

use std::time::Instant;

use crate::connect::target::{Member, Target};
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::reply::Answer;
use crate::topology::layout::NodeId;
use crate::topology::slots::{SlotRange, slot_of, tag_in};

/// Why a check did not run on a cluster that rcup did not create.
pub(crate) const UNASKED: &str = "skipped: writing to a cluster that rcup did not create requires --write";

/// The prefix of every key and channel of a validation.
const PREFIX: &str = crate::spec::service_user::VALIDATION_PREFIX;

/// Returns a key in the slot of `tag` that no other validation uses.
pub(crate) fn key(tag: u64, what: &str) -> String {
    format!("{PREFIX}:{}:{{{tag}}}:{what}", std::process::id())
}

/// Returns the milliseconds since `begun`.
pub(crate) fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A reachable master that serves slots.
#[derive(Clone, Debug)]
pub(crate) struct Master<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: NodeId,
    pub(crate) link: &'a NodeConnection,
    pub(crate) slots: Vec<SlotRange>,
    /// Its reachable replicas.
    pub(crate) replicas: Vec<&'a Member>,
}

impl Master<'_> {
    /// Returns a tag whose slot the master serves.
    pub(crate) fn tag(&self) -> u64 {
        self.slots.first().map_or(0, |range| tag_in(*range))
    }

    /// Returns a tag of another slot, which the master also serves unless it serves only one.
    pub(crate) fn other_tag(&self) -> u64 {
        let slot = slot_of(self.tag().to_string().as_bytes());
        let all = [SlotRange::new(0, crate::topology::slots::SLOTS - 1)];
        let within = |ranges: &[SlotRange]| {
            (0..1_000_000_u64).find(|tag| {
                let other = slot_of(tag.to_string().as_bytes());
                other != slot && ranges.iter().any(|range| range.contains(other))
            })
        };
        let several = self.slots.iter().map(|range| range.len()).sum::<usize>() > 1;
        let found = if several {
            within(&self.slots)
        } else {
            within(&all)
        };
        found.unwrap_or_default()
    }
}

/// Returns the masters, according to each node's own line.
pub(crate) fn masters<'a>(target: &'a Target<'_>, answers: &[Answer]) -> Vec<Master<'a>> {
    let told: Vec<_> = target
        .members
        .iter()
        .zip(answers)
        .filter_map(|(member, answer)| {
            let link = member.link.as_ref().ok()?;
            Some((member, link, answer.as_ref().ok()?.myself()?.clone()))
        })
        .collect();
    told.iter()
        .filter(|(_, _, line)| line.is_master() && !line.slots.is_empty())
        .map(|(member, link, line)| Master {
            name: &member.name,
            id: line.id.clone(),
            link,
            slots: line.slots.clone(),
            replicas: told
                .iter()
                .filter(|(_, _, other)| other.master.as_ref() == Some(&line.id))
                .map(|(member, _, _)| *member)
                .collect(),
        })
        .collect()
}
