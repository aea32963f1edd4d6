//! What was found out about the machine, in the form that people and programs are told.

use serde::Serialize;

use crate::doctor::fix::{Change, Remedy, Seat};

/// A value, or why it is not known.
pub type Fact<T> = Result<T, String>;

/// How bad it is, for the profile that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth mending; a cluster runs all the same.
    Warn,
    /// Not fit for the profile.
    Fail,
}

impl Severity {
    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is there.
    pub found: String,
    /// What the profile wants.
    pub wanted: String,
    /// The command that mends it now, or what to do where there is none.
    pub fix: Option<String>,
    /// The command that mends it for good, or what to do where there is none.
    pub permanent: Option<String>,
    /// Why it matters.
    pub why: String,
    /// Where the wish comes from.
    pub source: &'static str,
    /// Whether `rcup doctor --fix` can mend it.
    pub fixable: bool,
    /// What mends it, as data.
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

    /// What mends it. Nothing is said of it when there is nothing to mend.
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

    /// What a person can do. Nothing is said of it when there is nothing to mend.
    pub(crate) fn advise(mut self, now: impl Into<String>, for_good: Option<String>) -> Self {
        if self.severity > Severity::Ok {
            self.fix = Some(now.into());
            self.permanent = for_good;
        }
        self
    }

    /// The finding in one line, for whoever does not ask for more.
    pub fn line(&self) -> String {
        format!("{} is {}, expected {}", self.id, self.found, self.wanted)
    }
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The name of the finding that would be there.
    pub id: &'static str,
    /// Why it is not.
    pub why: String,
}

/// The whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Whether nothing fails.
    pub fit: bool,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// What was not.
    pub skipped: Vec<Skipped>,
}

impl Diagnosis {
    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds what `judge` makes of a fact, or why the fact is not known.
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

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}
