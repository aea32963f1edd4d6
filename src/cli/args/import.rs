//! The flags of `rcup import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// From which tool.
#[derive(Debug, Subcommand)]
pub enum ImportVerb {
    /// A Compose file with the nodes of a Redis Cluster
    #[command(
        after_help = "Nodes are services whose command, or a redis.conf mounted from beside the file, says `cluster-enabled yes`, and \
                      those of Bitnami's images. What is wrong in the file is told on standard error, line by line; passwords \
                      are never copied.\n\nExamples:\n  rcup import compose \
                      docker-compose.yml\n  rcup import compose docker-compose.yml -o rcup.toml"
    )]
    Compose(Import),
}

#[derive(Args, Debug)]
pub struct Import {
    /// The file; `-` is standard input
    pub file: PathBuf,
    /// File for the settings [default: standard output]
    #[arg(short = 'o', long = "out", value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}
