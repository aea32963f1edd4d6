//! Single servers: memory, clock, version.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::finding::Check;
use crate::checks::planned::Planned;
use crate::server::wire::reply::{ClockSeen, ServerFacts};

/// Percentage of used memory from which a node is reported.
const FULL: u64 = 90;

/// Clock difference from which it is reported, in milliseconds.
const SKEW: u64 = 500;

/// Clock difference from which it is a failure: after a failover, keys then expire earlier or later than
/// requested.
const SKEW_FAILS: u64 = 5000;

/// Checks whether every node has free memory.
pub fn memory(nodes: &[ServerFacts]) -> Check {
    const ID: &str = "memory";
    if nodes.iter().all(|node| node.number("used_memory").is_none()) {
        return Check::skipped(ID, "no node reports its memory usage");
    }
    let (mut failing, mut warning) = (Vec::new(), Vec::new());
    let (mut fullest, mut unlimited) = (0, 0);
    for node in nodes {
        let Some(used) = node.number("used_memory") else {
            continue;
        };
        let limit = node.number("maxmemory").unwrap_or_default();
        match used.saturating_mul(100).checked_div(limit) {
            None => unlimited += 1,
            Some(share) => {
                fullest = fullest.max(share);
                let line = format!(
                    "{}: uses {} of {} ({share} %)",
                    node.name,
                    size(used),
                    size(limit)
                );
                let policy = node.field("maxmemory_policy");
                if share >= 100 && policy == "noeviction" {
                    failing.push(format!("{line}, and rejects writes (noeviction)"));
                } else if share >= 100 {
                    warning.push(format!("{line}, and evicts keys ({policy})"));
                } else if share >= FULL {
                    warning.push(line);
                }
            }
        }
        let total = node.number("total_system_memory").unwrap_or_default();
        let resident = node.number("used_memory_rss").unwrap_or_default();
        if total > 0 && resident.saturating_mul(100) / total >= FULL {
            warning.push(format!(
                "{}: uses {} of the machine's {}",
                node.name,
                size(resident),
                size(total)
            ));
        }
    }
    let good = if unlimited == nodes.len() {
        let most = nodes
            .iter()
            .filter_map(|node| node.number("used_memory"))
            .max()
            .unwrap_or_default();
        format!("at most {} in use, no limit set (maxmemory 0)", size(most))
    } else {
        format!("at most {fullest} % of maxmemory in use")
    };
    let hint = "Raise maxmemory, add masters, or choose an eviction policy.";
    if failing.is_empty() {
        return Check::good(ID, good).or_warn(warning, hint);
    }
    failing.extend(warning);
    Check::of(ID, good, "nodes are out of memory", failing, hint)
}

/// Checks whether the clocks agree, within the accuracy that network latency allows.
pub fn clock(nodes: &[ServerFacts]) -> Check {
    const ID: &str = "clock";
    let sure = |clock: ClockSeen, sign: i64| {
        let doubt = i64::try_from(clock.doubt).unwrap_or(i64::MAX);
        clock.ahead.saturating_add(doubt.saturating_mul(sign))
    };
    let told: Vec<(&ServerFacts, ClockSeen)> = nodes
        .iter()
        .filter_map(|node| Some((node, node.clock?)))
        .collect();
    let first = told.iter().min_by_key(|(_, clock)| sure(*clock, 1));
    let last = told.iter().max_by_key(|(_, clock)| sure(*clock, -1));
    let (Some((first, earliest)), Some((last, latest))) = (first, last) else {
        return Check::skipped(ID, "no node reports its time");
    };
    // The minimum clock difference, independent of the response times.
    let skew = u64::try_from(sure(*latest, -1).saturating_sub(sure(*earliest, 1))).unwrap_or_default();
    let doubt = told
        .iter()
        .map(|(_, clock)| clock.doubt)
        .max()
        .unwrap_or_default();
    let detail = vec![format!("{} is {skew} ms ahead of {}", last.name, first.name)];
    let hint = "Key expiry depends on the clock of the node that serves the key. Synchronize the clocks \
        with NTP.";
    if skew >= SKEW_FAILS {
        return Check::of(ID, "", "", detail, hint);
    }
    let good = format!(
        "the nodes' clocks agree within {} ms",
        doubt.saturating_mul(2).max(1)
    );
    Check::good(ID, good).or_warn(if skew >= SKEW { detail } else { Vec::new() }, hint)
}

/// Checks whether all nodes run the same server, or the servers in the plan: nodes with the same image must
/// run the same server.
pub fn versions(nodes: &[ServerFacts], planned: &Planned) -> Check {
    const ID: &str = "versions";
    let mut by_server: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for node in nodes {
        by_server.entry(server(node)).or_default().push(&node.name);
    }
    let by_image = nodes.iter().map(|node| (planned.image(&node.name), server(node)));
    let pairs: BTreeSet<(Option<&str>, String)> = by_image.collect();
    let images: BTreeSet<Option<&str>> = pairs.iter().map(|(image, _)| *image).collect();
    // Every image contains one server, so the images explain all differences.
    if by_server.len() > 1 && images.len() == pairs.len() {
        let each: Vec<String> = by_server
            .iter()
            .map(|(server, names)| format!("{server} on {}", names.join(", ")))
            .collect();
        return Check::good(ID, format!("as planned, {}", each.join("; ")));
    }
    match by_server.len() {
        0 => Check::skipped(ID, "no node reports its version"),
        1 => Check::good(
            ID,
            format!(
                "all nodes run {}",
                by_server.into_keys().next().unwrap_or_default()
            ),
        ),
        _ => Check::good(ID, "").or_warn(
            by_server
                .iter()
                .map(|(server, names)| format!("{server} on {}", names.join(", ")))
                .collect(),
            "A replica with an older version may be unable to read its master's data. Finish the upgrade, \
             replicas first.",
        ),
    }
}

fn server(node: &ServerFacts) -> String {
    match node.field("valkey_version") {
        "" => format!("Redis {}", node.field("redis_version")),
        version => format!("Valkey {version}"),
    }
}

/// Formats a size for display.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    UNITS.iter().find(|(_, unit)| bytes >= *unit).map_or_else(
        || format!("{bytes} B"),
        |(name, unit)| {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;
    use crate::checks::planned::tests::planned;

    fn node(name: &str, fields: &[(&str, &str)]) -> ServerFacts {
        ServerFacts {
            name: name.to_owned(),
            info: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..ServerFacts::default()
        }
    }

    #[test]
    fn memory_is_judged_by_share_and_policy() {
        let with = |used: &str, policy: &str| {
            memory(&[node(
                "a",
                &[
                    ("used_memory", used),
                    ("maxmemory", "1000"),
                    ("maxmemory_policy", policy),
                ],
            )])
        };
        assert_eq!(with("500", "noeviction").status, Status::Pass);
        assert_eq!(with("950", "noeviction").status, Status::Warn);
        assert_eq!(with("1000", "allkeys-lru").status, Status::Warn);
        let full = with("1001", "noeviction");
        assert_eq!(full.status, Status::Fail);
        assert_eq!(
            full.summary,
            "a: uses 1001 B of 1000 B (100 %), and rejects writes (noeviction)"
        );
        assert_eq!(memory(&[]).status, Status::Skip);
        let free = memory(&[node("a", &[("used_memory", "1572864"), ("maxmemory", "0")])]);
        assert_eq!(free.summary, "at most 1.5 MB in use, no limit set (maxmemory 0)");
    }

    #[test]
    fn clocks_differ_only_as_far_as_it_is_sure() {
        let at = |name: &str, ahead, doubt| ServerFacts {
            clock: Some(ClockSeen { ahead, doubt }),
            ..node(name, &[])
        };
        assert_eq!(clock(&[at("a", 0, 1), at("b", 3, 1)]).status, Status::Pass);
        assert_eq!(clock(&[at("a", 0, 400), at("b", 900, 400)]).status, Status::Pass);
        assert_eq!(clock(&[at("a", 0, 1), at("b", 900, 1)]).status, Status::Warn);
        assert_eq!(clock(&[node("a", &[])]).status, Status::Skip);
        let far = clock(&[at("a", 0, 1), at("b", -9000, 1)]);
        assert_eq!(far.status, Status::Fail);
        assert_eq!(far.summary, "a is 8998 ms ahead of b");
    }

    #[test]
    fn different_servers_are_told() {
        let redis = |name, version| node(name, &[("redis_version", version)]);
        assert_eq!(
            versions(&[redis("a", "7.0.15"), redis("b", "7.0.15")], &Planned::default()).summary,
            "all nodes run Redis 7.0.15"
        );
        let nodes = [
            redis("a", "7.0.15"),
            node("b", &[("redis_version", "7.2.4"), ("valkey_version", "8.1.1")]),
        ];
        let mixed = versions(&nodes, &Planned::default());
        assert_eq!(mixed.status, Status::Warn);
        assert_eq!(mixed.detail, ["Redis 7.0.15 on a", "Valkey 8.1.1 on b"]);
        // Nodes with the same image must run the same server; different images are as planned.
        let alike = planned(&[("a", "x:1", &[]), ("b", "x:1", &[])]);
        assert_eq!(versions(&nodes, &alike).status, Status::Warn);
        let apart = planned(&[("a", "x:1", &[]), ("b", "x:2", &[])]);
        let check = versions(&nodes, &apart);
        assert_eq!(check.status, Status::Pass);
        assert_eq!(check.summary, "as planned, Redis 7.0.15 on a; Valkey 8.1.1 on b");
    }
}
