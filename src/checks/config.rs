//! Running configuration: differences between nodes, and the settings that apply when a node fails.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::finding::Check;
use crate::checks::planned::Planned;
use crate::server::wire::reply::{Configured, ServerFacts};

/// Directives that are specific to a node.
const OWN: [&str; 25] = [
    "port",
    "tls-port",
    "bind",
    "bind-source-addr",
    "dir",
    "dbfilename",
    "appendfilename",
    "appenddirname",
    "logfile",
    "pidfile",
    "unixsocket",
    "aclfile",
    "syslog-ident",
    "server-cpulist",
    "cluster-config-file",
    "cluster-port",
    "replicaof",
    "replica-announce-ip",
    "replica-announce-port",
    "replica-priority",
    "availability-zone",
    "tls-cert-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-dh-params-file",
];

/// Prefixes of more node-specific directives, of directives that contain secrets, and of aliases of other
/// directives.
const OWN_PREFIXES: [&str; 6] = [
    "cluster-announce-",
    "slave",
    "tls-key-file",
    "tls-client-",
    "repl-announce",
    "proc-title",
];

/// Directives whose values are never printed.
const SECRET: [&str; 3] = ["requirepass", "masterauth", "primaryauth"];

/// Maximum number of directives to report.
const MOST: usize = 12;

fn refused(nodes: &[ServerFacts]) -> Option<String> {
    nodes.iter().find_map(|node| match &node.config {
        Configured::Refused(why) => Some(format!("cannot read the configuration of {}: {why}", node.name)),
        Configured::Known(_) => None,
    })
}

/// Groups the nodes by their value of a directive.
fn values<'a>(nodes: &[&'a ServerFacts], name: &str) -> BTreeMap<Option<&'a str>, Vec<&'a str>> {
    let mut values: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for node in nodes {
        values.entry(node.setting(name)).or_default().push(&node.name);
    }
    values
}

fn told(name: &str, values: &BTreeMap<Option<&str>, Vec<&str>>) -> String {
    if SECRET.contains(&name) {
        return format!("{name} differs between nodes");
    }
    let each: Vec<String> = values
        .iter()
        .map(|(value, nodes)| {
            let value = match value {
                None => "unknown".to_owned(),
                Some("") => "empty".to_owned(),
                Some(value) => (*value).to_owned(),
            };
            let who = match nodes.as_slice() {
                [one] => (*one).to_owned(),
                [one, other] => format!("{one} and {other}"),
                several => format!("{} nodes", several.len()),
            };
            format!("{value} on {who}")
        })
        .collect();
    format!("{name} is {}", each.join(", "))
}

/// Checks whether all nodes run with the same directives, except those that are specific to a node or that
/// differ in the plan.
pub fn drift(nodes: &[ServerFacts], planned: &Planned) -> Check {
    const ID: &str = "config-drift";
    if let Some(why) = refused(nodes) {
        return Check::skipped(ID, &why);
    }
    let names: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| match &node.config {
            Configured::Known(all) => Some(all.keys().map(String::as_str)),
            Configured::Refused(_) => None,
        })
        .flatten()
        .filter(|name| !OWN.contains(name) && !OWN_PREFIXES.iter().any(|own| name.starts_with(own)))
        .collect();
    // Servers of different versions have different directives; another check reports the versions.
    let versions: BTreeSet<&str> = nodes.iter().map(|node| node.field("redis_version")).collect();
    let mixed = versions.len() > 1;
    let mut apart = false;
    let mut detail: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let mut kinds: BTreeMap<Option<&str>, Vec<&ServerFacts>> = BTreeMap::new();
            for node in nodes {
                kinds
                    .entry(planned.kind(&node.name, name))
                    .or_default()
                    .push(node);
            }
            apart |= kinds.len() > 1;
            kinds.into_values().map(move |nodes| (name, values(&nodes, name)))
        })
        .filter(|(_, values)| values.len() > 1 && !(mixed && values.contains_key(&None)))
        .map(|(name, values)| told(name, &values))
        .collect();
    if detail.len() > MOST {
        let more = detail.len() - MOST;
        detail.truncate(MOST);
        detail.push(format!("and {more} more directives"));
    }
    Check::of(
        ID,
        if apart {
            format!(
                "{} directives are as planned on {} nodes",
                names.len(),
                nodes.len()
            )
        } else {
            format!("{} directives are the same on {} nodes", names.len(), nodes.len())
        },
        "the nodes have different settings",
        detail,
        "A failover would change the behavior. Set the same values on all nodes with CONFIG SET and CONFIG \
         REWRITE.",
    )
}

/// Checks whether an uncovered slot stops the whole cluster, and whether all nodes have the same setting.
/// `planned` is the requested value.
pub fn full_coverage(nodes: &[ServerFacts], planned: Option<&str>) -> Check {
    const ID: &str = "full-coverage";
    const NAME: &str = "cluster-require-full-coverage";
    if let Some(why) = refused(nodes) {
        return Check::skipped(ID, &why);
    }
    let values = values(&nodes.iter().collect::<Vec<_>>(), NAME);
    if values.len() > 1 {
        return Check::of(
            ID,
            "",
            "",
            vec![told(NAME, &values)],
            "Set the same value on all nodes with CONFIG SET and CONFIG REWRITE.",
        );
    }
    match values.keys().next().copied().flatten() {
        Some("no") => Check::good(ID, "other shards keep serving when one is lost (`no`)").or_warn(
            if planned == Some("no") {
                Vec::new()
            } else {
                vec![format!(
                    "{NAME} is no: clients of other shards do not notice a lost shard"
                )]
            },
            "CONFIG SET cluster-require-full-coverage yes, if the cluster should stop when a shard is lost.",
        ),
        Some(_) => Check::good(ID, "all commands stop when a shard is lost (`yes`)"),
        None => Check::skipped(ID, "the servers do not report it"),
    }
}

/// Directives that control persistence.
const KEEP: [&str; 3] = ["appendonly", "save", "appendfsync"];

/// Checks whether persistence is configured as requested, and whether the last snapshot, append-only file write
/// and append-only file rewrite succeeded.
pub fn persistence(nodes: &[ServerFacts], planned: &Planned) -> Check {
    const ID: &str = "persistence";
    let mut detail = Vec::new();
    let mut asked = false;
    for node in nodes {
        for (field, what) in [
            ("rdb_last_bgsave_status", "the last snapshot failed"),
            (
                "aof_last_write_status",
                "the last write to the append-only file failed",
            ),
            (
                "aof_last_bgrewrite_status",
                "the last rewrite of the append-only file failed",
            ),
        ] {
            if node.field(field) == "err" {
                detail.push(format!("{}: {what} ({field}:err)", node.name));
            }
        }
        if node.field("loading") == "1" {
            detail.push(format!("{}: is still loading its data", node.name));
        }
        for name in KEEP {
            let Some(wanted) = planned.asked(&node.name, name) else {
                continue;
            };
            asked = true;
            let is = node.setting(name);
            if is.is_some_and(|is| is != wanted) {
                detail.push(format!(
                    "{}: {name} is {}, planned {}",
                    node.name,
                    shown(is.unwrap_or_default()),
                    shown(wanted)
                ));
            }
        }
    }
    let way = nodes.first().map_or_else(String::new, |node| {
        let log = node.field("aof_enabled") == "1" || node.setting("appendonly") == Some("yes");
        let snapshots = node.setting("save").map(|save| !save.is_empty());
        match (log, snapshots) {
            (true, Some(true)) => "append-only file and snapshots".to_owned(),
            (true, _) => "append-only file".to_owned(),
            (false, Some(true)) => "snapshots only".to_owned(),
            (false, Some(false)) => "nothing is saved to disk".to_owned(),
            (false, None) => "no append-only file; the servers do not report snapshots".to_owned(),
        }
    });
    let way = if asked { format!("{way}, as planned") } else { way };
    Check::of(
        ID,
        way,
        "persistence is not working as configured",
        detail,
        "Check the node's log, free disk space and `INFO persistence`.",
    )
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "empty" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;
    use crate::checks::planned::tests::planned;

    fn node(name: &str, settings: &[(&str, &str)]) -> ServerFacts {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ServerFacts {
            name: name.to_owned(),
            config: Configured::Known(settings),
            ..ServerFacts::default()
        }
    }

    #[test]
    fn what_differs_is_told_with_who_has_what() {
        let nodes = [
            node("a", &[("maxmemory", "0"), ("port", "1"), ("requirepass", "x")]),
            node("b", &[("maxmemory", "1"), ("port", "2"), ("requirepass", "y")]),
            node("c", &[("maxmemory", "0"), ("port", "3"), ("requirepass", "x")]),
        ];
        let check = drift(&nodes, &Planned::default());
        assert_eq!(check.status, Status::Fail);
        assert_eq!(
            check.detail,
            [
                "maxmemory is 0 on a and c, 1 on b",
                "requirepass differs between nodes"
            ]
        );
        assert_eq!(drift(&nodes[..1], &Planned::default()).status, Status::Pass);
    }

    #[test]
    fn what_the_plan_wants_to_differ_is_no_drift() {
        let nodes = [
            node("a", &[("hz", "10"), ("list-max", "1")]),
            node("b", &[("hz", "10"), ("list-max", "1")]),
            node("c", &[("hz", "50"), ("list-max", "2")]),
        ];
        // The plan sets `hz` on all nodes; `list-max` is a server default, and the defaults differ.
        let plan = |image: &'static str, hz: &'static str| {
            planned(&[
                ("a", "x:1", &[("hz", "10")]),
                ("b", "x:1", &[("hz", "10")]),
                ("c", image, &[("hz", hz)]),
            ])
        };
        let check = drift(&nodes, &plan("x:2", "50"));
        assert_eq!(check.status, Status::Pass, "{check:?}");
        assert_eq!(check.summary, "2 directives are as planned on 3 nodes");
        assert_eq!(
            drift(&nodes, &plan("x:1", "50")).detail,
            ["list-max is 1 on a and b, 2 on c"]
        );
        assert_eq!(
            drift(&nodes, &plan("x:2", "10")).detail,
            ["hz is 10 on a and b, 50 on c"]
        );
        let mut one = nodes;
        one[1] = node("b", &[("hz", "11"), ("list-max", "1")]);
        assert_eq!(drift(&one, &plan("x:2", "50")).detail, ["hz is 10 on a, 11 on b"]);
    }

    #[test]
    fn where_a_node_keeps_its_files_is_its_own_affair() {
        let nodes = [
            node(
                "a",
                &[
                    ("dir", "/rcup/1"),
                    ("tls-ca-cert-file", "/rcup/1/ca.crt"),
                    ("tls-key-file", "/rcup/1/k"),
                ],
            ),
            node(
                "b",
                &[
                    ("dir", "/rcup/2"),
                    ("tls-ca-cert-file", "/rcup/2/ca.crt"),
                    ("tls-key-file", "/rcup/2/k"),
                ],
            ),
        ];
        assert_eq!(drift(&nodes, &Planned::default()).status, Status::Pass);
    }

    #[test]
    fn a_server_that_keeps_its_configuration_to_itself_is_no_failure() {
        let mut silent = node("a", &[]);
        silent.config = Configured::Refused("NOPERM".to_owned());
        let nodes = [silent];
        assert_eq!(drift(&nodes, &Planned::default()).status, Status::Skip);
        assert_eq!(full_coverage(&nodes, None).status, Status::Skip);
        assert_eq!(persistence(&nodes, &Planned::default()).status, Status::Pass);
    }

    #[test]
    fn full_coverage_warns_unless_it_was_asked_for() {
        let name = "cluster-require-full-coverage";
        let no = [node("a", &[(name, "no")]), node("b", &[(name, "no")])];
        assert_eq!(full_coverage(&no, None).status, Status::Warn);
        assert_eq!(full_coverage(&no, Some("no")).status, Status::Pass);
        let mixed = [node("a", &[(name, "no")]), node("b", &[(name, "yes")])];
        assert_eq!(full_coverage(&mixed, Some("no")).status, Status::Fail);
    }

    #[test]
    fn a_failed_save_and_a_forgotten_directive_are_found() {
        let mut broken = node("a", &[("appendonly", "no"), ("save", "")]);
        broken
            .info
            .insert("rdb_last_bgsave_status".to_owned(), "err".to_owned());
        let check = persistence(
            &[broken],
            &planned(&[("a", "x:1", &[("appendonly", "yes"), ("save", "")])]),
        );
        assert_eq!(
            check.detail,
            [
                "a: the last snapshot failed (rdb_last_bgsave_status:err)",
                "a: appendonly is no, planned yes"
            ]
        );
    }
}
