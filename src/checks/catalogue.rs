//! Which checks there are, and which of them a validation makes.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// How much is looked at. Each holds the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Suite {
    /// What `up` proves before it returns: some milliseconds.
    Smoke,
    /// All that neither disturbs nor loads the cluster: a second.
    #[default]
    Standard,
    /// Failovers, a half-migrated slot and load as well.
    Full,
}

impl Suite {
    /// The lower-case word.
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
    /// It only reads.
    Reads,
    /// It writes keys of its own, or sends messages.
    Writes,
    /// It takes a master away for a while.
    Destroys,
}

/// A check there is.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The stable name.
    pub id: &'static str,
    /// The smallest suite that holds it.
    pub suite: Suite,
    /// What it does to the cluster.
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

/// Which checks are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    suite: Suite,
    only: Vec<String>,
    skip: Vec<String>,
}

/// Whether a word of the user's means this check: its id, or the family before a dash (`failover`).
fn means(word: &str, id: &str) -> bool {
    id == word
        || id
            .strip_prefix(word)
            .is_some_and(|rest| word == "failover" && rest.starts_with('-'))
}

impl Selection {
    /// A suite; of it, or beyond it, `only` these checks; never those to `skip`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a name that no check has, or when nothing is left to do.
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

    /// All checks of a suite.
    pub fn of(suite: Suite) -> Self {
        Self {
            suite,
            ..Self::default()
        }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Whether the check is made.
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

    /// Whether any of the checks is made.
    pub fn any(&self, ids: &[&str]) -> bool {
        ids.iter().any(|id| self.includes(id))
    }

    /// Whether a check is made that takes a master away.
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
