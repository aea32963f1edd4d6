//! Expiry of a cluster: when its owner exits, at a given time, or never.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The process that owns a cluster. Process ids are reused, so the start time of the process is part of its
/// identity, as are the host, the boot and the namespace in which both are valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id in the process's own namespace.
    pub pid: u32,
    /// Start time of the process, in the unit of the operating system (Linux: clock ticks since boot).
    pub started: String,
    /// Id of the host; empty if the host has none.
    pub host: String,
    /// Boot id of the host's kernel.
    pub boot: String,
    /// PID namespace of the process id; empty on systems without namespaces.
    pub space: String,
    /// A file that other processes keep locked while they use the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<PathBuf>,
}

/// Whether an owner is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The owner is alive.
    Here,
    /// The owner has exited.
    Gone,
    /// This process cannot determine it: the owner is on another host, in another namespace or of another
    /// user.
    Unknown,
}

/// When a cluster may be removed automatically. The default is never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// When this process has exited.
    pub owner: Option<Owner>,
    /// At this Unix time, in seconds.
    pub expires: Option<u64>,
}

impl Life {
    /// Sets the expiry to `ttl` after `now`.
    #[must_use]
    pub fn until(mut self, now: SystemTime, ttl: Duration) -> Self {
        self.expires = Some(seconds(now).saturating_add(ttl.as_secs()));
        self
    }

    /// Returns whether the expiry time has passed.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= seconds(now))
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_ends_when_its_time_has_passed_and_not_before() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let life = Life::default().until(now, Duration::from_mins(1));
        assert_eq!(life.expires, Some(1060));
        assert!(!life.has_expired(now + Duration::from_secs(59)));
        assert!(life.has_expired(now + Duration::from_mins(1)));
        assert!(!Life::default().has_expired(now + Duration::from_hours(1_000_000)));
    }
}
