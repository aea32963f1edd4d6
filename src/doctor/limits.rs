//! Checks the limits of open files of the container engine and the nodes, and the effective limits of running
//! nodes.

use crate::doctor::expected::by;
use crate::doctor::facts::{LimitFacts, NodeFacts};
use crate::doctor::finding::Fact;
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::spec::profile::Profile;

/// Value from the deployment guide (`docs/guide-coverage.md`).
const OPEN_FILES: u64 = 65_536;

/// Minimum for a server with its default of 10000 clients, including 32 for internal use.
const OPEN_FILES_NEEDED: u64 = 10_032;

const GUIDE: &str = "guide: Linux system configuration";

/// Sets the limit of the container engine's service; takes effect when the service restarts.
const RAISE_ENGINE: &str = "printf '[Service]\\nLimitNOFILE=1048576\\n' | sudo install -D -m 644 /dev/stdin \
                            /etc/systemd/system/docker.service.d/rcup-nofile.conf && sudo systemctl daemon-reload";

/// Adds the findings about open files.
pub(crate) fn judge(profile: Profile, facts: &LimitFacts, diagnosis: &mut Diagnosis) {
    diagnosis.of("nofile-engine", &facts.engine, |limit| {
        Finding::new(
            "nofile-engine",
            of(profile, *limit),
            text(*limit),
            wanted(profile),
        )
        .why(
            "a container engine without permission to raise limits cannot give a node more than its own \
             limit",
            GUIDE,
        )
        .advise(
            "sudo prlimit --nofile=1048576:1048576 --pid \"$(pidof dockerd)\"",
            Some(RAISE_ENGINE.to_owned()),
        )
    });
    let (severity, found) = match facts.node {
        Some(limit) => (of(profile, limit), format!("{limit} requested")),
        None => (
            by(profile, Severity::Warn, Severity::Warn, Severity::Fail),
            "left to the container engine, because this shell's limit is too low".to_owned(),
        ),
    };
    diagnosis.push(
        Finding::new("nofile-node", severity, found, wanted(profile))
            .why(
                "each client uses a file descriptor; a server with a lower limit rejects clients",
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

/// Formats a limit; `u64::MAX` is unlimited.
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

/// Adds the findings about running nodes. The node with the lowest value determines the result.
pub(crate) fn effective(profile: Profile, nodes: &[NodeFacts], diagnosis: &mut Diagnosis) {
    let least = |fact: fn(&NodeFacts) -> &Fact<u64>| {
        nodes
            .iter()
            .filter_map(|node| Some((fact(node).as_ref().ok().copied()?, node)))
            .min_by_key(|(value, _)| *value)
    };
    // Redis's default backlog of 511 is the lowest useful value; rcup requests the value from the deployment
    // guide.
    let backlog = |asked: bool| if asked { 65_535 } else { 511 };
    for (id, fact, why) in [
        (
            "node-somaxconn",
            (|node| &node.somaxconn) as fn(&NodeFacts) -> &Fact<u64>,
            "it limits the accept backlog, overriding a larger tcp-backlog of the server",
        ),
        (
            "node-tcp-max-syn-backlog",
            |node| &node.syn_backlog,
            "it limits half-open connections; many simultaneous clients fill the queue",
        ),
    ] {
        let Some((value, node)) = least(fact) else {
            continue;
        };
        let wanted = backlog(node.asked);
        let severity = if value >= wanted {
            Severity::Ok
        } else {
            Severity::Warn
        };
        let found = format!("{value}, seen in {}", node.name);
        diagnosis.push(
            Finding::new(id, severity, found, format!("at least {wanted}"))
                .why(why, GUIDE)
                .advise("Recreate the cluster so that rcup requests the setting.", None),
        );
    }
    // The node whose limit differs most from the requested one determines the result.
    let limited = nodes.iter().filter_map(|node| {
        let (asked, seen) = (node.asked_memory?, node.memory.as_ref().ok().copied()?);
        Some((asked.abs_diff(seen), asked, seen, node))
    });
    if let Some((off, asked, seen, node)) = limited.max_by_key(|(off, ..)| *off) {
        // The kernel rounds the limit to whole pages.
        let severity = if off < 65_536 {
            Severity::Ok
        } else {
            Severity::Warn
        };
        diagnosis.push(
            Finding::new(
                "node-memory",
                severity,
                format!("{}, seen in {}", text(seen), node.name),
                format!("{asked} bytes, as requested"),
            )
            .why(
                "a node that exceeds its share uses the memory of the others",
                GUIDE,
            )
            .advise(
                "Enable the cgroup memory controller (see `docker info`), then recreate the cluster.",
                None,
            ),
        );
    }
    if let Some((value, node)) = least(|node| &node.open_files) {
        diagnosis.push(
            Finding::new(
                "node-nofile",
                of(profile, value),
                format!("{}, seen in {}", text(value), node.name),
                wanted(profile),
            )
            .why(
                "each client uses a file descriptor; a server with a lower limit rejects clients",
                GUIDE,
            )
            .advise(
                "Raise the container engine's limit (see nofile-engine), then recreate the cluster.",
                None,
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(syn_backlog: u64, memory: u64) -> NodeFacts {
        NodeFacts {
            name: format!("rcup-x-{syn_backlog}"),
            asked: true,
            somaxconn: Ok(65_535),
            syn_backlog: Ok(syn_backlog),
            open_files: Ok(65_536),
            asked_memory: Some(1 << 30),
            memory: Ok(memory),
        }
    }

    #[test]
    fn the_node_that_has_least_of_it_speaks_for_all() {
        let of = |nodes: &[NodeFacts], id: &str| {
            let mut diagnosis = Diagnosis::default();
            effective(Profile::Dev, nodes, &mut diagnosis);
            let found = diagnosis.findings.iter().find(|finding| finding.id == id);
            found.map(|finding| (finding.severity, finding.found.clone()))
        };
        let good = [node(65_535, 1 << 30), node(65_535, 1 << 30)];
        for id in [
            "node-somaxconn",
            "node-tcp-max-syn-backlog",
            "node-nofile",
            "node-memory",
        ] {
            assert_eq!(of(&good, id).unwrap().0, Severity::Ok, "{id}");
        }
        let bad = [node(65_535, 1 << 30), node(128, u64::MAX)];
        let (severity, found) = of(&bad, "node-tcp-max-syn-backlog").unwrap();
        assert_eq!(
            (severity, found.as_str()),
            (Severity::Warn, "128, seen in rcup-x-128")
        );
        let (severity, found) = of(&bad, "node-memory").unwrap();
        assert_eq!(
            (severity, found.as_str()),
            (Severity::Warn, "unlimited, seen in rcup-x-128")
        );
        let mut free = node(65_535, u64::MAX);
        free.asked_memory = None;
        assert_eq!(of(&[free], "node-memory"), None);
    }
}
