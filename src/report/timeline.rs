//! A failover as a text timeline.

use std::fmt::Write as _;

use crate::checks::failover::measured::{Failover, WAYS, Way, seconds};

/// The minimum width of the timeline in columns.
const NARROWEST: usize = 20;

/// Renders the failover in lines of at most `columns`: the old master, a line for the client and for each node, and
/// a legend.
pub fn timeline(failover: &Failover, columns: usize) -> String {
    let names = failover.noticed.iter().map(|one| one.node.as_str());
    let label = names
        .chain([failover.victim.as_str(), "writes"])
        .map(|name| name.chars().count())
        .max()
        .unwrap_or_default();
    let width = columns.saturating_sub(label + 3).max(NARROWEST);
    let scale = Scale {
        end: end(failover),
        width,
    };
    let mut text = format!(
        "{} {}, node timeout {}: writes resumed after {}",
        failover.victim,
        failover.way.deed(),
        seconds(failover.node_timeout),
        failover.writes_again.map_or_else(|| "never".to_owned(), seconds)
    );
    if let Some(gap) = failover.gap() {
        let _ = write!(text, " (a gap of {})", seconds(gap));
    }
    let _ = writeln!(
        text,
        ", {} of {} acknowledged writes lost",
        failover.lost, failover.acknowledged
    );
    let mut line = |name: &str, drawn: String| {
        let _ = writeln!(text, "  {name:<label$} {}", drawn.trim_end());
    };
    line("", scale.axis());
    line("writes", scale.writes(failover));
    line(&failover.victim, scale.victim(failover));
    for one in &failover.noticed {
        let promoted = (failover.successor.as_deref() == Some(one.node.as_str()))
            .then_some(failover.promoted)
            .flatten();
        line(
            &one.node,
            scale.signs(&[
                (one.suspected, '?'),
                (one.failed, '!'),
                (one.followed, '>'),
                (promoted, 'M'),
            ]),
        );
    }
    text.push_str("  # acknowledged  . nothing  x away  ~ coming back  = in sync\n");
    text.push_str("  ? suspected  ! marked FAIL  M became master  > knows the new master\n");
    text
}

/// Selects the failovers to draw: all if there are few, or the slowest of each kind.
pub fn told_apart(failovers: &[Failover]) -> Vec<&Failover> {
    const FEW: usize = 6;
    if failovers.len() <= FEW {
        return failovers.iter().collect();
    }
    let longest = |way: Way| {
        let of_way = failovers.iter().filter(|one| one.way == way);
        // A failover that never completed counts as the slowest.
        of_way.max_by_key(|one| (one.trouble.is_some(), one.writes_again.unwrap_or(u64::MAX)))
    };
    WAYS.into_iter().filter_map(longest).collect()
}

/// Returns the end of the time axis in milliseconds.
fn end(failover: &Failover) -> u64 {
    let noticed = failover
        .noticed
        .iter()
        .flat_map(|one| [one.suspected, one.failed, one.followed]);
    noticed
        .chain([
            failover.back,
            failover.revived,
            failover.writes_again,
            failover.promoted,
            Some(10),
        ])
        .flatten()
        .max()
        .map_or(10, |end| end + end / 20)
}

/// Converts milliseconds to columns.
struct Scale {
    end: u64,
    width: usize,
}

impl Scale {
    fn column(&self, ms: u64) -> usize {
        let width = self.width.saturating_sub(1) as u64;
        usize::try_from(ms.min(self.end) * width / self.end).unwrap_or_default()
    }

    /// Returns the time axis with four marks.
    fn axis(&self) -> String {
        let mut drawn = String::new();
        for quarter in 0..4 {
            let ms = self.end * quarter / 4;
            let place = self.column(ms);
            while drawn.chars().count() < place {
                drawn.push(' ');
            }
            let _ = write!(drawn, "|{}", seconds(ms));
        }
        drawn
    }

    fn fill(&self, sign: impl Fn(usize) -> char) -> String {
        (0..self.width).map(sign).collect()
    }

    fn writes(&self, failover: &Failover) -> String {
        let last = self.column(failover.last_write);
        let again = failover.writes_again.map(|ms| self.column(ms));
        self.fill(|at| {
            if at <= last || again.is_some_and(|again| at >= again) {
                '#'
            } else {
                '.'
            }
        })
    }

    fn victim(&self, failover: &Failover) -> String {
        let revived = failover.revived.map(|ms| self.column(ms));
        let back = failover.back.map(|ms| self.column(ms));
        self.fill(|at| match (revived, back) {
            (_, Some(back)) if at >= back => '=',
            (Some(revived), _) if at >= revived => '~',
            _ => 'x',
        })
    }

    /// Places symbols at their times. If a column is occupied, a later symbol moves to the right.
    fn signs(&self, signs: &[(Option<u64>, char)]) -> String {
        let mut drawn = vec![' '; self.width];
        for (ms, sign) in signs.iter().filter_map(|(ms, sign)| Some(((*ms)?, *sign))) {
            let place = self.column(ms);
            let free = (place..self.width).find(|at| drawn[*at] == ' ');
            drawn[free.unwrap_or(place)] = sign;
        }
        drawn.into_iter().collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checks::catalogue::Suite;
    use crate::checks::failover::measured::Noticed;
    use crate::checks::failover::statistics::failover_times;
    use crate::checks::finding::{Check, Status};
    use crate::checks::latency::judge::NodeLatency;
    use crate::checks::suite::validation::{LoadFrom, NodeSeen, Throughput, Validation};
    use crate::topology::layout::Role;
    use crate::topology::slots::SlotRange;

    fn check(id: &'static str, status: Status, summary: &str, detail: &[&str]) -> Check {
        Check {
            id,
            status,
            summary: summary.to_owned(),
            detail: detail.iter().map(|line| (*line).to_owned()).collect(),
            hint: (!detail.is_empty()).then(|| "Look at <b>the log</b>.".to_owned()),
            ms: 12,
            rounds_bad: usize::from(!detail.is_empty()),
        }
    }

    fn node(number: usize, slots: &[(u16, u16)], master: Option<&str>) -> NodeSeen {
        NodeSeen {
            name: format!("rcup-x-{number}"),
            address: format!("10.213.0.{}:700{number}", number + 1),
            role: Some(if master.is_some() {
                Role::Replica
            } else {
                Role::Master
            }),
            slots: slots.iter().copied().map(SlotRange::from).collect(),
            replica_of: master.map(str::to_owned),
        }
    }

    fn failover() -> Failover {
        let noticed = |node: &str, suspected, failed, followed| Noticed {
            node: node.to_owned(),
            suspected: Some(suspected),
            failed: Some(failed),
            followed: Some(followed),
        };
        Failover {
            way: Way::Kill,
            victim: "rcup-x-1".to_owned(),
            successor: Some("rcup-x-4".to_owned()),
            node_timeout: 1000,
            noticed: vec![
                noticed("rcup-x-2", 1100, 1500, 2400),
                noticed("rcup-x-3", 1150, 1500, 2410),
                noticed("rcup-x-4", 1050, 1510, 2300),
            ],
            promoted: Some(2300),
            last_write: 4,
            writes_again: Some(2310),
            revived: Some(2500),
            back: Some(3100),
            acknowledged: 800,
            lost: 2,
            trouble: None,
        }
    }

    pub fn validation() -> Validation {
        Validation {
            passed: false,
            checks: vec![
                check("reachable", Status::Pass, "all 6 nodes answer", &[]),
                check(
                    "open-slots",
                    Status::Fail,
                    "slots are migrating or importing (2 findings)",
                    &[
                        "rcup-x-1: slots are being moved: 93 to <0123>",
                        "rcup-x-2: 93 | 94",
                    ],
                ),
                check(
                    "memory",
                    Status::Warn,
                    "rcup-x-3: uses 91 %",
                    &["rcup-x-3: uses 91 %"],
                ),
                check("ask", Status::Skip, "not tried", &[]),
            ],
            cluster: "x".to_owned(),
            suite: Suite::Full,
            rounds: 1,
            nodes: vec![
                node(1, &[(0, 5460)], None),
                node(2, &[(5461, 10922)], None),
                node(3, &[(10923, 16383)], None),
                node(4, &[], Some("rcup-x-1")),
                node(5, &[], Some("rcup-x-2")),
                node(6, &[], Some("rcup-x-3")),
            ],
            latency: vec![
                NodeLatency::of("rcup-x-1", &[80, 90, 100, 130, 400, 3000]),
                NodeLatency::of("rcup-x-2", &[85, 95, 110, 150, 170]),
            ],
            throughput: vec![Throughput {
                command: "SET".to_owned(),
                from: LoadFrom::Network,
                program: "redis-benchmark".to_owned(),
                commands: 41_000,
                ms: 1000,
                per_second: 41_000,
                clients: 50,
                latency: NodeLatency::of("all masters", &[900, 1000, 1100]),
            }],
            failovers: vec![failover()],
            failover_times: failover_times(&[failover()]),
        }
    }

    /// Returns three rounds: one as expected, one late, and one without a promotion.
    pub fn rounds() -> Vec<Failover> {
        let late = Failover {
            promoted: Some(4700),
            writes_again: Some(4711),
            back: Some(6000),
            revived: Some(4800),
            ..failover()
        };
        let never = Failover {
            promoted: None,
            writes_again: None,
            back: None,
            lost: 0,
            ..failover()
        };
        vec![failover(), late, never]
    }

    #[test]
    fn the_drawing_is_as_it_was_reviewed() {
        insta::assert_snapshot!(timeline(&failover(), 80));
    }

    #[test]
    fn of_many_failovers_the_longest_of_each_way_is_drawn() {
        assert_eq!(told_apart(&rounds()).len(), 3);
        let many: Vec<Failover> = rounds().into_iter().cycle().take(9).collect();
        let drawn = told_apart(&many);
        assert_eq!(drawn.len(), 1);
        assert_eq!(drawn[0].writes_again, None);
    }

    #[test]
    fn no_line_is_wider_than_allowed() {
        for columns in [60, 80, 120] {
            let drawn = timeline(&failover(), columns);
            let widest = drawn.lines().skip(1).map(|line| line.chars().count()).max();
            assert!(widest <= Some(columns.max(80)), "{drawn}");
        }
    }

    #[test]
    fn what_never_happened_is_drawn_too() {
        let never = Failover {
            noticed: Vec::new(),
            successor: None,
            promoted: None,
            writes_again: None,
            revived: None,
            back: None,
            ..failover()
        };
        let drawn = timeline(&never, 80);
        assert!(drawn.contains("writes resumed after never"), "{drawn}");
    }
}
