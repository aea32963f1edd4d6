//! Trials on a node with their expected and actual results: the evidence of the functional checks.

use crate::checks::finding::Check;

/// The expected result of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Exactly this answer.
    Exactly(String),
    /// An answer with this prefix, such as an error code.
    Beginning(String),
}

/// A single trial on one node. Answers are formatted as in `redis-cli`: `OK`, `(nil)`, or an error message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The node, or another target of the trial.
    pub at: String,
    /// The action, such as `MSET of two keys of one slot`.
    pub what: String,
    /// The expected result.
    pub wanted: Wanted,
    /// The actual result.
    pub got: String,
}

impl Trial {
    /// Creates a trial that expects exactly one answer.
    pub fn exactly(at: &str, what: &str, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            at: at.to_owned(),
            what: what.to_owned(),
            wanted: Wanted::Exactly(wanted.into()),
            got: got.into(),
        }
    }

    /// Creates a trial that expects an answer with a prefix.
    pub fn beginning(at: &str, what: &str, wanted: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            wanted: Wanted::Beginning(wanted.into()),
            ..Self::exactly(at, what, "", got)
        }
    }

    /// Returns whether the result is as expected.
    pub fn hit(&self) -> bool {
        match &self.wanted {
            Wanted::Exactly(wanted) => self.got == *wanted,
            Wanted::Beginning(wanted) => self.got.starts_with(wanted.as_str()),
        }
    }
}

/// Returns a line of evidence for each trial with an unexpected result.
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

/// Evaluates trials: all of them must have the expected result.
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
