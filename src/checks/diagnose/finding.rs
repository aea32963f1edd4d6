//! Findings of a diagnosis, and the actions that fix them.

use std::fmt;

use serde::Serialize;

use crate::checks::diagnose::causes::PASSING;
use crate::checks::finding::Status;
use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

/// A problem found in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable id.
    pub id: &'static str,
    /// [`Status::Fail`], or [`Status::Warn`] for a problem that has no effect yet.
    pub status: Status,
    /// What is wrong, in one line.
    pub what: String,
    /// The names of the affected nodes.
    pub nodes: Vec<String>,
    /// The cause and the effect.
    pub why: String,
    /// The evidence, one line each.
    pub evidence: Vec<String>,
    /// The fix: commands and advice, one line each.
    pub remedy: Vec<String>,
    /// The actions that rcup can run, in order; empty where manual intervention is required.
    #[serde(serialize_with = "as_words")]
    pub actions: Vec<Action>,
}

fn as_words<S: serde::Serializer>(actions: &[Action], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(actions.iter().map(ToString::to_string))
}

impl Finding {
    /// Creates a failure without evidence.
    pub(crate) fn new(id: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            id,
            status: Status::Fail,
            what: what.into(),
            nodes: Vec::new(),
            why: why.into(),
            evidence: Vec::new(),
            remedy: Vec::new(),
            actions: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn warning(mut self) -> Self {
        self.status = Status::Warn;
        self
    }

    #[must_use]
    pub(crate) fn on(mut self, nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.nodes.extend(nodes.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn seen(mut self, evidence: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn mended_by(mut self, remedy: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.remedy.extend(remedy.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn or_by(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    /// Returns whether rcup can fix it.
    pub fn is_fixable(&self) -> bool {
        !self.actions.is_empty()
    }
}

/// An action that rcup can run. Nodes are named as in the findings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Starts a container that has exited.
    Start {
        /// The node.
        node: String,
    },
    /// Resumes a paused container.
    Resume {
        /// The node.
        node: String,
    },
    /// Reconnects a container to the cluster's network.
    Connect {
        /// The node.
        node: String,
    },
    /// Sends CLUSTER MEET to a node for another node that it does not know.
    Meet {
        /// The node that receives the command.
        node: String,
        /// The node to meet.
        other: String,
    },
    /// Assigns slots without an owner to a master.
    Cover {
        /// The master.
        node: String,
        /// The slots.
        slots: Vec<SlotRange>,
    },
    /// Assigns disputed slots to one of the nodes that claim them.
    Settle {
        /// The new owner.
        owner: String,
        /// The nodes that give up their claim. None of them holds a key of these slots.
        others: Vec<String>,
        /// The slots.
        slots: Vec<SlotRange>,
    },
    /// Closes a slot whose migration was interrupted: keys that have moved return to the owner.
    Close {
        /// The slot.
        slot: u16,
        /// The owner of the slot.
        owner: String,
        /// The nodes that import the slot, and the number of its keys on each.
        guests: Vec<(String, u64)>,
    },
    /// Removes a node that no longer exists from all nodes, with CLUSTER FORGET.
    Forget {
        /// The id of the node to remove.
        id: NodeId,
        /// The nodes that know it.
        by: Vec<String>,
    },
    /// Makes a node the replica of a master.
    Follow {
        /// The replica.
        node: String,
        /// The master.
        master: String,
    },
}

impl Action {
    fn tier(&self) -> u8 {
        match self {
            Self::Start { .. } | Self::Resume { .. } | Self::Connect { .. } => 0,
            Self::Meet { .. } => 1,
            Self::Cover { .. } | Self::Settle { .. } | Self::Close { .. } => 2,
            Self::Forget { .. } => 3,
            Self::Follow { .. } => 4,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { node } => write!(f, "start {node}"),
            Self::Resume { node } => write!(f, "unpause {node}"),
            Self::Connect { node } => write!(f, "reconnect {node} to the cluster's network"),
            Self::Meet { node, other } => write!(f, "join {other} to {node} (CLUSTER MEET)"),
            Self::Cover { node, slots } => {
                write!(f, "assign slots {} to {node} (CLUSTER ADDSLOTS)", listed(slots))
            }
            Self::Settle { owner, others, slots } => write!(
                f,
                "assign slots {} to {owner} and remove them from {} (CLUSTER SETSLOT … NODE)",
                listed(slots),
                others.join(" and ")
            ),
            Self::Close { slot, owner, guests } => {
                let back: Vec<String> = guests
                    .iter()
                    .filter(|(_, keys)| *keys > 0)
                    .map(|(guest, keys)| format!("{keys} from {guest}"))
                    .collect();
                write!(
                    f,
                    "cancel the migration of slot {slot} of {owner} (CLUSTER SETSLOT … STABLE)"
                )?;
                if !back.is_empty() {
                    write!(f, ", after moving its keys back: {}", back.join(", "))?;
                }
                Ok(())
            }
            Self::Forget { id, by } => {
                write!(f, "make {} nodes forget {} (CLUSTER FORGET)", by.len(), short(id))
            }
            Self::Follow { node, master } => {
                write!(f, "make {node} a replica of {master} (CLUSTER REPLICATE)")
            }
        }
    }
}

/// Returns the first eight characters of an id, for display.
pub(crate) fn short(id: &NodeId) -> String {
    id.0.chars().take(8).collect()
}

/// Formats the ranges on one line.
pub(crate) fn listed(slots: &[SlotRange]) -> String {
    let texts: Vec<String> = slots.iter().map(ToString::to_string).collect();
    texts.join(" ")
}

/// The result of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether no finding is a failure.
    pub healthy: bool,
    /// The cluster's name, or the endpoint.
    pub cluster: String,
    /// The findings: causes first, then their effects.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Returns the findings that rcup can fix now: it starts containers before it introduces nodes, then
    /// assigns slots, then attaches replicas. Later actions may no longer be necessary after earlier ones.
    pub fn treatable(&self) -> Vec<&Finding> {
        let tier = |finding: &Finding| finding.actions.iter().map(Action::tier).min();
        let first = self.findings.iter().filter_map(tier).min();
        self.findings
            .iter()
            .filter(|finding| first.is_some() && tier(finding) == first)
            .collect()
    }

    /// Returns whether the actions for `treated` are complete: none of these findings remains fixable, and no
    /// condition remains that can resolve without intervention.
    pub fn has_settled(&self, treated: &[Finding]) -> bool {
        let same = |one: &Finding, other: &Finding| one.id == other.id && one.nodes == other.nodes;
        !self.findings.iter().any(|finding| {
            PASSING.contains(&finding.id)
                || finding.is_fixable() && treated.iter().any(|one| same(one, finding))
        })
    }

    /// Returns the findings with this id.
    pub fn of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(move |finding| finding.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(findings: Vec<Finding>) -> Diagnosis {
        Diagnosis {
            healthy: false,
            cluster: "orders".to_owned(),
            findings,
        }
    }

    fn fixable(id: &'static str, node: &str) -> Finding {
        let start = Action::Start {
            node: node.to_owned(),
        };
        Finding::new(id, "", "").on([node]).or_by([start])
    }

    #[test]
    fn a_remedy_has_settled_when_what_it_was_for_is_gone_and_nothing_moves() {
        let treated = [fixable("node-stopped", "orders-1")];
        assert!(left(Vec::new()).has_settled(&treated));
        assert!(
            left(vec![fixable("node-stopped", "orders-2")]).has_settled(&treated),
            "of another node it is for the next round"
        );
        assert!(!left(vec![fixable("node-stopped", "orders-1")]).has_settled(&treated));
        let hopeless = Finding::new("node-stopped", "", "").on(["orders-1"]);
        assert!(
            left(vec![hopeless]).has_settled(&treated),
            "there is nothing to wait for"
        );
        let passing = Finding::new("handshake", "", "").on(["orders-3"]);
        assert!(
            !left(vec![passing]).has_settled(&treated),
            "handshakes end by themselves"
        );
    }
}
