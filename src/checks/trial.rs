//! What was tried on a node, what should come of it, and what came: the evidence of the functional checks.

use crate::checks::finding::Check;

/// What should come of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Exactly this answer.
    Exactly(String),
    /// An answer that begins so, such as an error's name.
    Beginning(String),
}

/// One thing that was tried on one node. Answers are told as `redis-cli` would: `OK`, `(nil)`, or an error's
/// words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The node, or what else it was tried on.
    pub at: String,
    /// What was tried, such as `MSET of two keys of one slot`.
    pub what: String,
    /// What should come.
    pub wanted: Wanted,
    /// What came.
    pub got: String,
}

impl Trial {
    /// A trial that wants exactly one answer.
    pub fn exactly(at: &str, what: &str, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            at: at.to_owned(),
            what: what.to_owned(),
            wanted: Wanted::Exactly(wanted.into()),
            got: got.into(),
        }
    }

    /// A trial that wants an answer that begins so.
    pub fn beginning(at: &str, what: &str, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            wanted: Wanted::Beginning(wanted.into()),
            ..Self::exactly(at, what, "", got)
        }
    }

    /// Whether it came as it should.
    pub fn hit(&self) -> bool {
        match &self.wanted {
            Wanted::Exactly(wanted) => self.got == *wanted,
            Wanted::Beginning(wanted) => self.got.starts_with(wanted.as_str()),
        }
    }
}

/// A line of evidence for each trial that did not come as it should.
pub(crate) fn missed(trials: &[Trial]) -> Vec<String> {
    trials
        .iter()
        .filter(|trial| !trial.hit())
        .map(|trial| {
            let (Wanted::Exactly(wanted) | Wanted::Beginning(wanted)) = &trial.wanted;
            format!(
                "{}: {} returns `{}` instead of `{wanted}`",
                trial.at, trial.what, trial.got
            )
        })
        .collect()
}

/// Judges trials: all of them must come as they should.
pub fn tried(id: &'static str, good: impl Into<String>, bad: &str, hint: &str, trials: &[Trial]) -> Check {
    if trials.is_empty() {
        return Check::skipped(id, "no master is available");
    }
    Check::of(id, good, bad, missed(trials), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;

    #[test]
    fn a_trial_is_judged_by_what_it_wants() {
        let trials = [
            Trial::exactly("n1", "MSET", "OK", "OK"),
            Trial::beginning(
                "n2",
                "MSET across slots",
                "CROSSSLOT",
                "CROSSSLOT Keys in request",
            ),
        ];
        assert_eq!(tried("x", "good", "bad", "hint", &trials).status, Status::Pass);
        let wrong = [Trial::beginning("n2", "MSET across slots", "CROSSSLOT", "OK")];
        let check = tried("x", "good", "bad", "hint", &wrong);
        assert_eq!(check.status, Status::Fail);
        assert_eq!(
            check.detail,
            ["n2: MSET across slots returns `OK` instead of `CROSSSLOT`"]
        );
        assert_eq!(tried("x", "good", "bad", "hint", &[]).status, Status::Skip);
    }
}
