//! Table of checks.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};

use crate::checks::finding::{Check, Status};
use crate::cli::terminal::duration;
use crate::cli::terminal::table::{Cell, Table};

/// Returns one row per check, with evidence and advice below those that did not pass. With `times`, adds the
/// duration of each check; with several rounds, the number of rounds that did not pass.
pub fn text(checks: &[Check], rounds: usize, times: bool, columns: Option<usize>) -> String {
    let mut table = Table::new(&["", "", ""]);
    for check in checks {
        let (mark, style) = mark(check.status);
        let mut summary = check.summary.clone();
        if let Some(often) = check.often(rounds) {
            summary = format!("{often}: {summary}");
        }
        if times {
            let _ = write!(summary, " ({})", duration(check.ms));
        }
        table.row([
            Cell::styled(format!("{mark} {}", check.status), style),
            check.id.into(),
            summary.into(),
        ]);
    }
    let mut text = table.render(columns);
    for check in checks.iter().filter(|check| needs_words(check)) {
        let (mark, style) = mark(check.status);
        let _ = write!(text, "\n{} {}\n", mark.style(style), check.id.bold());
        // A single finding is already in the summary.
        let told = check.detail.as_slice() == std::slice::from_ref(&check.summary);
        for line in check.detail.iter().filter(|_| !told) {
            let _ = writeln!(text, "  {} {line}", "|".dimmed());
        }
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "  {} {hint}", "hint:".cyan());
        }
    }
    text
}

fn needs_words(check: &Check) -> bool {
    matches!(check.status, Status::Fail | Status::Warn) && !(check.detail.is_empty() && check.hint.is_none())
}

/// Returns the mark next to the word. Colour alone never shows the status.
pub fn mark(status: Status) -> (&'static str, Style) {
    match status {
        Status::Pass => ("✓", Style::new().green()),
        Status::Warn => ("!", Style::new().yellow()),
        Status::Fail => ("✗", Style::new().red().bold()),
        Status::Skip => ("-", Style::new().dimmed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &'static str, status: Status, detail: &[&str]) -> Check {
        Check {
            id,
            status,
            summary: format!("what was seen of {id}"),
            detail: detail.iter().map(|line| (*line).to_owned()).collect(),
            hint: (!detail.is_empty()).then(|| "Do something.".to_owned()),
            ms: 12,
            rounds_bad: usize::from(!detail.is_empty()),
        }
    }

    #[test]
    fn what_did_not_pass_is_explained_below() {
        let checks = [
            check("state", Status::Pass, &[]),
            check("links", Status::Fail, &["rcup-x-4: down"]),
        ];
        let text = anstream::adapter::strip_str(&text(&checks, 1, false, Some(80))).to_string();
        assert_eq!(
            text,
            "✓ pass  state  what was seen of state\n✗ fail  links  what was seen of links\n\n✗ links\n  | \
             rcup-x-4: down\n  hint: Do something.\n"
        );
    }

    #[test]
    fn times_and_rounds_are_told_when_asked_for() {
        let checks = [
            check("state", Status::Pass, &[]),
            check("links", Status::Fail, &["rcup-x-4: down"]),
        ];
        let text = anstream::adapter::strip_str(&text(&checks, 5, true, None)).to_string();
        assert!(text.contains("what was seen of state (12 ms)"), "{text}");
        assert!(
            text.contains("in 1 of 5 rounds: what was seen of links"),
            "{text}"
        );
    }
}
