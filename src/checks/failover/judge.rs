//! Evaluates measured failovers.

use crate::checks::failover::measured::{Failover, Way, seconds};
use crate::checks::failover::statistics::{FailoverTimes, Phase, Spread};
use crate::checks::finding::{Check, Status};

/// Returns the failures and the warnings of one round.
fn faults(round: &Failover) -> (Vec<String>, Vec<String>) {
    let (mut failing, mut warning) = (Vec::new(), Vec::new());
    let bound = round.way.bound(round.node_timeout);
    if let Some(trouble) = &round.trouble {
        failing.push(trouble.clone());
    } else {
        match round.writes_again {
            None => failing.push("writes to its slots did not resume".to_owned()),
            Some(again) if again > bound => failing.push(format!(
                "writes resumed after {}, expected within {}",
                seconds(again),
                seconds(bound)
            )),
            Some(_) => {}
        }
        if round.promoted.is_some() && round.back.is_none() {
            failing.push("did not return as a replica in sync".to_owned());
        }
    }
    let lost = format!(
        "{} of {} acknowledged writes were lost",
        round.lost, round.acknowledged
    );
    match (round.lost, round.way) {
        (0, _) => {}
        (_, Way::Command) => failing.push(lost),
        (_, _) => warning.push(format!("{lost}: replication is asynchronous")),
    }
    (failing, warning)
}

/// Evaluates all rounds of one failover type. The times are reported in every case.
pub fn judge(way: Way, rounds: &[&Failover]) -> Check {
    let Some(times) = FailoverTimes::of(way, rounds) else {
        return Check::skipped(way.id(), "no failover was measured");
    };
    let (mut failing, mut warning) = (Vec::new(), Vec::new());
    let (mut failed, mut warned) = (0, 0);
    for (nth, round) in rounds.iter().enumerate() {
        let at = if rounds.len() > 1 {
            format!("round {}, {}", nth + 1, round.victim)
        } else {
            round.victim.clone()
        };
        let (bad, doubtful) = faults(round);
        failed += usize::from(!bad.is_empty());
        warned += usize::from(!doubtful.is_empty());
        failing.extend(bad.into_iter().map(|line| format!("{at}: {line}")));
        warning.extend(doubtful.into_iter().map(|line| format!("{at}: {line}")));
    }
    let good = format!("{}; 0 of {} writes lost", told(&times), times.acknowledged);
    let hint = "Check the nodes' logs: `rcup logs --timestamps`. A replica that lags or is disconnected \
        cannot be elected.";
    let mut check = if failing.is_empty() {
        Check::good(way.id(), good).or_warn(
            warning,
            "Use WAIT after critical writes, or set min-replicas-to-write on the masters.",
        )
    } else {
        failing.extend(warning);
        Check::of(way.id(), good, "failovers failed", failing, hint)
    };
    check.rounds_bad = match check.status {
        Status::Fail => failed,
        Status::Warn => warned,
        Status::Pass | Status::Skip => 0,
    };
    if check.status != Status::Pass {
        check.detail.push(told(&times));
    }
    // The evidence of a measurement is useful even without failures.
    check.detail.extend(rounds.iter().map(|round| told_round(round)));
    check
}

/// Formats the times on one line: the values of a single round, or the median and the worst of several.
fn told(times: &FailoverTimes) -> String {
    let of = |phase: Phase| -> String {
        let Some(Spread { median, worst }) = times.phase(phase).and_then(|times| times.spread) else {
            return "never".to_owned();
        };
        if times.rounds == 1 {
            seconds(median)
        } else {
            format!("{} (worst {})", seconds(median), seconds(worst))
        }
    };
    let rounds = match times.rounds {
        1 => String::new(),
        several => format!("{several} rounds, median: "),
    };
    let noticed = match times.phase(Phase::Failed).and_then(|times| times.spread) {
        None => String::new(),
        Some(_) => format!(
            "suspected after {}, marked FAIL after {}, ",
            of(Phase::Suspected),
            of(Phase::Failed)
        ),
    };
    format!(
        "{rounds}writes resumed after {} (bound {}), {noticed}promoted after {}, the old master back in \
         sync in {}",
        of(Phase::WritesAgain),
        seconds(times.way.bound(times.node_timeout)),
        of(Phase::Promoted),
        of(Phase::Back)
    )
}

/// Formats the timeline of one round on one line.
fn told_round(round: &Failover) -> String {
    let when = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    format!(
        "{} {}: suspected {}, failed {}, {} promoted {}, writes resumed {}, back in sync {}",
        round.victim,
        round.way.deed(),
        when(round.first_suspected()),
        when(round.first_failed()),
        round.successor.as_deref().unwrap_or("nobody"),
        when(round.promoted),
        when(round.writes_again),
        when(round.back)
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checks::failover::measured::Noticed;

    pub(crate) fn kill() -> Failover {
        Failover {
            way: Way::Kill,
            victim: "rcup-x-1".to_owned(),
            successor: Some("rcup-x-4".to_owned()),
            node_timeout: 1000,
            noticed: vec![
                Noticed {
                    node: "rcup-x-2".to_owned(),
                    suspected: Some(1100),
                    failed: Some(1500),
                    followed: Some(2400),
                },
                Noticed {
                    node: "rcup-x-4".to_owned(),
                    suspected: Some(1050),
                    failed: Some(1510),
                    followed: Some(2300),
                },
            ],
            promoted: Some(2300),
            last_write: 4,
            writes_again: Some(2310),
            revived: Some(2500),
            back: Some(3100),
            acknowledged: 800,
            lost: 0,
            trouble: None,
        }
    }

    #[test]
    fn a_round_within_the_bound_passes_with_its_times() {
        let round = kill();
        let check = judge(Way::Kill, &[&round]);
        assert_eq!(check.status, Status::Pass);
        assert_eq!(
            check.summary,
            "writes resumed after 2.3 s (bound 4.0 s), suspected after 1.0 s, marked FAIL after 1.5 s, \
             promoted \
             after 2.3 s, the old master back in sync in 600 ms; 0 of 800 writes lost"
        );
        assert_eq!(
            (round.first_suspected(), round.first_failed()),
            (Some(1050), Some(1500))
        );
        assert_eq!(round.gap(), Some(2306));
    }

    #[test]
    fn what_takes_too_long_or_never_ends_fails() {
        let slow = Failover {
            writes_again: Some(4100),
            ..kill()
        };
        let gone = Failover {
            back: None,
            writes_again: None,
            ..kill()
        };
        let check = judge(Way::Kill, &[&slow, &gone]);
        assert_eq!(check.status, Status::Fail);
        assert_eq!(check.rounds_bad, 2);
        assert!(check.detail[0].contains("round 1, rcup-x-1: writes resumed after 4.1 s"));
        assert_eq!(
            check.detail[3],
            "2 rounds, median: writes resumed after 4.1 s (worst 4.1 s) (bound 4.0 s), suspected \
             after 1.0 s (\
             worst 1.0 s), marked FAIL after 1.5 s (worst 1.5 s), promoted after 2.3 s (worst \
             2.3 s), the old \
             master back in sync in 600 ms (worst 600 ms)"
        );
        assert_eq!(check.detail.len(), 3 + 1 + 2, "{check:#?}");
    }

    #[test]
    fn lost_writes_are_expected_of_a_crash_and_not_of_a_command() {
        let lost = Failover { lost: 3, ..kill() };
        let check = judge(Way::Kill, &[&kill(), &lost]);
        assert_eq!((check.status, check.rounds_bad), (Status::Warn, 1));
        assert!(check.detail[1].contains("promoted after 2.3 s"), "{check:#?}");
        let handed = Failover {
            way: Way::Command,
            ..lost
        };
        assert_eq!(judge(Way::Command, &[&handed]).status, Status::Fail);
    }
}
