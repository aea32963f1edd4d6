//! Observed objects of the container engine.

use ipnet::Ipv4Net;

use crate::runtime::labels;
use crate::runtime::labels::Labels;
use crate::spec::name::ClusterName;
use crate::topology::address::{TakenPort, TakenSubnet};
use crate::topology::layout::Topology;

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSeen {
    /// Its id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
    /// Its labels.
    pub labels: Labels,
}

/// The activity of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Created, never started.
    #[default]
    Created,
    /// Running.
    Running,
    /// Paused.
    Paused,
    /// It ended and is being started again.
    Restarting,
    /// Exited.
    Exited,
    /// Another state, as reported.
    Other(String),
}

impl Activity {
    /// Returns the name in messages and JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Other(word) => word,
        }
    }
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Its id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Its activity.
    pub activity: Activity,
    /// Its labels.
    pub labels: Labels,
    /// The ports of this host that it publishes.
    pub ports: Vec<u16>,
}

impl ContainerSeen {
    /// Returns its node index.
    pub fn index(&self) -> Option<usize> {
        self.labels.get(labels::NODE)?.parse().ok()
    }
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSeen {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// One observation of the container engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// All networks.
    pub networks: Vec<NetworkSeen>,
    /// All containers, including stopped ones.
    pub containers: Vec<ContainerSeen>,
    /// The volumes with rcup's label.
    pub volumes: Vec<VolumeSeen>,
    /// Probe containers, which are not nodes.
    pub probes: Vec<ContainerSeen>,
}

impl Observed {
    /// Returns the objects of one cluster.
    #[must_use]
    pub fn of(&self, name: &ClusterName) -> Self {
        let ours = |labels: &Labels| {
            labels
                .get(labels::CLUSTER)
                .is_some_and(|value| value == name.as_str())
        };
        self.only(ours)
    }

    /// Returns all objects except the containers, networks and probes of one cluster. Its volumes are included.
    #[must_use]
    pub fn without_containers_of(&self, name: &ClusterName) -> Self {
        let other = |labels: &Labels| {
            labels
                .get(labels::CLUSTER)
                .is_none_or(|value| value != name.as_str())
        };
        Self {
            volumes: self.volumes.clone(),
            ..self.only(other)
        }
    }

    /// Returns the objects of one run.
    #[must_use]
    pub fn of_run(&self, run: &str) -> Self {
        self.only(|labels| labels.get(labels::RUN).is_some_and(|value| value == run))
    }

    fn only(&self, keep: impl Fn(&Labels) -> bool) -> Self {
        Self {
            networks: self
                .networks
                .iter()
                .filter(|network| keep(&network.labels))
                .cloned()
                .collect(),
            containers: self
                .containers
                .iter()
                .filter(|container| keep(&container.labels))
                .cloned()
                .collect(),
            volumes: self
                .volumes
                .iter()
                .filter(|volume| keep(&volume.labels))
                .cloned()
                .collect(),
            probes: self
                .probes
                .iter()
                .filter(|probe| keep(&probe.labels))
                .cloned()
                .collect(),
        }
    }

    /// Returns the indices of running nodes.
    pub fn running(&self) -> Vec<usize> {
        let running = |container: &&ContainerSeen| container.activity == Activity::Running;
        self.containers
            .iter()
            .filter(running)
            .filter_map(ContainerSeen::index)
            .collect()
    }

    /// Returns whether there are data volumes.
    pub fn has_data(&self) -> bool {
        self.volumes
            .iter()
            .any(|volume| volume.labels.contains_key(labels::NODE))
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.containers.is_empty()
            && self.volumes.is_empty()
            && self.probes.is_empty()
    }

    /// Returns the names of all clusters of rcup, in order.
    pub fn clusters(&self) -> Vec<ClusterName> {
        let mut names: Vec<ClusterName> = self
            .all_labels()
            .filter_map(|labels| labels.get(labels::CLUSTER)?.parse().ok())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns the labels of all cluster objects, without probes.
    pub fn all_labels(&self) -> impl Iterator<Item = &Labels> {
        let networks = self.networks.iter().map(|network| &network.labels);
        let containers = self.containers.iter().map(|container| &container.labels);
        containers
            .chain(networks)
            .chain(self.volumes.iter().map(|volume| &volume.labels))
    }

    /// Returns the clusters of which only data volumes exist. Their nodes know each other by address, so the
    /// addresses stay reserved.
    fn asleep(&self) -> Vec<Topology> {
        let first = |volume: &&VolumeSeen| volume.labels.get(labels::NODE).is_some_and(|node| node == "1");
        self.volumes
            .iter()
            .filter(first)
            .filter_map(|volume| labels::topology(&volume.labels).ok())
            .collect()
    }

    /// Returns the clusters on the user's networks, which have no rcup labels.
    fn guests(&self) -> impl Iterator<Item = Topology> {
        let first = |container: &&ContainerSeen| container.index() == Some(1);
        self.containers
            .iter()
            .filter(first)
            .filter_map(|container| labels::topology(&container.labels).ok())
            .filter(|topology| topology.placement.shared.is_some())
    }

    /// Returns the subnets of networks, and those reserved for data volumes without a network.
    pub fn taken_subnets(&self) -> Vec<TakenSubnet> {
        let own = |topology: &Topology| topology.placement.shared.is_none();
        let asleep = self.asleep().into_iter().filter(own).map(|topology| TakenSubnet {
            subnet: topology.placement.subnet,
            by: format!("the data of cluster {}", topology.name()),
        });
        self.networks
            .iter()
            .flat_map(|network| {
                let by = format!("network {}", network.name);
                network.subnets.iter().map(move |subnet| TakenSubnet {
                    subnet: *subnet,
                    by: by.clone(),
                })
            })
            .chain(asleep)
            .collect()
    }

    /// Returns the ports that containers publish, and those that other clusters have reserved: the network of a
    /// cluster, whose labels contain its ports, is created before its containers publish them.
    pub fn taken_ports(&self) -> Vec<TakenPort> {
        let published = self.containers.iter().flat_map(|container| {
            let by = format!("container {}", container.name);
            container.ports.iter().map(move |port| TakenPort {
                port: *port,
                by: by.clone(),
            })
        });
        let networks = self.networks.iter();
        let awake = networks.filter_map(|network| labels::topology(&network.labels).ok());
        let claimed = awake.chain(self.guests()).chain(self.asleep()).map(|topology| {
            let by = format!("cluster {}", topology.name());
            topology
                .nodes
                .iter()
                .map(|node| TakenPort {
                    port: node.port,
                    by: by.clone(),
                })
                .collect::<Vec<_>>()
        });
        published.chain(claimed.flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::request::volumes;
    use crate::spec::cluster::ClusterSpec;

    #[test]
    fn data_without_a_network_keeps_its_addresses() {
        let spec = ClusterSpec::builder().persist(true).build().unwrap();
        let place = crate::topology::layout::tests::placement(crate::spec::server::Engine::Redis, "8.0.2");
        let topology = Topology::new(&spec, &place).unwrap();
        let observed = Observed {
            volumes: volumes(&topology)
                .into_iter()
                .map(|(volume, _)| VolumeSeen {
                    name: volume.name,
                    labels: volume.labels,
                })
                .collect(),
            ..Observed::default()
        };
        let subnets = observed.taken_subnets();
        assert_eq!(subnets.len(), 1);
        assert_eq!(subnets[0].subnet, place.subnet);
        let ports: Vec<u16> = observed
            .taken_ports()
            .into_iter()
            .map(|taken| taken.port)
            .collect();
        assert_eq!(ports, [7001, 7002, 7003, 7004, 7005, 7006]);
        assert_eq!(subnets[0].by, "the data of cluster default");
    }
}
