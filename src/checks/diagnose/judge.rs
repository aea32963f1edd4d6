//! Creates all findings, in the order in which to fix them.

use std::collections::BTreeSet;

use crate::checks::diagnose::finding::{Diagnosis, Finding};
use crate::checks::diagnose::observed::Observations;
use crate::checks::diagnose::{access, bus, server, slots, views};
use crate::checks::finding::{Check, Status};

/// Findings that explain why a check fails. A failed check that none of them explains is reported as its own
/// finding.
const EXPLAINED: [(&str, &[&str]); 16] = [
    (
        "reachable",
        &[
            "node-gone",
            "node-cut-off",
            "node-paused",
            "node-stopped",
            "certificate-expired",
            "protected-mode",
            "wrong-password",
            "tls-mismatch",
            "bind",
            "port-not-published",
            "port-filtered",
            "not-listening",
            "connection-refused",
            "unreachable",
        ],
    ),
    ("cluster-state", &["state-fail"]),
    (
        "slot-coverage",
        &["orphan-slots", "master-down", "strangers", "bus-link"],
    ),
    (
        "node-count",
        &["dead-node", "handshake", "strangers", "bus-link", "same-id"],
    ),
    (
        "agreement",
        &[
            "disputed-slots",
            "strangers",
            "bus-link",
            "dead-node",
            "handshake",
            "orphan-slots",
            "open-slots",
            "replica-astray",
        ],
    ),
    ("slot-owners", &["disputed-slots"]),
    ("open-slots", &["open-slots"]),
    ("bus-links", &["bus-link", "strangers", "same-id"]),
    (
        "roles",
        &[
            "replica-astray",
            "strangers",
            "orphan-slots",
            "dead-node",
            "disputed-slots",
        ],
    ),
    (
        "replication",
        &["auth-mismatch", "replica-link", "replica-astray"],
    ),
    (
        "addresses",
        &[
            "wrong-announce",
            "dead-node",
            "handshake",
            "strangers",
            "disputed-slots",
        ],
    ),
    (
        "redirection",
        &[
            "wrong-announce",
            "state-fail",
            "orphan-slots",
            "disputed-slots",
            "strangers",
        ],
    ),
    ("replica-balance", &["replica-astray", "dead-node", "strangers"]),
    ("node-ids", &["same-id"]),
    ("persistence", &["disk-full", "misconf"]),
    ("memory", &["maxmemory"]),
];

/// Checks that always fail while a node does not answer.
const WITHOUT_A_NODE: [&str; 8] = [
    "node-count",
    "agreement",
    "bus-links",
    "roles",
    "slot-coverage",
    "replication",
    "addresses",
    "redirection",
];

/// Determines what is wrong, the causes, and how to fix them.
pub fn diagnose(all: &Observations) -> Diagnosis {
    let mut findings = access::silent(all);
    let silent = !findings.is_empty();
    findings.extend(bus::links(all));
    findings.extend(views::stale(all));
    findings.extend(views::twins(all));
    findings.extend(views::strangers(all));
    findings.extend(slots::unserved(all));
    findings.extend(slots::disputed(all));
    findings.extend(slots::open(all));
    findings.extend(views::gone(all));
    findings.extend(server::elsewhere(all));
    findings.extend(views::announced(all));
    findings.extend(server::certificates(all));
    findings.extend(server::memory(all));
    findings.extend(server::disk(all));
    findings.extend(server::replication(all));
    let state = views::state(all, &findings);
    findings.extend(views::restarted(all));
    findings.extend(state);
    let known: BTreeSet<&str> = findings.iter().map(|finding| finding.id).collect();
    let rest: Vec<Finding> = all
        .checks
        .iter()
        .filter(|check| matches!(check.status, Status::Fail | Status::Warn))
        .filter(|check| !(silent && WITHOUT_A_NODE.contains(&check.id)))
        .filter(|check| {
            let explained = EXPLAINED.iter().find(|(id, _)| *id == check.id);
            !explained.is_some_and(|(_, by)| by.iter().any(|id| known.contains(id)))
        })
        .map(unexplained)
        .collect();
    findings.extend(rest);
    Diagnosis {
        healthy: !findings.iter().any(|finding| finding.status == Status::Fail),
        cluster: all.cluster.clone(),
        findings,
    }
}

/// Returns the finding for a failed check without a known cause.
fn unexplained(check: &Check) -> Finding {
    let mut finding = Finding::new(
        check.id,
        &check.summary,
        format!("The check `{}` says so.", check.id),
    )
    .seen(check.detail.iter().cloned())
    .mended_by(check.hint.clone());
    finding.status = check.status;
    finding
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::checks::diagnose::bus::cut;
    use crate::checks::diagnose::finding::*;
    use crate::checks::diagnose::judge::diagnose;
    use crate::checks::diagnose::observed::*;
    use crate::checks::diagnose::slots::doubtful;
    use crate::checks::finding::Status;
    use crate::checks::readiness::tests::perfect;
    use crate::runtime::observed::Activity;
    use crate::server::wire::reply::{Configured, NodeView, ServerFacts};
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;
    use crate::topology::slots::SlotRange;

    /// Returns a healthy cluster that rcup created: three shards with one replica each.
    fn healthy() -> Observations {
        let plan = topology(3, 1, Engine::Redis, "8.0.2");
        let nodes = plan.nodes.iter().zip(perfect(&plan)).map(|(node, answer)| {
            let shard = plan.shard_of(node);
            NodeFound {
                name: node.name.clone(),
                ip: node.ip.to_string(),
                port: node.port,
                place: Some(Place {
                    index: node.index,
                    shard: shard.number,
                    slots: shard.slots,
                    role: node.role,
                }),
                container: None,
                answer,
                server: Some(ServerFacts {
                    name: node.name.clone(),
                    ..ServerFacts::default()
                }),
                inside: None,
                certificate_ends: None,
                keys: BTreeMap::new(),
                log: Vec::new(),
            }
        });
        Observations {
            cluster: plan.name().to_string(),
            own: true,
            nodes: nodes.collect(),
            ..Observations::default()
        }
    }

    fn view(all: &mut Observations, at: usize) -> &mut NodeView {
        all.nodes[at].answer.as_mut().unwrap()
    }

    fn myself(all: &mut Observations, at: usize) -> &mut crate::server::wire::reply::NodeLine {
        &mut view(all, at).nodes[at]
    }

    fn info(all: &mut Observations, at: usize, fields: &[(&str, &str)]) {
        let server = all.nodes[at].server.as_mut().unwrap();
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        server.info.extend(fields);
    }

    fn settings(all: &mut Observations, at: usize, fields: &[(&str, &str)]) {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        all.nodes[at].server.as_mut().unwrap().config = Configured::Known(fields.collect());
    }

    fn ids(all: &Observations) -> Vec<&'static str> {
        diagnose(all).findings.iter().map(|finding| finding.id).collect()
    }

    fn only(all: &Observations) -> Finding {
        let mut found = diagnose(all).findings;
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    }

    fn silent(why: &str, container: ContainerFound, inside: Option<Inside>) -> Observations {
        let mut all = healthy();
        all.nodes[3].answer = Err(why.to_owned());
        all.nodes[3].container = Some(container);
        all.nodes[3].inside = inside;
        all
    }

    fn running() -> ContainerFound {
        ContainerFound {
            activity: Some(Activity::Running),
            connected: true,
            published: true,
            ..ContainerFound::default()
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        let diagnosis = diagnose(&healthy());
        assert!(
            diagnosis.healthy && diagnosis.findings.is_empty(),
            "{diagnosis:#?}"
        );
        assert!(cut(&healthy()).is_empty() && doubtful(&healthy()).is_empty());
    }

    #[test]
    fn silence_has_a_reason() {
        let doing = |activity| ContainerFound {
            activity,
            ..running()
        };
        let pong = |bind: &str, protected: &str| {
            Some(Inside {
                said: "PONG".to_owned(),
                listens: true,
                bind: Some(bind.to_owned()),
                protected: Some(protected.to_owned()),
            })
        };
        let refused = "Connection refused (os error 111)";
        let unplugged = ContainerFound {
            connected: false,
            ..running()
        };
        let unpublished = ContainerFound {
            published: false,
            ..running()
        };
        let denied = "DENIED Redis is running in protected mode because protected mode is enabled";
        for (why, container, inside, id) in [
            ("", doing(None), None, "node-gone"),
            ("", doing(Some(Activity::Paused)), None, "node-paused"),
            ("", doing(Some(Activity::Exited)), None, "node-stopped"),
            ("", unplugged, None, "node-cut-off"),
            (refused, running(), pong("127.0.0.1 -::1", "no"), "bind"),
            (denied, running(), pong("* -::*", "yes"), "protected-mode"),
            (refused, unpublished, pong("* -::*", "no"), "port-not-published"),
            ("timed out", running(), pong("0.0.0.0", "no"), "port-filtered"),
            (refused, running(), Some(Inside::default()), "not-listening"),
            (
                "WRONGPASS invalid username-password pair",
                running(),
                pong("", "no"),
                "wrong-password",
            ),
            (
                "invalid peer certificate: Expired",
                running(),
                pong("", "no"),
                "certificate-expired",
            ),
            (
                "invalid peer certificate: UnknownIssuer",
                running(),
                pong("", "no"),
                "tls-mismatch",
            ),
            (refused, running(), None, "connection-refused"),
            ("timed out", running(), None, "unreachable"),
            (
                "ERR This instance has cluster support disabled",
                running(),
                None,
                "no-cluster",
            ),
            (
                "NOPERM this user has no permissions",
                running(),
                None,
                "no-permission",
            ),
        ] {
            let all = silent(why, container, inside);
            let found = only(&all);
            assert_eq!(found.id, id);
            assert_eq!(found.nodes, [all.nodes[3].name.clone()]);
            assert!(
                !found.remedy.is_empty() && !found.evidence.is_empty(),
                "{found:#?}"
            );
        }
    }

    #[test]
    fn a_container_that_is_gone_comes_back_from_its_volume_or_not_at_all() {
        let mut all = silent("", ContainerFound::default(), None);
        let lost = only(&all);
        assert!(lost.remedy[1].contains("rcup down"), "{lost:#?}");
        all.persists = true;
        let kept = only(&all);
        assert_eq!(kept.remedy, [format!("rcup start {}", all.cluster)]);
    }

    #[test]
    fn several_that_are_silent_for_one_reason_are_one_finding() {
        let mut all = silent(
            "",
            ContainerFound {
                activity: Some(Activity::Exited),
                ..running()
            },
            None,
        );
        all.nodes[4] = NodeFound {
            container: all.nodes[3].container.clone(),
            answer: Err(String::new()),
            ..all.nodes[4].clone()
        };
        let found = only(&all);
        assert_eq!((found.nodes.len(), found.actions.len()), (2, 2));
        assert_eq!(found.what, "2 nodes: the server is not running");
    }

    #[test]
    fn an_orphan_goes_to_whom_it_was_planned_for_or_to_whoever_has_its_keys() {
        let mut all = healthy();
        let orphan = SlotRange::new(0, 99);
        for at in 0..6 {
            view(&mut all, at).nodes[0].slots = vec![SlotRange::new(100, 5460)];
        }
        let found = only(&all);
        assert_eq!(found.what, "slots 0-99 have no owner");
        let cover = |node: &NodeFound, slots| Action::Cover {
            node: node.name.clone(),
            slots,
        };
        assert_eq!(found.actions, [cover(&all.nodes[0], vec![orphan])]);
        all.nodes[1].keys.insert(7, 3);
        let found = only(&all);
        let rest = vec![SlotRange::new(0, 6), SlotRange::new(8, 99)];
        let wanted = [
            cover(&all.nodes[0], rest),
            cover(&all.nodes[1], vec![SlotRange::new(7, 7)]),
        ];
        assert_eq!(found.actions, wanted);
    }

    #[test]
    fn slots_of_a_master_that_fails_are_no_orphans() {
        let mut all = healthy();
        all.nodes[0].answer = Err("timed out".to_owned());
        assert_eq!(ids(&all), ["unreachable"], "the others still hear it");
        for at in 1..6 {
            view(&mut all, at).nodes[0].flags.push("fail".to_owned());
            view(&mut all, at)
                .info
                .insert("cluster_state".to_owned(), "fail".to_owned());
        }
        assert_eq!(ids(&all), ["unreachable", "master-down", "state-fail"]);
        let diagnosis = diagnose(&all);
        let down = diagnosis.of("master-down").next().unwrap();
        assert!(
            down.why.contains(&all.nodes[3].name),
            "its replica is named: {down:#?}"
        );
        assert!(down.remedy[1].ends_with("--node 4 -- CLUSTER FAILOVER TAKEOVER"));
        let state = diagnosis.of("state-fail").next().unwrap();
        assert!(
            state.why.contains("master-down: the owner of slots 0-5460"),
            "{state:#?}"
        );
    }

    #[test]
    fn a_dispute_is_settled_where_only_one_side_has_keys() {
        let mut all = healthy();
        myself(&mut all, 1).slots.push(SlotRange::new(5, 5));
        all.nodes[1].keys.insert(5, 2);
        let found = only(&all);
        assert_eq!(found.id, "disputed-slots");
        assert!(matches!(&found.actions[..], [Action::Settle { owner, .. }] if *owner == all.nodes[1].name));
        all.nodes[0].keys.insert(5, 1);
        assert!(
            !only(&all).is_fixable(),
            "a person has to say which keys are right"
        );
    }

    #[test]
    fn a_slot_left_open_is_closed_with_its_keys_brought_back() {
        let mut all = healthy();
        let (one, two) = (
            all.nodes[0].id().unwrap().clone(),
            all.nodes[1].id().unwrap().clone(),
        );
        myself(&mut all, 0).moving.push(format!("[7->-{two}]"));
        myself(&mut all, 1).moving.push(format!("[7-<-{one}]"));
        all.nodes[1].keys.insert(7, 4);
        let found = only(&all);
        assert_eq!(found.id, "open-slots");
        let [close] = found.actions.as_slice() else {
            panic!("{found:#?}")
        };
        assert!(close.to_string().ends_with(&format!(
            "after moving its keys back: 4 from {}",
            all.nodes[1].name
        )));
        assert!(found.remedy[1].contains("MIGRATE"), "{found:#?}");
    }

    #[test]
    fn who_has_lost_its_nodes_conf_is_introduced_then_forgotten_then_follows() {
        let mut all = healthy();
        let old = all.nodes[5].id().unwrap().clone();
        for at in 0..5 {
            view(&mut all, at).nodes[5].flags.push("fail".to_owned());
        }
        let mut line = myself(&mut all, 5).clone();
        line.id = crate::topology::layout::NodeId("f".repeat(40));
        line.flags = vec!["myself".to_owned(), "master".to_owned()];
        line.master = None;
        view(&mut all, 5).nodes = vec![line];
        view(&mut all, 5).replication = crate::server::wire::reply::Replication::default();
        let diagnosis = diagnose(&all);
        assert_eq!(ids(&all), ["strangers", "dead-node", "replica-astray"]);
        let step = |id: &str| diagnosis.of(id).next().unwrap().actions.clone();
        let [Action::Meet { node, other }] = &step("strangers")[..] else {
            panic!("{diagnosis:#?}")
        };
        assert_eq!((node, other), (&all.nodes[0].name, &all.nodes[5].name));
        assert!(matches!(&step("dead-node")[..], [Action::Forget { id, by }] if *id == old && by.len() == 5));
        assert!(
            matches!(&step("replica-astray")[..], [Action::Follow { master, .. }] if *master == all.nodes[2].name)
        );
        let first: Vec<&str> = diagnosis.treatable().iter().map(|finding| finding.id).collect();
        assert_eq!(first, ["strangers"], "one thing after the other");
    }

    #[test]
    fn a_bus_port_is_told_by_what_came_of_trying_it() {
        let mut all = healthy();
        view(&mut all, 0).nodes[4].connected = false;
        let pairs = cut(&all);
        assert_eq!(pairs.len(), 1);
        let (from, to) = (pairs[0].0.name.clone(), pairs[0].1.name.clone());
        for (answer, words) in [
            (BusAnswer::Silent, "A firewall drops packets to"),
            (BusAnswer::Refused, "Nothing is listening at 10.0.0.5:17005"),
            (BusAnswer::Open, "accepts connections: the link"),
            (BusAnswer::Untried("no client".to_owned()), "is unreachable"),
        ] {
            all.probes = vec![BusProbe {
                from: Some(from.clone()),
                to: to.clone(),
                address: "10.0.0.5:17005".to_owned(),
                answer,
            }];
            let found = only(&all);
            assert_eq!(found.id, "bus-link");
            assert!(found.why.contains(words), "{found:#?}");
        }
        all.nodes[4].certificate_ends = Some(0);
        all.looked_at = 1;
        all.probes[0].answer = BusAnswer::Open;
        let diagnosis = diagnose(&all);
        let link = diagnosis.of("bus-link").next().unwrap();
        assert!(link.why.contains("a certificate has expired"), "{link:#?}");
    }

    #[test]
    fn two_nodes_with_one_id_are_told_without_the_links_that_suffer_from_it() {
        let mut all = healthy();
        let lines = view(&mut all, 4).nodes.clone();
        view(&mut all, 5).nodes = lines;
        for at in 0..4 {
            view(&mut all, at).nodes[4].connected = false;
        }
        let diagnosis = diagnose(&all);
        assert!(
            cut(&all).is_empty() && diagnosis.of("bus-link").next().is_none(),
            "{diagnosis:#?}"
        );
        let twins = diagnosis.of("same-id").next().unwrap();
        assert_eq!(
            twins.nodes,
            [all.nodes[4].name.clone(), all.nodes[5].name.clone()]
        );
        assert!(
            twins.remedy[0].ends_with("--node 6 -- CLUSTER RESET HARD"),
            "{twins:#?}"
        );
        assert_eq!(twins.remedy[1], format!("docker restart {}", all.nodes[5].name));
    }

    #[test]
    fn a_certificate_is_told_two_weeks_before_its_end() {
        let mut all = healthy();
        all.looked_at = 1_700_000_000;
        let day = 24 * 3600;
        all.nodes[0].certificate_ends = Some(all.looked_at + 14 * day);
        assert!(diagnose(&all).findings.is_empty());
        all.nodes[1].certificate_ends = Some(all.looked_at + 3 * day);
        let found = only(&all);
        assert_eq!((found.id, found.status), ("certificate-ends", Status::Warn));
        assert!(found.what.ends_with("expires within 4 days"), "{found:#?}");
        assert_eq!(found.nodes, [all.nodes[1].name.clone()]);
        assert!(
            found.evidence[0].ends_with("valid until 2023-11-17T22:13:20Z"),
            "{found:#?}"
        );
    }

    #[test]
    fn servers_that_cannot_write_say_misconf_or_oom() {
        let mut all = healthy();
        let full = [
            ("used_memory", "200"),
            ("maxmemory", "100"),
            ("maxmemory_policy", "noeviction"),
        ];
        info(&mut all, 1, &full);
        assert_eq!(only(&all).id, "maxmemory");
        for (log, id) in [
            (
                "Write error saving DB on disk: No space left on device",
                "disk-full",
            ),
            (
                "Failed opening the temp RDB file temp-9.rdb: Permission denied",
                "misconf",
            ),
            ("nothing of use", "misconf"),
        ] {
            let mut all = healthy();
            info(&mut all, 2, &[("rdb_last_bgsave_status", "err")]);
            all.nodes[2].log = vec![log.to_owned()];
            let found = only(&all);
            assert_eq!(found.id, id);
            assert!(
                found.why.contains("MISCONF") && found.remedy.len() == 2,
                "{found:#?}"
            );
            settings(
                &mut all,
                2,
                &[("stop-writes-on-bgsave-error", "no"), ("dir", "/data")],
            );
            assert!(only(&all).why.contains("Writes continue"), "{:#?}", only(&all));
        }
    }

    #[test]
    fn a_replica_without_a_link_says_whether_it_may_log_in() {
        let mut all = healthy();
        view(&mut all, 4).replication.link_up = false;
        assert_eq!(only(&all).id, "replica-link");
        settings(&mut all, 4, &[("masterauth", "one secret")]);
        settings(&mut all, 1, &[("requirepass", "another secret")]);
        let found = only(&all);
        assert_eq!(found.id, "auth-mismatch");
        assert!(!format!("{found:?}").contains("secret"), "{found:#?}");
    }

    #[test]
    fn addresses_that_lead_astray_and_restarts_are_told() {
        let mut all = healthy();
        all.mislead.push(Mislead {
            node: all.nodes[2].name.clone(),
            told: "10.9.9.9:1".to_owned(),
            outcome: "timed out".to_owned(),
        });
        settings(
            &mut all,
            2,
            &[
                ("cluster-announce-ip", "10.9.9.9"),
                ("cluster-announce-port", "0"),
            ],
        );
        let found = only(&all);
        assert_eq!(found.id, "wrong-announce");
        assert!(
            found.evidence[1].ends_with("cluster-announce-ip 10.9.9.9"),
            "{found:#?}"
        );
        let mut all = healthy();
        view(&mut all, 0)
            .info
            .insert("cluster_state".to_owned(), "fail".to_owned());
        info(&mut all, 0, &[("uptime_in_seconds", "2")]);
        assert_eq!(ids(&all), ["restarted", "state-fail"]);
        // In a cluster that rcup did not create, nodes have restarted with other addresses.
        all.own = false;
        view(&mut all, 0).nodes[1].ip = "10.9.9.9".to_owned();
        view(&mut all, 0).nodes[1].connected = false;
        let diagnosis = diagnose(&all);
        let found = diagnosis.of("restarted").next().unwrap();
        assert!(
            found.why.contains("nodes.conf has the old addresses"),
            "{found:#?}"
        );
    }

    #[test]
    fn what_a_check_says_and_no_cause_explains_is_told_by_itself() {
        let mut all = healthy();
        all.checks = vec![
            crate::checks::finding::Check::of("clock", "", "", vec!["a is ahead".to_owned()], "Use NTP."),
            crate::checks::finding::Check::good("memory", "there is some"),
        ];
        let found = only(&all);
        assert_eq!(
            (found.id, found.status, found.remedy.as_slice()),
            ("clock", Status::Fail, &["Use NTP.".to_owned()][..])
        );
    }
}
