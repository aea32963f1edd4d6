//! The nodes of a cluster: names, roles, shards, slots, ids, addresses.

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

/// How many addresses are tried for a container beside the nodes.
const GUESTS: usize = 8;

/// The identity of a node in the cluster: 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub String);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a node is. In Redis's own commands a replica is also called a slave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns slots.
    Master,
    /// Copies a master.
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

/// How the nodes announce themselves to clients, once it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Announce {
    /// By the address on the bridge network.
    Ip,
    /// As the host name `127.0.0.1`, which servers from Redis 7.0 on accept literally.
    Hostname,
    /// As `127.0.0.1` for clients alone (Valkey 8.0 and later).
    ClientIpv4,
}

impl Announce {
    /// Decides. `bridge_reachable` is whether this host has a way to the bridge's addresses.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the user asked for what one of the servers cannot do.
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

    /// The lower-case name, as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Hostname => "hostname",
            Self::ClientIpv4 => "client-ipv4",
        }
    }
}

/// How the cluster is formed, once it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Formation {
    /// Every node boots with a `nodes.conf` in which the future masters are replicas; each is then
    /// promoted with `CLUSTER FAILOVER TAKEOVER`. A replica's view of the cluster is `ok` on its first
    /// tick, while a master that boots outside a cluster waits two seconds before it serves.
    Seeded,
    /// The nodes boot empty and are joined by commands.
    Commands,
}

impl Formation {
    /// Decides by what is proven for all servers. `shards` has those of each shard, its master's first.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the user insists on a way that is not proven for one of them.
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

/// Why the roles of a shard cannot be swapped for a moment, in which all others would copy the first replica.
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

/// The image that was found, and the server in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its name, as the user or rcup chose it.
    pub reference: String,
    /// What runs inside.
    pub server: Server,
    /// The directories that the image declares as volumes.
    pub volumes: Vec<String>,
}

/// A network that is not the cluster's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The address of the bridge itself.
    pub gateway: Ipv4Addr,
    /// The nodes' addresses, in the order of their indices.
    pub addresses: Vec<Ipv4Addr>,
}

/// What the surroundings give to a new cluster. The serialized form is kept as a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The image.
    pub image: Image,
    /// The images of the nodes that have one of their own, by their indices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<usize, Image>,
    /// The network's subnet.
    pub subnet: Ipv4Net,
    /// What is to be known of a network that the user named; `None` where the cluster has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// The first node's port.
    pub first_port: u16,
    /// Whether this host reaches the bridge's addresses.
    pub bridge_reachable: bool,
    /// The limit of open files for each node; `None` leaves it to the engine.
    pub open_files: Option<u64>,
    /// Whether the engine grants nodes kernel settings of their own.
    #[serde(default)]
    pub own_sysctls: bool,
    /// Whether each data volume is mounted at `/rcup`, so that a node's files are in its directory `N` there. Podman
    /// changes neither owner nor mode of a volume's root directory, so a server could not write to it. Labels of
    /// older clusters lack the field: their volumes are mounted at `/rcup/N`.
    #[serde(default)]
    pub volumes_at_home: bool,
    /// The machine that the nodes share.
    #[serde(default)]
    pub machine: Machine,
    /// Randomness, from which the run's and the nodes' identities follow.
    pub seed: [u8; 16],
}

impl Surroundings {
    /// The address of node `index` (1-based).
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

/// One node of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number, from 1: masters first, then the first replica of every master, then the second ones.
    pub index: usize,
    /// Its container's name.
    pub name: String,
    /// Its id in the cluster.
    pub id: NodeId,
    /// Its role once the cluster is formed.
    pub role: Role,
    /// Its shard, from 1, which is also its master's index.
    pub shard: usize,
    /// Its address on the bridge network.
    pub ip: Ipv4Addr,
    /// Its client port: inside the container, published, and announced.
    pub port: u16,
    /// The address of the engine's machine on which the port is published.
    pub published: Ipv4Addr,
}

impl Node {
    /// Its client address on the bridge network.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.port)
    }

    /// Its published address.
    pub fn host_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.published, self.port)
    }

    /// The port of the cluster bus.
    pub fn bus_port(&self) -> u16 {
        self.port.saturating_add(BUS_OFFSET)
    }
}

/// A master, its slots and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: usize,
    /// The id that servers from 7.2 on give to a shard.
    pub id: NodeId,
    /// The slots.
    pub slots: SlotRange,
    /// The master's index.
    pub master: usize,
    /// The replicas' indices.
    pub replicas: Vec<usize>,
}

/// Where everything goes. A pure function of the specification and the surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// What was asked for.
    pub spec: ClusterSpec,
    /// What it was given.
    pub surroundings: Surroundings,
    /// How nodes announce themselves.
    pub announce: Announce,
    /// How the cluster is formed.
    pub formation: Formation,
    /// The run's identity, a label on everything it makes.
    pub run: String,
    /// When the cluster may be removed without asking.
    pub life: Life,
    /// The nodes in the order of their indices.
    pub nodes: Vec<Node>,
    /// The shards in the order of their numbers.
    pub shards: Vec<Shard>,
}

impl Topology {
    /// Lays the cluster out.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when a server cannot announce or be formed as asked.
    pub fn new(spec: &ClusterSpec, surroundings: &Surroundings) -> Result<Self, Error> {
        let servers = surroundings.shards(spec);
        let masters = spec.masters();
        let id = |kind: &str, number: usize| identity(&surroundings.seed, kind, number);
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
                ip: surroundings.address(index),
                published: spec.published(),
                port: surroundings
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
            surroundings: surroundings.clone(),
            announce: Announce::decide(
                spec.announce(),
                &servers.concat(),
                // Who asks for ports elsewhere has clients that do not reach the bridge.
                surroundings.bridge_reachable && spec.publish().is_none(),
            )?,
            formation: Formation::decide(spec.formation(), &servers)?,
            run: id("run", 0)[..12].to_owned(),
            life: Life::default(),
            nodes,
            shards,
        })
    }

    /// The same with another length of life.
    #[must_use]
    pub fn with_life(mut self, life: Life) -> Self {
        self.life = life;
        self
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        self.spec.name()
    }

    /// The network's name.
    pub fn network(&self) -> String {
        self.spec
            .network()
            .map_or_else(|| self.name().network(), ToOwned::to_owned)
    }

    /// The network's gateway.
    pub fn gateway(&self) -> Ipv4Addr {
        match &self.surroundings.shared {
            Some(shared) => shared.gateway,
            None => gateway(self.surroundings.subnet),
        }
    }

    /// Addresses of the network that no node has, from the last on, for who joins it beside them.
    pub fn guests(&self) -> Vec<Ipv4Addr> {
        let taken = |address: &Ipv4Addr| self.nodes.iter().any(|node| node.ip == *address);
        self.surroundings
            .subnet
            .hosts()
            .rev()
            .filter(|address| *address != self.gateway() && !taken(address))
            .take(GUESTS)
            .collect()
    }

    /// The node with this index.
    pub fn node(&self, index: usize) -> Option<&Node> {
        index.checked_sub(1).and_then(|at| self.nodes.get(at))
    }

    /// The shard of a node.
    pub fn shard_of(&self, node: &Node) -> &Shard {
        &self.shards[node.shard - 1]
    }

    /// The master's node of a shard.
    pub fn master_of(&self, shard: &Shard) -> &Node {
        &self.nodes[shard.master - 1]
    }

    /// The masters, in order.
    pub fn masters(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().take(self.shards.len())
    }

    /// The replicas, in order.
    pub fn replicas(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().skip(self.shards.len())
    }
}

/// 40 hexadecimal digits that follow from the seed alone, so that a plan can be compared and printed.
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
    use crate::spec::node_override::NodeWish;
    use crate::spec::selector::Selector;
    use crate::spec::server::{Engine, Version};

    /// Surroundings for tests: a given server, nothing random.
    pub(crate) fn surroundings(engine: Engine, version: &str) -> Surroundings {
        Surroundings {
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

    /// A cluster in which some nodes, by their indices, have another server than the others.
    pub(crate) fn mixed(
        masters: usize,
        replicas: usize,
        (engine, version): (Engine, &str),
        own: &[(usize, Engine, &str)],
    ) -> (ClusterSpec, Surroundings) {
        let mut place = surroundings(engine, version);
        let mut spec = ClusterSpec::builder().masters(masters).replicas(replicas);
        for (index, engine, version) in own {
            let reference = format!("own/{}:{version}", engine.as_str());
            spec = spec.node(
                Selector::Node(*index),
                NodeWish::default().with_image(&*reference),
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
        Topology::new(&spec, &surroundings(engine, version)).unwrap()
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
        topology.surroundings.subnet = "10.213.0.0/28".parse().unwrap();
        let guests: Vec<String> = topology.guests().iter().map(ToString::to_string).collect();
        assert_eq!(guests.first().map(String::as_str), Some("10.213.0.14"));
        assert_eq!(guests.last().map(String::as_str), Some("10.213.0.8"));
        topology.surroundings.subnet = "10.213.0.0/29".parse().unwrap();
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
