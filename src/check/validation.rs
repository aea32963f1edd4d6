//! A whole validation: the checks, what was measured on the way, and several rounds of it put together.

use serde::Serialize;

use super::facts::Answer;
use super::failover::{self, Failover};
use super::finding::{Check, Status};
use super::latency::{NodeLatency, micros};
use super::suite::{CATALOGUE, Suite};
use crate::topology::{Role, SlotRange};

/// A node as the validation has seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeSeen {
    /// Its name: the container's, or the address.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its role, if it answers.
    pub role: Option<Role>,
    /// The slots it owns.
    pub slots: Vec<SlotRange>,
    /// The name of the master it copies.
    pub replica_of: Option<String>,
}

/// From the answers of the nodes, in the order of their names and addresses.
pub fn nodes_seen(names: &[&str], addresses: &[String], answers: &[Answer]) -> Vec<NodeSeen> {
    let id_of = |answer: &Answer| answer.as_ref().ok()?.myself().map(|line| line.id.clone());
    names
        .iter()
        .zip(addresses)
        .zip(answers)
        .map(|((name, address), answer)| {
            let myself = answer.as_ref().ok().and_then(|view| view.myself());
            let master = myself.and_then(|line| line.master.as_ref());
            NodeSeen {
                name: (*name).to_owned(),
                address: address.clone(),
                role: myself.map(|line| {
                    if line.is_master() {
                        Role::Master
                    } else {
                        Role::Replica
                    }
                }),
                slots: myself.map(|line| line.slots.clone()).unwrap_or_default(),
                replica_of: master.and_then(|id| {
                    let at = answers
                        .iter()
                        .position(|other| id_of(other).as_ref() == Some(id))?;
                    names.get(at).map(|name| (*name).to_owned())
                }),
            }
        })
        .collect()
}

/// How many commands a second the cluster answered, and how quickly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Throughput {
    /// `SET` or `GET`.
    pub command: &'static str,
    /// How many commands were answered.
    pub commands: u64,
    /// In how many milliseconds.
    pub ms: u64,
    /// How many that is in a second.
    pub per_second: u64,
    /// How many commands were under way at once.
    pub clients: usize,
    /// How long single answers took.
    pub latency: NodeLatency,
}

impl Throughput {
    /// In a line: `SET 41000/s, p99 2.1 ms`.
    pub fn told(&self) -> String {
        format!(
            "{} {}/s, p99 {}",
            self.command,
            self.per_second,
            micros(self.latency.p99)
        )
    }
}

/// A validation, or several rounds of one put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Whether no check failed.
    pub passed: bool,
    /// The checks, in the order of the catalogue.
    pub checks: Vec<Check>,
    /// The cluster's name, or the endpoint.
    pub cluster: String,
    /// Which suite it was.
    pub suite: Suite,
    /// How many rounds there were.
    pub rounds: usize,
    /// The nodes, as last seen.
    pub nodes: Vec<NodeSeen>,
    /// How long each node took to answer, in the last round.
    pub latency: Vec<NodeLatency>,
    /// The load, in the last round.
    pub throughput: Vec<Throughput>,
    /// Every failover that was measured.
    pub failovers: Vec<Failover>,
}

impl Validation {
    /// Puts the checks into order and sums up.
    #[must_use]
    pub(crate) fn settled(mut self) -> Self {
        let place = |id: &str| CATALOGUE.iter().position(|entry| entry.id == id);
        self.checks.sort_by_key(|check| place(check.id));
        self.passed = self.checks.iter().all(Check::passed);
        self
    }

    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// Puts another round behind this one. A check ends as badly as in its worst round, and says in how many
    /// rounds it did; failovers are judged over all rounds.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        let rounds = self.rounds + next.rounds;
        for check in next.checks {
            match self.checks.iter_mut().find(|known| known.id == check.id) {
                None => self.checks.push(check),
                Some(known) => merge(known, check),
            }
        }
        self.failovers.extend(next.failovers);
        for way in failover::WAYS {
            let rounds: Vec<&Failover> = self.failovers.iter().filter(|one| one.way == way).collect();
            if let Some(check) = self.checks.iter_mut().find(|check| check.id == way.id())
                && !rounds.is_empty()
            {
                *check = failover::judge(way, &rounds).took(check.ms);
            }
        }
        Self {
            rounds,
            nodes: next.nodes,
            latency: next.latency,
            throughput: next.throughput,
            ..self
        }
        .settled()
    }
}

/// How bad an end is.
fn badness(status: Status) -> u8 {
    match status {
        Status::Skip => 0,
        Status::Pass => 1,
        Status::Warn => 2,
        Status::Fail => 3,
    }
}

fn merge(known: &mut Check, next: Check) {
    let ms = known.ms.max(next.ms);
    if badness(next.status) > badness(known.status) {
        *known = next;
    } else if next.status == known.status && badness(known.status) < 2 {
        // The latest words of a check that is in order.
        *known = next;
    }
    known.ms = ms;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(status: Status, ms: u64) -> Validation {
        Validation {
            passed: true,
            checks: vec![Check {
                id: "latency",
                status,
                summary: format!("{ms}"),
                detail: Vec::new(),
                hint: None,
                ms,
            }],
            cluster: "x".to_owned(),
            suite: Suite::Standard,
            rounds: 1,
            nodes: Vec::new(),
            latency: Vec::new(),
            throughput: Vec::new(),
            failovers: Vec::new(),
        }
        .settled()
    }

    #[test]
    fn a_check_ends_as_badly_as_in_its_worst_round() {
        let all = round(Status::Pass, 1)
            .followed_by(round(Status::Fail, 9))
            .followed_by(round(Status::Pass, 3));
        assert_eq!(all.rounds, 3);
        assert!(!all.passed);
        assert_eq!((all.checks[0].status, all.checks[0].ms), (Status::Fail, 9));
        let good = round(Status::Pass, 1).followed_by(round(Status::Pass, 2));
        assert!(good.passed);
        assert_eq!(good.checks[0].summary, "2");
    }
}
