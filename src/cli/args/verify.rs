//! The flags of `rcup verify`.

use clap::{Args, ValueEnum};

use crate::checks::reach::advertised::Place;
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Every address that a node could tell a client is tried: those in CLUSTER SLOTS, SHARDS and NODES, and those \
                        of redirections by MOVED and ASK. Exits with 0 when all clients work that the cluster's way of \
                        announcing is meant for, else with 3. With --from, those at that place must work too.\n\nExamples:\n  \
                        rcup verify orders\n  rcup verify orders --from network\n  rcup verify orders --output json | jq \
                        '.clients[] | select(.status != \"pass\").nat_map'"
)]
pub struct Verify {
    /// Name of the cluster
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// From where [default: from both, where possible]
    #[arg(long, value_name = "PLACE")]
    pub from: Option<From>,
}

/// [`Place`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum From {
    /// This host
    Host,
    /// A container on the cluster's network, made for the moment
    Network,
}

impl std::convert::From<From> for Place {
    fn from(from: From) -> Self {
        match from {
            From::Host => Self::Host,
            From::Network => Self::Network,
        }
    }
}
