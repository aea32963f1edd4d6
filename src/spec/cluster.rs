//! The specification of a cluster: its shape, its image, its settings.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{ClusterName, Directive, Engine};
use crate::error::{Error, ErrorKind, Result};

/// The most nodes in a cluster, which the Redis Cluster specification gives as its design goal:
/// "high performance and linear scalability up to 1000 nodes".
pub const MOST_NODES: usize = 1000;

/// Where a subnet's first three addresses go: the network itself, the gateway, and the broadcast at its end.
pub const SUBNET_OVERHEAD: usize = 3;

/// The distance from a client port to its bus port, which Redis fixes.
pub const BUS_OFFSET: u16 = 10_000;

/// When to pull an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// When the engine does not have it.
    #[default]
    Missing,
    /// Before every start.
    Always,
    /// Never: what is not there is an error.
    Never,
}

/// Under which address the nodes tell clients to find them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnounceChoice {
    /// The bridge address where this host can reach it, else what the server offers for the published port.
    #[default]
    Auto,
    /// The address on the bridge network.
    Ip,
    /// `127.0.0.1` as an announced host name.
    Hostname,
    /// `127.0.0.1` for clients alone (Valkey 8.0 and later).
    ClientIpv4,
}

/// By which way the nodes become a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormationChoice {
    /// The fast way where it is proven for the server, the plain commands elsewhere.
    #[default]
    Auto,
    /// A `nodes.conf` written before the start.
    Seeded,
    /// `ADDSLOTSRANGE`, `SET-CONFIG-EPOCH`, `MEET` and `REPLICATE`.
    Commands,
}

/// What a cluster shall be. Valid by construction: make one with [`ClusterSpec::builder`].
///
/// The serialized form is kept as a label on the cluster's objects, so it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    name: ClusterName,
    masters: usize,
    replicas: usize,
    engine: Engine,
    image: Option<String>,
    #[serde(default, skip_serializing)]
    pull: Pull,
    subnet: Option<Ipv4Net>,
    port: Option<u16>,
    #[serde(default)]
    announce: AnnounceChoice,
    #[serde(default)]
    formation: FormationChoice,
    directives: Vec<Directive>,
    node_timeout_ms: u64,
}

impl ClusterSpec {
    /// A builder with the defaults: 3 masters with 1 replica each, node timeout 5 s.
    pub fn builder() -> ClusterSpecBuilder {
        ClusterSpecBuilder::default()
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// How many masters.
    pub fn masters(&self) -> usize {
        self.masters
    }

    /// How many replicas each master has.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// How many nodes in all.
    pub fn nodes(&self) -> usize {
        self.masters * (self.replicas + 1)
    }

    /// The server that is wanted where no image is named.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The image the user named.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// When to pull it.
    pub fn pull(&self) -> Pull {
        self.pull
    }

    /// The subnet the user named.
    pub fn subnet(&self) -> Option<Ipv4Net> {
        self.subnet
    }

    /// The first node's port, where the user named it.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// How the nodes announce themselves.
    pub fn announce(&self) -> AnnounceChoice {
        self.announce
    }

    /// How the cluster is formed.
    pub fn formation(&self) -> FormationChoice {
        self.formation
    }

    /// The directives the user set, in the order given.
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// `cluster-node-timeout`.
    pub fn node_timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms)
    }

    /// The same specification under another name.
    #[must_use]
    pub fn with_name(mut self, name: ClusterName) -> Self {
        self.name = name;
        self
    }
}

impl Default for ClusterSpec {
    fn default() -> Self {
        ClusterSpecBuilder::default().spec
    }
}

/// Collects a [`ClusterSpec`] and checks it as a whole.
#[derive(Clone, Debug)]
pub struct ClusterSpecBuilder {
    spec: ClusterSpec,
}

impl Default for ClusterSpecBuilder {
    fn default() -> Self {
        Self {
            spec: ClusterSpec {
                name: ClusterName::default(),
                masters: 3,
                replicas: 1,
                engine: Engine::default(),
                image: None,
                pull: Pull::default(),
                subnet: None,
                port: None,
                announce: AnnounceChoice::default(),
                formation: FormationChoice::default(),
                directives: Vec::new(),
                node_timeout_ms: 5000,
            },
        }
    }
}

impl ClusterSpecBuilder {
    /// The cluster's name (default `default`).
    #[must_use]
    pub fn name(mut self, name: ClusterName) -> Self {
        self.spec.name = name;
        self
    }

    /// The number of masters (default 3).
    #[must_use]
    pub fn masters(mut self, masters: usize) -> Self {
        self.spec.masters = masters;
        self
    }

    /// The number of replicas of each master (default 1).
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.spec.replicas = replicas;
        self
    }

    /// The server to run where no image is named (default Redis).
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.spec.engine = engine;
        self
    }

    /// The image to run.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.spec.image = Some(image.into());
        self
    }

    /// When to pull the image (default: when it is missing).
    #[must_use]
    pub fn pull(mut self, pull: Pull) -> Self {
        self.spec.pull = pull;
        self
    }

    /// The network's subnet (default: a free one).
    #[must_use]
    pub fn subnet(mut self, subnet: Ipv4Net) -> Self {
        self.spec.subnet = Some(subnet);
        self
    }

    /// The first node's port (default: the start of a free block).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.spec.port = Some(port);
        self
    }

    /// How the nodes announce themselves (default: measured).
    #[must_use]
    pub fn announce(mut self, announce: AnnounceChoice) -> Self {
        self.spec.announce = announce;
        self
    }

    /// How the cluster is formed (default: the fastest proven way).
    #[must_use]
    pub fn formation(mut self, formation: FormationChoice) -> Self {
        self.spec.formation = formation;
        self
    }

    /// Adds a directive to every node's `redis.conf`. A later one of the same name replaces an earlier one.
    #[must_use]
    pub fn set(mut self, directive: Directive) -> Self {
        self.spec
            .directives
            .retain(|existing| existing.name() != directive.name());
        self.spec.directives.push(directive);
        self
    }

    /// `cluster-node-timeout` (default 5 s).
    #[must_use]
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.spec.node_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Checks what was collected.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] names what cannot be and what could.
    pub fn build(self) -> Result<ClusterSpec> {
        let spec = self.spec;
        check_shape(&spec)?;
        check_subnet(&spec)?;
        check_ports(&spec)?;
        if spec.image.as_deref().is_some_and(|image| image.trim().is_empty()) {
            return Err(usage("the image's name is empty").hint("Name one, such as `--image redis:8`."));
        }
        // Redis accepts any positive number, but below this a busy host makes healthy nodes fail.
        if !(100..=3_600_000).contains(&spec.node_timeout_ms) {
            return Err(usage(format!(
                "a node timeout of {} ms is out of range",
                spec.node_timeout_ms
            ))
            .hint("Use 100ms to 1h; 5s is the default, 1s fails over faster and still holds."));
        }
        Ok(spec)
    }
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn check_shape(spec: &ClusterSpec) -> Result<()> {
    if spec.masters == 0 {
        return Err(usage("a cluster needs at least one master")
            .hint("Use --masters 3, the smallest number that can fail over."));
    }
    let nodes = spec
        .replicas
        .checked_add(1)
        .and_then(|per_shard| per_shard.checked_mul(spec.masters));
    match nodes {
        Some(nodes) if nodes <= MOST_NODES => Ok(()),
        _ => Err(usage(format!(
            "{} masters with {} replicas each are more than {MOST_NODES} nodes",
            spec.masters, spec.replicas
        ))
        .hint(format!(
            "Redis Cluster is designed for up to {MOST_NODES} nodes; ask for fewer masters or replicas."
        ))),
    }
}

fn check_subnet(spec: &ClusterSpec) -> Result<()> {
    let Some(subnet) = spec.subnet else {
        return Ok(());
    };
    if subnet.addr() != subnet.network() {
        return Err(
            usage(format!("{subnet} is an address inside a subnet, not a subnet"))
                .hint(format!("Use --subnet {}.", subnet.trunc())),
        );
    }
    if subnet.addr() == Ipv4Addr::UNSPECIFIED || subnet.addr().is_loopback() || subnet.addr().is_multicast() {
        return Err(usage(format!("{subnet} cannot be a container network"))
            .hint("Take a private range, such as --subnet 10.88.0.0/24."));
    }
    let room = room(subnet);
    if room < spec.nodes() {
        return Err(usage(format!(
            "{subnet} has room for {room} nodes, not for {}",
            spec.nodes()
        ))
        .hint(format!(
            "Use a prefix of /{} or shorter.",
            smallest_prefix(spec.nodes())
        )));
    }
    Ok(())
}

/// How many nodes fit into `subnet`.
pub fn room(subnet: Ipv4Net) -> usize {
    let addresses = 1_usize
        .checked_shl(u32::from(32 - subnet.prefix_len()))
        .unwrap_or(usize::MAX);
    addresses.saturating_sub(SUBNET_OVERHEAD)
}

/// The longest prefix whose subnet has room for `nodes` nodes.
pub fn smallest_prefix(nodes: usize) -> u8 {
    let addresses = (nodes + SUBNET_OVERHEAD).next_power_of_two();
    u8::try_from(32 - addresses.trailing_zeros().min(32)).unwrap_or(0)
}

fn check_ports(spec: &ClusterSpec) -> Result<()> {
    let Some(first) = spec.port else {
        return Ok(());
    };
    let highest = u16::MAX - BUS_OFFSET;
    let last = usize::from(first) + spec.nodes() - 1;
    if first == 0 || last > usize::from(highest) {
        return Err(usage(format!("ports {first} to {last} do not fit")).hint(format!(
            "The bus listens {BUS_OFFSET} ports higher, so the last node's port may be {highest} at most."
        )));
    }
    // The bus ports are the nodes' own affair, each in its own container, so they cannot clash with a
    // neighbour's client port: every node has its own address.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_three_masters_with_a_replica_each() {
        let spec = ClusterSpec::builder().build().unwrap();
        assert_eq!(spec, ClusterSpec::default());
        assert_eq!((spec.masters(), spec.replicas(), spec.nodes()), (3, 1, 6));
    }

    #[test]
    fn shapes_that_cannot_be_are_refused() {
        for (masters, replicas) in [(0, 1), (1001, 0), (501, 1), (2, usize::MAX), (usize::MAX, 3)] {
            let error = ClusterSpec::builder()
                .masters(masters)
                .replicas(replicas)
                .build()
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().is_some());
        }
        assert_eq!(
            ClusterSpec::builder()
                .masters(1000)
                .replicas(0)
                .build()
                .unwrap()
                .nodes(),
            1000
        );
    }

    #[test]
    fn a_subnet_must_be_one_and_have_room() {
        let with = |text: &str| ClusterSpec::builder().subnet(text.parse().unwrap()).build();
        assert!(with("10.88.0.0/28").is_ok());
        assert!(
            with("10.88.0.0/29")
                .unwrap_err()
                .to_string()
                .contains("room for 5 nodes")
        );
        assert_eq!(
            with("10.88.0.7/24").unwrap_err().hint_text(),
            Some("Use --subnet 10.88.0.0/24.")
        );
        assert!(with("127.0.0.0/24").is_err());
    }

    #[test]
    fn the_smallest_prefix_has_room_and_the_next_has_not() {
        for nodes in [1, 5, 6, 13, 14, 60, 61, 62, 1000] {
            let prefix = smallest_prefix(nodes);
            let subnet = |prefix| Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), prefix).unwrap();
            assert!(room(subnet(prefix)) >= nodes, "{nodes}");
            assert!(room(subnet(prefix + 1)) < nodes, "{nodes}");
        }
    }

    #[test]
    fn the_bus_port_must_exist() {
        let with = |port| ClusterSpec::builder().port(port).build();
        assert!(with(0).is_err());
        assert!(with(55_530).is_ok());
        assert!(with(55_531).is_err());
    }

    #[test]
    fn a_directive_set_twice_counts_once() {
        let spec = ClusterSpec::builder()
            .set("maxmemory=1mb".parse().unwrap())
            .set("maxmemory=2mb".parse().unwrap())
            .build()
            .unwrap();
        assert_eq!(spec.directives().len(), 1);
        assert_eq!(spec.directives()[0].value(), "2mb");
    }

    #[test]
    fn the_label_form_reads_back() {
        let spec = ClusterSpec::builder()
            .subnet("10.88.0.0/24".parse().unwrap())
            .set("maxmemory=1mb".parse().unwrap())
            .build()
            .unwrap();
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ClusterSpec>(&json).unwrap(), spec);
    }
}
