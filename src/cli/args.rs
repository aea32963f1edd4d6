//! The flags and their texts.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::Ipv4Net;
use rcup::image::Source;
use rcup::spec::{AnnounceChoice, Directive, Engine, FormationChoice, Pull, Selector};
use rcup::{ClusterName, ClusterSpec, Error, ErrorKind};

/// A real Redis (or Valkey) Cluster in Docker containers on this machine, proven ready.
#[derive(Debug, Parser)]
#[command(
    name = "rcup",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  rcup up                    start 3 masters with a replica each, or adopt \
                  them if they run\n  eval \"$(rcup env)\"         hand the addresses to your program\n  \
                  rcup down                  remove everything again"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The flags that all verbs share.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Form of the data on standard output (`ndjson`, one object a line: `up` and `logs`)
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        value_enum,
        default_value = "human",
        env = "RCUP_OUTPUT",
        hide_env_values = true
    )]
    pub output: Output,
    /// Show no progress and no notes
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show more: notes, ids, timings
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// The form of the data on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Human,
    Json,
    Ndjson,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a cluster and prove it ready; adopt it if it already runs
    Up(Box<Up>),
    /// Remove clusters with everything that belongs to them
    Down(Down),
    /// List the clusters on this engine
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  rcup list\n  rcup list --output json | jq -r '.clusters[].name'"
    )]
    List,
    /// Show one cluster, node by node
    #[command(
        after_help = "Exits with 0 when every node is as it should be, else with 3.\n\nExamples:\n  rcup status orders\n  \
                      rcup status orders --output json | jq -r '.nodes[].advertised'"
    )]
    Status(Named),
    /// Check a running cluster: every node, every slot, every advertised address
    #[command(
        after_help = "Exits with 0 when no check fails, else with 3.\n\nExamples:\n  rcup validate orders\n  rcup \
                      validate orders --output json | jq .passed"
    )]
    Validate(Named),
    /// Show the nodes' logs, merged in the order of time
    Logs(Logs),
    /// Run redis-cli (or valkey-cli) in a node, with everything filled in
    Cli(CliArgs),
    /// Run a command in a node, or in several
    Exec(Exec),
    /// Print the settings with which a program connects
    Env(Env),
    /// Make and list local images, for where no registry can be reached
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup image build --engine valkey\n  rcup image list"
    )]
    Image {
        #[command(subcommand)]
        verb: ImageVerb,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  rcup completions bash > ~/.local/share/bash-completion/completions/rcup\n  rcup \
                      completions fish > ~/.config/fish/completions/rcup.fish"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    #[command(after_help = "Examples:\n  rcup man | man -l -\n  rcup man up > rcup-up.1")]
    Man {
        /// The verb to describe [default: rcup as a whole]
        verb: Option<String>,
    },
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  rcup up orders --masters 5 --replicas 2\n  rcup up cache --engine \
                        valkey --set maxmemory=64mb --set maxmemory-policy=allkeys-lru"
)]
pub struct Up {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    #[command(flatten)]
    pub spec: Spec,
    #[command(flatten)]
    pub start: Start,
}

/// What the cluster shall be.
#[derive(Args, Debug)]
#[command(next_help_heading = "Cluster")]
pub struct Spec {
    /// Number of masters (fewer than 3 cannot fail over)
    #[arg(
        long,
        visible_alias = "primaries",
        value_name = "N",
        default_value_t = 3,
        env = "RCUP_MASTERS",
        hide_env_values = true
    )]
    pub masters: usize,
    /// Number of replicas of each master
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        env = "RCUP_REPLICAS",
        hide_env_values = true
    )]
    pub replicas: usize,
    /// Server to run: `redis` or `valkey`
    #[arg(long, value_name = "ENGINE", default_value = "redis", value_parser = engines(), env = "RCUP_ENGINE", hide_env_values = true)]
    pub engine: Engine,
    /// Image to run [default: the official one, or a local one of `rcup image build`]
    #[arg(long, value_name = "REF", env = "RCUP_IMAGE", hide_env_values = true)]
    pub image: Option<String>,
    /// When to pull the image
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "missing",
        env = "RCUP_PULL",
        hide_env_values = true
    )]
    pub pull: PullArg,
    /// Subnet of the cluster's network [default: a free one]
    #[arg(long, value_name = "CIDR", value_parser = subnet, env = "RCUP_SUBNET", hide_env_values = true)]
    pub subnet: Option<Ipv4Net>,
    /// Port of the first node; the others follow [default: a free block from 7001 on]
    #[arg(long, value_name = "BASE", env = "RCUP_PORT", hide_env_values = true)]
    pub port: Option<u16>,
    /// Line for every node's redis.conf (repeatable; in `RCUP_SET`, separated by `;`)
    #[arg(
        long,
        value_name = "DIRECTIVE=VALUE",
        value_delimiter = ';',
        env = "RCUP_SET",
        hide_env_values = true
    )]
    pub set: Vec<Directive>,
    /// How the nodes tell clients where they are
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        env = "RCUP_ANNOUNCE",
        hide_env_values = true
    )]
    pub announce: AnnounceArg,
    /// How the nodes become a cluster
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        env = "RCUP_FORMATION",
        hide_env_values = true
    )]
    pub formation: FormationArg,
    /// Time after which a silent node counts as failed
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, env = "RCUP_NODE_TIMEOUT", hide_env_values = true)]
    pub node_timeout: Duration,
}

impl Spec {
    /// The specification, checked as a whole.
    pub fn build(self, name: ClusterName) -> Result<ClusterSpec, Error> {
        let mut spec = ClusterSpec::builder()
            .name(name)
            .masters(self.masters)
            .replicas(self.replicas)
            .engine(self.engine)
            .pull(self.pull.into())
            .announce(self.announce.into())
            .formation(self.formation.into())
            .node_timeout(self.node_timeout);
        if let Some(image) = self.image {
            spec = spec.image(image);
        }
        if let Some(subnet) = self.subnet {
            spec = spec.subnet(subnet);
        }
        if let Some(port) = self.port {
            spec = spec.port(port);
        }
        self.set
            .into_iter()
            .fold(spec, rcup::spec::ClusterSpecBuilder::set)
            .build()
    }
}

/// How the start goes about it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Start")]
pub struct Start {
    /// Longest time until the cluster is ready
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration, env = "RCUP_TIMEOUT", hide_env_values = true)]
    pub timeout: Duration,
    /// Leave what a failed start has made for a closer look
    #[arg(long, value_parser = FalseyValueParser::new(), env = "RCUP_KEEP_ON_FAILURE", hide_env_values = true)]
    pub keep_on_failure: bool,
    /// Leave out the validation report (the cluster is proven ready all the same)
    #[arg(long, value_parser = FalseyValueParser::new(), env = "RCUP_NO_VALIDATE", hide_env_values = true)]
    pub no_validate: bool,
    /// Print what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup down orders\n  rcup down --all")]
pub struct Down {
    /// Names of the clusters [default: default]
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub names: Vec<ClusterName>,
    /// Remove every cluster of rcup on this engine
    #[arg(long)]
    pub all: bool,
    /// Keep the volumes and the data in them
    #[arg(long)]
    pub keep_volumes: bool,
    /// Remove the volumes too, which is the default
    #[arg(long, hide = true, conflicts_with = "keep_volumes")]
    pub volumes: bool,
}

/// A verb that needs only a name.
#[derive(Args, Debug)]
pub struct Named {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup logs orders --tail 20\n  rcup logs orders --node masters --follow")]
pub struct Logs {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all`
    #[arg(long, value_name = "SELECTOR", default_value = "all")]
    pub node: Selector,
    /// Only so many lines from the end of each node's log
    #[arg(long, short = 'n', value_name = "N")]
    pub tail: Option<u32>,
    /// Wait for more
    #[arg(long, short)]
    pub follow: bool,
    /// Only what is younger than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Begin each line with its time
    #[arg(long, short)]
    pub timestamps: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "The exit code is the client's own.\n\nExamples:\n  rcup cli orders -- SET greeting hello\n  \
                        echo 'GET greeting' | rcup cli orders --node replica:1"
)]
pub struct CliArgs {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Node: an index, `master:N` or `replica:N`
    #[arg(long, value_name = "SELECTOR", default_value = "1")]
    pub node: Selector,
    /// Arguments for the client; none starts it interactively
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "The exit code is the command's own.\n\nExamples:\n  rcup exec orders -- cat /rcup/redis.conf\n  \
                        rcup exec orders --node masters -- sh -c 'cat /proc/1/status | grep VmRSS'"
)]
pub struct Exec {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all`
    #[arg(long, value_name = "SELECTOR", default_value = "1")]
    pub node: Selector,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  eval \"$(rcup env orders)\"\n  rcup env orders --format dotenv > .env")]
pub struct Env {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "shell")]
    pub format: EnvFormat,
}

/// In which form `rcup env` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvFormat {
    /// Lines for `eval` in a POSIX shell
    Shell,
    /// Lines for a .env file
    Dotenv,
    /// One JSON object
    Json,
}

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum ImageVerb {
    /// Make a local image from this machine's server or from its distribution's packages
    #[command(after_help = "Examples:\n  rcup image build\n  rcup image build --engine valkey --from trixie")]
    Build {
        /// Server to pack: `redis` or `valkey`
        #[arg(long, value_name = "ENGINE", default_value = "redis", value_parser = engines())]
        engine: Engine,
        /// Where the programs come from: `host`, a suite such as `bookworm-backports`, or `auto`
        #[arg(long, value_name = "SOURCE", default_value = "auto")]
        from: Source,
    },
    /// List the local images, and say whether the official ones are here
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  rcup image list\n  rcup image list --output json"
    )]
    List,
}

/// [`Pull`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PullArg {
    /// When the engine does not have it
    Missing,
    /// Before every start
    Always,
    /// Never; what is not there is an error
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
    /// `ip` where this host reaches the containers, else what the server offers for the published ports
    Auto,
    /// The address on the bridge network
    Ip,
    /// 127.0.0.1, as an announced host name
    Hostname,
    /// 127.0.0.1 for clients alone (Valkey 8.0 and later)
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
    /// `seeded` where it is proven for the server, else `commands`
    Auto,
    /// By a nodes.conf that is written before the start
    Seeded,
    /// By CLUSTER commands after the start
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

/// Whether the command line asks for JSON, also when it cannot be parsed.
pub fn wants_json(arguments: &[OsString]) -> bool {
    let is_json = |value: &str| matches!(value, "json" | "ndjson");
    let own = arguments
        .split(|argument| argument == "--")
        .next()
        .unwrap_or_default();
    let texts: Vec<&str> = own.iter().filter_map(|argument| argument.to_str()).collect();
    let flag = texts
        .iter()
        .enumerate()
        .find_map(|(nth, text)| match text.strip_prefix("--output") {
            Some("") => texts.get(nth + 1).copied(),
            Some(value) => value.strip_prefix('='),
            None => None,
        });
    match flag {
        Some(value) => is_json(value),
        None => std::env::var("RCUP_OUTPUT").is_ok_and(|value| is_json(&value)),
    }
}

fn subnet(text: &str) -> Result<Ipv4Net, Error> {
    text.parse().map_err(|_| {
        Error::new(ErrorKind::Usage, format!("`{text}` is not an IPv4 subnet"))
            .hint("Give an address and a prefix, such as `--subnet 10.88.0.0/24`.")
    })
}

fn duration(text: &str) -> Result<Duration, Error> {
    humantime::parse_duration(text).map_err(|_| {
        Error::new(ErrorKind::Usage, format!("`{text}` is not a duration"))
            .hint("Give a number and a unit, such as `500ms`, `5s` or `2m`.")
    })
}

fn engines() -> impl clap::builder::TypedValueParser<Value = Engine> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    PossibleValuesParser::new(["redis", "valkey"]).try_map(|text| text.parse::<Engine>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(arguments: &[&str]) -> bool {
        wants_json(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_parser_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn json_is_recognised_before_parsing_and_not_among_a_programs_arguments() {
        assert!(wants(&["rcup", "up", "--output", "json", "--nonsense"]));
        assert!(wants(&["rcup", "--output=ndjson", "up"]));
        assert!(!wants(&["rcup", "up", "--output", "human"]));
        assert!(!wants(&["rcup", "exec", "--", "x", "--output", "json"]));
        assert!(!wants(&["rcup", "up", "--output"]));
    }

    #[test]
    fn the_flags_become_the_specification() {
        let cli = Cli::try_parse_from([
            "rcup",
            "up",
            "x",
            "--primaries",
            "4",
            "--replicas",
            "2",
            "--set",
            "maxmemory=64mb",
            "--set",
            "appendonly=yes",
            "--subnet",
            "10.88.0.0/24",
            "--port",
            "8001",
            "--node-timeout",
            "1s",
        ])
        .unwrap();
        let Verb::Up(up) = cli.verb else { panic!("not up") };
        let spec = up.spec.build(up.name).unwrap();
        assert_eq!((spec.masters(), spec.replicas()), (4, 2));
        assert_eq!(spec.directives().len(), 2);
        assert_eq!(spec.port(), Some(8001));
        assert_eq!(spec.node_timeout(), Duration::from_secs(1));
    }
}
