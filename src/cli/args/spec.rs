//! Flags for the cluster specification and for its start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use ipnet::{IpNet, Ipv4Net};

use crate::cli::args::overrides::Nodes;
use crate::cli::args::security::Security;
use crate::error::{Error, ErrorKind};
use crate::spec::cluster::ClusterSpec;
use crate::spec::directive::Directive;
use crate::spec::modes::{AnnounceChoice, FormationChoice, Pull};
use crate::spec::name::ClusterName;
use crate::spec::profile::Profile;
use crate::spec::server::{Engine, VersionRequest};
use crate::spec::size::bytes;

/// Cluster specification.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub struct Spec {
    /// Number of masters (failover needs at least 3)
    #[arg(
        long,
        visible_alias = "primaries",
        value_name = "N",
        default_value_t = 3,
        env = "RCUP_MASTERS",
        hide_env_values = true
    )]
    pub masters: usize,
    /// Number of replicas per master
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        env = "RCUP_REPLICAS",
        hide_env_values = true
    )]
    pub replicas: usize,
    /// Server to run: `redis` or `valkey`
    #[arg(id = "server", long = "server", visible_alias = "engine", value_name = "SERVER", default_value = "redis", value_parser = servers(), env = "RCUP_SERVER", hide_env_values = true)]
    pub engine: Engine,
    /// Image to run [default: the official image, or a local one from `rcup image build`]
    #[arg(long, value_name = "REF", env = "RCUP_IMAGE", hide_env_values = true)]
    pub image: Option<String>,
    /// Server version, such as `7.2`; selects the official image of that version or a local one
    #[arg(
        id = "server_version",
        long = "server-version",
        visible_alias = "engine-version",
        value_name = "VERSION",
        env = "RCUP_SERVER_VERSION",
        hide_env_values = true
    )]
    pub engine_version: Option<VersionRequest>,
    /// When to pull the image, with the login of `docker login`
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "missing",
        env = "RCUP_PULL",
        hide_env_values = true
    )]
    pub pull: PullArg,
    /// Preset to configure the nodes for: `dev`, `staging` or `production`
    #[arg(
        long,
        value_name = "PROFILE",
        default_value = "dev",
        env = "RCUP_PROFILE",
        hide_env_values = true
    )]
    pub profile: Profile,
    /// maxmemory per node [default: an equal share of the host's RAM]
    #[arg(long, value_name = "SIZE", value_parser = bytes, env = "RCUP_MEMORY", hide_env_values = true)]
    pub memory: Option<u64>,
    /// Subnet of the cluster network [default: a free one]
    #[arg(long, value_name = "CIDR", value_parser = subnet, env = "RCUP_SUBNET", hide_env_values = true)]
    pub subnet: Option<Ipv4Net>,
    /// Existing network to attach the nodes to; rcup never removes it [default: a new network]
    #[arg(long, value_name = "NAME", env = "RCUP_NETWORK", hide_env_values = true)]
    pub network: Option<String>,
    /// Host address to publish ports on and announce to clients; ports published by Docker bypass the host's firewall
    /// [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR", value_parser = address, env = "RCUP_PUBLISH", hide_env_values = true)]
    pub publish: Option<Ipv4Addr>,
    /// First port; nodes use consecutive ports [default: the first free block from 7001]
    #[arg(long, value_name = "BASE", env = "RCUP_PORT", hide_env_values = true)]
    pub port: Option<u16>,
    /// Directive for every node's redis.conf (repeatable; in `RCUP_SET`, separated by `;`)
    #[arg(
        long,
        value_name = "DIRECTIVE=VALUE",
        value_delimiter = ';',
        env = "RCUP_SET",
        hide_env_values = true
    )]
    pub set: Vec<Directive>,
    /// Store data on volumes, so that it survives container removal [default: set by the profile]
    #[arg(
        long,
        value_name = "yes|no",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "yes",
        value_parser = FalseyValueParser::new(),
        env = "RCUP_PERSIST",
        hide_env_values = true
    )]
    pub persist: Option<bool>,
    /// Address that nodes advertise to clients
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        env = "RCUP_ANNOUNCE",
        hide_env_values = true
    )]
    pub announce: AnnounceArg,
    /// How the nodes form the cluster
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        env = "RCUP_FORMATION",
        hide_env_values = true
    )]
    pub formation: FormationArg,
    /// cluster-node-timeout: time after which an unreachable node is considered failed [default: set by the profile, 5s
    /// in `dev`]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "RCUP_NODE_TIMEOUT", hide_env_values = true)]
    pub node_timeout: Option<Duration>,
    #[command(flatten)]
    pub nodes: Nodes,
    #[command(flatten)]
    pub security: Security,
}

impl Spec {
    /// Builds and validates the specification.
    pub fn build(self, name: ClusterName) -> Result<ClusterSpec, Error> {
        let mut spec = ClusterSpec::builder()
            .name(name)
            .masters(self.masters)
            .replicas(self.replicas)
            .engine(self.engine)
            .pull(self.pull.into())
            .announce(self.announce.into())
            .formation(self.formation.into())
            .profile(self.profile);
        if let Some(timeout) = self.node_timeout {
            spec = spec.node_timeout(timeout);
        }
        if let Some(memory) = self.memory {
            spec = spec.memory(memory);
        }
        if let Some(version) = self.engine_version {
            spec = spec.engine_version(version);
        }
        if let Some(persist) = self.persist {
            spec = spec.persist(persist);
        }
        if let Some(image) = self.image {
            spec = spec.image(image);
        }
        if let Some(subnet) = self.subnet {
            spec = spec.subnet(subnet);
        }
        if let Some(network) = self.network {
            spec = spec.network(network);
        }
        if let Some(address) = self.publish {
            spec = spec.publish(address);
        }
        if let Some(port) = self.port {
            spec = spec.port(port);
        }
        spec = spec.tls(self.security.tls);
        if let Some(certificates) = self.security.certificates()? {
            spec = spec.certificates(certificates);
        }
        if let Some(password) = self.security.password()? {
            spec = spec.password(password);
        }
        for user in self.security.users()? {
            spec = spec.user(user);
        }
        spec = self.nodes.add_to(spec);
        self.set
            .into_iter()
            .fold(spec, crate::spec::builder::ClusterSpecBuilder::set)
            .build()
    }
}

/// Options of a start.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(next_help_heading = "Start")]
pub struct Start {
    /// How long to wait for readiness
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration, env = "RCUP_TIMEOUT", hide_env_values = true)]
    pub timeout: Duration,
    /// Delete a new cluster after this time (by the next rcup command) [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "RCUP_TTL", hide_env_values = true)]
    pub ttl: Option<Duration>,
    /// Keep containers after a failed start
    #[arg(long, value_parser = FalseyValueParser::new(), env = "RCUP_KEEP_ON_FAILURE", hide_env_values = true)]
    pub keep_on_failure: bool,
    /// Fail, not warn, if the host does not meet the profile
    #[arg(long, value_parser = FalseyValueParser::new(), env = "RCUP_STRICT", hide_env_values = true)]
    pub strict: bool,
    /// Skip the validation report (readiness is still verified)
    #[arg(long, value_parser = FalseyValueParser::new(), env = "RCUP_NO_VALIDATE", hide_env_values = true)]
    pub no_validate: bool,
    /// Print the plan without changing anything
    #[arg(long)]
    pub dry_run: bool,
}

/// [`Pull`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PullArg {
    /// If the image is not present locally
    Missing,
    /// Before every start
    Always,
    /// Never; fail if the image is not present
    Never,
}

impl From<PullArg> for Pull {
    fn from(arg: PullArg) -> Self {
        match arg {
            PullArg::Missing => Self::Missing,
            PullArg::Always => Self::Always,
            PullArg::Never => Self::Never,
        }
    }
}

/// [`AnnounceChoice`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AnnounceArg {
    /// `ip` if this host can reach the containers, else the best mode the server supports for published ports
    Auto,
    /// The address on the bridge network
    Ip,
    /// 127.0.0.1, as an announced host name
    Hostname,
    /// 127.0.0.1 for clients only (Valkey 8.0 and later)
    ClientIpv4,
}

impl From<AnnounceArg> for AnnounceChoice {
    fn from(arg: AnnounceArg) -> Self {
        match arg {
            AnnounceArg::Auto => Self::Auto,
            AnnounceArg::Ip => Self::Ip,
            AnnounceArg::Hostname => Self::Hostname,
            AnnounceArg::ClientIpv4 => Self::ClientIpv4,
        }
    }
}

/// [`FormationChoice`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormationArg {
    /// `seeded` if supported for this server version, else `commands`
    Auto,
    /// Write nodes.conf before the start
    Seeded,
    /// Run CLUSTER commands after the start
    Commands,
}

impl From<FormationArg> for FormationChoice {
    fn from(arg: FormationArg) -> Self {
        match arg {
            FormationArg::Auto => Self::Auto,
            FormationArg::Seeded => Self::Seeded,
            FormationArg::Commands => Self::Commands,
        }
    }
}

fn address(text: &str) -> Result<Ipv4Addr, Error> {
    text.parse().map_err(|_| {
        let what = if text.parse::<Ipv6Addr>().is_ok() {
            format!("`{text}` is an IPv6 address; nodes can only be published on IPv4 addresses")
        } else {
            format!("`{text}` is not an IPv4 address")
        };
        Error::new(ErrorKind::Usage, what)
            .hint("Pass an IPv4 address of the Docker host, such as `--publish 192.168.1.10`.")
    })
}

fn subnet(text: &str) -> Result<Ipv4Net, Error> {
    text.parse().map_err(|_| {
        let hint = "Pass an address and a prefix length, such as `--subnet 10.88.0.0/24`.";
        if text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
            return Error::new(
                ErrorKind::Usage,
                format!("`{text}` is an IPv6 subnet; nodes only have IPv4 addresses"),
            )
            .hint(format!(
                "{hint} Containers on a dual-stack network reach the nodes over IPv4."
            ));
        }
        Error::new(ErrorKind::Usage, format!("`{text}` is not an IPv4 subnet")).hint(hint)
    })
}

pub(crate) fn duration(text: &str) -> Result<Duration, Error> {
    humantime::parse_duration(text).map_err(|_| {
        Error::new(ErrorKind::Usage, format!("`{text}` is not a duration"))
            .hint("Pass a number with a unit, such as `500ms`, `5s` or `2m`.")
    })
}

pub(crate) fn servers() -> impl clap::builder::TypedValueParser<Value = Engine> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    PossibleValuesParser::new(["redis", "valkey"]).try_map(|text| text.parse::<Engine>())
}
