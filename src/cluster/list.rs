//! Lists clusters.

use crate::error::Result;
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels;
use crate::runtime::observed::Activity;
use crate::spec::name::ClusterName;
use crate::topology::layout::Topology;

/// Returns the clusters of a container engine, sorted by name.
///
/// # Errors
/// When the container engine returns an error.
pub async fn list<R: Runtime>(runtime: &R) -> Result<Vec<Listed>> {
    let observed = runtime.observe(&Scope::Clusters).await?;
    Ok(observed
        .clusters()
        .into_iter()
        .map(|name| {
            let ours = observed.of(&name);
            let running = ours
                .containers
                .iter()
                .filter(|container| container.activity == Activity::Running)
                .count();
            let topology = ours
                .all_labels()
                .next()
                .and_then(|labels| labels::topology(labels).ok());
            Listed {
                name,
                containers: ours.containers.len(),
                running,
                topology,
            }
        })
        .collect())
}

/// A cluster in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Cluster name.
    pub name: ClusterName,
    /// Number of containers.
    pub containers: usize,
    /// Number of running containers.
    pub running: usize,
    /// The topology, if its labels can be read.
    pub topology: Option<Topology>,
}
