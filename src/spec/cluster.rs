//! The specification of a cluster: shape, image and settings.

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
use crate::spec::node_override::NodeOverride;
use crate::spec::profile::Profile;
use crate::spec::security::{Certificates, Password};
use crate::spec::server::{Engine, Server, VersionRequest};
use crate::spec::user::User;

/// Maximum number of nodes in a cluster: the design goal of the Redis Cluster specification, "high
/// performance and linear scalability up to 1000 nodes".
pub const MOST_NODES: usize = 1000;

/// Number of addresses of a subnet that no node can use: the network address, the gateway and the broadcast
/// address.
pub const SUBNET_OVERHEAD: usize = 3;

/// Offset of the cluster bus port from the client port, fixed by Redis.
pub const BUS_OFFSET: u16 = 10_000;

/// The specification of a cluster. Valid by construction: create one with [`ClusterSpec::builder`].
///
/// The serialized form is stored as a label on the cluster's objects, so it contains no secrets.
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
    pub(crate) engine_version: Option<VersionRequest>,
    pub(crate) directives: Vec<Directive>,
    pub(crate) node_timeout_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Password>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tls: bool,
    /// Not stored in a label: the certificates of a running cluster are in its nodes' files.
    #[serde(skip)]
    pub(crate) certificates: Option<Box<Certificates>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<User>,
    /// Overrides by node index. None of them is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) overrides: BTreeMap<usize, NodeOverride>,
}

impl ClusterSpec {
    /// Returns the name of the cluster.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// Returns the number of masters.
    pub fn masters(&self) -> usize {
        self.masters
    }

    /// Returns the number of replicas of each master.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// Returns the total number of nodes.
    pub fn nodes(&self) -> usize {
        self.masters * (self.replicas + 1)
    }

    /// Returns the server to run if no image is given.
    #[doc(hidden)]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the requested image.
    #[doc(hidden)]
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Returns the pull policy of the image.
    #[doc(hidden)]
    pub fn pull(&self) -> Pull {
        self.pull
    }

    /// Returns the requested subnet.
    #[doc(hidden)]
    pub fn subnet(&self) -> Option<Ipv4Net> {
        self.subnet
    }

    /// Returns the requested port of the first node.
    #[doc(hidden)]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the requested existing network for the nodes.
    #[doc(hidden)]
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// Returns the requested address of the Docker host on which the ports are published.
    #[doc(hidden)]
    pub fn publish(&self) -> Option<Ipv4Addr> {
        self.publish
    }

    /// Returns the address on which the ports are published (default: the loopback address).
    #[doc(hidden)]
    pub fn published(&self) -> Ipv4Addr {
        self.publish.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// Returns which address the nodes advertise to clients.
    #[doc(hidden)]
    pub fn announce(&self) -> AnnounceChoice {
        self.announce
    }

    /// Returns how the cluster is formed.
    #[doc(hidden)]
    pub fn formation(&self) -> FormationChoice {
        self.formation
    }

    /// Returns the configuration preset.
    #[doc(hidden)]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns whether each node stores its data on its own volume, so that the data persists when the
    /// containers are removed.
    #[doc(hidden)]
    pub fn persist(&self) -> bool {
        self.persist
    }

    /// Returns the requested `maxmemory` of each node in bytes.
    #[doc(hidden)]
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Returns the requested version of the server.
    #[doc(hidden)]
    pub fn engine_version(&self) -> Option<&VersionRequest> {
        self.engine_version.as_ref()
    }

    /// Returns the official image to use if no image is given.
    #[doc(hidden)]
    pub fn official_image(&self) -> String {
        match &self.engine_version {
            Some(version) => format!("{}:{version}", self.engine.official_repository()),
            None => self.engine.official_image().to_owned(),
        }
    }

    /// Returns whether `server` has the requested server software and version.
    #[doc(hidden)]
    pub fn wants(&self, server: Server) -> bool {
        server.engine == self.engine
            && self
                .engine_version
                .as_ref()
                .is_none_or(|request| request.matches(server.version))
    }

    /// Returns the directives for all nodes, in the order given.
    #[doc(hidden)]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// Returns `cluster-node-timeout`.
    #[doc(hidden)]
    pub fn node_timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms)
    }

    /// Returns the password that the nodes require, if any.
    #[doc(hidden)]
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// Returns whether clients, replicas and the cluster bus use TLS only.
    #[doc(hidden)]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Returns the certificates provided by the user. If `None`, certificates are generated when needed. A
    /// specification that is read from a label has none.
    #[doc(hidden)]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_deref()
    }

    /// Returns the requested users, in the order given.
    #[doc(hidden)]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Returns the specification with another name.
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
    /// Returns the overrides of single nodes, by node index.
    #[doc(hidden)]
    pub fn overrides(&self) -> &BTreeMap<usize, NodeOverride> {
        &self.overrides
    }

    /// Returns the image requested for this node only.
    #[doc(hidden)]
    pub fn own_image(&self, node: usize) -> Option<&str> {
        self.overrides.get(&node).and_then(NodeOverride::image)
    }

    /// Returns the requested `maxmemory` of a node in bytes, for this node or for all nodes.
    #[doc(hidden)]
    pub fn memory_of(&self, node: usize) -> Option<u64> {
        let own = self.overrides.get(&node).and_then(NodeOverride::memory);
        own.or(self.memory())
    }

    /// Returns the requested directives of a node: those of the cluster that the node does not override, then
    /// its own.
    #[doc(hidden)]
    pub fn directives_of(&self, node: usize) -> Vec<&Directive> {
        let request = self.overrides.get(&node);
        let own = request.map(NodeOverride::directives).unwrap_or_default();
        let memory = request.and_then(NodeOverride::memory).is_some();
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

    /// Checks that the server of a node supports all directives requested for it.
    ///
    /// # Errors
    /// [`Usage`](crate::error::ErrorKind::Usage) with the first unsupported directive and the servers that
    /// support it.
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
    /// Returns the ACL rules of the user `default`, which applies to clients that give no user name: the
    /// requested rules, or everything except the commands that the profile denies.
    #[doc(hidden)]
    pub fn default_rules(&self) -> String {
        if let Some(user) = self.users().iter().find(|user| user.is_default()) {
            return user.rules().to_owned();
        }
        format!("~* &* +@all{}", self.profile().restrictions())
    }

    /// Returns whether access is restricted, so that the nodes have ACL users, including the service users.
    #[doc(hidden)]
    pub fn guards(&self) -> bool {
        self.password().is_some()
            || !self.users().is_empty()
            || !self.profile().disabled_commands().is_empty()
    }

    /// Returns whether the nodes' files contain secrets.
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
