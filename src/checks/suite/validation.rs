//! The result of a validation: the checks, the measurements, and the combination of several rounds.

use std::cmp::Ordering;

use serde::Serialize;

use crate::checks::catalogue::{CATALOGUE, Suite};
use crate::checks::failover::judge::judge;
use crate::checks::failover::measured::Failover;
use crate::checks::failover::measured::WAYS;
use crate::checks::failover::statistics::{FailoverTimes, failover_times};
use crate::checks::finding::{Check, Status};
use crate::checks::latency::judge::{NodeLatency, micros};
use crate::server::wire::reply::Answer;
use crate::topology::layout::Role;
use crate::topology::slots::SlotRange;

/// A node as seen by the validation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeSeen {
    /// The container's name, or the address.
    pub name: String,
    /// The address.
    pub address: String,
    /// The role, if the node answers.
    pub role: Option<Role>,
    /// The slots it owns.
    pub slots: Vec<SlotRange>,
    /// The name of the master that it replicates.
    pub replica_of: Option<String>,
}

/// Creates the list from the nodes' answers, in the order of their names and addresses.
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

/// The source of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LoadFrom {
    /// A container on the cluster's network.
    Network,
    /// This host.
    Host,
}

impl LoadFrom {
    /// Returns a description of the source.
    pub fn told(self) -> &'static str {
        match self {
            Self::Network => "from the network",
            Self::Host => "from this host",
        }
    }
}

/// Commands per second that the cluster answered, and the response times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Throughput {
    /// `SET` or `GET`.
    pub command: String,
    /// The source of the load.
    pub from: LoadFrom,
    /// The program that created it, such as `redis-benchmark`.
    pub program: String,
    /// The number of answered commands.
    pub commands: u64,
    /// The duration, in milliseconds.
    pub ms: u64,
    /// The commands per second.
    pub per_second: u64,
    /// The number of commands in flight at the same time.
    pub clients: usize,
    /// The response times of single commands.
    pub latency: NodeLatency,
}

impl Throughput {
    /// Formats it on one line: `SET 41000/s, p99 2.1 ms`.
    pub fn told(&self) -> String {
        format!(
            "{} {}/s, p99 {}",
            self.command,
            self.per_second,
            micros(self.latency.p99)
        )
    }

    /// Returns whether both measure the same command in the same way.
    fn is_like(&self, other: &Self) -> bool {
        (&self.command, self.from, &self.program) == (&other.command, other.from, &other.program)
    }

    /// Adds a measurement that ran after this one.
    fn and(mut self, other: &Self) -> Self {
        self.commands += other.commands;
        self.ms += other.ms;
        self.per_second = self.commands.saturating_mul(1000) / self.ms.max(1);
        self.latency = self.latency.and(&other.latency);
        self
    }
}

/// The result of a validation, or of several rounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Whether no check failed.
    pub passed: bool,
    /// The checks, in the order of the catalogue.
    pub checks: Vec<Check>,
    /// The cluster's name, or the endpoint.
    pub cluster: String,
    /// The suite.
    pub suite: Suite,
    /// The number of rounds.
    pub rounds: usize,
    /// The nodes, as last seen.
    pub nodes: Vec<NodeSeen>,
    /// The response times of each node, over all rounds.
    pub latency: Vec<NodeLatency>,
    /// The load, over all rounds.
    pub throughput: Vec<Throughput>,
    /// Every measured failover, round by round.
    pub failovers: Vec<Failover>,
    /// Their statistics: the median and the worst time of each phase, for each failover type.
    pub failover_times: Vec<FailoverTimes>,
}

impl Validation {
    /// Sorts the checks, sets `passed`, and computes the failover statistics.
    #[must_use]
    pub(crate) fn settled(mut self) -> Self {
        let place = |id: &str| CATALOGUE.iter().position(|entry| entry.id == id);
        self.checks.sort_by_key(|check| place(check.id));
        self.passed = self.checks.iter().all(Check::passed);
        self.failover_times = failover_times(&self.failovers);
        self
    }

    /// Returns the number of checks with this status.
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// Appends another round. A check takes its status from its worst round, reports in how many rounds it
    /// failed or warned, and keeps the evidence of all rounds; measurements are combined; failovers are
    /// evaluated over all rounds.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        let rounds = self.rounds + next.rounds;
        for check in next.checks {
            match self.checks.iter_mut().find(|known| known.id == check.id) {
                None => self.checks.push(check),
                Some(known) => merge(known, check, rounds),
            }
        }
        self.failovers.extend(next.failovers);
        for way in WAYS {
            let rounds: Vec<&Failover> = self.failovers.iter().filter(|one| one.way == way).collect();
            if let Some(check) = self.checks.iter_mut().find(|check| check.id == way.id())
                && !rounds.is_empty()
            {
                *check = judge(way, &rounds).took(check.ms);
            }
        }
        let mut latency = self.latency;
        for measured in next.latency {
            match latency.iter_mut().find(|known| known.node == measured.node) {
                None => latency.push(measured),
                Some(known) => *known = known.clone().and(&measured),
            }
        }
        let mut throughput = self.throughput;
        for measured in next.throughput {
            match throughput.iter_mut().find(|known| known.is_like(&measured)) {
                None => throughput.push(measured),
                Some(known) => *known = known.clone().and(&measured),
            }
        }
        Self {
            rounds,
            nodes: next.nodes,
            latency,
            throughput,
            ..self
        }
        .settled()
    }
}

/// Maximum number of evidence lines that a check keeps over many rounds.
const LINES: usize = 40;

/// Returns the severity of a status.
fn badness(status: Status) -> u8 {
    match status {
        Status::Skip => 0,
        Status::Pass => 1,
        Status::Warn => 2,
        Status::Fail => 3,
    }
}

/// Merges the result of round `nth` into the previous result.
fn merge(known: &mut Check, next: Check, nth: usize) {
    let ms = known.ms.max(next.ms);
    match badness(next.status).cmp(&badness(known.status)) {
        Ordering::Less => {}
        Ordering::Greater => *known = next,
        // Keep the latest result of a check without failures.
        Ordering::Equal if badness(known.status) < 2 => *known = next,
        Ordering::Equal => {
            known.rounds_bad += next.rounds_bad;
            for line in next.detail {
                if known.detail.len() < LINES && !known.detail.contains(&line) {
                    known.detail.push(format!("round {nth}: {line}"));
                }
            }
        }
    }
    known.ms = ms;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(status: Status, seen: &str, ms: u64) -> Validation {
        let detail = vec![seen.to_owned()];
        let good = Check::good("latency", seen);
        let check = match status {
            Status::Pass => good,
            Status::Warn => good.or_warn(detail, "hint"),
            Status::Fail => Check::of("latency", "", "bad", detail, "hint"),
            Status::Skip => Check::skipped("latency", seen),
        };
        Validation {
            passed: true,
            checks: vec![check.took(ms)],
            cluster: "x".to_owned(),
            suite: Suite::Standard,
            rounds: 1,
            nodes: Vec::new(),
            latency: vec![NodeLatency::of("a", &[ms])],
            throughput: vec![Throughput {
                command: "SET".to_owned(),
                from: LoadFrom::Host,
                program: "rcup".to_owned(),
                commands: 100 * ms,
                ms: 1000,
                per_second: 100 * ms,
                clients: 50,
                latency: NodeLatency::of("all masters", &[ms]),
            }],
            failovers: Vec::new(),
            failover_times: Vec::new(),
        }
        .settled()
    }

    #[test]
    fn a_check_ends_as_badly_as_in_its_worst_round_and_says_in_how_many_it_did() {
        let all = round(Status::Pass, "a", 1)
            .followed_by(round(Status::Warn, "b", 1))
            .followed_by(round(Status::Fail, "c", 9))
            .followed_by(round(Status::Pass, "d", 3))
            .followed_by(round(Status::Fail, "c", 2))
            .followed_by(round(Status::Fail, "e", 2));
        assert_eq!(all.rounds, 6);
        assert!(!all.passed);
        let check = &all.checks[0];
        assert_eq!((check.status, check.ms, check.rounds_bad), (Status::Fail, 9, 3));
        assert_eq!(check.often(all.rounds).unwrap(), "in 3 of 6 rounds");
        assert_eq!(check.summary, "c");
        assert_eq!(check.detail, ["c", "round 6: e"]);
        let good = round(Status::Pass, "a", 1).followed_by(round(Status::Pass, "b", 2));
        assert!(good.passed);
        assert_eq!(good.checks[0].summary, "b");
        assert_eq!(good.checks[0].often(2), None);
    }

    #[test]
    fn evidence_does_not_grow_without_end() {
        let rounds = (0..100).map(|nth| round(Status::Fail, &nth.to_string(), 1));
        let all = rounds.reduce(Validation::followed_by).unwrap();
        assert_eq!(all.checks[0].rounds_bad, 100);
        assert_eq!(all.checks[0].detail.len(), LINES);
    }

    #[test]
    fn measurements_of_all_rounds_are_put_together() {
        let all = round(Status::Pass, "", 10).followed_by(round(Status::Pass, "", 30));
        assert_eq!(
            (all.latency[0].samples, all.latency[0].p50, all.latency[0].max),
            (2, 10, 30)
        );
        let load = &all.throughput[0];
        assert_eq!((load.commands, load.ms, load.per_second), (4000, 2000, 2000));
        assert_eq!((all.throughput.len(), load.latency.samples), (1, 2));
    }
}
