//! The flags of `rcup diagnose`.

use clap::Args;

use crate::cli::args::validate::Entry;
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 when nothing is wrong, or nothing any more after --fix; else with 3. Without --fix it only looks. \
                        Of a cluster that rcup did not start, --endpoint takes several nodes, where they do not know each \
                        other.\n\nExamples:\n  rcup diagnose orders\n  rcup diagnose orders --fix\n  rcup diagnose orders \
                        --fix --yes --output json | jq .healthy\n  rcup diagnose --endpoint 10.0.0.7:6379,10.0.0.8:6379 \
                        --password-env REDIS_PASSWORD --tls-ca ca.pem"
)]
pub struct Diagnose {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Do what rcup can do about it: each action is shown first, and asked for
    #[arg(long)]
    pub fix: bool,
    /// Do not ask
    #[arg(long, short, requires = "fix")]
    pub yes: bool,
    /// Gather logs, files, settings, tables, statistics and the engine's knowledge and events of every node in an
    /// archive, with passwords masked; of --endpoint what the nodes answer
    #[arg(long, value_name = "FILE.tar.gz")]
    pub bundle: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub foreign: Elsewhere,
}

/// A cluster that rcup did not start.
#[derive(Args, Debug)]
#[command(next_help_heading = "A cluster that rcup did not start")]
pub struct Elsewhere {
    /// Diagnose the cluster of which this is a node; several where nodes do not know each other
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
