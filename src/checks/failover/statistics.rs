//! The times of several failovers put together: the middle and the worst of each phase, beside what is
//! expected.

use serde::Serialize;

use crate::checks::failover::measured::{Failover, WAYS, Way};

/// The middle and the worst of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The middle one; the lower of two.
    pub median: u64,
    /// The greatest.
    pub worst: u64,
}

impl Spread {
    /// Of these values, if there are any.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        Some(Self {
            median: *values.get(values.len().saturating_sub(1) / 2)?,
            worst: *values.last()?,
        })
    }
}

/// What happens in a failover, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// The first node suspected the master (PFAIL).
    Suspected,
    /// The first node held it for failed (FAIL): a majority of masters had suspected it.
    Failed,
    /// The successor called itself master.
    Promoted,
    /// A write to the slots was acknowledged again.
    WritesAgain,
    /// The last of the other nodes knew the new master.
    Followed,
    /// The old master was a replica in sync, counted from its return.
    Back,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Suspected,
        Self::Failed,
        Self::Promoted,
        Self::WritesAgain,
        Self::Followed,
        Self::Back,
    ];

    /// In words.
    pub fn told(self) -> &'static str {
        match self {
            Self::Suspected => "first suspected (PFAIL)",
            Self::Failed => "marked failed (FAIL)",
            Self::Promoted => "replica promoted",
            Self::WritesAgain => "writes resumed",
            Self::Followed => "known to all nodes",
            Self::Back => "old master back in sync",
        }
    }

    /// When it happened, in milliseconds.
    pub fn of(self, failover: &Failover) -> Option<u64> {
        match self {
            Self::Suspected => failover.first_suspected(),
            Self::Failed => failover.first_failed(),
            Self::Promoted => failover.promoted,
            Self::WritesAgain => failover.writes_again,
            Self::Followed => {
                let all: Option<Vec<u64>> = failover.noticed.iter().map(|one| one.followed).collect();
                all?.into_iter().max()
            }
            Self::Back => failover
                .back
                .zip(failover.revived)
                .map(|(back, revived)| back.saturating_sub(revived)),
        }
    }

    /// By when it is expected, in milliseconds. A node pings every other at least twice in a node timeout,
    /// and
    /// suspects one whose answer is late by a whole one; its reports travel with its next pings, within
    /// another half.
    /// The rest is the delay of an election. How long a copy takes depends on the data alone.
    pub fn expected(self, way: Way, node_timeout: u64) -> Option<u64> {
        let halves = |number: u64| (node_timeout.saturating_mul(number) / 2).saturating_add(500);
        match (self, way) {
            (Self::Suspected | Self::Failed, Way::Command) | (Self::Back | Self::Followed, _) => None,
            (Self::Suspected, _) => Some(halves(3)),
            (Self::Failed, _) => Some(halves(4)),
            (Self::Promoted | Self::WritesAgain, _) => Some(way.bound(node_timeout)),
        }
    }
}

/// The times of one phase over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PhaseTimes {
    /// Which.
    pub phase: Phase,
    /// In how many rounds it happened.
    pub rounds: usize,
    /// When, in milliseconds since the master was taken away.
    pub spread: Option<Spread>,
    /// By when it is expected.
    pub expected: Option<u64>,
}

/// All failovers of one way put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailoverTimes {
    /// Which way.
    pub way: Way,
    /// How many there were.
    pub rounds: usize,
    /// The node timeout, in milliseconds; the longest, should it have changed.
    pub node_timeout: u64,
    /// The phases in their order.
    pub phases: Vec<PhaseTimes>,
    /// How many acknowledged writes a round has lost.
    pub lost: Spread,
    /// How many writes were acknowledged in all rounds.
    pub acknowledged: u64,
}

impl FailoverTimes {
    /// Of these failovers of one way, if there are any.
    pub fn of(way: Way, rounds: &[&Failover]) -> Option<Self> {
        let node_timeout = rounds.iter().map(|round| round.node_timeout).max()?;
        let phases = Phase::ALL.map(|phase| {
            let times: Vec<u64> = rounds.iter().filter_map(|round| phase.of(round)).collect();
            PhaseTimes {
                phase,
                rounds: times.len(),
                spread: Spread::of(times),
                expected: phase.expected(way, node_timeout),
            }
        });
        Some(Self {
            way,
            rounds: rounds.len(),
            node_timeout,
            phases: phases.to_vec(),
            lost: Spread::of(rounds.iter().map(|round| round.lost))?,
            acknowledged: rounds.iter().map(|round| round.acknowledged).sum(),
        })
    }

    /// Of a phase.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseTimes> {
        self.phases.iter().find(|known| known.phase == phase)
    }
}

/// Of each way that was tried.
pub fn failover_times(failovers: &[Failover]) -> Vec<FailoverTimes> {
    let of = |way: Way| {
        let rounds: Vec<&Failover> = failovers.iter().filter(|one| one.way == way).collect();
        FailoverTimes::of(way, &rounds)
    };
    WAYS.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::checks::failover::judge::tests::kill;

    use super::*;

    #[test]
    fn the_median_is_one_of_the_values() {
        let spread = |values: &[u64]| Spread::of(values.iter().copied());
        let is = |median, worst| Some(Spread { median, worst });
        assert_eq!(spread(&[5, 1, 9]), is(5, 9));
        assert_eq!(spread(&[5, 1]), is(1, 5));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn every_phase_has_its_middle_its_worst_and_what_is_expected() {
        let quick = kill();
        let slow = Failover {
            promoted: Some(3000),
            writes_again: Some(3010),
            lost: 4,
            ..kill()
        };
        let never = Failover {
            promoted: None,
            writes_again: None,
            back: None,
            ..kill()
        };
        let all = failover_times(&[quick, slow, never]);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].rounds, all[0].acknowledged), (3, 2400));
        assert_eq!(all[0].lost, Spread { median: 0, worst: 4 });
        let told = |phase| {
            let times = all[0].phase(phase).unwrap();
            let spread = times.spread.unwrap();
            (times.rounds, spread.median, spread.worst, times.expected)
        };
        assert_eq!(told(Phase::Suspected), (3, 1050, 1050, Some(2000)));
        assert_eq!(told(Phase::Failed), (3, 1500, 1500, Some(2500)));
        assert_eq!(told(Phase::Promoted), (2, 2300, 3000, Some(4000)));
        assert_eq!(told(Phase::WritesAgain), (2, 2310, 3010, Some(4000)));
        assert_eq!(told(Phase::Followed), (3, 2400, 2400, None));
        assert_eq!(told(Phase::Back), (2, 600, 600, None));
    }

    #[test]
    fn a_node_that_never_knew_the_new_master_leaves_no_time_for_all() {
        let mut blind = kill();
        blind.noticed[0].followed = None;
        assert_eq!(Phase::Followed.of(&blind), None);
    }
}
