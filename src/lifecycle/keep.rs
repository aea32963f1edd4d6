//! Letting a cluster outlive the process for which it was made.

use crate::ownership::background::aside;
use crate::runtime::interface::Runtime;
use crate::runtime::labels;
use crate::runtime::request::VolumeRequest;
use crate::topology::layout::Topology;

/// Makes the empty volume whose label says that the cluster is kept. Labels cannot be changed once an object
/// is made, and a file on this machine would not be seen by everybody who sweeps.
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
