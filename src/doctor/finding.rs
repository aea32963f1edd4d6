//! Findings about the host, for text and JSON output.

use serde::Serialize;

use crate::doctor::fix::{Change, Remedy, Seat};

/// A value, or why it is unknown.
pub type Fact<T> = Result<T, String>;

/// Severity of a finding for the requested profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Meets the profile.
    Ok,
    /// Should be fixed; a cluster still runs.
    Warn,
    /// Does not meet the profile.
    Fail,
}

impl Severity {
    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable id.
    pub id: &'static str,
    /// Severity.
    pub severity: Severity,
    /// Actual value.
    pub found: String,
    /// Value that the profile expects.
    pub wanted: String,
    /// Command that fixes the problem immediately, or advice if there is none.
    pub fix: Option<String>,
    /// Command that fixes the problem permanently, or advice if there is none.
    pub permanent: Option<String>,
    /// Why it matters.
    pub why: String,
    /// Source of the expected value.
    pub source: &'static str,
    /// Whether `rcup doctor --fix` can apply the fix.
    pub fixable: bool,
    /// The fix as data.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

impl Finding {
    pub(crate) fn new(
        id: &'static str,
        severity: Severity,
        found: impl Into<String>,
        wanted: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity,
            found: found.into(),
            wanted: wanted.into(),
            fix: None,
            permanent: None,
            why: String::new(),
            source: "rcup",
            fixable: false,
            remedy: None,
        }
    }

    pub(crate) fn why(mut self, why: impl Into<String>, source: &'static str) -> Self {
        self.why = why.into();
        self.source = source;
        self
    }

    /// Adds the fix. Does nothing if the check passed.
    pub(crate) fn mend(mut self, change: Change, seat: &Seat) -> Self {
        if self.severity > Severity::Ok {
            let remedy = Remedy {
                change,
                seat: seat.clone(),
            };
            self.fix = Some(remedy.now());
            self.permanent = remedy.for_good();
            self.fixable = remedy.is_automatic();
            self.remedy = Some(remedy);
        }
        self
    }

    /// Adds advice for the user. Does nothing if the check passed.
    pub(crate) fn advise(mut self, now: impl Into<String>, for_good: Option<String>) -> Self {
        if self.severity > Severity::Ok {
            self.fix = Some(now.into());
            self.permanent = for_good;
        }
        self
    }

    /// Returns the finding as one line.
    pub fn line(&self) -> String {
        format!("{} is {}, expected {}", self.id, self.found, self.wanted)
    }
}

/// A check that could not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Id of the finding that the check would have produced.
    pub id: &'static str,
    /// Why the check could not run.
    pub why: String,
}

/// Result of all checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether no check failed.
    pub fit: bool,
    /// Results of the checks.
    pub findings: Vec<Finding>,
    /// Checks that could not run.
    pub skipped: Vec<Skipped>,
}

impl Diagnosis {
    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds the finding that `judge` returns for a known fact, or a skipped check with the reason.
    pub(crate) fn of<T>(
        &mut self,
        id: &'static str,
        fact: &crate::doctor::finding::Fact<T>,
        judge: impl FnOnce(&T) -> Finding,
    ) {
        match fact {
            Ok(value) => self.findings.push(judge(value)),
            Err(why) => self.skipped.push(Skipped { id, why: why.clone() }),
        }
    }

    pub(crate) fn close(mut self) -> Self {
        self.fit = self
            .findings
            .iter()
            .all(|finding| finding.severity < Severity::Fail);
        self
    }

    /// Returns the number of findings with this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}
