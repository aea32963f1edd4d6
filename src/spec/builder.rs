//! Builder of a cluster specification.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::ClusterSpec;
use crate::spec::directive::Directive;
use crate::spec::limits;
use crate::spec::modes::{AnnounceChoice, FormationChoice, Pull};
use crate::spec::name::ClusterName;
use crate::spec::node_override::NodeOverride;
use crate::spec::profile::Profile;
use crate::spec::security::{Certificates, Password};
use crate::spec::selector::Selector;
use crate::spec::server::{Engine, VersionRequest};
use crate::spec::user::User;

/// Builds a [`ClusterSpec`] and validates it as a whole.
#[derive(Clone, Debug, Default)]
pub struct ClusterSpecBuilder {
    spec: ClusterSpec,
    /// `node_timeout` and `persist`: `None` means the value of the profile.
    node_timeout: Option<Duration>,
    persist: Option<bool>,
    subnet: Option<String>,
    /// In the order given. They are resolved to nodes when the number of masters and replicas is known.
    overrides: Vec<(Selector, NodeOverride)>,
}

impl ClusterSpecBuilder {
    /// Sets the name of the cluster (default `default`).
    #[must_use]
    pub fn name(mut self, name: ClusterName) -> Self {
        self.spec.name = name;
        self
    }

    /// Sets the number of masters (default 3).
    #[must_use]
    pub fn masters(mut self, masters: usize) -> Self {
        self.spec.masters = masters;
        self
    }

    /// Sets the number of replicas of each master (default 1).
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.spec.replicas = replicas;
        self
    }

    /// Sets the server to run if no image is given (default Redis).
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.spec.engine = engine;
        self
    }

    /// Sets the image to run.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.spec.image = Some(image.into());
        self
    }

    /// Sets the pull policy of the image (default: pull if missing).
    #[must_use]
    pub fn pull(mut self, pull: Pull) -> Self {
        self.spec.pull = pull;
        self
    }

    /// Sets the subnet of the network in CIDR notation, such as `10.213.0.0/24` (default: a free subnet).
    /// Validated by [`ClusterSpecBuilder::build`].
    #[must_use]
    pub fn subnet(mut self, subnet: impl std::fmt::Display) -> Self {
        self.subnet = Some(subnet.to_string());
        self
    }

    /// Sets the port of the first node (default: the start of a free block).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.spec.port = Some(port);
        self
    }

    /// Attaches the nodes to an existing network, which rcup never removes (default: a new network for the
    /// cluster).
    #[must_use]
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.spec.network = Some(network.into());
        self
    }

    /// Sets the address of the Docker host on which the ports are published and which the nodes then
    /// advertise to clients (default: 127.0.0.1). Ports that Docker publishes bypass the host's firewall.
    #[must_use]
    pub fn publish(mut self, address: Ipv4Addr) -> Self {
        self.spec.publish = Some(address);
        self
    }

    /// Sets which address the nodes advertise to clients (default: detected).
    #[must_use]
    pub fn announce(mut self, announce: AnnounceChoice) -> Self {
        self.spec.announce = announce;
        self
    }

    /// Sets how the cluster is formed (default: the fastest method that is verified for the server).
    #[must_use]
    pub fn formation(mut self, formation: FormationChoice) -> Self {
        self.spec.formation = formation;
        self
    }

    /// Adds a directive to `redis.conf` of every node. It replaces an earlier directive with the same name.
    #[must_use]
    pub fn set(mut self, directive: Directive) -> Self {
        self.spec
            .directives
            .retain(|existing| existing.name() != directive.name());
        self.spec.directives.push(directive);
        self
    }

    /// Sets `cluster-node-timeout` (default: the value of the profile, which is 5 s in `dev`).
    #[must_use]
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = Some(timeout);
        self
    }

    /// Sets the configuration preset (default `dev`).
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.spec.profile = profile;
        self
    }

    /// Sets whether each node stores its data on its own volume (default: the value of the profile; `dev`
    /// keeps data only in memory).
    #[must_use]
    pub fn persist(mut self, persist: bool) -> Self {
        self.persist = Some(persist);
        self
    }

    /// Sets `maxmemory` of each node in bytes (default: the node's share of the Docker host's memory).
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.spec.memory = Some(bytes);
        self
    }

    /// Sets the version of the server to run if no image is given (default: the newest tested version).
    #[must_use]
    pub fn engine_version(mut self, version: VersionRequest) -> Self {
        self.spec.engine_version = Some(version);
        self
    }

    /// Sets the password of the user `default` for clients (default: none).
    #[must_use]
    pub fn password(mut self, password: Password) -> Self {
        self.spec.password = Some(password);
        self
    }

    /// Sets whether all connections use TLS, with certificates generated for this cluster (default: no).
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.spec.tls = tls;
        self
    }

    /// Enables TLS with these certificates (default: generated for this cluster). A start validates them
    /// before it creates anything: the node certificate must contain the address and name of every node, and
    /// 127.0.0.1.
    #[must_use]
    pub fn certificates(mut self, certificates: Certificates) -> Self {
        self.spec.tls = true;
        self.spec.certificates = Some(Box::new(certificates));
        self
    }

    /// Adds a user to every node. It replaces an earlier user with the same name.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.spec.users.retain(|existing| existing.name() != user.name());
        self.spec.users.push(user);
        self
    }

    /// Overrides settings of the selected nodes. If several overrides apply to a node, the last one that
    /// contains a setting wins.
    #[must_use]
    pub fn node(mut self, nodes: Selector, request: NodeOverride) -> Self {
        self.overrides.push((nodes, request));
        self
    }

    /// Validates the settings and returns the specification.
    ///
    /// # Errors
    /// [`Usage`](crate::error::ErrorKind::Usage) with the invalid setting and a valid alternative.
    pub fn build(self) -> Result<ClusterSpec> {
        let mut spec = self.spec;
        let timeout = self.node_timeout.unwrap_or(spec.profile.node_timeout());
        spec.node_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        spec.persist = self.persist.unwrap_or(spec.profile.persists());
        if let Some(subnet) = self.subnet {
            spec.subnet = Some(parse_subnet(&subnet)?);
        }
        limits::check(&spec)?;
        spec.overrides = resolve(&spec, &self.overrides)?;
        limits::check_overrides(&spec)?;
        spec.password.as_ref().map_or(Ok(()), Password::check)?;
        Ok(spec)
    }
}

fn parse_subnet(text: &str) -> Result<Ipv4Net> {
    text.parse().map_err(|error| {
        Error::new(ErrorKind::Usage, format!("`{text}` is no IPv4 subnet"))
            .because(error)
            .hint("Use CIDR notation, such as 10.213.0.0/24.")
    })
}

impl ClusterSpec {
    /// Returns a builder with the defaults: 3 masters with 1 replica each, node timeout 5 s.
    pub fn builder() -> ClusterSpecBuilder {
        ClusterSpecBuilder::default()
    }
}

/// Resolves the selectors to nodes and returns the overrides of each node.
pub(crate) fn resolve(
    spec: &ClusterSpec,
    requests: &[(Selector, NodeOverride)],
) -> Result<BTreeMap<usize, NodeOverride>> {
    let nodes: Vec<(usize, bool)> = (1..=spec.nodes())
        .map(|index| (index, index <= spec.masters()))
        .collect();
    let mut all: BTreeMap<usize, NodeOverride> = BTreeMap::new();
    for (selector, request) in requests {
        for index in selector.choose(&nodes)? {
            let own = all.remove(&index).unwrap_or_default();
            all.insert(index, own.then(request));
        }
    }
    all.retain(|_, request| !request.is_empty());
    Ok(all)
}
