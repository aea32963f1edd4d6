//! Flags of `rcup diagnose`.

use clap::Args;

use crate::cli::args::validate::Entry;
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 if no problem is found or --fix has repaired all of them, else with 3. Without --fix, nothing is \
                        changed. For a cluster that rcup did not start, pass several nodes to --endpoint if they do not know \
                        each other.\n\nExamples:\n  rcup diagnose orders\n  rcup diagnose orders --fix\n  rcup diagnose orders \
                        --fix --yes --output json | jq .healthy\n  rcup diagnose --endpoint 10.0.0.7:6379,10.0.0.8:6379 \
                        --password-env REDIS_PASSWORD --tls-ca ca.pem"
)]
pub struct Diagnose {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Repair what rcup can; shows each action and asks first
    #[arg(long)]
    pub fix: bool,
    /// Do not ask for confirmation
    #[arg(long, short, requires = "fix")]
    pub yes: bool,
    /// Write logs, files, settings, cluster tables, statistics, and container state and events of every node to an
    /// archive, with passwords masked; with --endpoint, only what the nodes report
    #[arg(long, value_name = "FILE.tar.gz")]
    pub bundle: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub foreign: Elsewhere,
}

/// A cluster that rcup did not start.
#[derive(Args, Debug)]
#[command(next_help_heading = "A cluster that rcup did not start")]
pub struct Elsewhere {
    /// Diagnose the cluster of this node; give several nodes if they do not know each other
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        conflicts_with = "name"
    )]
    pub endpoint: Vec<String>,
    #[command(flatten)]
    pub entry: Entry,
}
