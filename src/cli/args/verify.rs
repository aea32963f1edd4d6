//! Flags of `rcup verify`.

use clap::{Args, ValueEnum};

use crate::checks::reach::advertised::Place;
use crate::spec::name::ClusterName;

#[derive(Args, Debug)]
#[command(
    after_help = "Tries every address that nodes advertise: in CLUSTER SLOTS, SHARDS and NODES, and in MOVED and ASK \
                        redirections. Exits with 0 if all clients that the announce mode is meant for can connect, else \
                        with 3. With --from, clients at that location must connect too.\n\nExamples:\n  \
                        rcup verify orders\n  rcup verify orders --from network\n  rcup verify orders --output json | jq \
                        '.clients[] | select(.status != \"pass\").nat_map'"
)]
pub struct Verify {
    /// Cluster name
    #[arg(default_value = "default")]
    pub name: ClusterName,
    /// Location to check from [default: both, if possible]
    #[arg(long, value_name = "PLACE")]
    pub from: Option<From>,
}

/// [`Place`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum From {
    /// This host
    Host,
    /// A temporary container on the cluster network
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
