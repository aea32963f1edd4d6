//! Maps every check and every finding of a diagnosis to the test that breaks a real cluster in this way. A new check or
//! finding needs an entry here and a test.

use std::collections::BTreeSet;
use std::path::Path;

use rcup::checks::catalogue::CATALOGUE;
use rcup::checks::diagnose::causes::CAUSES;

/// A file in `tests/it/docker/` and a function in it.
type Test = (&'static str, &'static str);

const SLOTS: Test = ("broken", "what_is_wrong_with_slots_is_found");
const VIEWS: Test = ("broken", "what_is_wrong_with_views_is_found");
const SERVERS: Test = ("broken", "what_is_wrong_with_single_servers_is_found");
const LINK: Test = ("broken", "a_replica_without_its_master");
const DISK: Test = ("broken", "a_disk_fills_up");
const FROZEN: Test = ("broken", "nodes_that_are_frozen_or_cut_off_are_found");
const REFUSED: Test = ("refused", "what_a_node_refuses_to_do_is_found");
const LATE: Test = ("refused", "late_answers");
const FAILOVERS: Test = ("refused", "failovers_that_do_not_come_are_found");
const FOREIGN: Test = (
    "foreign",
    "what_is_wrong_with_a_cluster_of_somebody_else_is_found",
);
const STRANGE: Test = (
    "foreign",
    "servers_of_somebody_else_that_let_nobody_in_are_told_by_the_reason",
);
const SILENT: Test = (
    "silent",
    "servers_that_cannot_be_reached_from_here_are_told_by_the_reason",
);
const DYING: Test = ("silent", "nodes_that_have_died_are_told_and_come_back");
const ONE_BY_ONE: Test = ("silent", "one_after_the_other");
const CERTIFICATES: Test = (
    "expired",
    "certificates_that_are_not_good_are_told_and_can_be_replaced",
);
const LOST: Test = ("diagnose", "nodes_that_are_lost_stopped_or_cut_off_are_mended");
const REASON: Test = ("diagnose", "servers_that_refuse_are_told_by_the_reason");
const STALE: Test = (
    "diagnose",
    "a_node_of_another_cluster_is_recognised_by_its_nodes_conf",
);

/// The test in which each check fails.
const BROKEN: [(&str, Test); 32] = [
    ("reachable", FROZEN),
    ("cluster-state", SLOTS),
    ("slot-coverage", SLOTS),
    ("node-count", VIEWS),
    ("agreement", SLOTS),
    ("slot-owners", SLOTS),
    ("open-slots", SLOTS),
    ("epochs", VIEWS),
    ("bus-links", FROZEN),
    ("roles", VIEWS),
    ("replication", SERVERS),
    ("addresses", SERVERS),
    ("write-read", SERVERS),
    ("redirection", SERVERS),
    ("node-ids", VIEWS),
    ("replica-balance", VIEWS),
    ("anti-affinity", FOREIGN),
    ("full-coverage", SERVERS),
    ("config-drift", SERVERS),
    ("persistence", SERVERS),
    ("memory", SERVERS),
    ("clock", FOREIGN),
    ("versions", FOREIGN),
    ("latency", LATE),
    ("hash-tags", REFUSED),
    ("scripts", REFUSED),
    ("pubsub", REFUSED),
    ("ask", REFUSED),
    ("throughput", REFUSED),
    ("failover-command", REFUSED),
    ("failover-pause", FAILOVERS),
    ("failover-kill", FAILOVERS),
];

/// The test in which each cause is found.
const DIAGNOSED: [(&str, Test); 36] = [
    ("node-gone", ONE_BY_ONE),
    ("node-cut-off", FROZEN),
    ("node-paused", FROZEN),
    ("node-stopped", ONE_BY_ONE),
    ("tls-mismatch", CERTIFICATES),
    ("no-cluster", STRANGE),
    ("no-permission", STRANGE),
    ("not-listening", SILENT),
    ("port-not-published", SILENT),
    ("port-filtered", SILENT),
    ("connection-refused", STRANGE),
    ("unreachable", STRANGE),
    ("bind", REASON),
    ("protected-mode", REASON),
    ("wrong-password", REASON),
    ("certificate-expired", CERTIFICATES),
    ("bus-link", LOST),
    ("certificate-ends", CERTIFICATES),
    ("maxmemory", SERVERS),
    ("disk-full", DISK),
    ("misconf", REASON),
    ("auth-mismatch", SERVERS),
    ("replica-link", LINK),
    ("replica-astray", VIEWS),
    ("master-down", ONE_BY_ONE),
    ("orphan-slots", SLOTS),
    ("disputed-slots", SLOTS),
    ("open-slots", SLOTS),
    ("strangers", LOST),
    ("dead-node", LOST),
    ("handshake", VIEWS),
    ("stale-nodes-conf", STALE),
    ("same-id", VIEWS),
    ("wrong-announce", SERVERS),
    ("restarted", DYING),
    ("state-fail", SLOTS),
];

/// Returns the text of a function, up to the end of its outermost block.
fn body((file, function): Test) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/docker/{file}.rs"));
    let source = std::fs::read_to_string(path).unwrap();
    let begin = source
        .find(&format!("async fn {function}("))
        .unwrap_or_else(|| panic!("{file}.rs has no {function}"));
    let end = source[begin..].find("\n}\n").expect("it ends");
    source[begin..begin + end].to_owned()
}

/// Checks that each id has exactly one entry, and that its test names it.
fn assert_proven(ids: &[&str], proofs: &[(&str, Test)]) {
    let proven: Vec<&str> = proofs.iter().map(|(id, _)| *id).collect();
    let (all, listed): (BTreeSet<&&str>, BTreeSet<&&str>) = (ids.iter().collect(), proven.iter().collect());
    assert_eq!(listed.len(), proven.len(), "one stands there twice");
    assert_eq!(listed, all);
    for (id, test) in proofs {
        assert!(
            body(*test).contains(&format!("\"{id}\"")),
            "{test:?} does not break {id}"
        );
    }
}

#[test]
fn every_check_is_seen_to_fail_on_a_real_cluster() {
    assert_proven(&CATALOGUE.map(|entry| entry.id), &BROKEN);
}

#[test]
fn every_cause_is_found_on_a_real_cluster() {
    assert_proven(&CAUSES, &DIAGNOSED);
}
