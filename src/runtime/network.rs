//! Nodes on a network that is not rcup's: what it must offer, and which of its addresses they take.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::labels;
use crate::runtime::labels::Labels;
use crate::runtime::observed::Observed;
use crate::spec::cluster::ClusterSpec;
use crate::topology::address::{choose_addresses, gateway};
use crate::topology::layout::Shared;

/// A network that the user named, as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkDetails {
    /// Its driver, such as `bridge`.
    pub driver: String,
    /// Whether it has no way out, so that no port on it can be published.
    pub internal: bool,
    /// Whether its containers may not speak with each other.
    pub isolated: bool,
    /// Its IPv4 subnet, if it has one.
    pub subnet: Option<Ipv4Net>,
    /// The address of the bridge itself, where the user chose it.
    pub gateway: Option<Ipv4Addr>,
    /// The addresses that running containers have on it.
    pub taken: Vec<Ipv4Addr>,
    /// Its labels.
    pub labels: Labels,
}

/// The place of a cluster on the network called `name`. `refused` are addresses that the engine did not grant.
///
/// # Errors
/// [`ErrorKind::Usage`] when there is no such network or it cannot carry a cluster, [`ErrorKind::Subnet`] when it
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
    let make =
        || format!("Make one with `docker network create --subnet 10.88.0.0/24 {name}`, or name another.");
    let Some(network) = network else {
        return cannot("does not exist", make());
    };
    let another = || {
        "Name a bridge network of your own with --network, or leave the flag out and rcup makes one."
            .to_owned()
    };
    if let Some(owner) = network.labels.get(labels::CLUSTER) {
        return cannot(&format!("belongs to cluster {owner}"), another());
    }
    if network.driver != "bridge" {
        return cannot(
            &format!(
                "is of kind {}, and ports are published on bridges alone",
                network.driver
            ),
            another(),
        );
    }
    if network.internal {
        return cannot(
            "is internal, and nothing on it can be published on this host",
            another(),
        );
    }
    if network.isolated {
        return cannot("does not let its containers speak with each other", another());
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

/// The addresses of all nodes, those that are down included.
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
                "network app is of kind macvlan, and ports are published on bridges alone",
            ),
            (
                with(|network| network.internal = true),
                "network app is internal, and nothing on it can be published on this host",
            ),
            (
                with(|network| network.isolated = true),
                "network app does not let its containers speak with each other",
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
