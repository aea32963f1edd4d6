//! The findings of a diagnosis: a table, followed by the evidence, the cause and the fix of each.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;

use crate::checks::diagnose::finding::{Diagnosis, Finding};
use crate::cli::terminal::checks::mark;
use crate::cli::terminal::table::{Cell, Table, wrap};

/// Returns the whole text; empty without findings.
pub fn text(diagnosis: &Diagnosis, columns: Option<usize>) -> String {
    if diagnosis.findings.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["", "", ""]);
    for finding in &diagnosis.findings {
        let (mark, style) = mark(finding.status);
        table.row([
            Cell::styled(format!("{mark} {}", finding.status), style),
            finding.id.into(),
            finding.what.as_str().into(),
        ]);
    }
    let mut text = table.render(columns);
    for finding in &diagnosis.findings {
        explained(&mut text, finding, columns);
    }
    text
}

fn explained(text: &mut String, finding: &Finding, columns: Option<usize>) {
    let (mark, style) = mark(finding.status);
    let _ = writeln!(text, "\n{} {}", mark.style(style), finding.id.bold());
    for line in wrap(&finding.why, columns.unwrap_or(100).saturating_sub(2)) {
        let _ = writeln!(text, "  {line}");
    }
    for line in &finding.evidence {
        let _ = writeln!(text, "  {} {line}", "|".dimmed());
    }
    // Do not wrap commands, so that they can be copied.
    for line in &finding.remedy {
        let _ = writeln!(text, "  {} {line}", "remedy:".cyan());
    }
    for action in &finding.actions {
        let _ = writeln!(text, "  {} {action}", "--fix: ".cyan());
    }
}

#[cfg(test)]
mod tests {
    use crate::checks::finding::Status;

    use super::*;

    #[test]
    fn a_finding_is_told_with_its_evidence_and_its_remedy() {
        let finding = Finding {
            id: "orphan-slots",
            status: Status::Fail,
            what: "slots 7 have no owner".to_owned(),
            nodes: vec!["a".to_owned()],
            why: "Nobody serves them.".to_owned(),
            evidence: vec!["1 of 16384 slots".to_owned()],
            remedy: vec!["redis-cli CLUSTER ADDSLOTS 7".to_owned()],
            actions: vec![crate::checks::diagnose::finding::Action::Start { node: "a".to_owned() }],
        };
        let diagnosis = Diagnosis {
            healthy: false,
            cluster: "x".to_owned(),
            findings: vec![finding],
        };
        let plain = anstream::adapter::strip_str(&text(&diagnosis, Some(80))).to_string();
        assert_eq!(
            plain,
            "✗ fail  orphan-slots  slots 7 have no owner\n\n✗ orphan-slots\n  Nobody serves them.\n  | 1 of 16384 slots\n  \
             remedy: redis-cli CLUSTER ADDSLOTS 7\n  --fix:  start a\n"
        );
    }
}
