//! Maps the output of `redis-cli --cluster check` to the checks of rcup that must report the same fault.

/// Its message about slots without an owner.
const COVERED: &str = "slots are covered by nodes";

/// Its messages, and the checks of which at least one must fail or warn.
const WORDS: [(&str, &[&str]); 12] = [
    (COVERED, &["slot-coverage"]),
    ("in importing state", &["open-slots"]),
    ("in migrating state", &["open-slots"]),
    ("slots are open", &["open-slots"]),
    ("agree about configuration", &["agreement", "slot-owners"]),
    ("multiple owners", &["slot-owners"]),
    (" owners:", &["slot-owners"]),
    ("ould not connect to", &["reachable", "addresses"]),
    ("can't connect to", &["reachable"]),
    ("Unable to load info", &["reachable"]),
    ("of unknown node ID", &["roles", "agreement", "reachable"]),
    ("did not finish", &["reachable"]),
];

/// redis-cli skips a node that it cannot connect to, and reports its slots as not covered. If the advertised address is
/// wrong, that is the same fault.
const LEFT_OUT: &[&str] = &["slot-coverage", "reachable", "addresses"];

/// A complaint, and the checks that cover it; none if the message is unknown.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    pub line: String,
    pub checks: &'static [&'static str],
}

/// Returns all complaints in its output. `[OK]` marks passed checks, and `>>>` marks steps.
pub fn complaints(printed: &str) -> Vec<Complaint> {
    let bad = [
        "[ERR]",
        "[WARNING]",
        "*** WARNING",
        "ould not connect",
        "did not finish",
    ];
    let left_out = printed.contains("ould not connect");
    printed
        .lines()
        .filter(|line| bad.iter().any(|word| line.contains(word)))
        .map(|line| Complaint {
            line: line.to_owned(),
            checks: match WORDS.iter().find(|(words, _)| line.contains(words)) {
                Some((words, _)) if left_out && *words == COVERED => LEFT_OUT,
                Some((_, checks)) => checks,
                None => &[],
            },
        })
        .collect()
}

#[test]
fn its_words_are_understood() {
    let printed = "10.0.0.2:7001 (0fe0…) -> 0 keys | 5461 slots | 1 replicas.\n[OK] 0 keys in 3 masters.\n\
        >>> Performing Cluster Check (using node 127.0.0.1:7002)\n\
        [ERR] Nodes don't agree about configuration!\n>>> Check for open slots...\n\
        [WARNING] Node 10.0.0.2:7001 has slots in migrating state 200.\n\
        [WARNING] The following slots are open: 200.\n>>> Check slots coverage...\n\
        [ERR] Not all 16384 slots are covered by nodes.\n\
        >>> Check for multiple slot owners...\n[WARNING] Slot 6000 has 2 owners:\n    127.0.0.1:7001\n\
        Could not connect to Redis at 10.0.0.7:7006: Connection refused\n[ERR] Something new\n";
    let found = complaints(printed);
    let checks: Vec<&[&str]> = found.iter().map(|complaint| complaint.checks).collect();
    let wanted: [&[&str]; 7] = [
        &["agreement", "slot-owners"],
        &["open-slots"],
        &["open-slots"],
        LEFT_OUT,
        &["slot-owners"],
        &["reachable", "addresses"],
        &[],
    ];
    assert_eq!(checks, wanted, "{found:#?}");
    let alone = complaints("[ERR] Not all 16384 slots are covered by nodes.\n");
    assert_eq!(alone[0].checks, ["slot-coverage"]);
    assert!(
        complaints("[OK] All nodes agree about slots configuration.\n[OK] All 16384 slots covered.\n")
            .is_empty()
    );
}
