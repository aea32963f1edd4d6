//! The specification of a cluster: its shape, its image, its settings.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::spec::directive::Directive;
use crate::spec::modes::{AnnounceChoice, FormationChoice, Pull};
use crate::spec::name::ClusterName;
use crate::spec::node_override::NodeWish;
use crate::spec::profile::Profile;
use crate::spec::security::{Certificates, Password};
use crate::spec::selector::Selector;
use crate::spec::server::{Engine, Server, VersionWish};
use crate::spec::user::User;
use crate::spec::{limits, node_override};

/// The most nodes in a cluster, which the Redis Cluster specification gives as its design goal:
/// "high performance and linear scalability up to 1000 nodes".
pub const MOST_NODES: usize = 1000;

/// Where a subnet's first three addresses go: the network itself, the gateway, and the broadcast at its end.
pub const SUBNET_OVERHEAD: usize = 3;

/// The distance from a client port to its bus port, which Redis fixes.
pub const BUS_OFFSET: u16 = 10_000;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publish: Option<Ipv4Addr>,
    #[serde(default)]
    announce: AnnounceChoice,
    #[serde(default)]
    formation: FormationChoice,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    persist: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engine_version: Option<VersionWish>,
    directives: Vec<Directive>,
    node_timeout_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<Password>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tls: bool,
    /// Never in a label: a running cluster has its certificates in its nodes' files.
    #[serde(skip)]
    certificates: Option<Box<Certificates>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    users: Vec<User>,
    /// By the nodes' indices; none of them is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) overrides: BTreeMap<usize, NodeWish>,
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

    /// The network of the user's own on which the nodes shall be, where the user named one.
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// The address of the engine's machine on which the ports are published, where the user named one.
    pub fn publish(&self) -> Option<Ipv4Addr> {
        self.publish
    }

    /// Where the ports are published: on the loopback address, unless the user named another.
    pub fn published(&self) -> Ipv4Addr {
        self.publish.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// How the nodes announce themselves.
    pub fn announce(&self) -> AnnounceChoice {
        self.announce
    }

    /// How the cluster is formed.
    pub fn formation(&self) -> FormationChoice {
        self.formation
    }

    /// For which use it is set up.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether the data outlives the containers, on a volume of each node's own.
    pub fn persist(&self) -> bool {
        self.persist
    }

    /// The `maxmemory` of each node in bytes, where the user named it.
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Which version of the server is wanted, where the user named one.
    pub fn engine_version(&self) -> Option<&VersionWish> {
        self.engine_version.as_ref()
    }

    /// The image of the official repository that fits where the user names none.
    pub fn official_image(&self) -> String {
        match &self.engine_version {
            Some(version) => format!("{}:{version}", self.engine.official_repository()),
            None => self.engine.official_image().to_owned(),
        }
    }

    /// Whether a server is of the engine and the version that the user named.
    pub fn wants(&self, server: Server) -> bool {
        server.engine == self.engine
            && self
                .engine_version
                .as_ref()
                .is_none_or(|wish| wish.matches(server.version))
    }

    /// The directives the user set, in the order given.
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// `cluster-node-timeout`.
    pub fn node_timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms)
    }

    /// The password that the nodes ask for, if they ask for one.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// Whether clients, replicas and the cluster bus speak TLS, and nothing else.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The certificates that the user has brought along; `None` has some made where they are needed. A specification
    /// that was read from a label has none.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_deref()
    }

    /// The users that were asked for, in the order given.
    pub fn users(&self) -> &[User] {
        &self.users
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
    /// Where these are not chosen, the profile decides.
    node_timeout: Option<Duration>,
    persist: Option<bool>,
    /// In the order given. Which nodes they mean is known once the shape is.
    overrides: Vec<(Selector, NodeWish)>,
}

impl Default for ClusterSpecBuilder {
    fn default() -> Self {
        Self {
            node_timeout: None,
            persist: None,
            overrides: Vec::new(),
            spec: ClusterSpec {
                name: ClusterName::default(),
                masters: 3,
                replicas: 1,
                engine: Engine::default(),
                image: None,
                pull: Pull::default(),
                subnet: None,
                port: None,
                network: None,
                publish: None,
                announce: AnnounceChoice::default(),
                formation: FormationChoice::default(),
                profile: Profile::default(),
                persist: false,
                memory: None,
                engine_version: None,
                directives: Vec::new(),
                node_timeout_ms: 5000,
                password: None,
                tls: false,
                certificates: None,
                users: Vec::new(),
                overrides: BTreeMap::new(),
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

    /// An existing network to put the nodes on, which rcup then never removes (default: one of the cluster's own).
    #[must_use]
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.spec.network = Some(network.into());
        self
    }

    /// The address of the engine's machine on which the ports are published, and at which clients are then told to
    /// find the nodes (default: 127.0.0.1). A host's firewall does not see what Docker publishes.
    #[must_use]
    pub fn publish(mut self, address: Ipv4Addr) -> Self {
        self.spec.publish = Some(address);
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

    /// `cluster-node-timeout` (default: the profile's, which is 5 s in `dev`).
    #[must_use]
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = Some(timeout);
        self
    }

    /// For which use it is set up (default `dev`).
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.spec.profile = profile;
        self
    }

    /// Keeps the data on a volume of each node's own, or not (default: as the profile says, which in `dev` is
    /// in memory alone).
    #[must_use]
    pub fn persist(mut self, persist: bool) -> Self {
        self.persist = Some(persist);
        self
    }

    /// The `maxmemory` of each node in bytes (default: the node's share of the machine).
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.spec.memory = Some(bytes);
        self
    }

    /// Which version of the server to run where no image is named (default: the newest that is tried).
    #[must_use]
    pub fn engine_version(mut self, version: VersionWish) -> Self {
        self.spec.engine_version = Some(version);
        self
    }

    /// The password of the user `default`, with which clients and replicas log in (default: none).
    #[must_use]
    pub fn password(mut self, password: Password) -> Self {
        self.spec.password = Some(password);
        self
    }

    /// Whether everything goes over TLS, with certificates made for this cluster (default: no).
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.spec.tls = tls;
        self
    }

    /// Speaks TLS with these certificates (default: made for this cluster). A start looks at them closely before it makes
    /// anything: every node's address and name must stand in that of the nodes, and 127.0.0.1.
    #[must_use]
    pub fn certificates(mut self, certificates: Certificates) -> Self {
        self.spec.tls = true;
        self.spec.certificates = Some(Box::new(certificates));
        self
    }

    /// Adds a user to every node. A later one of the same name replaces an earlier one.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.spec.users.retain(|existing| existing.name() != user.name());
        self.spec.users.push(user);
        self
    }

    /// What the chosen nodes shall have otherwise than the others. Where several choices meet in a node, a later one
    /// wins in what it says.
    #[must_use]
    pub fn node(mut self, nodes: Selector, wish: NodeWish) -> Self {
        self.overrides.push((nodes, wish));
        self
    }

    /// Checks what was collected.
    ///
    /// # Errors
    /// [`Usage`](crate::error::ErrorKind::Usage) names what cannot be and what could.
    pub fn build(self) -> Result<ClusterSpec> {
        let mut spec = self.spec;
        let timeout = self.node_timeout.unwrap_or(spec.profile.node_timeout());
        spec.node_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        spec.persist = self.persist.unwrap_or(spec.profile.persists());
        limits::check(&spec)?;
        spec.overrides = node_override::resolve(&spec, &self.overrides)?;
        limits::check_overrides(&spec)?;
        spec.password.as_ref().map_or(Ok(()), Password::check)?;
        Ok(spec)
    }
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
