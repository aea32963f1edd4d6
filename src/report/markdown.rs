//! Markdown for the summary of a CI run.

use std::fmt::Write as _;

use crate::checks::finding::{Check, Status};
use crate::checks::latency::judge::micros;
use crate::checks::suite::validation::Validation;
use crate::report::timeline::{timeline, told_apart};
use crate::report::times::{heading, rows};

/// Renders the report: the verdict, a table of the checks, the details of those that did not pass, and the
/// measurements.
pub fn markdown(validation: &Validation) -> String {
    let verdict = if validation.passed { "passes" } else { "fails" };
    let mut text = format!("## Cluster {} {verdict}\n\n", cell(&validation.cluster));
    let _ = writeln!(
        text,
        "{} passed, {} failed, {} with a warning, {} skipped ({} suite, {} round{})\n",
        validation.count(Status::Pass),
        validation.count(Status::Fail),
        validation.count(Status::Warn),
        validation.count(Status::Skip),
        validation.suite.as_str(),
        validation.rounds,
        if validation.rounds == 1 { "" } else { "s" }
    );
    text.push_str("| | Check | Result | ms |\n|---|---|---|---:|\n");
    for check in &validation.checks {
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} |",
            mark(check.status),
            check.id,
            cell(&told(check, validation.rounds)),
            check.ms
        );
    }
    let bad = |check: &&Check| matches!(check.status, Status::Fail | Status::Warn);
    for check in validation.checks.iter().filter(bad) {
        let _ = writeln!(text, "\n### {} `{}`\n", mark(check.status), check.id);
        for line in &check.detail {
            let _ = writeln!(text, "- {}", cell(line));
        }
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "\n{}", cell(hint));
        }
    }
    measurements(&mut text, validation);
    text
}

/// Returns the summary of a check, with the number of affected rounds if there were several.
fn told(check: &Check, rounds: usize) -> String {
    match check.often(rounds) {
        Some(often) => format!("{often}: {}", check.summary),
        None => check.summary.clone(),
    }
}

fn measurements(text: &mut String, validation: &Validation) {
    if !validation.latency.is_empty() {
        let rare = validation.latency.iter().any(|node| node.p999.is_some());
        let (head, line) = if rare { (" p99.9 |", "---:|") } else { ("", "") };
        let _ = write!(
            text,
            "\n### Latency of PING\n\n| Node | p50 | p90 | p99 |{head} max \
             |\n|---|---:|---:|---:|{line}---:|\n"
        );
        for node in &validation.latency {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |{} {} |",
                cell(&node.node),
                micros(node.p50),
                micros(node.p90),
                micros(node.p99),
                match node.p999 {
                    Some(p999) => format!(" {} |", micros(p999)),
                    None if rare => " |".to_owned(),
                    None => String::new(),
                },
                micros(node.max)
            );
        }
    }
    if !validation.throughput.is_empty() {
        text.push_str(
            "\n### Load\n\n| Command | per second | clients | p50 | p99 | tool \
             |\n|---|---:|---:|---:|---:|---|\n",
        );
        for load in &validation.throughput {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} {} |",
                cell(&load.command),
                load.per_second,
                load.clients,
                micros(load.latency.p50),
                micros(load.latency.p99),
                cell(&load.program),
                load.from.told()
            );
        }
    }
    if !validation.failovers.is_empty() {
        text.push_str("\n### Failovers\n");
        for times in &validation.failover_times {
            let _ = write!(
                text,
                "\n{}\n\n| | median | worst | expected |\n|---|---:|---:|---|\n",
                cell(&heading(times))
            );
            for row in rows(times) {
                let mark = if row.late { "⚠️ " } else { "" };
                let _ = writeln!(
                    text,
                    "| {} | {} | {mark}{} | {} |",
                    row.what, row.median, row.worst, row.expected
                );
            }
        }
        for failover in told_apart(&validation.failovers) {
            let _ = write!(text, "\n```text\n{}```\n", timeline(failover, 100));
        }
    }
}

/// Returns the symbol of a status.
fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "✅ pass",
        Status::Warn => "⚠️ warn",
        Status::Fail => "❌ fail",
        Status::Skip => "➖ skip",
    }
}

/// Escapes a text for a table cell.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' => {
                safe.push('\\');
                safe.push(character);
            }
            '\n' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use crate::report::timeline::tests::validation;

    use super::*;

    #[test]
    fn the_report_is_as_it_was_reviewed() {
        insta::assert_snapshot!(markdown(&validation()));
    }

    #[test]
    fn a_pipe_does_not_end_its_cell() {
        assert_eq!(cell("a|b\n<c>"), "a\\|b \\<c>");
    }
}
