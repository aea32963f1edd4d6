//! The builder of a cluster specification.

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
use crate::spec::node_override::NodeWish;
use crate::spec::profile::Profile;
use crate::spec::security::{Certificates, Password};
use crate::spec::selector::Selector;
use crate::spec::server::{Engine, VersionWish};
use crate::spec::user::User;

/// Collects a [`ClusterSpec`] and checks it as a whole.
#[derive(Clone, Debug, Default)]
pub struct ClusterSpecBuilder {
    spec: ClusterSpec,
    /// Where these are not chosen, the profile decides.
    node_timeout: Option<Duration>,
    persist: Option<bool>,
    subnet: Option<String>,
    /// In the order given. Which nodes they mean is known once the shape is.
    overrides: Vec<(Selector, NodeWish)>,
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

    /// The network's subnet in CIDR notation, such as `10.213.0.0/24` (default: a free one). Validated by
    /// [`ClusterSpecBuilder::build`].
    #[must_use]
    pub fn subnet(mut self, subnet: impl std::fmt::Display) -> Self {
        self.subnet = Some(subnet.to_string());
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
    /// A builder with the defaults: 3 masters with 1 replica each, node timeout 5 s.
    pub fn builder() -> ClusterSpecBuilder {
        ClusterSpecBuilder::default()
    }
}

/// What each node shall have of its own.
pub(crate) fn resolve(
    spec: &ClusterSpec,
    wishes: &[(Selector, NodeWish)],
) -> Result<BTreeMap<usize, NodeWish>> {
    let nodes: Vec<(usize, bool)> = (1..=spec.nodes())
        .map(|index| (index, index <= spec.masters()))
        .collect();
    let mut all: BTreeMap<usize, NodeWish> = BTreeMap::new();
    for (selector, wish) in wishes {
        for index in selector.choose(&nodes)? {
            let own = all.remove(&index).unwrap_or_default();
            all.insert(index, own.then(wish));
        }
    }
    all.retain(|_, wish| !wish.is_empty());
    Ok(all)
}
