//! The machine that the nodes share, and what each of them gets of it.

use serde::{Deserialize, Serialize};

use crate::spec::cluster::ClusterSpec;
use crate::spec::profile::Profile;

/// A mebibyte, in bytes.
pub const MIB: u64 = 1024 * 1024;

/// Less than this is no memory for a server: an empty one with its replicas' buffers takes some 10 MiB.
const LEAST: u64 = 32 * MIB;

/// What a server takes beside its data: its code, its connections' buffers, the append-only file's buffer.
const BESIDE: u64 = 64 * MIB;

/// What is known of the machine on which the containers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its memory in bytes.
    pub memory: Option<u64>,
    /// Its processors, as the system counts them.
    pub cores: Option<u64>,
}

/// The memory of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// `maxmemory`, in bytes.
    pub data: u64,
    /// What its container may take at most, in bytes; `None` for no limit.
    pub container: Option<u64>,
    /// Whether the user chose it, rather than the machine.
    pub chosen: bool,
}

impl Memory {
    /// What a container may take in which `maxmemory` is `data`: half of that more while the server saves, and what it
    /// has beside its data.
    pub fn contained(data: u64) -> u64 {
        data + data / 2 + BESIDE
    }
}

impl Machine {
    /// What a node of a cluster gets, by its index.
    ///
    /// A profile leaves a part of the machine to everything else, and the nodes share the rest evenly, up to
    /// the profile's own limit. A container gets a limit above `maxmemory` in the profiles whose data is
    /// written to the disk or shall outlive a neighbour's appetite: while a node saves, its child process
    /// shares the pages with it, and each page that is written meanwhile exists twice; half of the data is
    /// room for that. In `dev` there is none: a container that the kernel kills for its memory looks like a
    /// failover out of nowhere, while a full `maxmemory` tells its reason in every answer.
    ///
    /// `None` where the machine does not tell its memory and the user does not choose.
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
        // The share is of what a container takes, where it has a limit.
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

    /// `io-threads` of each node: the profile's number, but no more than its share of the processors. Where
    /// nodes compete for them, threads cost more than they give.
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
