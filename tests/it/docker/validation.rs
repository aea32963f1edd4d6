//! The validation suite on healthy clusters: no false alarms, no remaining keys, measured failovers.

use std::time::Duration;

use super::{Name, connect, docker, image, turn, up};
use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::finding::Status;
use rcup::checks::options::SuiteOptions;
use rcup::checks::suite::validation::Validation;
use rcup::connect::endpoint::Endpoint;
use rcup::server::wire::access::Access;
use rcup::server::wire::connection::Address;
use rcup::spec::server::Engine;
use rcup::{Cluster, ClusterSpec};

fn suite(suite: Suite) -> SuiteOptions {
    SuiteOptions::default().selection(Selection::of(suite))
}

fn quick(name: &Name, image: String) -> ClusterSpec {
    ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .node_timeout(Duration::from_secs(1))
        .build()
        .unwrap()
}

pub async fn keys(cluster: &Cluster) -> u64 {
    let mut all = 0;
    for node in cluster.report().nodes {
        let mut connection = connect(&node.advertised).await;
        let own: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
        all += own;
    }
    all
}

/// Returns the number of cached scripts on all masters.
async fn scripts(cluster: &Cluster) -> u64 {
    let mut all = 0;
    for node in cluster.report().nodes {
        let mut connection = connect(&node.advertised).await;
        let memory: redis::InfoDict = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut connection)
            .await
            .unwrap();
        all += memory
            .get::<u64>("number_of_cached_scripts")
            .expect("the server counts its scripts");
    }
    all
}

fn assert_in_order(outcome: &Validation, skipped: &[&str]) {
    for check in &outcome.checks {
        let wanted = if skipped.contains(&check.id) {
            Status::Skip
        } else {
            Status::Pass
        };
        assert_eq!(check.status, wanted, "{check:#?}");
    }
    assert!(outcome.passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_in_order_raises_no_alarm_and_keeps_nothing() {
    let _turn = turn().await;
    for (engine, major, minor) in [(Engine::Redis, 7, 0), (Engine::Valkey, 8, 1)] {
        let name = Name::new("suite");
        let cluster = up(&quick(&name, image(engine, major, minor).await)).await;
        let attached = Cluster::attach(docker(), &name.0).await.unwrap();
        for round in 0..5 {
            let outcome = attached.validate_with(&suite(Suite::Standard).round(round)).await;
            assert_in_order(&outcome, &["anti-affinity"]);
            assert_eq!(outcome.latency.len(), 6);
            let smoke = attached.validate_with(&suite(Suite::Smoke)).await;
            assert_in_order(&smoke, &[]);
        }
        assert_eq!(keys(&cluster).await, 0, "a key was left behind");
        assert_eq!(scripts(&cluster).await, 0, "a script was left behind");
        // A script of another client stays, and so do those of the validation, because SCRIPT FLUSH cannot remove
        // single scripts.
        let mut connection = connect(&cluster.report().nodes[0].advertised).await;
        let digest: String = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg("return 'of somebody else'")
            .query_async(&mut connection)
            .await
            .unwrap();
        attached.validate_with(&suite(Suite::Standard)).await;
        let said: String = redis::cmd("EVALSHA")
            .arg(&digest)
            .arg(0)
            .query_async(&mut connection)
            .await
            .expect("it is there still");
        assert_eq!(said, "of somebody else");
        drop(cluster);
        name.assert_gone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_somebody_else_is_found_from_one_node_and_only_read() {
    let _turn = turn().await;
    let name = Name::new("foreign");
    let cluster = up(&name.shape(3, 1).await).await;
    let node = &cluster.report().nodes[4];
    let (host, port) = node.advertised.rsplit_once(':').unwrap();
    let address = Address::new(host, port.parse().unwrap());
    let endpoint = Endpoint::enter(&address, &Access::open()).await.unwrap();
    let mut connection = connect(&cluster.report().nodes[0].advertised).await;
    let calls = async |connection: &mut redis::aio::MultiplexedConnection| -> String {
        let text: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(connection)
            .await
            .unwrap();
        text
    };
    let read_only = endpoint.validate(&suite(Suite::Full).write(false)).await;
    assert_in_order(
        &read_only,
        &[
            "write-read",
            "hash-tags",
            "scripts",
            "pubsub",
            "ask",
            "throughput",
            "failover-command",
            "failover-pause",
            "failover-kill",
        ],
    );
    assert_eq!(read_only.nodes.len(), 6);
    let before = calls(&mut connection).await;
    endpoint.validate(&suite(Suite::Full).write(false)).await;
    let after = calls(&mut connection).await;
    for command in [
        "set",
        "del",
        "mset",
        "eval",
        "publish",
        "spublish",
        "cluster|setslot",
    ] {
        let of = |text: &str| {
            text.lines()
                .find_map(|line| {
                    line.strip_prefix(&format!("cmdstat_{command}:calls="))?
                        .split(',')
                        .next()?
                        .parse()
                        .ok()
                })
                .unwrap_or(0_u64)
        };
        assert_eq!(of(&before), of(&after), "{command} was sent without --write");
    }
    let writing = endpoint.validate(&suite(Suite::Standard)).await;
    assert_in_order(&writing, &[]);
    assert_eq!(keys(&cluster).await, 0, "a key was left behind");
}
