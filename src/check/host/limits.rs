//! How many files the engine and the nodes may have open, and what running nodes see of their limits.

use super::facts::{Fact, LimitFacts, NodeFacts};
use super::finding::{Diagnosis, Finding, Severity};
use super::want::by;
use crate::spec::Profile;

/// The guide's number.
const OPEN_FILES: u64 = 65_536;

/// What a server with its default of 10000 clients needs, 32 for itself included.
const OPEN_FILES_NEEDED: u64 = 10_032;

const GUIDE: &str = "guide: Linux system configuration";

/// Sets the limit of the engine's service; it takes effect with the next start of the engine.
const RAISE_ENGINE: &str = "printf '[Service]\\nLimitNOFILE=1048576\\n' | sudo install -D -m 644 /dev/stdin \
                            /etc/systemd/system/docker.service.d/rcup-nofile.conf && sudo systemctl daemon-reload";

/// Judges.
pub(super) fn judge(profile: Profile, facts: &LimitFacts, diagnosis: &mut Diagnosis) {
    diagnosis.of("nofile-engine", &facts.engine, |limit| {
        Finding::new(
            "nofile-engine",
            of(profile, *limit),
            text(*limit),
            wanted(profile),
        )
        .why(
            "an engine that is not allowed to raise limits cannot grant a node more than its own",
            GUIDE,
        )
        .advise(
            "sudo prlimit --nofile=1048576:1048576 --pid \"$(pidof dockerd)\"",
            Some(RAISE_ENGINE.to_owned()),
        )
    });
    let (severity, found) = match facts.node {
        Some(limit) => (of(profile, limit), format!("{limit} are asked for")),
        None => (
            by(profile, Severity::Warn, Severity::Warn, Severity::Fail),
            "left to the engine, because this shell's limit is too small".to_owned(),
        ),
    };
    diagnosis.push(
        Finding::new("nofile-node", severity, found, wanted(profile))
            .why(
                "each client takes a file; a server that may open fewer turns clients away",
                GUIDE,
            )
            .advise(
                "ulimit -n 65536   # or as root: prlimit --nofile=65536:65536 --pid $$",
                Some(
                    "printf '* soft nofile 65536\\n* hard nofile 65536\\n' | sudo tee \
                     /etc/security/limits.d/99-rcup.conf"
                        .to_owned(),
                ),
            ),
    );
}

fn of(profile: Profile, limit: u64) -> Severity {
    match limit {
        OPEN_FILES.. => Severity::Ok,
        OPEN_FILES_NEEDED.. => by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
        _ => by(profile, Severity::Warn, Severity::Warn, Severity::Fail),
    }
}

/// A limit that is none reads as the largest number there is.
fn text(limit: u64) -> String {
    match limit {
        u64::MAX => "unlimited".to_owned(),
        limit => limit.to_string(),
    }
}

fn wanted(profile: Profile) -> String {
    format!(
        "at least {}",
        by(profile, OPEN_FILES_NEEDED, OPEN_FILES, OPEN_FILES)
    )
}

/// Judges what nodes that run see from inside: the one that has least of it speaks for all.
pub(super) fn effective(profile: Profile, nodes: &[NodeFacts], diagnosis: &mut Diagnosis) {
    let least = |fact: fn(&NodeFacts) -> &Fact<u64>| {
        nodes
            .iter()
            .filter_map(|node| Some((fact(node).as_ref().ok().copied()?, node)))
            .min_by_key(|(value, _)| *value)
    };
    if let Some((value, node)) = least(|node| &node.somaxconn) {
        // Redis's own backlog of 511 is the least that has a meaning; rcup asks for the guide's number.
        let wanted = if node.asked { 65_535 } else { 511 };
        let severity = if value >= wanted {
            Severity::Ok
        } else {
            Severity::Warn
        };
        diagnosis.push(
            Finding::new(
                "node-somaxconn",
                severity,
                format!("{value}, as {} sees it", node.name),
                format!("at least {wanted}"),
            )
            .why(
                "it caps the connections that wait to be accepted, below the server's own tcp-backlog if it is \
                 smaller",
                GUIDE,
            )
            .advise("Remove the cluster and start it again, so that rcup asks for the setting.", None),
        );
    }
    if let Some((value, node)) = least(|node| &node.open_files) {
        diagnosis.push(
            Finding::new(
                "node-nofile",
                of(profile, value),
                format!("{}, as {} sees it", text(value), node.name),
                wanted(profile),
            )
            .why(
                "each client takes a file; a server that may open fewer turns clients away",
                GUIDE,
            )
            .advise(
                "Raise the engine's limit (see nofile-engine), then remove the cluster and start it again.",
                None,
            ),
        );
    }
}
