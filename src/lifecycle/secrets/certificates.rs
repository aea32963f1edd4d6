//! The certificates of a new cluster: generated, or provided by the user and checked.

use crate::error::Result;
use crate::lifecycle::secrets::subject::Place;
use crate::spec::security::Certificates;
use crate::topology::layout::Topology;

/// Whether these certificates are usable for a cluster.
pub(crate) fn serve(topology: &Topology, place: Place, certificates: &Certificates) -> bool {
    crate::lifecycle::secrets::provided::check(topology, place, certificates).is_ok()
}

/// Returns the certificates of a cluster with TLS.
pub(crate) fn of(topology: &Topology, place: Place) -> Result<Certificates> {
    match topology.spec.certificates() {
        Some(given) => {
            crate::lifecycle::secrets::provided::check(topology, place, given).map(|()| given.clone())
        }
        None => crate::lifecycle::secrets::generated::make(topology, place),
    }
}
