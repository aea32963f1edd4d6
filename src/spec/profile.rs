//! For which use a cluster is set up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// For which use a cluster is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// On a laptop or in a test: quick to fail over, nothing kept, nothing evicted.
    #[default]
    Dev,
    /// Like production, on less.
    Staging,
    /// For data that matters.
    Production,
}

impl Profile {
    /// All of them, the lightest first.
    #[doc(hidden)]
    pub const ALL: [Self; 3] = [Self::Dev, Self::Staging, Self::Production];

    /// The lower-case name, as it stands in flags, files, labels and JSON.
    #[doc(hidden)]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// How long a node may be silent before it is suspected. The longer, the fewer failovers for nothing, and
    /// the later the necessary one.
    #[doc(hidden)]
    pub fn node_timeout(self) -> Duration {
        Duration::from_secs(match self {
            Self::Dev => 5,
            Self::Staging => 15,
            Self::Production => 30,
        })
    }

    /// Whether the data shall outlive the containers.
    #[doc(hidden)]
    pub fn persists(self) -> bool {
        self != Self::Dev
    }

    /// `maxmemory-policy`: what a full node does.
    #[doc(hidden)]
    pub fn eviction(self) -> &'static str {
        match self {
            Self::Dev => "noeviction",
            Self::Staging | Self::Production => "allkeys-lru",
        }
    }

    /// `maxmemory` at most, in bytes, however large the machine is.
    #[doc(hidden)]
    pub fn most_memory(self) -> u64 {
        GIB * match self {
            Self::Dev => 4,
            Self::Staging => 32,
            Self::Production => 128,
        }
    }

    /// How much of the machine's memory all nodes together may take, in percent. A laptop has other things
    /// to do.
    #[doc(hidden)]
    pub fn memory_share(self) -> u64 {
        match self {
            Self::Dev => 25,
            Self::Staging => 50,
            Self::Production => 80,
        }
    }

    /// `io-threads` at most.
    #[doc(hidden)]
    pub fn io_threads(self) -> u64 {
        match self {
            Self::Dev => 2,
            Self::Staging => 4,
            Self::Production => 8,
        }
    }

    /// `repl-backlog-size` in bytes: what a replica may miss without a full copy.
    #[doc(hidden)]
    pub fn backlog(self) -> u64 {
        MIB * match self {
            Self::Dev => 16,
            Self::Staging | Self::Production => 100,
        }
    }

    /// The commands that clients shall not be able to give: those that empty a database at once, those that change
    /// a server's settings and users, and those that stop it or hold it up. Renaming them, as was done before there
    /// were ACLs, would hide them from the tools that form and check a cluster as well; a rule for the user
    /// `default` does not.
    #[doc(hidden)]
    pub fn disabled_commands(self) -> &'static [&'static str] {
        match self {
            Self::Dev | Self::Staging => &[],
            Self::Production => &[
                "flushdb", "flushall", "config", "acl", "debug", "shutdown", "keys",
            ],
        }
    }

    /// The rules that keep these commands from a user, each after a space.
    pub(crate) fn restrictions(self) -> String {
        self.disabled_commands()
            .iter()
            .fold(String::new(), |rules, command| {
                // Anybody may ask who it is, and some clients do.
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
