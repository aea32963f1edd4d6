//! Flags of `rcup config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::spec::Spec;
use crate::spec::name::ClusterName;
use crate::spec::selector::Selector;

/// Subcommands of `rcup config`.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Print every node's directives with the origin and reason of each value
    #[command(
        after_help = "With --image or --server-version, no container engine is needed; otherwise the local \
                      image is inspected.\n\nExamples:\n  rcup config show --profile production --node 1\n  \
                      rcup config show --server valkey --server-version 8.1 --output json"
    )]
    Show(Box<Show>),
    /// Write a commented rcup.toml
    #[command(after_help = "Examples:\n  rcup config init\n  rcup config init -o clusters.toml")]
    Init(Init),
    /// Print the JSON Schema of rcup.toml, for editors
    #[command(after_help = "Examples:\n  rcup config schema > rcup.schema.json")]
    Schema,
}

#[derive(Args, Debug)]
pub struct Show {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    #[command(flatten)]
    pub spec: Spec,
    /// Nodes: an index, `master:N`, `replica:N`, `masters`, `replicas` or `all`
    #[arg(long, value_name = "SELECTOR", default_value = "all")]
    pub node: Selector,
}

#[derive(Args, Debug)]
pub struct Init {
    /// File to write
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "rcup.toml")]
    pub out: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
}
