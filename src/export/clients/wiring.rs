//! The addresses that nodes advertise to a client, and the addresses to which the client connects instead.

use std::fmt;
use std::net::SocketAddrV4;

use crate::topology::layout::{Announce, Node, Topology};

/// Where a client runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vantage {
    /// On this host, or on any machine that reaches the published ports.
    #[default]
    Host,
    /// In a container on the cluster's network.
    Network,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl From<SocketAddrV4> for Endpoint {
    fn from(address: SocketAddrV4) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The data from which client code is generated. It contains whether there is a password, but not the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// The nodes, as addresses to which the client connects.
    pub nodes: Vec<Endpoint>,
    /// Advertised addresses and the addresses to connect to instead. Empty if clients reach the advertised addresses.
    pub nat: Vec<(Endpoint, Endpoint)>,
    /// The same map for clients that use the addresses in `CLUSTER NODES`, which an advertised host name does not
    /// change.
    pub nat_of_nodes: Vec<(Endpoint, Endpoint)>,
    /// Whether the nodes require a password.
    pub password: bool,
    /// Whether the nodes use TLS.
    pub tls: bool,
}

impl Wiring {
    /// Returns the addresses for a client at `vantage`.
    pub fn new(topology: &Topology, vantage: Vantage) -> Self {
        let pairs = |advertised: fn(&Topology, &Node) -> SocketAddrV4| -> Vec<(Endpoint, Endpoint)> {
            topology
                .nodes
                .iter()
                .map(|node| {
                    (
                        advertised(topology, node).into(),
                        dialled(topology, node, vantage).into(),
                    )
                })
                .collect()
        };
        let nat = |mut pairs: Vec<(Endpoint, Endpoint)>| {
            pairs.retain(|(advertised, dialled)| advertised != dialled);
            pairs
        };
        let all = pairs(advertised_address);
        // If the bridge is reachable, the addresses in CLUSTER NODES work as well as the advertised ones.
        let by_nodes = match vantage {
            Vantage::Host if topology.placement.bridge_reachable => Vec::new(),
            _ => nat(pairs(told_by_nodes)),
        };
        Self {
            nodes: all.iter().map(|(_, dialled)| dialled.clone()).collect(),
            nat: nat(all),
            nat_of_nodes: by_nodes,
            password: topology.spec.password().is_some(),
            tls: topology.spec.tls(),
        }
    }
}

impl Wiring {
    /// Returns the map for clients that use the addresses in `CLUSTER NODES` and also follow redirections.
    pub(crate) fn whole_nat(&self) -> Vec<(Endpoint, Endpoint)> {
        let more = self.nat_of_nodes.iter().filter(|pair| !self.nat.contains(pair));
        self.nat.iter().chain(more).cloned().collect()
    }
}

/// Returns the address that a node advertises to clients.
fn advertised_address(topology: &Topology, node: &Node) -> SocketAddrV4 {
    match topology.announce {
        Announce::Ip => node.address(),
        Announce::Hostname | Announce::ClientIpv4 => node.host_address(),
    }
}

/// Returns the address of a node in `CLUSTER NODES`, without the host name.
fn told_by_nodes(topology: &Topology, node: &Node) -> SocketAddrV4 {
    match topology.announce {
        Announce::Ip | Announce::Hostname => node.address(),
        Announce::ClientIpv4 => node.host_address(),
    }
}

/// Returns the address to connect to. A host that reaches the network of the nodes uses the advertised addresses.
fn dialled(topology: &Topology, node: &Node, vantage: Vantage) -> SocketAddrV4 {
    match vantage {
        Vantage::Network => node.address(),
        Vantage::Host if topology.placement.bridge_reachable => advertised_address(topology, node),
        Vantage::Host => node.host_address(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::modes::AnnounceChoice;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::placement;

    fn wiring(announce: AnnounceChoice, bridge_reachable: bool, vantage: Vantage) -> Wiring {
        let spec = ClusterSpec::builder()
            .replicas(0)
            .announce(announce)
            .build()
            .unwrap();
        let mut place = placement(Engine::Valkey, "8.1.1");
        place.bridge_reachable = bridge_reachable;
        Wiring::new(&Topology::new(&spec, &place).unwrap(), vantage)
    }

    #[test]
    fn who_reads_the_nodes_addresses_needs_a_map_where_only_a_host_name_leads_to_the_ports() {
        use AnnounceChoice::{Auto, ClientIpv4, Hostname, Ip};
        for (announce, reachable, vantage, mapped) in [
            (Hostname, false, Vantage::Host, true),
            (Hostname, true, Vantage::Host, false),
            (Hostname, false, Vantage::Network, false),
            (Auto, false, Vantage::Host, false),
            (ClientIpv4, false, Vantage::Host, false),
            (ClientIpv4, false, Vantage::Network, true),
            (Ip, false, Vantage::Host, true),
        ] {
            let wiring = wiring(announce, reachable, vantage);
            let case = format!("{announce:?} {reachable} {vantage:?}");
            assert_eq!(wiring.nat_of_nodes.len(), if mapped { 3 } else { 0 }, "{case}");
        }
        let wiring = wiring(Hostname, false, Vantage::Host);
        let (advertised, dialled) = &wiring.nat_of_nodes[0];
        assert_eq!(
            (advertised.to_string(), dialled.to_string()),
            ("10.213.0.2:7001".to_owned(), "127.0.0.1:7001".to_owned())
        );
        let code = crate::export::clients::Library::StackExchangeRedis.snippet(&wiring);
        assert!(
            code.contains("[\"10.213.0.2:7001\"]") && code.contains("\"127.0.0.1\"), 7001"),
            "{code}"
        );
    }

    #[test]
    fn a_map_is_there_where_a_client_cannot_do_as_it_is_told_and_nowhere_else() {
        use AnnounceChoice::{Auto, ClientIpv4, Hostname, Ip};
        let (bridge, published) = ("10.213.0.2:7001", "127.0.0.1:7001");
        for (announce, reachable, vantage, node, mapped) in [
            (Auto, true, Vantage::Host, bridge, false),
            (Auto, true, Vantage::Network, bridge, false),
            (Auto, false, Vantage::Host, published, false),
            (Auto, false, Vantage::Network, bridge, true),
            (Ip, false, Vantage::Host, published, true),
            (Hostname, true, Vantage::Host, published, false),
            (Hostname, true, Vantage::Network, bridge, true),
            (ClientIpv4, true, Vantage::Network, bridge, true),
        ] {
            let wiring = wiring(announce, reachable, vantage);
            let case = format!("{announce:?} {reachable} {vantage:?}");
            assert_eq!(wiring.nodes[0].to_string(), node, "{case}");
            assert_eq!(wiring.nat.len(), if mapped { 3 } else { 0 }, "{case}");
            assert!(
                wiring
                    .nat
                    .iter()
                    .all(|(advertised, dialled)| advertised.port == dialled.port),
                "{case}"
            );
        }
    }
}
