//! What a failover measurement records.

use serde::Serialize;

/// How the master was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Way {
    /// `CLUSTER FAILOVER` on its replica.
    Command,
    /// Its process was frozen, as by a machine that hangs.
    Pause,
    /// Its process was killed.
    Kill,
}

/// All ways, in the order in which they are tried.
pub const WAYS: [Way; 3] = [Way::Command, Way::Pause, Way::Kill];

impl Way {
    /// The id of its check.
    pub fn id(self) -> &'static str {
        match self {
            Self::Command => "failover-command",
            Self::Pause => "failover-pause",
            Self::Kill => "failover-kill",
        }
    }

    /// What is done to the master.
    pub fn deed(self) -> &'static str {
        match self {
            Self::Command => "manual failover",
            Self::Pause => "frozen",
            Self::Kill => "killed",
        }
    }

    /// Until when writes are expected to work again, in milliseconds. Redis promotes after 1.0 to 1.5 node
    /// timeouts and the delay of an election, which is 0.5 to 1 s and another second for each replica that
    /// is behind; by command it takes a moment, and Redis gives up after 5 s.
    pub fn bound(self, node_timeout: u64) -> u64 {
        match self {
            Self::Command => 5_000,
            Self::Pause | Self::Kill => node_timeout.saturating_mul(2).saturating_add(2_000),
        }
    }
}

/// When one node learned what. Times are milliseconds since the master was taken away.
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

/// One failover. Times are milliseconds since the master was taken away; `None` is what did not happen before
/// the measurement was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// How.
    pub way: Way,
    /// Which master was taken away.
    pub victim: String,
    /// Which node took over.
    pub successor: Option<String>,
    /// The node timeout, in milliseconds.
    pub node_timeout: u64,
    /// What the other nodes noticed, and when.
    pub noticed: Vec<Noticed>,
    /// When the successor called itself master.
    pub promoted: Option<u64>,
    /// When the last write before the gap was acknowledged. After the deed, while it still took effect.
    pub last_write: u64,
    /// When a write to the slots was acknowledged again.
    pub writes_again: Option<u64>,
    /// When the old master was let go on, or started again.
    pub revived: Option<u64>,
    /// When the old master was a replica in sync.
    pub back: Option<u64>,
    /// How many writes were acknowledged in all.
    pub acknowledged: u64,
    /// How many of them the new master does not have.
    pub lost: u64,
    /// Why the measurement could not be finished.
    pub trouble: Option<String>,
}

impl Failover {
    /// When the first node marked the master FAIL.
    pub fn first_failed(&self) -> Option<u64> {
        self.noticed.iter().filter_map(|one| one.failed).min()
    }

    /// When the first node suspected the master.
    pub fn first_suspected(&self) -> Option<u64> {
        self.noticed.iter().filter_map(|one| one.suspected).min()
    }

    /// For how long no write was acknowledged, in milliseconds.
    pub fn gap(&self) -> Option<u64> {
        self.writes_again
            .map(|again| again.saturating_sub(self.last_write))
    }
}

/// Milliseconds for a person.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}
