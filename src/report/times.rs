//! The times of several failovers as a table: one row for each phase, with the median, the maximum and the expected
//! time.

use std::fmt::Write as _;

use crate::checks::failover::measured::seconds;
use crate::checks::failover::statistics::{FailoverTimes, PhaseTimes};

/// A row as text.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) median: String,
    pub(crate) worst: String,
    pub(crate) expected: String,
    /// Whether the maximum exceeds the expected time.
    pub(crate) late: bool,
}

/// Returns the rows for one kind of failover.
pub(crate) fn rows(times: &FailoverTimes) -> Vec<Row> {
    let phases = times
        .phases
        .iter()
        .filter(|phase| phase.spread.is_some() || phase.expected.is_some())
        .map(|phase| of_phase(phase, times.rounds));
    let lost = Row {
        what: "acknowledged writes lost".to_owned(),
        median: times.lost.median.to_string(),
        worst: times.lost.worst.to_string(),
        expected: String::new(),
        late: false,
    };
    phases.chain([lost]).collect()
}

fn of_phase(phase: &PhaseTimes, rounds: usize) -> Row {
    let missing = rounds - phase.rounds;
    let worst = match (phase.spread, missing) {
        (Some(spread), 0) => seconds(spread.worst),
        (None, _) => "never".to_owned(),
        (Some(spread), missing) => format!("{}, {missing} × never", seconds(spread.worst)),
    };
    let late = phase
        .expected
        .is_some_and(|expected| missing > 0 || phase.spread.is_some_and(|spread| spread.worst > expected));
    Row {
        what: phase.phase.told().to_owned(),
        median: phase
            .spread
            .map_or_else(|| "never".to_owned(), |spread| seconds(spread.median)),
        worst,
        expected: phase
            .expected
            .map_or_else(String::new, |ms| format!("within {}", seconds(ms))),
        late,
    }
}

/// Returns the heading of the table.
pub(crate) fn heading(times: &FailoverTimes) -> String {
    let rounds = match times.rounds {
        1 => "1 round".to_owned(),
        several => format!("{several} rounds"),
    };
    format!(
        "{}: {rounds}, node timeout {}, {} writes acknowledged",
        times.way.id(),
        seconds(times.node_timeout),
        times.acknowledged
    )
}

/// Returns the times of one kind of failover as a text table.
pub fn failover_table(times: &FailoverTimes) -> String {
    let rows = rows(times);
    let width = rows.iter().map(|row| row.worst.chars().count()).max();
    let width = width.unwrap_or_default().max(8);
    let mut text = format!("{}\n", heading(times));
    let _ = writeln!(text, "  {:<26}{:>9}  {:>width$}  expected", "", "median", "worst");
    for row in rows {
        let line = format!(
            "  {:<26}{:>9}  {:>width$}  {}{}",
            row.what,
            row.median,
            row.worst,
            row.expected,
            if row.late { " (late)" } else { "" }
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::checks::failover::statistics::failover_times;
    use crate::report::timeline::tests::rounds;

    use super::*;

    #[test]
    fn the_table_is_as_it_was_reviewed() {
        insta::assert_snapshot!(failover_table(&failover_times(&rounds())[0]));
    }
}
