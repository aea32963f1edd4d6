//! Statistics of several failovers: the median and the worst time of each phase, next to the expected time.

use serde::Serialize;

use crate::checks::failover::measured::{Failover, WAYS, Way};

/// The median and the worst of several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The median; the lower of the two middle values if their number is even.
    pub median: u64,
    /// The highest value.
    pub worst: u64,
}

impl Spread {
    /// Returns the spread of these values, or `None` without values.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        Some(Self {
            median: *values.get(values.len().saturating_sub(1) / 2)?,
            worst: *values.last()?,
        })
    }
}

/// The phases of a failover, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// The first node suspected the master (PFAIL).
    Suspected,
    /// The first node marked it as failed (FAIL): a majority of masters had suspected it.
    Failed,
    /// The successor reported itself as master.
    Promoted,
    /// A write to the slots was acknowledged again.
    WritesAgain,
    /// The last of the other nodes knew the new master.
    Followed,
    /// The old master was a replica in sync. Measured from its restart.
    Back,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 6] = [
        Self::Suspected,
        Self::Failed,
        Self::Promoted,
        Self::WritesAgain,
        Self::Followed,
        Self::Back,
    ];

    /// Returns a description of the phase.
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

    /// Returns when the phase occurred, in milliseconds.
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

    /// Returns the expected time, in milliseconds. A node pings every other node at least twice per node
    /// timeout, and suspects a node whose answer is late by one node timeout; its failure reports travel with
    /// its next pings, within another half. The rest is the election delay. The duration of a full sync
    /// depends only on the data.
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
    /// The phase.
    pub phase: Phase,
    /// The number of rounds in which it occurred.
    pub rounds: usize,
    /// The time in milliseconds since the master became unavailable.
    pub spread: Option<Spread>,
    /// The expected time.
    pub expected: Option<u64>,
}

/// Statistics of all failovers of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailoverTimes {
    /// The failover type.
    pub way: Way,
    /// The number of rounds.
    pub rounds: usize,
    /// The node timeout, in milliseconds; the longest if it changed between rounds.
    pub node_timeout: u64,
    /// The phases, in order.
    pub phases: Vec<PhaseTimes>,
    /// The acknowledged writes that were lost per round.
    pub lost: Spread,
    /// The number of acknowledged writes in all rounds.
    pub acknowledged: u64,
}

impl FailoverTimes {
    /// Returns the statistics of these failovers of one type, or `None` without rounds.
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

    /// Returns the times of a phase.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseTimes> {
        self.phases.iter().find(|known| known.phase == phase)
    }
}

/// Returns the statistics of each failover type that was measured.
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
