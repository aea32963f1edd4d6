//! The outcome of one check.

use std::fmt;

use serde::Serialize;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The check passed.
    Pass,
    /// There is a problem that does not fail the check.
    Warn,
    /// The check failed.
    Fail,
    /// The check did not run.
    Skip,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        })
    }
}

/// One check of the validation, as shown in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The stable id.
    pub id: &'static str,
    /// The result.
    pub status: Status,
    /// A one-line summary of the result.
    pub summary: String,
    /// The evidence, one line each. In JSON it is a single string.
    #[serde(serialize_with = "as_text")]
    pub detail: Vec<String>,
    /// What to try if it failed.
    pub hint: Option<String>,
    /// The duration, in milliseconds.
    pub ms: u64,
    /// The number of rounds in which it failed, or in which it warned if it never failed; otherwise 0.
    pub rounds_bad: usize,
}

fn as_text<S: serde::Serializer>(lines: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&lines.join("\n"))
}

impl Check {
    /// Creates a check that passes with `summary` if `detail` is empty, and otherwise fails with the number
    /// of problems.
    pub(crate) fn of(
        id: &'static str,
        good: impl Into<String>,
        bad: &str,
        detail: Vec<String>,
        hint: &str,
    ) -> Self {
        if detail.is_empty() {
            Self {
                id,
                status: Status::Pass,
                summary: good.into(),
                detail,
                hint: None,
                ms: 0,
                rounds_bad: 0,
            }
        } else {
            let summary = match detail.as_slice() {
                [only] => only.clone(),
                several => format!("{bad} ({} findings)", several.len()),
            };
            Self {
                id,
                status: Status::Fail,
                summary,
                detail,
                hint: Some(hint.to_owned()),
                ms: 0,
                rounds_bad: 1,
            }
        }
    }

    /// Creates a check that passed.
    pub(crate) fn good(id: &'static str, summary: impl Into<String>) -> Self {
        Self::of(id, summary, "", Vec::new(), "")
    }

    /// Changes a passed check with `detail` into a warning.
    #[must_use]
    pub(crate) fn or_warn(mut self, detail: Vec<String>, hint: &str) -> Self {
        if detail.is_empty() || self.status != Status::Pass {
            return self;
        }
        self.status = Status::Warn;
        self.summary = match detail.as_slice() {
            [only] => only.clone(),
            several => format!("{} (and {} more)", several[0], several.len() - 1),
        };
        self.detail = detail;
        self.hint = Some(hint.to_owned());
        self.rounds_bad = 1;
        self
    }

    /// Sets the duration.
    #[must_use]
    pub(crate) fn took(mut self, ms: u64) -> Self {
        self.ms = ms;
        self
    }

    /// Creates a check that could not run.
    pub(crate) fn skipped(id: &'static str, why: &str) -> Self {
        Self {
            id,
            status: Status::Skip,
            summary: why.to_owned(),
            detail: Vec::new(),
            hint: None,
            ms: 0,
            rounds_bad: 0,
        }
    }

    /// Formats the number of rounds in which it failed or warned, if there were several rounds.
    pub fn often(&self, rounds: usize) -> Option<String> {
        (rounds > 1 && self.rounds_bad > 0).then(|| format!("in {} of {rounds} rounds", self.rounds_bad))
    }

    /// Returns whether the check did not fail.
    pub fn passed(&self) -> bool {
        self.status != Status::Fail
    }
}

/// Returns whether all checks passed.
pub fn all_passed(checks: &[Check]) -> bool {
    checks.iter().all(Check::passed)
}
/// Returns the first failed check on one line.
pub(crate) fn complaint(checks: &[Check]) -> String {
    checks
        .iter()
        .find(|check| !check.passed())
        .map_or_else(String::new, |check| format!("{}: {}", check.id, check.summary))
}
