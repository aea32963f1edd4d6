//! Markdown, for the summary of a CI run.

use std::fmt::Write as _;

use super::timeline::timeline;
use crate::check::{Check, Status, Validation, micros};

/// The report: the verdict, a table of the checks, the evidence of those that did not pass, the measurements.
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
    text.push_str("| | Check | What was seen | ms |\n|---|---|---|---:|\n");
    for check in &validation.checks {
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} |",
            mark(check.status),
            check.id,
            cell(&check.summary),
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

fn measurements(text: &mut String, validation: &Validation) {
    if !validation.latency.is_empty() {
        text.push_str("\n### Latency of PING\n\n| Node | p50 | p90 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|\n");
        for node in &validation.latency {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                cell(&node.node),
                micros(node.p50),
                micros(node.p90),
                micros(node.p99),
                micros(node.p999),
                micros(node.max)
            );
        }
    }
    if !validation.throughput.is_empty() {
        text.push_str(
            "\n### Load\n\n| Command | per second | clients | p50 | p99 |\n|---|---:|---:|---:|---:|\n",
        );
        for load in &validation.throughput {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                load.command,
                load.per_second,
                load.clients,
                micros(load.latency.p50),
                micros(load.latency.p99)
            );
        }
    }
    if !validation.failovers.is_empty() {
        text.push_str("\n### Failovers\n");
        for failover in &validation.failovers {
            let _ = write!(text, "\n```text\n{}```\n", timeline(failover, 100));
        }
    }
}

/// The mark beside the word.
fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "✅ pass",
        Status::Warn => "⚠️ warn",
        Status::Fail => "❌ fail",
        Status::Skip => "➖ skip",
    }
}

/// A text that stays within its cell, and in which nothing is markup.
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
    use super::super::timeline::tests::validation;
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
