//! What is on the engine, as far as rcup cares.

use ipnet::Ipv4Net;

use super::labels::{self, Labels};
use crate::spec::ClusterName;
use crate::topology::{TakenPort, TakenSubnet};

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSeen {
    /// The engine's id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
    /// Its labels.
    pub labels: Labels,
}

/// What a container is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// It was made and has never run.
    #[default]
    Created,
    /// It runs.
    Running,
    /// It runs, but is held.
    Paused,
    /// It ended and is being started again.
    Restarting,
    /// It has ended.
    Exited,
    /// Something else, in the engine's words.
    Other(String),
}

impl Activity {
    /// The word for a person and for JSON.
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
    /// The engine's id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// What it is doing.
    pub activity: Activity,
    /// Its labels.
    pub labels: Labels,
    /// The ports of this host that it publishes.
    pub ports: Vec<u16>,
}

impl ContainerSeen {
    /// The node index it was made for.
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

/// Everything that was seen on the engine at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// All networks.
    pub networks: Vec<NetworkSeen>,
    /// All containers, stopped ones included.
    pub containers: Vec<ContainerSeen>,
    /// The volumes that carry rcup's label.
    pub volumes: Vec<VolumeSeen>,
}

impl Observed {
    /// Only what belongs to one cluster.
    #[must_use]
    pub fn of(&self, name: &ClusterName) -> Self {
        let ours = |labels: &Labels| {
            labels
                .get(labels::CLUSTER)
                .is_some_and(|value| value == name.as_str())
        };
        self.only(ours)
    }

    /// Only what one run made.
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
        }
    }

    /// The indices of the nodes whose containers run.
    pub fn running(&self) -> Vec<usize> {
        let running = |container: &&ContainerSeen| container.activity == Activity::Running;
        self.containers
            .iter()
            .filter(running)
            .filter_map(ContainerSeen::index)
            .collect()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.containers.is_empty() && self.volumes.is_empty()
    }

    /// The names of all clusters of rcup, in order.
    pub fn clusters(&self) -> Vec<ClusterName> {
        let mut names: Vec<ClusterName> = self
            .all_labels()
            .filter_map(|labels| labels.get(labels::CLUSTER)?.parse().ok())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// The labels of all objects.
    pub fn all_labels(&self) -> impl Iterator<Item = &Labels> {
        let networks = self.networks.iter().map(|network| &network.labels);
        let containers = self.containers.iter().map(|container| &container.labels);
        containers
            .chain(networks)
            .chain(self.volumes.iter().map(|volume| &volume.labels))
    }

    /// The address ranges that networks hold.
    pub fn taken_subnets(&self) -> Vec<TakenSubnet> {
        self.networks
            .iter()
            .flat_map(|network| {
                let by = format!("network {}", network.name);
                network.subnets.iter().map(move |subnet| TakenSubnet {
                    subnet: *subnet,
                    by: by.clone(),
                })
            })
            .collect()
    }

    /// The ports that containers publish, and those that other clusters have claimed: a cluster in the
    /// making has its network, whose labels name its ports, before it has containers that publish them.
    pub fn taken_ports(&self) -> Vec<TakenPort> {
        let published = self.containers.iter().flat_map(|container| {
            let by = format!("container {}", container.name);
            container.ports.iter().map(move |port| TakenPort {
                port: *port,
                by: by.clone(),
            })
        });
        let claimed = self.networks.iter().filter_map(|network| {
            let topology = labels::topology(&network.labels).ok()?;
            let by = format!("cluster {}", topology.name());
            Some(
                topology
                    .nodes
                    .iter()
                    .map(|node| TakenPort {
                        port: node.port,
                        by: by.clone(),
                    })
                    .collect::<Vec<_>>(),
            )
        });
        published.chain(claimed.flatten()).collect()
    }
}
