//! Configuration presets of a cluster.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Configuration preset of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// For a laptop or a test: fast failover, no persistence, no eviction.
    #[default]
    Dev,
    /// Like production, with fewer resources.
    Staging,
    /// For data that must not be lost.
    Production,
}

impl Profile {
    /// All profiles, the smallest first.
    #[doc(hidden)]
    pub const ALL: [Self; 3] = [Self::Dev, Self::Staging, Self::Production];

    /// Returns the lower-case name used in flags, files, labels and JSON.
    #[doc(hidden)]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// Returns `cluster-node-timeout`: how long a node may be unreachable before it is suspected of failure.
    /// A longer timeout avoids unnecessary failovers and delays the necessary ones.
    #[doc(hidden)]
    pub fn node_timeout(self) -> Duration {
        Duration::from_secs(match self {
            Self::Dev => 5,
            Self::Staging => 15,
            Self::Production => 30,
        })
    }

    /// Returns whether the data persists when the containers are removed.
    #[doc(hidden)]
    pub fn persists(self) -> bool {
        self != Self::Dev
    }

    /// Returns `maxmemory-policy`.
    #[doc(hidden)]
    pub fn eviction(self) -> &'static str {
        match self {
            Self::Dev => "noeviction",
            Self::Staging | Self::Production => "allkeys-lru",
        }
    }

    /// Returns the upper limit of `maxmemory` in bytes, regardless of the memory of the Docker host.
    #[doc(hidden)]
    pub fn most_memory(self) -> u64 {
        GIB * match self {
            Self::Dev => 4,
            Self::Staging => 32,
            Self::Production => 128,
        }
    }

    /// Returns the share of the Docker host's memory for all nodes together, in percent. A laptop needs
    /// memory for other programs.
    #[doc(hidden)]
    pub fn memory_share(self) -> u64 {
        match self {
            Self::Dev => 25,
            Self::Staging => 50,
            Self::Production => 80,
        }
    }

    /// Returns the upper limit of `io-threads`.
    #[doc(hidden)]
    pub fn io_threads(self) -> u64 {
        match self {
            Self::Dev => 2,
            Self::Staging => 4,
            Self::Production => 8,
        }
    }

    /// Returns `repl-backlog-size` in bytes: how much data a replica can miss without a full sync.
    #[doc(hidden)]
    pub fn backlog(self) -> u64 {
        MIB * match self {
            Self::Dev => 16,
            Self::Staging | Self::Production => 100,
        }
    }

    /// Returns the commands that are denied to clients: those that delete all keys of a database, those that
    /// change a server's settings and users, and those that stop or block it. `rename-command`, used before
    /// ACLs existed, would also hide these commands from the tools that form and check a cluster. An ACL rule
    /// for the user `default` does not.
    #[doc(hidden)]
    pub fn disabled_commands(self) -> &'static [&'static str] {
        match self {
            Self::Dev | Self::Staging => &[],
            Self::Production => &[
                "flushdb", "flushall", "config", "acl", "debug", "shutdown", "keys",
            ],
        }
    }

    /// Returns the ACL rules that deny these commands to a user, each preceded by a space.
    pub(crate) fn restrictions(self) -> String {
        self.disabled_commands()
            .iter()
            .fold(String::new(), |rules, command| {
                // Some clients call `ACL WHOAMI`.
                let except = if *command == "acl" { " +acl|whoami" } else { "" };
                format!("{rules} -{command}{except}")
            })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("`{text}` is not a profile"))
                    .hint("Use `dev`, `staging` or `production`.")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_reads_its_own_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
        }
        assert!("prod".parse::<Profile>().is_err());
    }
}
