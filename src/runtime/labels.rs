//! The labels on all objects that rcup creates. They are its only state: the creator, the cluster, and all data
//! needed to recompute the topology. They never contain secrets.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::ClusterSpec;
use crate::spec::expiry::Life;
use crate::spec::name::ClusterName;
use crate::topology::layout::{Node, Placement, Topology};

/// The cluster's name.
pub const CLUSTER: &str = "rcup.cluster";
/// The node's index, on containers.
pub const NODE: &str = "rcup.node";
/// The run that created the object. A failed run only removes objects with its label.
pub const RUN: &str = "rcup.run";
/// The version of rcup that created the object.
pub const VERSION: &str = "rcup.version";
/// The owner process, as JSON; the object is pruned once it has exited.
pub const OWNER: &str = "rcup.owner";
/// Expiry of the object, in seconds since 1970.
pub const EXPIRES: &str = "rcup.expires";
/// Marks a probe container, which is not a node.
pub const PROBE: &str = "rcup.probe";
/// Set on a separate volume when the cluster is kept beyond its owner, because labels cannot be changed.
pub const KEPT: &str = "rcup.kept";
/// A node's address on its network, on containers.
pub const ADDRESS: &str = "rcup.address";
/// The specification, as JSON.
const SPEC: &str = "rcup.spec";
/// The environment, as JSON.
const PLACE: &str = "rcup.place";

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// Returns the common labels of a cluster's objects.
pub fn of_cluster(topology: &Topology) -> Labels {
    let own = [(SPEC, json(&topology.spec)), (PLACE, json(&topology.placement))];
    of_run(topology.name(), &topology.run, &topology.life, own)
}

/// Returns the labels of an object of a run, plus `own`.
fn of_run<const N: usize>(cluster: &ClusterName, run: &str, life: &Life, own: [(&str, String); N]) -> Labels {
    let always = [
        (CLUSTER, cluster.to_string()),
        (RUN, run.to_owned()),
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let owner = life.owner.as_ref().map(|owner| (OWNER, json(owner)));
    let expires = life.expires.map(|at| (EXPIRES, at.to_string()));
    always
        .into_iter()
        .chain(own)
        .chain(owner)
        .chain(expires)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns the labels of a node's data volume. They contain no owner and no expiry: pruning the containers must not
/// delete the data.
pub fn of_data(topology: &Topology, node: &Node) -> Labels {
    let mut labels = of_cluster(topology);
    labels.remove(OWNER);
    labels.remove(EXPIRES);
    labels.insert(NODE.to_owned(), node.index.to_string());
    labels
}

/// Returns the labels of the volume that marks a cluster as kept.
pub fn of_kept(topology: &Topology) -> Labels {
    let mut labels = of_cluster(topology);
    labels.insert(KEPT.to_owned(), "true".to_owned());
    labels
}

/// Returns the labels of a probe container. It is not a node: the labels are just enough to remove it with the
/// cluster, or once its process has exited.
pub fn of_probe(cluster: &ClusterName, run: &str, life: &Life) -> Labels {
    of_run(cluster, run, life, [(PROBE, "true".to_owned())])
}

/// Returns the owner and the expiry. An unreadable value never expires.
pub fn life(labels: &Labels) -> Life {
    Life {
        owner: labels
            .get(OWNER)
            .and_then(|owner| serde_json::from_str(owner).ok()),
        expires: labels.get(EXPIRES).and_then(|at| at.parse().ok()),
    }
}

/// Returns the labels of a node's container.
pub fn of_node(topology: &Topology, node: &Node) -> Labels {
    let mut labels = of_cluster(topology);
    labels.insert(NODE.to_owned(), node.index.to_string());
    labels.insert("rcup.role".to_owned(), node.role.to_string());
    labels.insert("rcup.shard".to_owned(), node.shard.to_string());
    labels.insert(ADDRESS.to_owned(), node.address().to_string());
    labels
}

/// Recomputes the topology from the labels of one of its objects.
///
/// # Errors
/// [`ErrorKind::Different`] when another version of rcup wrote labels that this one cannot read.
pub fn topology(labels: &Labels) -> Result<Topology> {
    let read = || -> Option<(ClusterSpec, Placement)> {
        let spec = serde_json::from_str(labels.get(SPEC)?).ok()?;
        let place = serde_json::from_str(labels.get(PLACE)?).ok()?;
        Some((spec, place))
    };
    let unknown = String::from("unknown");
    let Some((spec, placement)) = read() else {
        return Err(Error::new(
            ErrorKind::Different,
            format!(
                "cannot read the labels of cluster {}: written by rcup {}, this is {}",
                labels.get(CLUSTER).unwrap_or(&unknown),
                labels.get(VERSION).unwrap_or(&unknown),
                env!("CARGO_PKG_VERSION")
            ),
        )
        .hint("Remove the cluster with `rcup down` and start it again, or use the rcup version that created it."));
    };
    Ok(Topology::new(&spec, &placement)?.with_life(life(labels)))
}

/// Serializes a value. This cannot fail: these values have no maps with non-string keys.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology as make;

    #[test]
    fn the_topology_comes_back_from_its_labels() {
        let made = make(3, 2, Engine::Valkey, "8.1.1");
        assert_eq!(topology(&of_cluster(&made)).unwrap(), made);
        assert_eq!(topology(&of_node(&made, &made.nodes[4])).unwrap(), made);
    }

    #[test]
    fn labels_of_another_time_are_an_error_that_names_both_versions() {
        let mut labels = of_cluster(&make(3, 1, Engine::Redis, "8.0.2"));
        labels.insert(PLACE.to_owned(), "{}".to_owned());
        labels.insert(VERSION.to_owned(), "9.9.9".to_owned());
        let error = topology(&labels).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Different);
        assert!(error.to_string().contains("9.9.9"), "{error}");
    }
}
