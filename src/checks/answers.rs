//! Node answers that a check compares, each with the name of its node.

use crate::server::wire::reply::{Answer, NodeView};

/// How strictly roles are compared with the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roles {
    /// Every node has the role that was planned.
    AsPlanned,
    /// Every shard has one master, which can be any of its nodes, for example after a failover.
    WithinShards,
}

/// The nodes that answered, each with its name.
pub(crate) type Seen<'a> = [(&'a str, &'a NodeView)];

/// Returns the answers of the nodes that answered, in order.
pub(crate) fn seen<'a>(names: &[&'a str], answers: &'a [Answer]) -> Vec<(&'a str, &'a NodeView)> {
    names
        .iter()
        .zip(answers)
        .filter_map(|(name, answer)| answer.as_ref().ok().map(|view| (*name, view)))
        .collect()
}

/// Returns one line of evidence for every node for which `wrong` returns a description.
pub(crate) fn each(seen: &Seen<'_>, wrong: impl Fn(&NodeView) -> Option<String>) -> Vec<String> {
    seen.iter()
        .filter_map(|(name, view)| wrong(view).map(|what| format!("{name}: {what}")))
        .collect()
}
