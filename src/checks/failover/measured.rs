//! What a failover measurement records.

use serde::Serialize;

/// How the master was made unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Way {
    /// `CLUSTER FAILOVER` on its replica.
    Command,
    /// Its process was paused, as on a host that hangs.
    Pause,
    /// Its process was killed.
    Kill,
}

/// All failover types, in the order in which they run.
pub const WAYS: [Way; 3] = [Way::Command, Way::Pause, Way::Kill];

impl Way {
    /// Returns the id of its check.
    pub fn id(self) -> &'static str {
        match self {
            Self::Command => "failover-command",
            Self::Pause => "failover-pause",
            Self::Kill => "failover-kill",
        }
    }

    /// Returns a description of how the master is made unavailable.
    pub fn deed(self) -> &'static str {
        match self {
            Self::Command => "manual failover",
            Self::Pause => "frozen",
            Self::Kill => "killed",
        }
    }

    /// Returns the time until writes are expected to succeed again, in milliseconds. Redis promotes after 1.0
    /// to 1.5 node timeouts plus the election delay, which is 0.5 to 1 s and another second for each replica
    /// with a higher replication offset; a manual failover takes a moment, and Redis aborts it after 5 s.
    pub fn bound(self, node_timeout: u64) -> u64 {
        match self {
            Self::Command => 5_000,
            Self::Pause | Self::Kill => node_timeout.saturating_mul(2).saturating_add(2_000),
        }
    }
}

/// When one node noticed each state change. Times are in milliseconds since the master became unavailable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// The node.
    pub node: String,
    /// When it suspected the master (`fail?`).
    pub suspected: Option<u64>,
    /// When it marked the master FAIL (`fail`).
    pub failed: Option<u64>,
    /// When it knew the new master.
    pub followed: Option<u64>,
}

/// One failover. Times are in milliseconds since the master became unavailable; `None` means that the event
/// did not occur before the measurement timed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// The failover type.
    pub way: Way,
    /// The name of the master that was made unavailable.
    pub victim: String,
    /// The name of the promoted node.
    pub successor: Option<String>,
    /// The node timeout, in milliseconds.
    pub node_timeout: u64,
    /// When the other nodes noticed each state change.
    pub noticed: Vec<Noticed>,
    /// When the successor reported itself as master.
    pub promoted: Option<u64>,
    /// When the last write before the gap was acknowledged. This can be after the failover was triggered,
    /// until it takes effect.
    pub last_write: u64,
    /// When a write to the slots was acknowledged again.
    pub writes_again: Option<u64>,
    /// When the old master was resumed or restarted.
    pub revived: Option<u64>,
    /// When the old master was a replica in sync.
    pub back: Option<u64>,
    /// The total number of acknowledged writes.
    pub acknowledged: u64,
    /// The number of acknowledged writes that the new master does not have.
    pub lost: u64,
    /// Why the measurement could not be completed.
    pub trouble: Option<String>,
}

impl Failover {
    /// Returns when the first node marked the master FAIL.
    pub fn first_failed(&self) -> Option<u64> {
        self.noticed.iter().filter_map(|one| one.failed).min()
    }

    /// Returns when the first node suspected the master.
    pub fn first_suspected(&self) -> Option<u64> {
        self.noticed.iter().filter_map(|one| one.suspected).min()
    }

    /// Returns how long no write was acknowledged, in milliseconds.
    pub fn gap(&self) -> Option<u64> {
        self.writes_again
            .map(|again| again.saturating_sub(self.last_write))
    }
}

/// Formats milliseconds for display.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}
