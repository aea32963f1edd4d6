//! The clusters on an engine.

use crate::error::Result;
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::labels;
use crate::runtime::observed::Activity;
use crate::spec::name::ClusterName;
use crate::topology::layout::Topology;

/// The clusters on an engine, in the order of their names, each as far as its labels can be read.
///
/// # Errors
/// What the engine refused to list.
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
    /// Its name.
    pub name: ClusterName,
    /// How many containers it has.
    pub containers: usize,
    /// How many of them run.
    pub running: usize,
    /// What was planned, where its labels can be read.
    pub topology: Option<Topology>,
}
