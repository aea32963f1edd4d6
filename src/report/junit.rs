//! `JUnit` XML, which CI servers display: one test for each check.

use std::fmt::Write as _;

use crate::checks::finding::{Check, Status};
use crate::checks::suite::validation::Validation;
use crate::report::markup::escaped;

/// Renders the report. A warning passes, with its details as the output of the test, because `JUnit` has no such
/// status.
pub fn junit(validation: &Validation) -> String {
    let failed = validation.count(Status::Fail);
    let skipped = validation.count(Status::Skip);
    let tests = validation.checks.len();
    let total: u64 = validation.checks.iter().map(|check| check.ms).sum();
    let name = escaped(&validation.cluster);
    let counts = format!(
        "tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{}\"",
        seconds(total)
    );
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"rcup validate\" {counts}>");
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" {counts}>");
    for check in &validation.checks {
        case(&mut xml, &name, check, validation.rounds);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn case(xml: &mut String, cluster: &str, check: &Check, rounds: usize) {
    let _ = write!(
        xml,
        "    <testcase classname=\"rcup.{cluster}\" name=\"{}\" time=\"{}\">",
        check.id,
        seconds(check.ms)
    );
    let summary = match check.often(rounds) {
        Some(often) => escaped(&format!("{often}: {}", check.summary)),
        None => escaped(&check.summary),
    };
    let mut words: Vec<&str> = check.detail.iter().map(String::as_str).collect();
    let hint = check.hint.as_ref().map(|hint| format!("hint: {hint}"));
    words.extend(hint.as_deref());
    let words = escaped(&words.join("\n"));
    let _ = match check.status {
        Status::Fail => write!(
            xml,
            "<failure message=\"{summary}\" type=\"{}\">{words}</failure>",
            check.id
        ),
        Status::Skip => write!(xml, "<skipped message=\"{summary}\"/>"),
        Status::Warn => write!(xml, "<system-out>warning: {summary}\n{words}</system-out>"),
        Status::Pass => write!(xml, "<system-out>{summary}</system-out>"),
    };
    xml.push_str("</testcase>\n");
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use crate::report::timeline::tests::validation;

    use super::*;

    #[test]
    fn the_report_is_as_it_was_reviewed() {
        insta::assert_snapshot!(junit(&validation()));
    }
}
