//! What was found, and what can be done about it.

use std::fmt;

use serde::Serialize;

use crate::checks::diagnose::causes::PASSING;
use crate::checks::finding::Status;
use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable name.
    pub id: &'static str,
    /// [`Status::Fail`], or [`Status::Warn`] for what does no harm yet.
    pub status: Status,
    /// What is wrong, in one line.
    pub what: String,
    /// The nodes it is about, by name.
    pub nodes: Vec<String>,
    /// What it comes from, and what it does.
    pub why: String,
    /// What was seen, a line each.
    pub evidence: Vec<String>,
    /// What mends it: commands and advice, a line each.
    pub remedy: Vec<String>,
    /// What rcup itself can do about it, in order; nothing where only a person can.
    #[serde(serialize_with = "as_words")]
    pub actions: Vec<Action>,
}

fn as_words<S: serde::Serializer>(actions: &[Action], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(actions.iter().map(ToString::to_string))
}

impl Finding {
    /// A failure without evidence yet.
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

    /// Whether rcup can do something about it.
    pub fn is_fixable(&self) -> bool {
        !self.actions.is_empty()
    }
}

/// One thing that rcup can do. Nodes are named as in the findings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Start a container that has ended.
    Start {
        /// Its node.
        node: String,
    },
    /// Let a paused container go on.
    Resume {
        /// Its node.
        node: String,
    },
    /// Plug a container into the cluster's network again.
    Connect {
        /// Its node.
        node: String,
    },
    /// Introduce two nodes that do not know each other.
    Meet {
        /// The one that is told.
        node: String,
        /// The one it shall meet.
        other: String,
    },
    /// Give slots without an owner to a master.
    Cover {
        /// The master.
        node: String,
        /// The slots.
        slots: Vec<SlotRange>,
    },
    /// Settle that slots belong to one of those that claim them.
    Settle {
        /// The owner from now on.
        owner: String,
        /// Those that give up their claim, none of which holds a key of these slots.
        others: Vec<String>,
        /// The slots.
        slots: Vec<SlotRange>,
    },
    /// End the move of a slot that was broken off: keys that have moved go back to the owner.
    Close {
        /// The slot.
        slot: u16,
        /// Its owner.
        owner: String,
        /// The nodes that import it, and how many of its keys each holds.
        guests: Vec<(String, u64)>,
    },
    /// Have all nodes forget one that is gone.
    Forget {
        /// Which.
        id: NodeId,
        /// The nodes that know it.
        by: Vec<String>,
    },
    /// Make a node the replica of a master.
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

/// The beginning of an id, as far as a person needs it.
pub(crate) fn short(id: &NodeId) -> String {
    id.0.chars().take(8).collect()
}

/// Ranges in a line.
pub(crate) fn listed(slots: &[SlotRange]) -> String {
    let texts: Vec<String> = slots.iter().map(ToString::to_string).collect();
    texts.join(" ")
}

/// What came of looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether nothing fails.
    pub healthy: bool,
    /// The cluster's name, or the endpoint.
    pub cluster: String,
    /// What is wrong: causes first, then what follows from them.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// The findings about which rcup can do something now: containers are started before nodes are
    /// introduced, these
    /// before slots are given away, and these before replicas follow. What comes later may then be needed no
    /// more.
    pub fn treatable(&self) -> Vec<&Finding> {
        let tier = |finding: &Finding| finding.actions.iter().map(Action::tier).min();
        let first = self.findings.iter().filter_map(tier).min();
        self.findings
            .iter()
            .filter(|finding| first.is_some() && tier(finding) == first)
            .collect()
    }

    /// Whether what was done about `treated` has come to its end: none of them is left that rcup could do
    /// something
    /// about, and nothing is wrong that goes by itself.
    pub fn has_settled(&self, treated: &[Finding]) -> bool {
        let same = |one: &Finding, other: &Finding| one.id == other.id && one.nodes == other.nodes;
        !self.findings.iter().any(|finding| {
            PASSING.contains(&finding.id)
                || finding.is_fixable() && treated.iter().any(|one| same(one, finding))
        })
    }

    /// The findings with this name.
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
