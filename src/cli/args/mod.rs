//! Command line flags and help texts.

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
use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Command, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::cli::args::config::ConfigVerb;
use crate::cli::args::diagnose::Diagnose;
use crate::cli::args::env::Env;
use crate::cli::args::export::ExportVerb;
use crate::cli::args::import::ImportVerb;
use crate::cli::args::security::LoginAs;
use crate::cli::args::spec::{Spec, Start, duration, servers};
use crate::cli::args::validate::Validate;
use crate::cli::args::verify::Verify;
use crate::image::recipe::Source;
use crate::spec::name::ClusterName;
use crate::spec::selector::Selector;
use crate::spec::server::Engine;

/// Start a real Redis or Valkey Cluster in containers and verify that it is ready
#[derive(Debug, Parser)]
#[command(
    name = "rcup",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  rcup up                    start 3 masters with one replica each, or \
                  use the running cluster\n  eval \"$(rcup env)\"         export the connection settings\n  \
                  rcup down                  remove the cluster"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags shared by all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Output format (`ndjson`: one object per line, for `up` and `logs`)
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value = "human",
        env = "RCUP_OUTPUT",
        hide_env_values = true
    )]
    pub output: Output,
    /// Configuration file [default: rcup.toml in the current directory, if present]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RCUP_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<String>,
    /// Hide progress and notes
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show notes, node ids and timings
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Human,
    Json,
    Ndjson,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a cluster and wait until it is ready; use it if it already runs
    Up(Box<Up>),
    /// Remove clusters with their containers, networks and volumes
    Down(Down),
    /// Stop all nodes of a cluster; keep containers, network and volumes
    Stop(Stop),
    /// Start a stopped cluster and wait until it is ready
    Start(StartArgs),
    /// Restart nodes one at a time while the others keep serving
    Restart(Restart),
    /// Reset a cluster to its initial state; deletes all keys
    Reset(Reset),
    /// Start a cluster, run a command with its connection settings, then remove it
    Run(Box<Run>),
    /// Remove leftovers of killed runs and expired clusters
    Prune(Prune),
    /// List the clusters on this container engine
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  rcup list\n  rcup list --output json | jq -r '.clusters[].name'"
    )]
    List,
    /// Show the state of each node of a cluster
    #[command(
        after_help = "Exits with 0 if every node is healthy, else with 3.\n\nExamples:\n  rcup status orders\n  \
                      rcup status orders --output json | jq -r '.nodes[].advertised'"
    )]
    Status(Named),
    /// Run checks against a running cluster, started by rcup or not
    Validate(Box<Validate>),
    /// Check that clients can reach every node; suggest settings
    Verify(Verify),
    /// Find what is wrong with a running cluster and how to fix it
    Diagnose(Box<Diagnose>),
    /// Check this host and print a fix for each problem
    Doctor(Box<Doctor>),
    /// Show the nodes' configuration and the origin of each value
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup config show --profile production\n  rcup config init"
    )]
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Show all nodes' logs in chronological order
    Logs(Logs),
    /// Run redis-cli (or valkey-cli) in a node with host, port and credentials preset
    Cli(CliArgs),
    /// Run a command in one or more nodes
    Exec(Exec),
    /// Print connection settings
    Env(Env),
    /// Export a TLS cluster's certificates
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup certs export ./certs orders"
    )]
    Certs {
        #[command(subcommand)]
        verb: CertsVerb,
    },
    /// Export a cluster for other tools, such as Docker Compose
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
    /// Convert another tool's file to rcup.toml and report problems in it
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup import compose docker-compose.yml -o rcup.toml"
    )]
    Import {
        #[command(subcommand)]
        verb: ImportVerb,
    },
    /// Build and list images for offline use
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  rcup image build --server valkey\n  rcup image list"
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
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    #[command(after_help = "Examples:\n  rcup man | man -l -\n  rcup man up > rcup-up.1")]
    Man {
        /// Command to describe [default: rcup itself]
        verb: Option<String>,
    },
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  rcup up orders --masters 5 --replicas 2\n  rcup up cache --server \
                        valkey --set maxmemory=64mb --set maxmemory-policy=allkeys-lru"
)]
pub struct Up {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    #[command(flatten)]
    pub spec: Spec,
    #[command(flatten)]
    pub start: Start,
    /// Delete a new cluster once the process with this PID has exited (by the next rcup command) [default: none]
    #[arg(long, value_name = "PID", help_heading = "Start")]
    pub owner: Option<u32>,
    /// Reuse a matching idle cluster (reset first), or create one. It belongs to the owner until that process exits, then
    /// stays available for reuse until its --ttl expires (1h if not set)
    #[arg(long, requires = "owner", conflicts_with = "name", help_heading = "Start")]
    pub reuse: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup down orders\n  rcup down --all")]
pub struct Down {
    /// Cluster names [default: default]
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub names: Vec<ClusterName>,
    /// Remove every rcup cluster on this container engine
    #[arg(long)]
    pub all: bool,
    /// Keep the volumes and their data
    #[arg(long)]
    pub keep_volumes: bool,
    /// Remove the volumes without asking about the keys on them
    #[arg(long, conflicts_with = "keep_volumes")]
    pub volumes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "A cluster started by `rcup up` has no owner and stays until its --ttl, if any, expires. A cluster started by \
                  `rcup run` or by a test belongs to that process. Every start prunes too.\n\nExamples:\n  rcup prune \
                  --dry-run\n  rcup prune"
)]
pub struct Prune {
    /// Print what would be removed without changing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until the owner of this cluster has exited
    #[arg(long, value_name = "NAME", hide = true, conflicts_with = "dry_run")]
    pub when_gone: Option<ClusterName>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 if the host meets the profile for this number of nodes, else with 4.\n\nExamples:\n  \
                        rcup doctor\n  rcup doctor --profile production --masters 5 --deep\n  rcup doctor --script > \
                        fix.sh"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Doctor {
    /// Measure the disk's fsync latency too (takes a few seconds)
    #[arg(long)]
    pub deep: bool,
    /// Apply the fixes, asking before each change
    #[arg(long, conflicts_with = "script")]
    pub fix: bool,
    /// Do not ask for confirmation
    #[arg(long, short, requires = "fix")]
    pub yes: bool,
    /// Print a shell script that applies all fixes
    #[arg(long)]
    pub script: bool,
    #[command(flatten)]
    pub spec: Spec,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup stop orders\n  rcup stop orders --yes")]
pub struct Stop {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Do not ask before discarding in-memory keys
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup start orders")]
pub struct StartArgs {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// How long to wait for readiness
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration, env = "RCUP_TIMEOUT", hide_env_values = true)]
    pub timeout: Duration,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Before a master restarts, a replica is promoted; afterwards the master gets its role back.\n\nExamples:\n  \
                        rcup restart orders\n  rcup restart orders --node 2 --node replicas"
)]
pub struct Restart {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all` (repeatable)
    #[arg(long, value_name = "SELECTOR", default_value = "all")]
    pub node: Vec<Selector>,
    /// How long the whole restart may take
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration, env = "RCUP_TIMEOUT", hide_env_values = true)]
    pub timeout: Duration,
    /// Do not ask before discarding in-memory keys of masters without a replica
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "For use between tests; much faster than a new cluster. Deletes keys, scripts and functions, restores \
                  roles, slots, replicas, settings and users, starts stopped nodes, and verifies the result on every \
                  node. Nodes that took part in an election are restarted, which takes about as long as a start.\n\nExamples:\n  rcup reset\n  rcup reset orders --output json | jq -r '.mended[]'"
)]
pub struct Reset {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Do not ask before deleting keys stored on volumes
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with the command's exit code, or 128 plus the signal number if a signal ended it. Signals are forwarded \
                  to the command. Its environment has the settings of `rcup env` and RCUP_CLUSTER, the cluster's \
                  name. If rcup is killed, the next rcup command removes the cluster.\n\nExamples:\n  rcup run -- cargo test\n  rcup run --masters 5 --artifacts target/rcup -- pytest -x\n  \
                  rcup run -- sh -c 'redis-cli -c -u \"$REDIS_CLUSTER_URL\" SET greeting hello'"
)]
pub struct Run {
    /// Cluster name [default: generated]
    #[arg(long, value_name = "NAME")]
    pub name: Option<ClusterName>,
    /// Reuse a matching idle cluster (reset first), or create one. It stays available for the next run until its --ttl
    /// expires (1h if not set)
    #[arg(long, conflicts_with = "name")]
    pub reuse: bool,
    /// Save logs, node states and events here if the start or the command fails
    #[arg(long, value_name = "DIR", env = "RCUP_ARTIFACTS", hide_env_values = true)]
    pub artifacts: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub spec: Spec,
    #[command(flatten)]
    pub start: Start,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Arguments of a command that takes only a cluster name.
#[derive(Args, Debug)]
pub struct Named {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  rcup logs orders --tail 20\n  rcup logs orders --node masters --follow")]
pub struct Logs {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all`
    #[arg(long, value_name = "SELECTOR", default_value = "all")]
    pub node: Selector,
    /// Show only the last N lines of each node's log
    #[arg(long, short = 'n', value_name = "N")]
    pub tail: Option<u32>,
    /// Follow the log output
    #[arg(long, short)]
    pub follow: bool,
    /// Show only log lines newer than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Prefix each line with its timestamp
    #[arg(long, short)]
    pub timestamps: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with the client's exit code.\n\nExamples:\n  rcup cli orders -- SET greeting hello\n  \
                        echo 'GET greeting' | rcup cli orders --node replica:1"
)]
pub struct CliArgs {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Node: an index, `master:N` or `replica:N`
    #[arg(long, value_name = "SELECTOR", default_value = "1")]
    pub node: Selector,
    /// User to log in as; `operator` may run commands that the profile denies to clients
    #[arg(long, value_name = "USER", default_value = "default")]
    pub user: LoginAs,
    /// Client arguments; without any, the client runs interactively
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with the command's exit code.\n\nExamples:\n  rcup exec orders -- cat /rcup/1/redis.conf\n  \
                        rcup exec orders --node masters -- sh -c 'cat /proc/1/status | grep VmRSS'"
)]
pub struct Exec {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all`
    #[arg(long, value_name = "SELECTOR", default_value = "1")]
    pub node: Selector,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Subcommands of `rcup certs`.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Write ca.crt, client.crt and client.key (mode 0600) into a directory
    #[command(after_help = "Examples:\n  rcup certs export ./certs orders")]
    Export {
        /// Directory; created if it does not exist
        #[arg(value_name = "DIR")]
        directory: std::path::PathBuf,
        /// Cluster name
        #[arg(default_value = "default")]
        name: ClusterName,
    },
}

/// Subcommands of `rcup image`.
#[derive(Debug, Subcommand)]
pub enum ImageVerb {
    /// Build a local image from the server on this host or from distribution packages
    #[command(after_help = "Examples:\n  rcup image build\n  rcup image build --server valkey --from trixie")]
    Build {
        /// Server to package: `redis` or `valkey`
        #[arg(long = "server", visible_alias = "engine", value_name = "SERVER", default_value = "redis", value_parser = servers())]
        engine: Engine,
        /// Source of the programs: `host`, a suite such as `bookworm-backports`, or `auto`
        #[arg(long, value_name = "SOURCE", default_value = "auto")]
        from: Source,
    },
    /// List local images and whether the official ones are present
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  rcup image list\n  rcup image list --output json"
    )]
    List,
}

/// Commands by the heading under which `rcup --help` lists them.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Cluster",
        &[
            "up", "down", "stop", "start", "restart", "reset", "list", "status", "prune",
        ],
    ),
    ("Use", &["env", "cli", "exec", "logs", "run"]),
    ("Check", &["validate", "verify", "diagnose", "doctor"]),
    ("Change", &["config"]),
    ("Take along", &["export", "import", "certs"]),
    ("Set up", &["image", "completions", "man"]),
];

/// Returns the parser, with the commands grouped in its help. clap has one heading for all commands.
pub fn command() -> Command {
    let command = Cli::command();
    let mut list = String::new();
    for (heading, names) in GROUPS {
        let _ = write!(list, "\n\n{heading}:");
        for found in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = found.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = write!(list, "\n  {:<12} {about}", found.get_name());
            for alias in found.get_visible_aliases() {
                let _ = write!(list, " [alias: {alias}]");
            }
        }
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}{list}\n\nOptions:\n{{options}}{{after-help}}"
    ))
}

/// Returns whether the command line requests JSON output, even if it cannot be parsed.
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
    fn parser_definition_is_valid() {
        command().debug_assert();
    }

    #[test]
    fn help_groups_list_every_command_once() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        grouped.sort_unstable();
        let command = Cli::command();
        let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    #[test]
    fn json_output_flag_after_double_dash_is_ignored() {
        assert!(wants(&["rcup", "up", "--output", "json", "--nonsense"]));
        assert!(wants(&["rcup", "--output=ndjson", "up"]));
        assert!(!wants(&["rcup", "up", "--output", "human"]));
        assert!(!wants(&["rcup", "exec", "--", "x", "--output", "json"]));
        assert!(!wants(&["rcup", "up", "--output"]));
    }

    #[test]
    fn flags_of_up_build_the_spec() {
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
