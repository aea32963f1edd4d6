//! The nodes of a cluster: names, roles, shards, slots, ids and addresses.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};
use crate::spec::cluster::{BUS_OFFSET, ClusterSpec};
use crate::spec::expiry::Life;
use crate::spec::modes::{AnnounceChoice, FormationChoice};
use crate::spec::name::ClusterName;
use crate::spec::server::Server;
use crate::topology::address::{gateway, node_address};
use crate::topology::hardware::Machine;
use crate::topology::slots::{SlotRange, split};

/// Number of addresses to try for a host container attached to the network.
const GUESTS: usize = 8;

/// The node id in the cluster: 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub String);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Role of a node. Some Redis commands call a replica a slave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns slots.
    Master,
    /// Replicates a master.
    Replica,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Replica => "replica",
        })
    }
}

/// The selected address that nodes advertise to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Announce {
    /// The address on the bridge network.
    Ip,
    /// `127.0.0.1` as an announced host name, which servers since Redis 7.0 accept literally.
    Hostname,
    /// `127.0.0.1` for clients only (Valkey 8.0 and later).
    ClientIpv4,
}

impl Announce {
    /// Selects the advertised address. `bridge_reachable` is whether this host can reach the bridge
    /// addresses.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if one of the servers does not support the requested option.
    pub fn decide(choice: AnnounceChoice, servers: &[Server], bridge_reachable: bool) -> Result<Self, Error> {
        let unable = servers.iter().find(|server| !server.announces_client_address());
        match choice {
            AnnounceChoice::Ip => Ok(Self::Ip),
            AnnounceChoice::Auto if bridge_reachable => Ok(Self::Ip),
            AnnounceChoice::ClientIpv4 | AnnounceChoice::Auto if unable.is_none() => Ok(Self::ClientIpv4),
            AnnounceChoice::Hostname | AnnounceChoice::Auto => Ok(Self::Hostname),
            AnnounceChoice::ClientIpv4 => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "{} has no cluster-announce-client-ipv4",
                    unable.map_or_else(String::new, ToString::to_string)
                ),
            )
            .hint("It came with Valkey 8.0. Use --announce hostname, or leave the flag out.")),
        }
    }

    /// Returns the lower-case name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Hostname => "hostname",
            Self::ClientIpv4 => "client-ipv4",
        }
    }
}

/// The selected method of formation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Formation {
    /// Every node boots with a `nodes.conf` in which the planned masters are replicas. Each is then promoted
    /// with `CLUSTER FAILOVER TAKEOVER`. On a replica, the cluster state is `ok` on the first cron tick,
    /// while a master that boots outside a cluster waits two seconds before it accepts commands.
    Seeded,
    /// The nodes boot without cluster state and are joined by commands.
    Commands,
}

impl Formation {
    /// Selects a method that is verified for all servers. `shards` contains the servers of each shard, the
    /// server of the master first.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the requested method is not verified for one of the servers, or if a shard's
    /// servers do not allow swapped roles.
    pub fn decide(choice: FormationChoice, shards: &[Vec<Server>]) -> Result<Self, Error> {
        let refusal = shards.iter().flatten().find(|server| !server.seeding_is_proven());
        let refusal = refusal
            .map(|server| format!("the seeded formation is not proven for {server}"))
            .or_else(|| shards.iter().find_map(|shard| unswappable(shard)));
        match (choice, refusal) {
            (FormationChoice::Auto | FormationChoice::Seeded, None) => Ok(Self::Seeded),
            (FormationChoice::Commands, _) | (FormationChoice::Auto, Some(_)) => Ok(Self::Commands),
            (FormationChoice::Seeded, Some(refusal)) => Err(Error::new(ErrorKind::Usage, refusal)
                .hint("Leave --formation out: the cluster is then formed by plain commands.")),
        }
    }
}

/// Returns why the roles of a shard cannot be swapped temporarily, if they cannot. While roles are swapped,
/// all other nodes of the shard replicate from the first replica.
fn unswappable(shard: &[Server]) -> Option<String> {
    let owner = shard.get(1)?;
    let unable = shard.iter().find(|server| !server.can_copy(*owner))?;
    Some(format!(
        "the seeded formation begins with the roles swapped, and {unable} cannot copy {owner}"
    ))
}

impl fmt::Display for Formation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seeded => "seeded",
            Self::Commands => "commands",
        })
    }
}

/// An image and the server in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The image reference, selected by the user or by rcup.
    pub reference: String,
    /// The server in the image.
    pub server: Server,
    /// The directories that the image declares as volumes.
    pub volumes: Vec<String>,
}

/// An existing network that the cluster uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The gateway address of the network.
    pub gateway: Ipv4Addr,
    /// The addresses of the nodes, in the order of their indices.
    pub addresses: Vec<Ipv4Addr>,
}

/// The environment of a new cluster: image, network, ports and host resources. The serialized form is stored
/// as a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The image.
    pub image: Image,
    /// The images of nodes with their own image, by node index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<usize, Image>,
    /// The subnet of the network.
    pub subnet: Ipv4Net,
    /// Data of the existing network that the user requested; `None` if the cluster has its own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// The port of the first node.
    pub first_port: u16,
    /// Whether this host can reach the bridge addresses.
    pub bridge_reachable: bool,
    /// The limit of open files of each node; `None` for the default of the container engine.
    pub open_files: Option<u64>,
    /// Whether the container engine can set sysctls for the nodes.
    #[serde(default)]
    pub own_sysctls: bool,
    /// Whether each data volume is mounted at `/rcup`, with the node's files in its directory `N`. Podman
    /// changes neither owner nor mode of a volume's root directory, so a server could not write to it. Labels
    /// of older clusters do not have this field: their volumes are mounted at `/rcup/N`.
    #[serde(default)]
    pub volumes_at_home: bool,
    /// The resources of the Docker host.
    #[serde(default)]
    pub machine: Machine,
    /// Random seed. The run id, the node ids and the shard ids are derived from it.
    pub seed: [u8; 16],
}

impl Placement {
    /// Returns the address of node `index` (1-based).
    fn address(&self, index: usize) -> Ipv4Addr {
        let shared = self
            .shared
            .as_ref()
            .and_then(|shared| shared.addresses.get(index - 1));
        shared
            .copied()
            .unwrap_or_else(|| node_address(self.subnet, index))
    }
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Number of the node, from 1: masters first, then the first replica of every master, then the second
    /// replicas.
    pub index: usize,
    /// Name of the container.
    pub name: String,
    /// Node id in the cluster.
    pub id: NodeId,
    /// Role after the cluster is formed.
    pub role: Role,
    /// Number of the shard, from 1, which is also the index of its master.
    pub shard: usize,
    /// IP address on the bridge network.
    pub ip: Ipv4Addr,
    /// Client port: inside the container, published, and announced.
    pub port: u16,
    /// Address of the Docker host on which the port is published.
    pub published: Ipv4Addr,
}

impl Node {
    /// Returns the client address on the bridge network.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.port)
    }

    /// Returns the published client address.
    pub fn host_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.published, self.port)
    }

    /// Returns the port of the cluster bus.
    pub fn bus_port(&self) -> u16 {
        self.port.saturating_add(BUS_OFFSET)
    }
}

/// A master, its slots and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the shard, from 1.
    pub number: usize,
    /// Shard id, which servers have since version 7.2.
    pub id: NodeId,
    /// Slots of the shard.
    pub slots: SlotRange,
    /// Index of the master.
    pub master: usize,
    /// Indices of the replicas.
    pub replicas: Vec<usize>,
}

/// The layout of a cluster. A pure function of the specification and the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The specification.
    pub spec: ClusterSpec,
    /// The environment of the cluster.
    pub placement: Placement,
    /// The address that nodes advertise to clients.
    pub announce: Announce,
    /// How the cluster is formed.
    pub formation: Formation,
    /// Run id, a label on every object of the cluster.
    pub run: String,
    /// When the cluster may be removed automatically.
    pub life: Life,
    /// The nodes in the order of their indices.
    pub nodes: Vec<Node>,
    /// The shards in the order of their numbers.
    pub shards: Vec<Shard>,
}

impl Topology {
    /// Creates the layout of a cluster.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if a server does not support the requested advertised address or formation.
    pub fn new(spec: &ClusterSpec, placement: &Placement) -> Result<Self, Error> {
        let servers = placement.shards(spec);
        let masters = spec.masters();
        let id = |kind: &str, number: usize| identity(&placement.seed, kind, number);
        let nodes: Vec<Node> = (1..=spec.nodes())
            .map(|index| Node {
                index,
                name: spec.name().container(index),
                id: NodeId(id("node", index)),
                role: if index <= masters {
                    Role::Master
                } else {
                    Role::Replica
                },
                shard: (index - 1) % masters + 1,
                ip: placement.address(index),
                published: spec.published(),
                port: placement
                    .first_port
                    .saturating_add(u16::try_from(index - 1).unwrap_or(u16::MAX)),
            })
            .collect();
        let shards = split(masters)
            .into_iter()
            .zip(1..)
            .map(|(slots, number)| Shard {
                number,
                id: NodeId(id("shard", number)),
                slots,
                master: number,
                replicas: (1..=spec.replicas()).map(|nth| nth * masters + number).collect(),
            })
            .collect();
        Ok(Self {
            spec: spec.clone(),
            placement: placement.clone(),
            announce: Announce::decide(
                spec.announce(),
                &servers.concat(),
                // With a requested publish address, there are clients that cannot reach the bridge.
                placement.bridge_reachable && spec.publish().is_none(),
            )?,
            formation: Formation::decide(spec.formation(), &servers)?,
            run: id("run", 0)[..12].to_owned(),
            life: Life::default(),
            nodes,
            shards,
        })
    }

    /// Returns the topology with another expiry.
    #[must_use]
    pub fn with_life(mut self, life: Life) -> Self {
        self.life = life;
        self
    }

    /// Returns the name of the cluster.
    pub fn name(&self) -> &ClusterName {
        self.spec.name()
    }

    /// Returns the name of the network.
    pub fn network(&self) -> String {
        self.spec
            .network()
            .map_or_else(|| self.name().network(), ToOwned::to_owned)
    }

    /// Returns the gateway of the network.
    pub fn gateway(&self) -> Ipv4Addr {
        match &self.placement.shared {
            Some(shared) => shared.gateway,
            None => gateway(self.placement.subnet),
        }
    }

    /// Returns addresses of the network that no node has, the last ones first, for host containers attached
    /// to the network.
    pub fn guests(&self) -> Vec<Ipv4Addr> {
        let taken = |address: &Ipv4Addr| self.nodes.iter().any(|node| node.ip == *address);
        self.placement
            .subnet
            .hosts()
            .rev()
            .filter(|address| *address != self.gateway() && !taken(address))
            .take(GUESTS)
            .collect()
    }

    /// Returns the node with this index.
    pub fn node(&self, index: usize) -> Option<&Node> {
        index.checked_sub(1).and_then(|at| self.nodes.get(at))
    }

    /// Returns the shard of a node.
    pub fn shard_of(&self, node: &Node) -> &Shard {
        &self.shards[node.shard - 1]
    }

    /// Returns the master of a shard.
    pub fn master_of(&self, shard: &Shard) -> &Node {
        &self.nodes[shard.master - 1]
    }

    /// Returns the masters, in the order of their indices.
    pub fn masters(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().take(self.shards.len())
    }

    /// Returns the replicas, in the order of their indices.
    pub fn replicas(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().skip(self.shards.len())
    }
}

/// Returns 40 hexadecimal digits that depend only on the arguments, so that plans can be compared and
/// printed.
fn identity(seed: &[u8], kind: &str, number: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(seed);
    hash.update(kind.as_bytes());
    hash.update(number.to_be_bytes());
    hash.finalize()
        .iter()
        .take(20)
        .fold(String::with_capacity(40), |mut text, byte| {
            use fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::node_override::NodeOverride;
    use crate::spec::selector::Selector;
    use crate::spec::server::{Engine, Version};

    /// Returns an environment for tests, with a given server and a fixed seed.
    pub(crate) fn placement(engine: Engine, version: &str) -> Placement {
        Placement {
            image: Image {
                reference: "test:1".to_owned(),
                server: Server::new(engine, version.parse::<Version>().unwrap()),
                volumes: Vec::new(),
            },
            images: BTreeMap::new(),
            subnet: "10.213.0.0/26".parse().unwrap(),
            shared: None,
            first_port: 7001,
            bridge_reachable: true,
            open_files: Some(65_536),
            own_sysctls: true,
            volumes_at_home: true,
            machine: Machine::default(),
            seed: [7; 16],
        }
    }

    /// Returns a cluster in which some nodes, given by index, have a different server.
    pub(crate) fn mixed(
        masters: usize,
        replicas: usize,
        (engine, version): (Engine, &str),
        own: &[(usize, Engine, &str)],
    ) -> (ClusterSpec, Placement) {
        let mut place = placement(engine, version);
        let mut spec = ClusterSpec::builder().masters(masters).replicas(replicas);
        for (index, engine, version) in own {
            let reference = format!("own/{}:{version}", engine.as_str());
            spec = spec.node(
                Selector::Node(*index),
                NodeOverride::default().with_image(&*reference),
            );
            let image = Image {
                reference,
                server: Server::new(*engine, version.parse().unwrap()),
                volumes: Vec::new(),
            };
            place.images.insert(*index, image);
        }
        (spec.build().unwrap(), place)
    }

    pub(crate) fn topology(masters: usize, replicas: usize, engine: Engine, version: &str) -> Topology {
        let spec = ClusterSpec::builder()
            .masters(masters)
            .replicas(replicas)
            .build()
            .unwrap();
        Topology::new(&spec, &placement(engine, version)).unwrap()
    }

    #[test]
    fn masters_come_first_and_replicas_follow_in_rounds() {
        let topology = topology(3, 2, Engine::Redis, "7.0.15");
        let roles: Vec<(usize, Role, usize)> = topology
            .nodes
            .iter()
            .map(|node| (node.index, node.role, node.shard))
            .collect();
        assert_eq!(roles[0], (1, Role::Master, 1));
        assert_eq!(roles[3], (4, Role::Replica, 1));
        assert_eq!(roles[8], (9, Role::Replica, 3));
        assert_eq!(topology.shards[1].replicas, [5, 8]);
        assert_eq!(topology.nodes[4].address().to_string(), "10.213.0.6:7005");
        assert_eq!(topology.nodes[4].name, "rcup-default-5");
        assert_eq!(topology.nodes[4].bus_port(), 17005);
    }

    #[test]
    fn guests_come_from_the_end_and_take_no_nodes_address() {
        let mut topology = topology(3, 1, Engine::Redis, "8.0.2");
        assert_eq!(topology.guests().len(), GUESTS);
        assert_eq!(topology.guests()[0].to_string(), "10.213.0.62");
        topology.placement.subnet = "10.213.0.0/28".parse().unwrap();
        let guests: Vec<String> = topology.guests().iter().map(ToString::to_string).collect();
        assert_eq!(guests.first().map(String::as_str), Some("10.213.0.14"));
        assert_eq!(guests.last().map(String::as_str), Some("10.213.0.8"));
        topology.placement.subnet = "10.213.0.0/29".parse().unwrap();
        assert!(topology.guests().is_empty(), "the last node has the last address");
    }

    #[test]
    fn ids_are_distinct_and_follow_from_the_seed() {
        let one = topology(30, 1, Engine::Redis, "8.0.2");
        let ids: BTreeSet<&NodeId> = one
            .nodes
            .iter()
            .map(|node| &node.id)
            .chain(one.shards.iter().map(|shard| &shard.id))
            .collect();
        assert_eq!(ids.len(), 90);
        assert!(
            ids.iter()
                .all(|id| id.0.len() == 40 && id.0.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
        );
        assert_eq!(one, topology(30, 1, Engine::Redis, "8.0.2"));
    }

    #[test]
    fn the_announcement_follows_the_reach_and_the_server() {
        let redis = Server::new(Engine::Redis, Version::new(7, 0, 15));
        let valkey = Server::new(Engine::Valkey, Version::new(8, 1, 1));
        let auto = |server, reachable| Announce::decide(AnnounceChoice::Auto, &[server], reachable).unwrap();
        assert_eq!(auto(redis, true), Announce::Ip);
        assert_eq!(auto(redis, false), Announce::Hostname);
        assert_eq!(auto(valkey, false), Announce::ClientIpv4);
        assert!(Announce::decide(AnnounceChoice::ClientIpv4, &[redis], true).is_err());
    }

    #[test]
    fn an_unproven_server_is_formed_by_commands() {
        let future = Server::new(Engine::Redis, Version::new(9, 0, 0));
        assert_eq!(
            Formation::decide(FormationChoice::Auto, &[vec![future]]).unwrap(),
            Formation::Commands
        );
        assert!(Formation::decide(FormationChoice::Seeded, &[vec![future]]).is_err());
    }
}
