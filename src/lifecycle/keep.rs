//! Keeps a cluster after its owner process has exited.

use crate::ownership::background::aside;
use crate::runtime::interface::Runtime;
use crate::runtime::labels;
use crate::runtime::request::VolumeRequest;
use crate::topology::layout::Topology;

/// Creates the empty volume whose label marks the cluster as kept. Labels of an existing object cannot be changed,
/// and a file on this host would not be visible to every process that prunes.
pub(crate) fn keep<R: Runtime>(runtime: &R, topology: &Topology) {
    let request = VolumeRequest {
        name: format!("{}.kept", topology.name().volume()),
        labels: labels::of_kept(topology),
    };
    let (runtime, run) = (runtime.clone(), topology.run.clone());
    aside("keep the cluster", async move {
        if let Err(error) = runtime.create_volume(&request).await {
            tracing::warn!(run, %error, "the cluster will be removed when its owner has ended");
        }
    });
}
