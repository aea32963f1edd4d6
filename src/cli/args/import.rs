//! Flags of `rcup import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Import formats.
#[derive(Debug, Subcommand)]
pub enum ImportVerb {
    /// Convert a Compose file that defines the nodes of a Redis Cluster
    #[command(
        after_help = "A service is a node if its command, or a redis.conf mounted from the file's directory, sets `cluster-enabled yes`, or \
                      if it uses a Bitnami image. Problems in the file are printed on standard error with their lines; passwords \
                      are never copied.\n\nExamples:\n  rcup import compose \
                      docker-compose.yml\n  rcup import compose docker-compose.yml -o rcup.toml"
    )]
    Compose(Import),
}

#[derive(Args, Debug)]
pub struct Import {
    /// File to read; `-` reads standard input
    pub file: PathBuf,
    /// File to write [default: standard output]
    #[arg(short = 'o', long = "out", value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
}
