//! How long a cluster lives: as long as its owner, until a moment, or until somebody removes it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The process for which a cluster was made. A process id comes back after a while, so the time at which
/// the process began belongs to it, and the places where both mean something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id, as the process itself sees it.
    pub pid: u32,
    /// When it began, in the unit of its system (Linux: clock ticks since boot).
    pub started: String,
    /// The machine, as far as it tells; empty when it does not.
    pub host: String,
    /// The run of the machine's kernel.
    pub boot: String,
    /// The namespace in which the process id counts; empty where there is only one.
    pub space: String,
    /// A file that further processes hold locked as long as they use the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<PathBuf>,
}

/// Whether an owner is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It lives.
    Here,
    /// It has ended.
    Gone,
    /// It cannot be seen from here: another machine, another namespace, another user.
    Unknown,
}

/// When a cluster may be removed without asking. The default is never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// With the end of this process.
    pub owner: Option<Owner>,
    /// At this time, in seconds since 1970.
    pub expires: Option<u64>,
}

impl Life {
    /// A life that ends so long after `now`.
    #[must_use]
    pub fn until(mut self, now: SystemTime, ttl: Duration) -> Self {
        self.expires = Some(seconds(now).saturating_add(ttl.as_secs()));
        self
    }

    /// Whether its time has passed.
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
