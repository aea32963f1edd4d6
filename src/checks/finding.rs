//! The outcome of one check.

use std::fmt;

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In order.
    Pass,
    /// Worth knowing.
    Warn,
    /// Not in order.
    Fail,
    /// Not looked at.
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

/// One check of the validation, as it stands in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The stable name.
    pub id: &'static str,
    /// How it ended.
    pub status: Status,
    /// One line: what was seen.
    pub summary: String,
    /// The evidence, a line each. In JSON it is one text.
    #[serde(serialize_with = "as_text")]
    pub detail: Vec<String>,
    /// What to try when it failed.
    pub hint: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// In how many rounds it failed, or warned where it never failed; 0 when it did neither.
    pub rounds_bad: usize,
}

fn as_text<S: serde::Serializer>(lines: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&lines.join("\n"))
}

impl Check {
    /// A check that passes with `summary` when there is no `detail`, and fails otherwise with the number
    /// of things found.
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

    /// A check that passed.
    pub(crate) fn good(id: &'static str, summary: impl Into<String>) -> Self {
        Self::of(id, summary, "", Vec::new(), "")
    }

    /// The same, but a warning when it passed and there is `detail`.
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

    /// The same, as long as it took.
    #[must_use]
    pub(crate) fn took(mut self, ms: u64) -> Self {
        self.ms = ms;
        self
    }

    /// A check that could not be made.
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

    /// In how many of several rounds it failed or warned, in words.
    pub fn often(&self, rounds: usize) -> Option<String> {
        (rounds > 1 && self.rounds_bad > 0).then(|| format!("in {} of {rounds} rounds", self.rounds_bad))
    }

    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.status != Status::Fail
    }
}

/// Whether all of them passed.
pub fn all_passed(checks: &[Check]) -> bool {
    checks.iter().all(Check::passed)
}
/// The first failed check in one line.
pub(crate) fn complaint(checks: &[Check]) -> String {
    checks
        .iter()
        .find(|check| !check.passed())
        .map_or_else(String::new, |check| format!("{}: {}", check.id, check.summary))
}
