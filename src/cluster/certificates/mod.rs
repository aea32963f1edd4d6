//! The certificates of a new cluster: made for it, or brought along and looked at closely.

mod given;
mod made;

use crate::error::Result;
use crate::spec::Certificates;
use crate::topology::Topology;

/// The certificates of a cluster with TLS.
pub(super) fn of(topology: &Topology) -> Result<Certificates> {
    match topology.spec.certificates() {
        Some(given) => given::check(topology, given).map(|()| given.clone()),
        None => made::make(topology),
    }
}
