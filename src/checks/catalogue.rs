//! All checks, and the selection of checks that a validation runs.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// The set of checks to run. Each suite includes the previous one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Suite {
    /// The readiness check that `up` runs before it returns: a few milliseconds.
    Smoke,
    /// All checks that neither disturb nor load the cluster: about a second.
    #[default]
    Standard,
    /// Also failovers, a migrating slot and load.
    Full,
}

impl Suite {
    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

/// What a check does to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Touch {
    /// Only reads.
    Reads,
    /// Writes its own keys, or sends messages.
    Writes,
    /// Makes a master temporarily unavailable.
    Destroys,
}

/// An entry of the check catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The stable name.
    pub id: &'static str,
    /// The smallest suite that includes the check.
    pub suite: Suite,
    /// The effect of the check on the cluster.
    pub touch: Touch,
}

const fn entry(id: &'static str, suite: Suite, touch: Touch) -> Entry {
    Entry { id, suite, touch }
}

/// All checks, in the order of the report.
pub const CATALOGUE: [Entry; 32] = {
    use Suite::{Full, Smoke, Standard};
    use Touch::{Destroys, Reads, Writes};
    [
        entry("reachable", Smoke, Reads),
        entry("cluster-state", Smoke, Reads),
        entry("slot-coverage", Smoke, Reads),
        entry("node-count", Smoke, Reads),
        entry("agreement", Smoke, Reads),
        entry("slot-owners", Smoke, Reads),
        entry("open-slots", Smoke, Reads),
        entry("epochs", Smoke, Reads),
        entry("bus-links", Smoke, Reads),
        entry("roles", Smoke, Reads),
        entry("replication", Smoke, Reads),
        entry("addresses", Smoke, Reads),
        entry("write-read", Smoke, Writes),
        entry("redirection", Smoke, Reads),
        entry("node-ids", Standard, Reads),
        entry("replica-balance", Standard, Reads),
        entry("anti-affinity", Standard, Reads),
        entry("full-coverage", Standard, Reads),
        entry("config-drift", Standard, Reads),
        entry("persistence", Standard, Reads),
        entry("memory", Standard, Reads),
        entry("clock", Standard, Reads),
        entry("versions", Standard, Reads),
        entry("latency", Standard, Reads),
        entry("hash-tags", Standard, Writes),
        entry("scripts", Standard, Writes),
        entry("pubsub", Standard, Writes),
        entry("ask", Full, Writes),
        entry("throughput", Full, Writes),
        entry("failover-command", Full, Destroys),
        entry("failover-pause", Full, Destroys),
        entry("failover-kill", Full, Destroys),
    ]
};

/// The selection of checks to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    suite: Suite,
    only: Vec<String>,
    skip: Vec<String>,
}

/// Returns whether a word from the command line selects this check: its id, or the family before a dash
/// (`failover`).
fn means(word: &str, id: &str) -> bool {
    id == word
        || id
            .strip_prefix(word)
            .is_some_and(|rest| word == "failover" && rest.starts_with('-'))
}

impl Selection {
    /// Creates a selection from a suite. `only` restricts it to these checks, which may be outside the suite;
    /// `skip` excludes checks.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that matches no check, or when no check remains.
    pub fn new(suite: Suite, only: Vec<String>, skip: Vec<String>) -> Result<Self> {
        for word in only.iter().chain(&skip) {
            if !CATALOGUE.iter().any(|entry| means(word, entry.id)) {
                let ids: Vec<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
                return Err(Error::new(ErrorKind::Usage, format!("unknown check `{word}`"))
                    .hint(format!("Checks: {}.", ids.join(", "))));
            }
        }
        let selection = Self { suite, only, skip };
        if CATALOGUE.iter().any(|entry| selection.includes(entry.id)) {
            Ok(selection)
        } else {
            Err(Error::new(ErrorKind::Usage, "no checks selected")
                .hint("--skip excludes every check selected with --only."))
        }
    }

    /// Selects all checks of a suite.
    pub fn of(suite: Suite) -> Self {
        Self {
            suite,
            ..Self::default()
        }
    }

    /// Returns the suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Returns whether the check is selected.
    pub fn includes(&self, id: &str) -> bool {
        let Some(entry) = CATALOGUE.iter().find(|entry| entry.id == id) else {
            return false;
        };
        if self.skip.iter().any(|word| means(word, id)) {
            return false;
        }
        if self.only.is_empty() {
            entry.suite <= self.suite
        } else {
            self.only.iter().any(|word| means(word, id))
        }
    }

    /// Returns whether any of the checks is selected.
    pub fn any(&self, ids: &[&str]) -> bool {
        ids.iter().any(|id| self.includes(id))
    }

    /// Returns whether a selected check makes a master unavailable.
    pub fn destroys(&self) -> bool {
        CATALOGUE
            .iter()
            .any(|entry| entry.touch == Touch::Destroys && self.includes(entry.id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn chosen(suite: Suite, only: &[&str], skip: &[&str]) -> Vec<&'static str> {
        let selection = Selection::new(suite, words(only), words(skip)).unwrap();
        CATALOGUE
            .iter()
            .map(|entry| entry.id)
            .filter(|id| selection.includes(id))
            .collect()
    }

    #[test]
    fn ids_are_unique_and_each_suite_holds_the_one_before() {
        let ids: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
        let smoke = chosen(Suite::Smoke, &[], &[]);
        let standard = chosen(Suite::Standard, &[], &[]);
        assert!(smoke.iter().all(|id| standard.contains(id)));
        assert_eq!(chosen(Suite::Full, &[], &[]).len(), CATALOGUE.len());
        assert!(!Selection::default().destroys());
    }

    #[test]
    fn only_reaches_beyond_the_suite_and_skip_always_wins() {
        assert_eq!(
            chosen(Suite::Smoke, &["failover"], &["failover-kill"]),
            ["failover-command", "failover-pause"]
        );
        assert_eq!(chosen(Suite::Standard, &["ask"], &[]), ["ask"]);
        let error = Selection::new(Suite::Smoke, words(&["fail"]), Vec::new()).unwrap_err();
        assert!(error.hint_text().unwrap().contains("failover-kill"));
        let none = Selection::new(Suite::Smoke, words(&["ask"]), words(&["ask"])).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Usage);
    }
}
