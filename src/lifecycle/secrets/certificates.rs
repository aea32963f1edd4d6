//! The certificates of a new cluster: made for it, or brought along and looked at closely.

use std::net::Ipv4Addr;

use crate::error::Result;
use crate::spec::security::Certificates;
use crate::topology::layout::Topology;

/// Where the nodes run, which decides under what they are met: on the bus, by replicas, and by clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In containers: by their addresses and names on the network, and by those of the host.
    Containers,
    /// On machines: by the machines' addresses.
    Machines,
}

impl Place {
    pub(crate) fn addresses(self, topology: &Topology) -> Vec<Ipv4Addr> {
        let nodes = topology.nodes.iter().map(|node| node.ip);
        let host = [Ipv4Addr::LOCALHOST]
            .into_iter()
            .chain(topology.spec.publish())
            .filter(|_| self == Self::Containers);
        let mut all = Vec::new();
        for address in nodes.chain(host) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }

    pub(crate) fn names(self, topology: &Topology) -> impl Iterator<Item = &str> {
        let nodes = topology.nodes.iter().map(|node| node.name.as_str());
        nodes.filter(move |_| self == Self::Containers)
    }
}

/// Whether these certificates serve a cluster.
pub(crate) fn serve(topology: &Topology, place: Place, certificates: &Certificates) -> bool {
    crate::lifecycle::secrets::provided::check(topology, place, certificates).is_ok()
}

/// The certificates of a cluster with TLS.
pub(crate) fn of(topology: &Topology, place: Place) -> Result<Certificates> {
    match topology.spec.certificates() {
        Some(given) => {
            crate::lifecycle::secrets::provided::check(topology, place, given).map(|()| given.clone())
        }
        None => crate::lifecycle::secrets::generated::make(topology, place),
    }
}
