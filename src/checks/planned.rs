//! Settings that differ between nodes in the plan, so that a check does not report them as a fault.

use std::collections::BTreeMap;

use crate::server::conf::settings::effective::settings;
use crate::spec::directives::lookup::canonical;
use crate::topology::layout::Topology;

/// The nodes by name, with their planned settings. Empty without a plan: then all nodes must have the same
/// settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    nodes: BTreeMap<String, PlannedNode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PlannedNode {
    image: String,
    /// The settings by the canonical names of the directives.
    settings: BTreeMap<String, String>,
    /// The settings that the user requested.
    asked: BTreeMap<String, String>,
}

impl Planned {
    /// Returns the planned settings of a topology's nodes.
    pub fn of(topology: &Topology) -> Self {
        let nodes = topology.nodes.iter().map(|node| {
            let asked = topology.spec.directives_of(node.index);
            let planned = PlannedNode {
                image: topology.image(node).reference.clone(),
                settings: settings(topology, node)
                    .into_iter()
                    .map(|setting| (canonical(&setting.name).to_owned(), setting.value))
                    .collect(),
                asked: asked
                    .into_iter()
                    .map(|directive| {
                        (
                            canonical(directive.name()).to_owned(),
                            directive.value().to_owned(),
                        )
                    })
                    .collect(),
            };
            (node.name.clone(), planned)
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// Returns what two nodes must share for a directive to have the same value on both: the planned value if
    /// there is one, else the image, because a server's defaults change with its version.
    pub(crate) fn kind(&self, node: &str, directive: &str) -> Option<&str> {
        let node = self.nodes.get(node)?;
        let given = node.settings.get(canonical(directive));
        Some(given.unwrap_or(&node.image))
    }

    /// Returns the image of a node.
    pub(crate) fn image(&self, node: &str) -> Option<&str> {
        self.nodes.get(node).map(|node| node.image.as_str())
    }

    /// Returns the value that the user requested for a node.
    pub(crate) fn asked(&self, node: &str, directive: &str) -> Option<&str> {
        let node = self.nodes.get(node)?;
        node.asked
            .get(canonical(directive))
            .map(|value| value.trim_matches('"'))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A planned node for tests: its name, its image, and the requested settings.
    type Node<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    /// Creates a plan for tests.
    pub(crate) fn planned(nodes: &[Node<'_>]) -> Planned {
        let nodes = nodes.iter().map(|(name, image, settings)| {
            let settings: BTreeMap<String, String> = settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let node = PlannedNode {
                image: (*image).to_owned(),
                asked: settings.clone(),
                settings,
            };
            ((*name).to_owned(), node)
        });
        Planned {
            nodes: nodes.collect(),
        }
    }

    #[test]
    fn a_directive_goes_by_its_value_or_else_by_the_image() {
        let planned = planned(&[("a", "x:1", &[("min-replicas-max-lag", "5")]), ("b", "x:2", &[])]);
        assert_eq!(planned.kind("a", "min-slaves-max-lag"), Some("5"));
        assert_eq!(planned.kind("a", "hz"), Some("x:1"));
        assert_eq!(
            (planned.kind("b", "hz"), planned.kind("c", "hz")),
            (Some("x:2"), None)
        );
    }
}
