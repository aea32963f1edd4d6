//! The flags and their texts.

pub mod config;
pub mod diagnose;
pub mod env;
pub mod export;
pub mod import;
pub mod overrides;
pub mod security;
pub mod spec;
pub mod validate;
pub mod verify;

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::args::config::ConfigVerb;
use crate::cli::args::diagnose::Diagnose;
use crate::cli::args::env::Env;
use crate::cli::args::export::ExportVerb;
use crate::cli::args::import::ImportVerb;
use crate::cli::args::security::LoginAs;
use crate::cli::args::spec::{Spec, Start, duration, engines};
use crate::cli::args::validate::Validate;
use crate::cli::args::verify::Verify;
use crate::image::recipe::Source;
use crate::spec::name::ClusterName;
use crate::spec::selector::Selector;
use crate::spec::server::Engine;

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
    /// File with the cluster's settings [default: rcup.toml in this directory, if there is one]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RCUP_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<String>,
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
    /// Stop all nodes of a cluster; its containers, its network and its volumes stay
    Stop(Stop),
    /// Start a stopped cluster again, and prove it ready
    Start(StartArgs),
    /// Restart nodes one after the other, while the others serve
    Restart(Restart),
    /// Bring a cluster back to what it was when it was made, without a key
    Reset(Reset),
    /// Start a cluster, run a command with its settings, and remove it again
    Run(Box<Run>),
    /// Remove what dead runs have left behind, and what is past its `--ttl`
    Prune(Prune),
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
    /// Check a running cluster, one of rcup or any other
    Validate(Box<Validate>),
    /// Prove for each kind of client that it reaches every node, or say what to set
    Verify(Verify),
    /// Find out what is wrong with a running cluster, why, and what mends it
    Diagnose(Box<Diagnose>),
    /// Tell whether this host is fit, and the command that mends each finding
    Doctor(Box<Doctor>),
    /// Show what the nodes' configuration will be, and where each value comes from
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup config show --profile production\n  rcup config init"
    )]
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Show the nodes' logs, merged in the order of time
    Logs(Logs),
    /// Run redis-cli (or valkey-cli) in a node, with everything filled in
    Cli(CliArgs),
    /// Run a command in a node, or in several
    Exec(Exec),
    /// Print the settings with which a program connects
    Env(Env),
    /// Hand out the certificates of a cluster that speaks TLS
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup certs export ./certs orders"
    )]
    Certs {
        #[command(subcommand)]
        verb: CertsVerb,
    },
    /// Write a cluster down for other tools, such as Docker Compose
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup export compose orders > docker-compose.yml\n  rcup export compose --masters 5 \
                      --image valkey/valkey:8.1 -o docker-compose.yml"
    )]
    Export {
        #[command(subcommand)]
        verb: Box<ExportVerb>,
    },
    /// Read another tool's file into settings of rcup, and say what is wrong in it
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup import compose docker-compose.yml -o rcup.toml"
    )]
    Import {
        #[command(subcommand)]
        verb: ImportVerb,
    },
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
    /// Process for which a new cluster is made: when it has ended, the next rcup removes the cluster [default: none]
    #[arg(long, value_name = "PID", help_heading = "Start")]
    pub owner: Option<u32>,
    /// Take a cluster with these settings that an earlier user has left, as new after a reset, or make one; it is the
    /// owner's as long as that lives, and stays for the next one, for an hour in all where no --ttl is given
    #[arg(long, requires = "owner", conflicts_with = "name", help_heading = "Start")]
    pub reuse: bool,
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
    /// Remove the volumes too, without a question about the keys on them
    #[arg(long, conflicts_with = "keep_volumes")]
    pub volumes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "A cluster of plain `rcup up` has no owner and stays, unless it was given a --ttl that has passed. One of \
                  `rcup run` or of a test belongs to that process. Every start sweeps likewise.\n\nExamples:\n  rcup prune \
                  --dry-run\n  rcup prune"
)]
pub struct Prune {
    /// Tell what would be removed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until the owner of this cluster has ended
    #[arg(long, value_name = "NAME", hide = true, conflicts_with = "dry_run")]
    pub when_gone: Option<ClusterName>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 when nothing fails for the profile and the number of nodes, else with 4.\n\nExamples:\n  \
                        rcup doctor\n  rcup doctor --profile production --masters 5 --deep\n  rcup doctor --script > \
                        mend.sh"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Doctor {
    /// Measure the disk too: how long a small write takes until it is safe (some seconds)
    #[arg(long)]
    pub deep: bool,
    /// Apply what can be applied, asking before each change
    #[arg(long, conflicts_with = "script")]
    pub fix: bool,
    /// Do not ask
    #[arg(long, short, requires = "fix")]
    pub yes: bool,
    /// Print a shell script that applies everything
    #[arg(long)]
    pub script: bool,
    #[command(flatten)]
    pub spec: Spec,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup stop orders\n  rcup stop orders --yes")]
pub struct Stop {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Lose the keys of a cluster that keeps them in memory alone
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup start orders")]
pub struct StartArgs {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Longest time until the cluster is ready
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration, env = "RCUP_TIMEOUT", hide_env_values = true)]
    pub timeout: Duration,
}

#[derive(Args, Debug)]
#[command(
    after_help = "A master hands its role to a replica before it ends, and has it back in the end.\n\nExamples:\n  \
                        rcup restart orders\n  rcup restart orders --node 2 --node replicas"
)]
pub struct Restart {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all` (repeatable)
    #[arg(long, value_name = "SELECTOR", default_value = "all")]
    pub node: Vec<Selector>,
    /// Longest time for all of it
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration, env = "RCUP_TIMEOUT", hide_env_values = true)]
    pub timeout: Duration,
    /// Lose the keys of masters that have no replica and keep them in memory alone
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Between two tests, in much less time than a new cluster takes: the keys, scripts and functions are gone, \
                  roles, slots, replicas, settings and users are as they were, stopped nodes run, and all of it is proven on \
                  every node. Nodes that remember an election are restarted, which takes about as long as a start.\n\nExamples:\n  rcup reset\n  rcup reset orders --output json | jq -r '.mended[]'"
)]
pub struct Reset {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Lose the keys of a cluster that keeps them on volumes, without a question
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "The exit code is the command's own; 128 and the signal's number where a signal ended it. Signals to rcup are \
                  passed on. The command finds the settings of `rcup env` and RCUP_CLUSTER, the cluster's name, in its \
                  environment. Whatever happens to rcup, the cluster goes: should rcup be killed, the next one removes \
                  it.\n\nExamples:\n  rcup run -- cargo test\n  rcup run --masters 5 --artifacts target/rcup -- pytest -x\n  \
                  rcup run -- sh -c 'redis-cli -c -u \"$REDIS_CLUSTER_URL\" SET greeting hello'"
)]
pub struct Run {
    /// Name of the cluster [default: a new one]
    #[arg(long, value_name = "NAME")]
    pub name: Option<ClusterName>,
    /// Take a cluster with these settings that an earlier run has left, as new after a reset, or make one; it stays for
    /// the next run, for an hour in all where no --ttl is given
    #[arg(long, conflicts_with = "name")]
    pub reuse: bool,
    /// Directory for logs, states and events when the start or the command fails
    #[arg(long, value_name = "DIR", env = "RCUP_ARTIFACTS", hide_env_values = true)]
    pub artifacts: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub spec: Spec,
    #[command(flatten)]
    pub start: Start,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
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
    /// As whom to log in; the operator may do what a profile keeps from clients
    #[arg(long, value_name = "USER", default_value = "default")]
    pub user: LoginAs,
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

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Write ca.crt, client.crt and client.key (mode 0600) into a directory
    #[command(after_help = "Examples:\n  rcup certs export ./certs orders")]
    Export {
        /// The directory, made where it is missing
        #[arg(value_name = "DIR")]
        directory: std::path::PathBuf,
        /// Name of the cluster
        #[arg(default_value = "default")]
        name: ClusterName,
    },
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
