//! The specification of a cluster: its shape, its image, its settings.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::spec::directive::Directive;
use crate::spec::directives::lookup::{canonical, refusal};
use crate::spec::modes::{AnnounceChoice, FormationChoice, Pull};
use crate::spec::name::ClusterName;
use crate::spec::node_override::NodeWish;
use crate::spec::profile::Profile;
use crate::spec::security::{Certificates, Password};
use crate::spec::server::{Engine, Server, VersionWish};
use crate::spec::user::User;

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
    pub(crate) name: ClusterName,
    pub(crate) masters: usize,
    pub(crate) replicas: usize,
    pub(crate) engine: Engine,
    pub(crate) image: Option<String>,
    #[serde(default, skip_serializing)]
    pub(crate) pull: Pull,
    pub(crate) subnet: Option<Ipv4Net>,
    pub(crate) port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) publish: Option<Ipv4Addr>,
    #[serde(default)]
    pub(crate) announce: AnnounceChoice,
    #[serde(default)]
    pub(crate) formation: FormationChoice,
    #[serde(default)]
    pub(crate) profile: Profile,
    #[serde(default)]
    pub(crate) persist: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine_version: Option<VersionWish>,
    pub(crate) directives: Vec<Directive>,
    pub(crate) node_timeout_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Password>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tls: bool,
    /// Never in a label: a running cluster has its certificates in its nodes' files.
    #[serde(skip)]
    pub(crate) certificates: Option<Box<Certificates>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<User>,
    /// By the nodes' indices; none of them is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) overrides: BTreeMap<usize, NodeWish>,
}

impl ClusterSpec {
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
    #[doc(hidden)]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The image the user named.
    #[doc(hidden)]
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// When to pull it.
    #[doc(hidden)]
    pub fn pull(&self) -> Pull {
        self.pull
    }

    /// The subnet the user named.
    #[doc(hidden)]
    pub fn subnet(&self) -> Option<Ipv4Net> {
        self.subnet
    }

    /// The first node's port, where the user named it.
    #[doc(hidden)]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The network of the user's own on which the nodes shall be, where the user named one.
    #[doc(hidden)]
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// The address of the engine's machine on which the ports are published, where the user named one.
    #[doc(hidden)]
    pub fn publish(&self) -> Option<Ipv4Addr> {
        self.publish
    }

    /// Where the ports are published: on the loopback address, unless the user named another.
    #[doc(hidden)]
    pub fn published(&self) -> Ipv4Addr {
        self.publish.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// How the nodes announce themselves.
    #[doc(hidden)]
    pub fn announce(&self) -> AnnounceChoice {
        self.announce
    }

    /// How the cluster is formed.
    #[doc(hidden)]
    pub fn formation(&self) -> FormationChoice {
        self.formation
    }

    /// For which use it is set up.
    #[doc(hidden)]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether the data outlives the containers, on a volume of each node's own.
    #[doc(hidden)]
    pub fn persist(&self) -> bool {
        self.persist
    }

    /// The `maxmemory` of each node in bytes, where the user named it.
    #[doc(hidden)]
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Which version of the server is wanted, where the user named one.
    #[doc(hidden)]
    pub fn engine_version(&self) -> Option<&VersionWish> {
        self.engine_version.as_ref()
    }

    /// The image of the official repository that fits where the user names none.
    #[doc(hidden)]
    pub fn official_image(&self) -> String {
        match &self.engine_version {
            Some(version) => format!("{}:{version}", self.engine.official_repository()),
            None => self.engine.official_image().to_owned(),
        }
    }

    /// Whether a server is of the engine and the version that the user named.
    #[doc(hidden)]
    pub fn wants(&self, server: Server) -> bool {
        server.engine == self.engine
            && self
                .engine_version
                .as_ref()
                .is_none_or(|wish| wish.matches(server.version))
    }

    /// The directives the user set, in the order given.
    #[doc(hidden)]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// `cluster-node-timeout`.
    #[doc(hidden)]
    pub fn node_timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms)
    }

    /// The password that the nodes ask for, if they ask for one.
    #[doc(hidden)]
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// Whether clients, replicas and the cluster bus speak TLS, and nothing else.
    #[doc(hidden)]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The certificates that the user has brought along; `None` has some made where they are needed. A specification
    /// that was read from a label has none.
    #[doc(hidden)]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_deref()
    }

    /// The users that were asked for, in the order given.
    #[doc(hidden)]
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
    /// 3 masters with 1 replica each, node timeout 5 s.
    fn default() -> Self {
        Self {
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
        }
    }
}

impl ClusterSpec {
    /// What single nodes shall have otherwise than the others, by their indices.
    #[doc(hidden)]
    pub fn overrides(&self) -> &BTreeMap<usize, NodeWish> {
        &self.overrides
    }

    /// The image that the user named for this node alone.
    #[doc(hidden)]
    pub fn own_image(&self, node: usize) -> Option<&str> {
        self.overrides.get(&node).and_then(NodeWish::image)
    }

    /// The `maxmemory` of a node in bytes, where the user named it for this one or for all.
    #[doc(hidden)]
    pub fn memory_of(&self, node: usize) -> Option<u64> {
        let own = self.overrides.get(&node).and_then(NodeWish::memory);
        own.or(self.memory())
    }

    /// The directives that the user set for a node: the cluster's where it has none of its own, then its own.
    #[doc(hidden)]
    pub fn directives_of(&self, node: usize) -> Vec<&Directive> {
        let wish = self.overrides.get(&node);
        let own = wish.map(NodeWish::directives).unwrap_or_default();
        let memory = wish.and_then(NodeWish::memory).is_some();
        let replaced = |common: &&Directive| {
            let name = canonical(common.name());
            (memory && name == "maxmemory") || own.iter().any(|own| canonical(own.name()) == name)
        };
        self.directives()
            .iter()
            .filter(|common| !replaced(common))
            .chain(own)
            .collect()
    }

    /// Whether the server of a node takes all directives that the user set for it.
    ///
    /// # Errors
    /// [`Usage`](crate::error::ErrorKind::Usage) names the first that it does not know, and who does.
    #[doc(hidden)]
    pub fn check_for(&self, node: usize, server: Server) -> Result<()> {
        let refused = self
            .directives_of(node)
            .into_iter()
            .find_map(|directive| refusal(directive.name(), server));
        let Some(refused) = refused else { return Ok(()) };
        if self.overrides.is_empty() {
            return Err(refused);
        }
        let hint = refused.hint_text().unwrap_or_default().to_owned();
        Err(Error::new(ErrorKind::Usage, format!("node {node}: {refused}")).hint(hint))
    }
}

impl ClusterSpec {
    /// The rules of the user `default`, whom a client is that names none: the user's own, or everything but what the
    /// profile keeps from clients.
    #[doc(hidden)]
    pub fn default_rules(&self) -> String {
        if let Some(user) = self.users().iter().find(|user| user.is_default()) {
            return user.rules().to_owned();
        }
        format!("~* &* +@all{}", self.profile().restrictions())
    }

    /// Whether anybody is kept from anything, so that the nodes have users and rcup its own among them.
    #[doc(hidden)]
    pub fn guards(&self) -> bool {
        self.password().is_some()
            || !self.users().is_empty()
            || !self.profile().disabled_commands().is_empty()
    }

    /// Whether the nodes' files hold secrets.
    #[doc(hidden)]
    pub fn has_secrets(&self) -> bool {
        self.guards() || self.tls()
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
            .subnet("10.88.0.0/24")
            .set("maxmemory=1mb".parse().unwrap())
            .build()
            .unwrap();
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ClusterSpec>(&json).unwrap(), spec);
    }
}
