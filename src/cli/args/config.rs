//! The flags of `rcup config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::spec::Spec;
use crate::spec::name::ClusterName;
use crate::spec::selector::Selector;

/// What to do with configurations.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Print every node's directives: where each value comes from, and why it is there
    #[command(
        after_help = "No engine is needed where --image or --engine-version tells the server; else the engine's image \
                      is looked at.\n\nExamples:\n  rcup config show --profile production --node 1\n  \
                      rcup config show --engine valkey --engine-version 8.1 --output json"
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
    /// Name of the cluster
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
    /// Where to
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "rcup.toml")]
    pub out: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub force: bool,
}
