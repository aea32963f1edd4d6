//! The validation suite through the binary: several rounds with real failovers, every output format, and the exit code.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::{Name, any_image, docker, turn, up};
use crate::schemas::assert_valid;
use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::options::SuiteOptions;
use rcup::runtime::faults::Faults as _;
use rcup::{Cluster, ClusterSpec};

/// Returns the number of rounds of the full suite.
fn rounds() -> usize {
    match std::env::var("RCUP_MATRIX").as_deref() {
        Ok("all") => 6,
        _ => 2,
    }
}

async fn quick(name: &Name) -> Cluster {
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .node_timeout(Duration::from_secs(1))
        .build();
    up(&spec.unwrap()).await
}

fn rcup(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("{name}: {value:#}"))
}

/// Returns the median and the worst value, computed here from the rounds.
fn spread(mut values: Vec<u64>) -> Value {
    values.sort_unstable();
    match values.last() {
        None => Value::Null,
        Some(worst) => serde_json::json!({ "median": values[(values.len() - 1) / 2], "worst": worst }),
    }
}

/// Checks that every measured failover is complete, and that the summary matches the rounds.
fn assert_measured(told: &Value, rounds: usize) {
    let failovers = list(told, "failovers");
    assert_eq!(failovers.len(), 3 * rounds, "{told:#}");
    for one in failovers {
        assert_eq!(one["trouble"], Value::Null, "{one:#}");
        let (promoted, again) = (
            one["promoted"].as_u64().unwrap(),
            one["writes_again"].as_u64().unwrap(),
        );
        assert!(again >= promoted.saturating_sub(100), "{one:#}");
        assert!(one["back"].as_u64() >= one["revived"].as_u64(), "{one:#}");
        assert!(one["acknowledged"].as_u64().unwrap() >= 20, "{one:#}");
        assert_eq!(list(one, "noticed").len(), 5, "every other node is watched");
        let first = |what: &str| {
            list(one, "noticed")
                .iter()
                .filter_map(|node| node[what].as_u64())
                .min()
        };
        // Nodes flag a failed master as PFAIL after the node timeout, not before. A manual failover needs no PFAIL.
        if one["way"] == "command" {
            assert_eq!(
                (first("suspected"), one["lost"].as_u64()),
                (None, Some(0)),
                "{one:#}"
            );
        } else {
            assert!(
                first("suspected") >= Some(500) && first("failed") >= first("suspected"),
                "{one:#}"
            );
        }
    }
    assert_eq!(list(told, "failover_times").len(), 3);
    for times in list(told, "failover_times") {
        let of_way: Vec<&Value> = failovers
            .iter()
            .filter(|one| one["way"] == times["way"])
            .collect();
        assert_eq!(times["rounds"], rounds);
        let pick =
            |of: &dyn Fn(&Value) -> Option<u64>| spread(of_way.iter().filter_map(|one| of(one)).collect());
        for (phase, wanted) in [
            ("promoted", pick(&|one| one["promoted"].as_u64())),
            ("writes-again", pick(&|one| one["writes_again"].as_u64())),
            (
                "back",
                pick(&|one| Some(one["back"].as_u64()? - one["revived"].as_u64()?)),
            ),
            (
                "suspected",
                pick(&|one| {
                    list(one, "noticed")
                        .iter()
                        .filter_map(|node| node["suspected"].as_u64())
                        .min()
                }),
            ),
            (
                "failed",
                pick(&|one| {
                    list(one, "noticed")
                        .iter()
                        .filter_map(|node| node["failed"].as_u64())
                        .min()
                }),
            ),
        ] {
            let found = list(times, "phases")
                .iter()
                .find(|found| found["phase"] == phase)
                .unwrap();
            assert_eq!(found["spread"], wanted, "{phase} of {times:#}");
        }
        assert_eq!(times["lost"], pick(&|one| one["lost"].as_u64()));
    }
}

/// Checks that the load came from the network, and that each master received its share of the writes.
async fn assert_loaded(told: &Value, cluster: &Cluster) {
    for load in list(told, "throughput") {
        assert_eq!(
            (&load["from"], &load["program"]),
            (&"network".into(), &"redis-benchmark".into()),
            "{load:#}"
        );
        assert!(load["commands"].as_u64() >= Some(30_000), "{load:#}");
        assert_eq!(load["latency"]["samples"], load["commands"]);
    }
    for node in &cluster.report().nodes[..3] {
        let mut connection = super::connect(&node.advertised).await;
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(&mut connection)
            .await
            .unwrap();
        let sets = stats.lines().find_map(|line| {
            line.strip_prefix("cmdstat_set:calls=")?
                .split(',')
                .next()?
                .parse()
                .ok()
        });
        assert!(sets >= Some(10_000_u64), "{}: {sets:?}", node.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_of_failovers_are_measured_and_told_in_every_form() {
    let _turn = turn().await;
    let name = Name::new("failover");
    let cluster = quick(&name).await;
    // Runs before any node is killed, because a restart resets its counters.
    let loaded = rcup(&[
        "validate",
        name.0.as_str(),
        "--only",
        "throughput",
        "--output",
        "json",
    ]);
    assert_loaded(&serde_json::from_slice(&loaded.stdout).unwrap(), &cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let report = |form: &str| format!("{form}={}", file(form).display());
    let output = rcup(&[
        "validate",
        name.0.as_str(),
        "--suite",
        "full",
        "--yes",
        "--repeat",
        &rounds().to_string(),
        "--output",
        "json",
        "--report",
        &report("junit"),
        "--report",
        &report("html"),
        "--report",
        &report("markdown"),
    ]);
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_valid("validate", &told);
    // A busy machine may exceed the time limits, and a crash may lose a write; all other checks must pass.
    for check in list(&told, "checks") {
        let id = check["id"].as_str().unwrap();
        if !id.starts_with("failover-") && id != "anti-affinity" {
            assert_eq!(
                (&check["status"], &check["rounds_bad"]),
                (&"pass".into(), &0.into()),
                "{check:#}"
            );
        }
    }
    let code = if told["passed"] == true { 0 } else { 3 };
    assert_eq!(output.status.code(), Some(code));
    assert_eq!(told["rounds"], rounds());
    assert_measured(&told, rounds());
    let samples = 200 * rounds() as u64;
    for node in list(&told, "latency") {
        assert_eq!(node["samples"], samples, "of all rounds");
        assert_eq!(node["p999"].is_null(), samples < 1000);
    }
    assert_eq!(list(&told, "throughput").len(), 2);

    let xml = text(&file("junit"));
    let document = roxmltree::Document::parse(&xml).unwrap();
    let cases: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .collect();
    let ids: Vec<&str> = cases.iter().filter_map(|case| case.attribute("name")).collect();
    let wanted: Vec<&str> = list(&told, "checks")
        .iter()
        .filter_map(|check| check["id"].as_str())
        .collect();
    assert_eq!(ids, wanted);
    let page = text(&file("html"));
    let drawn = page.matches("aria-label=\"Failover of ").count();
    assert_eq!(drawn, 3 * rounds());
    assert!(page.contains("marked failed (FAIL)") && page.ends_with("</html>\n"));
    let summary = text(&file("markdown"));
    assert!(
        summary.contains("| writes resumed |") && summary.contains("node timeout 1.0 s"),
        "{summary}"
    );

    // The cluster is restored: the planned roles, and no keys.
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let standard = SuiteOptions::default().selection(Selection::of(Suite::Standard));
    assert!(attached.validate_with(&standard).await.passed);
    assert_eq!(
        super::validation::keys(&cluster).await,
        0,
        "a key was left behind"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_check_is_exit_code_3_and_a_failure_in_the_reports() {
    let _turn = turn().await;
    let name = Name::new("exit");
    let cluster = quick(&name).await;
    let victim = cluster.report().nodes[5].name.clone();
    docker().pause(&victim).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml");
    let output = rcup(&[
        "validate",
        name.0.as_str(),
        "--suite",
        "smoke",
        "--repeat",
        "2",
        "--report",
        &format!("junit={}", junit.display()),
    ]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("in 2 of 2 rounds: ") && said.contains(&victim),
        "{said}"
    );
    let xml = text(&junit);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let failed: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("failure"))
        .filter_map(|node| node.parent()?.attribute("name"))
        .collect();
    assert!(failed.contains(&"reachable"), "{xml}");
    let suite = document
        .descendants()
        .find(|node| node.has_tag_name("testsuite"))
        .unwrap();
    assert_eq!(
        suite.attribute("failures"),
        Some(failed.len().to_string().as_str())
    );
}
