//! Addresses and names that a certificate of the nodes must list.

use std::net::Ipv4Addr;

use crate::topology::layout::Topology;

/// Where the nodes run. This determines the addresses at which they are reached: on the bus, by replicas and by
/// clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In containers: their addresses and names on the network, and the addresses of the host.
    Containers,
    /// On machines: the machines' addresses.
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
