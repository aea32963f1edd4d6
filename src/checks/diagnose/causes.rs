//! The ids of all findings that identify a cause. A failed check that no finding explains is reported under
//! the id of the check.

/// The stable ids, in the order of the files that create the findings.
#[cfg(any(test, feature = "test-util"))]
pub const CAUSES: [&str; 36] = [
    // Nodes that do not answer.
    "node-gone",
    "node-cut-off",
    "node-paused",
    "node-stopped",
    "tls-mismatch",
    "no-cluster",
    "no-permission",
    "not-listening",
    "port-not-published",
    "port-filtered",
    "connection-refused",
    "unreachable",
    "bind",
    "protected-mode",
    "wrong-password",
    "certificate-expired",
    // Bus links.
    "bus-link",
    // Single servers.
    "certificate-ends",
    "maxmemory",
    "disk-full",
    "misconf",
    "auth-mismatch",
    "replica-link",
    "replica-astray",
    // Slots.
    "master-down",
    "orphan-slots",
    "disputed-slots",
    "open-slots",
    // Cluster topology as known to each node.
    "strangers",
    "dead-node",
    "handshake",
    "stale-nodes-conf",
    "same-id",
    "wrong-announce",
    "restarted",
    "state-fail",
];

/// Findings and checks for conditions that can resolve without intervention: failovers, handshakes, gossip
/// and full syncs.
pub(crate) const PASSING: [&str; 11] = [
    "state-fail",
    "restarted",
    "handshake",
    "agreement",
    "bus-link",
    "bus-links",
    "cluster-state",
    "replication",
    "replica-link",
    "not-listening",
    "node-count",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the first argument of every `Finding::new` call outside of tests.
    fn named(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]").next().unwrap();
        let calls = code.split("Finding::new(").skip(1);
        calls
            .map(|call| call.trim_start().split([',', ')']).next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_list_holds_what_the_code_finds_and_nothing_else() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks/diagnose");
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            // A failure without a known cause is reported under the id of its check.
            for id in named(&source).into_iter().filter(|id| id != "check.id") {
                let literal = id.strip_prefix('"').and_then(|id| id.strip_suffix('"'));
                let literal = literal.unwrap_or_else(|| panic!("`Finding::new({id}, …)` names no literal"));
                found.insert(literal.to_owned());
            }
        }
        let listed: BTreeSet<String> = CAUSES.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(listed.len(), CAUSES.len(), "one stands there twice");
        assert_eq!(found, listed);
    }

    #[test]
    fn no_cause_has_the_name_of_a_check_that_it_does_not_explain() {
        // `open-slots` is both: the finding replaces the check.
        let shared: Vec<&str> = CAUSES
            .into_iter()
            .filter(|id| {
                crate::checks::catalogue::CATALOGUE
                    .iter()
                    .any(|entry| entry.id == *id)
            })
            .collect();
        assert_eq!(shared, ["open-slots"]);
    }

    #[test]
    fn what_passes_is_a_cause_or_a_check() {
        for id in PASSING {
            let is_check = crate::checks::catalogue::CATALOGUE
                .iter()
                .any(|entry| entry.id == id);
            assert!(is_check || CAUSES.contains(&id), "{id} is neither");
        }
    }
}
