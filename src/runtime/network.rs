//! Nodes on an existing network: its requirements, and the choice of addresses.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::labels;
use crate::runtime::labels::Labels;
use crate::runtime::observed::Observed;
use crate::spec::cluster::ClusterSpec;
use crate::topology::address::{choose_addresses, gateway};
use crate::topology::layout::Shared;

/// An existing network named by the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkDetails {
    /// Its driver, such as `bridge`.
    pub driver: String,
    /// Whether it is internal, so that no port can be published.
    pub internal: bool,
    /// Whether traffic between its containers is disabled.
    pub isolated: bool,
    /// Its IPv4 subnet, if it has one.
    pub subnet: Option<Ipv4Net>,
    /// The bridge address, if the user chose it.
    pub gateway: Option<Ipv4Addr>,
    /// The addresses of running containers.
    pub taken: Vec<Ipv4Addr>,
    /// Its labels.
    pub labels: Labels,
}

/// Returns the placement of a cluster on the network `name`. `refused` lists addresses that the container engine
/// rejected.
///
/// # Errors
/// [`ErrorKind::Usage`] when the network does not exist or is unsuitable, [`ErrorKind::Subnet`] when it
/// has too few free addresses.
pub fn on_network(
    spec: &ClusterSpec,
    name: &str,
    network: Option<&NetworkDetails>,
    observed: &Observed,
    refused: &[Ipv4Addr],
) -> Result<(Ipv4Net, Shared)> {
    let cannot = |what: &str, hint: String| {
        Err(Error::new(ErrorKind::Usage, format!("network {name} {what}")).hint(hint))
    };
    let make = || {
        format!("Create one with `docker network create --subnet 10.88.0.0/24 {name}`, or choose another.")
    };
    let Some(network) = network else {
        return cannot("does not exist", make());
    };
    let another =
        || "Pass a bridge network with --network, or omit the flag to let rcup create one.".to_owned();
    if let Some(owner) = network.labels.get(labels::CLUSTER) {
        return cannot(&format!("belongs to cluster {owner}"), another());
    }
    if network.driver != "bridge" {
        return cannot(
            &format!(
                "uses driver {}, but ports can only be published on bridge networks",
                network.driver
            ),
            another(),
        );
    }
    if network.internal {
        return cannot(
            "is internal, so its ports cannot be published on this host",
            another(),
        );
    }
    if network.isolated {
        return cannot("does not allow traffic between its containers", another());
    }
    let Some(subnet) = network.subnet else {
        return cannot("has no IPv4 subnet", make());
    };
    let gateway = network.gateway.unwrap_or_else(|| gateway(subnet));
    let mut taken = network.taken.clone();
    taken.push(gateway);
    taken.extend(refused);
    taken.extend(claimed(observed));
    let addresses = choose_addresses(spec, name, subnet, &taken)?;
    Ok((subnet, Shared { gateway, addresses }))
}

/// Returns the addresses of all nodes, including stopped ones.
fn claimed(observed: &Observed) -> impl Iterator<Item = Ipv4Addr> {
    let labels = observed.containers.iter().map(|container| &container.labels);
    labels.filter_map(|labels| labels.get(labels::ADDRESS)?.split(':').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observed::ContainerSeen;

    fn usual() -> NetworkDetails {
        NetworkDetails {
            driver: "bridge".to_owned(),
            subnet: Some("10.88.0.0/28".parse().unwrap()),
            taken: vec!["10.88.0.14".parse().unwrap()],
            ..NetworkDetails::default()
        }
    }

    fn spec() -> ClusterSpec {
        ClusterSpec::builder().replicas(0).network("app").build().unwrap()
    }

    #[test]
    fn nodes_take_what_neither_containers_nor_other_nodes_have() {
        let asleep = ContainerSeen {
            labels: [(labels::ADDRESS.to_owned(), "10.88.0.12:7001".to_owned())].into(),
            ..ContainerSeen::default()
        };
        let observed = Observed {
            containers: vec![asleep],
            ..Observed::default()
        };
        let refused = ["10.88.0.11".parse().unwrap()];
        let (subnet, shared) = on_network(&spec(), "app", Some(&usual()), &observed, &refused).unwrap();
        assert_eq!(subnet.to_string(), "10.88.0.0/28");
        assert_eq!(shared.gateway.to_string(), "10.88.0.1");
        let addresses: Vec<String> = shared.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.88.0.9", "10.88.0.10", "10.88.0.13"]);
    }

    #[test]
    fn what_cannot_carry_a_cluster_is_refused_with_the_reason() {
        let with = |change: fn(&mut NetworkDetails)| {
            let mut network = usual();
            change(&mut network);
            Some(network)
        };
        for (network, message) in [
            (None, "network app does not exist"),
            (
                with(|network| network.labels = [(labels::CLUSTER.to_owned(), "orders".to_owned())].into()),
                "network app belongs to cluster orders",
            ),
            (
                with(|network| network.driver = "macvlan".to_owned()),
                "network app uses driver macvlan, but ports can only be published on bridge networks",
            ),
            (
                with(|network| network.internal = true),
                "network app is internal, so its ports cannot be published on this host",
            ),
            (
                with(|network| network.isolated = true),
                "network app does not allow traffic between its containers",
            ),
            (
                with(|network| network.subnet = None),
                "network app has no IPv4 subnet",
            ),
        ] {
            let error = on_network(&spec(), "app", network.as_ref(), &Observed::default(), &[]).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (ErrorKind::Usage, message)
            );
            assert!(error.hint_text().is_some());
        }
        let small = with(|network| network.subnet = Some("10.88.0.12/30".parse().unwrap()));
        let error = on_network(&spec(), "app", small.as_ref(), &Observed::default(), &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Subnet);
    }
}
