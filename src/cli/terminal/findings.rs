//! Table of host findings.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Style};

use crate::cli::terminal::table::{Cell, Table, wrap};
use crate::doctor::finding::{Diagnosis, Finding, Severity};

/// Returns one row per finding, with fixes below. Checks that could not run are only shown with `all`.
pub fn text(diagnosis: &Diagnosis, all: bool, columns: Option<usize>) -> String {
    let mut table = Table::new(&["", "", ""]);
    for finding in &diagnosis.findings {
        let (mark, style) = mark(finding.severity);
        table.row([
            Cell::styled(format!("{mark} {}", finding.severity.as_str()), style),
            finding.id.into(),
            finding.found.as_str().into(),
        ]);
    }
    if all {
        for skipped in &diagnosis.skipped {
            table.row([
                Cell::styled("- skip", Style::new().dimmed()),
                skipped.id.into(),
                skipped.why.as_str().into(),
            ]);
        }
    }
    let mut text = table.render(columns);
    for finding in diagnosis
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Ok)
    {
        mended(&mut text, finding, columns);
    }
    text
}

fn mended(text: &mut String, finding: &Finding, columns: Option<usize>) {
    let (mark, style) = mark(finding.severity);
    let _ = writeln!(text, "\n{} {}", mark.style(style), finding.id.bold());
    for line in wrap(&finding.why, columns.unwrap_or(100).saturating_sub(2)) {
        let _ = writeln!(text, "  {}", line.dimmed());
    }
    let _ = writeln!(text, "  {} {}", "wanted:  ".cyan(), finding.wanted);
    // Do not wrap commands, so that they can be copied.
    if let Some(fix) = &finding.fix {
        let _ = writeln!(text, "  {} {fix}", "now:     ".cyan());
    }
    if let Some(permanent) = &finding.permanent {
        let _ = writeln!(text, "  {} {permanent}", "permanent fix:".cyan());
    }
}

/// Returns the mark next to the word. Colour alone never shows the status.
fn mark(severity: Severity) -> (&'static str, Style) {
    match severity {
        Severity::Ok => ("✓", Style::new().green()),
        Severity::Warn => ("!", Style::new().yellow()),
        Severity::Fail => ("✗", Style::new().red().bold()),
    }
}

#[cfg(test)]
mod tests {
    use crate::doctor::finding::Skipped;

    use super::*;

    #[test]
    fn what_is_not_in_order_is_explained_below() {
        let finding = |id, severity, fix: Option<&str>| Finding {
            id,
            severity,
            found: format!("what {id} is"),
            wanted: format!("what {id} should be"),
            fix: fix.map(str::to_owned),
            permanent: None,
            why: format!("why {id} matters"),
            source: "a test",
            fixable: false,
            remedy: None,
        };
        let diagnosis = Diagnosis {
            fit: true,
            findings: vec![
                finding("cores", Severity::Ok, None),
                finding(
                    "swappiness",
                    Severity::Warn,
                    Some("sudo sysctl -w vm.swappiness=1"),
                ),
            ],
            skipped: vec![Skipped {
                id: "firewall",
                why: "only root may".to_owned(),
            }],
        };
        let plain = |all| anstream::adapter::strip_str(&text(&diagnosis, all, Some(60))).to_string();
        assert_eq!(
            plain(false),
            "✓ ok    cores       what cores is\n! warn  swappiness  what swappiness is\n\n! swappiness\n  why swappiness \
             matters\n  wanted:   what swappiness should be\n  now:      sudo sysctl -w vm.swappiness=1\n"
        );
        assert!(
            plain(true).contains("- skip  firewall    only root may"),
            "{}",
            plain(true)
        );
    }
}
