//! Flags of `rcup import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Import formats.
#[derive(Debug, Subcommand)]
pub enum ImportVerb {
    /// Convert a Compose file that defines the nodes of a Redis Cluster
    #[command(
        after_help = "A service is a node if its command, or a redis.conf mounted from the file's directory, sets `cluster-enabled yes`, or \
                      if it uses a Bitnami image. Variables, `.env`, `env_file`, `extends` within the file, configs and secrets are \
                      resolved as Compose does; for `include`, override files and `extends` from other files, import the output of \
                      `docker compose config`. Problems in the file, and what is not imported, are printed on standard error with \
                      their lines; passwords are never copied.\n\nExamples:\n  rcup import compose \
                      docker-compose.yml\n  rcup import compose docker-compose.yml -o rcup.toml\n  docker compose config | rcup \
                      import compose -"
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
