//! The Docker host's memory and processors, and each node's share.

use serde::{Deserialize, Serialize};

use crate::spec::cluster::ClusterSpec;
use crate::spec::profile::Profile;

/// A mebibyte, in bytes.
pub const MIB: u64 = 1024 * 1024;

/// Minimum automatic `maxmemory` in bytes. An empty server with the buffers of its replicas uses about 10
/// MiB.
const LEAST: u64 = 32 * MIB;

/// Memory that a server uses in addition to its data, in bytes: code, connection buffers, append-only file
/// buffer.
const BESIDE: u64 = 64 * MIB;

/// Resources of the Docker host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Memory in bytes; `None` if unknown.
    pub memory: Option<u64>,
    /// Number of processors that the operating system reports; `None` if unknown.
    pub cores: Option<u64>,
}

/// The memory of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// `maxmemory`, in bytes.
    pub data: u64,
    /// Memory limit of the container, in bytes; `None` for no limit.
    pub container: Option<u64>,
    /// Whether the user set the value. If not, it is the node's share of the Docker host's memory.
    pub chosen: bool,
}

impl Memory {
    /// Returns the memory limit in bytes of a container with a `maxmemory` of `data`: the data, half of it
    /// for copied pages during a save, and the memory that a server uses in addition to its data.
    pub fn contained(data: u64) -> u64 {
        data + data / 2 + BESIDE
    }
}

impl Machine {
    /// Returns the memory of a node, by its index.
    ///
    /// A profile reserves a part of the Docker host's memory for other programs. The nodes share the rest
    /// evenly, up to the limit of the profile.
    ///
    /// In all profiles except `dev`, the container gets a memory limit above `maxmemory`. These profiles
    /// write data to disk or protect it from the memory use of other containers. While a node saves, it
    /// shares its pages with a child process, and each page that is written meanwhile exists twice. Half of
    /// the data size is reserved for that. In `dev` there is no limit: if the kernel kills a container that
    /// exceeds its limit, this looks like a failover without a cause, while a node that reaches `maxmemory`
    /// reports the reason in every reply.
    ///
    /// `None` if the memory of the Docker host is unknown and the user does not set a value.
    pub fn memory(&self, spec: &ClusterSpec, node: usize) -> Option<Memory> {
        let profile = spec.profile();
        let contained = profile != Profile::Dev;
        let limit = |data: u64| contained.then(|| Memory::contained(data));
        if let Some(data) = spec.memory_of(node) {
            return Some(Memory {
                data,
                container: limit(data),
                chosen: true,
            });
        }
        let share = self.memory? / 100 * profile.memory_share() / spec.nodes() as u64;
        // With a container limit, the share applies to the limit, not to `maxmemory`.
        let data = if contained {
            share.saturating_sub(BESIDE) / 3 * 2
        } else {
            share
        };
        let data = data.clamp(LEAST, profile.most_memory()) / MIB * MIB;
        Some(Memory {
            data,
            container: limit(data),
            chosen: false,
        })
    }

    /// Returns `io-threads` of each node: the value of the profile, but not more than the node's share of the
    /// processors. If nodes compete for processors, additional threads make them slower.
    pub fn io_threads(&self, spec: &ClusterSpec) -> u64 {
        let share = self.cores.unwrap_or(1) / spec.nodes() as u64;
        share.clamp(1, spec.profile().io_threads())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::size::size;

    const GIB: u64 = 1024 * MIB;

    fn machine(gib: u64, cores: u64) -> Machine {
        Machine {
            memory: Some(gib * GIB),
            cores: Some(cores),
        }
    }

    fn spec(profile: Profile) -> ClusterSpec {
        ClusterSpec::builder().profile(profile).build().unwrap()
    }

    #[test]
    fn the_nodes_of_a_laptop_fit_into_it() {
        for gib in [2, 4, 8, 16, 23, 64] {
            for profile in Profile::ALL {
                let spec = spec(profile);
                let memory = machine(gib, 4).memory(&spec, 1).unwrap();
                let each = memory.container.unwrap_or(memory.data);
                assert!(
                    each * 6 <= gib * GIB * 85 / 100,
                    "{profile} on {gib} GiB: {memory:?}"
                );
                assert!(memory.data >= LEAST && memory.data.is_multiple_of(MIB));
            }
        }
    }

    #[test]
    fn a_large_machine_reaches_the_guides_values_and_no_more() {
        let large = machine(4096, 128);
        for (profile, data, threads) in [
            (Profile::Dev, "4gb", 2),
            (Profile::Staging, "32gb", 4),
            (Profile::Production, "128gb", 8),
        ] {
            let spec = spec(profile);
            assert_eq!(size(large.memory(&spec, 1).unwrap().data), data);
            assert_eq!(large.io_threads(&spec), threads);
            assert_eq!(machine(8, 2).io_threads(&spec), 1);
        }
    }

    #[test]
    fn the_users_choice_holds_and_the_unknown_gets_nothing() {
        let spec = ClusterSpec::builder()
            .profile(Profile::Production)
            .memory(256 * MIB)
            .build()
            .unwrap();
        let memory = Machine::default().memory(&spec, 1).unwrap();
        assert_eq!((memory.data, memory.chosen), (256 * MIB, true));
        assert_eq!(memory.container, Some(448 * MIB));
        assert_eq!(Machine::default().memory(&ClusterSpec::default(), 1), None);
        assert_eq!(Machine::default().io_threads(&ClusterSpec::default()), 1);
    }
}
