//! Clusters whose nodes have their own server images, memory limits and settings.

use std::time::{Duration, Instant};

use super::project::{Generation, Project};
use super::{Name, assert_ready, connect, docker, image, options, turn, up};
use crate::ports;
use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::finding::Status;
use rcup::checks::options::SuiteOptions;
use rcup::checks::suite::validation::Validation;
use rcup::connect::attached::Attached;
use rcup::event::Silent;
use rcup::runtime::faults::Faults as _;
use rcup::runtime::interface::Runtime as _;
use rcup::spec::expiry::Life;
use rcup::spec::node_override::NodeOverride;
use rcup::spec::selector::Selector;
use rcup::spec::server::Engine;
use rcup::topology::layout::{Formation, Role};
use rcup::{Cluster, ClusterSpec, ErrorKind};

/// Returns the answer of a node to a command.
async fn said<T: redis::FromRedisValue>(cluster: &Cluster, node: usize, words: &[&str]) -> T {
    let address = &cluster.report().nodes[node - 1].advertised;
    let mut command = redis::cmd(words[0]);
    let answer = command
        .arg(&words[1..])
        .query_async(&mut connect(address).await)
        .await;
    answer.unwrap_or_else(|error| panic!("{words:?} on node {node}: {error}"))
}

async fn version(cluster: &Cluster, node: usize) -> String {
    let info: String = said(cluster, node, &["INFO", "server"]).await;
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let version = field("valkey_version").or_else(|| field("redis_version"));
    version.expect("a server tells its version").trim().to_owned()
}

async fn configured(cluster: &Cluster, node: usize, name: &str) -> String {
    let (_, value): (String, String) = said(cluster, node, &["CONFIG", "GET", name]).await;
    value
}

async fn validated(attached: &Attached, suite: Suite) -> Validation {
    let options = SuiteOptions::default().selection(Selection::of(suite));
    attached.validate_with(&options).await
}

fn summary<'a>(outcome: &'a Validation, id: &str) -> &'a str {
    let check = outcome.checks.iter().find(|check| check.id == id);
    &check.unwrap_or_else(|| panic!("{id} was not made")).summary
}

/// Returns a specification of Redis 7.0 with a replica of Redis 8.0 on node 4, a directive on node 5 and a memory limit
/// on node 6.
async fn upgrading(name: &Name) -> ClusterSpec {
    let later = image(Engine::Redis, 8, 0).await;
    ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(Engine::Redis, 7, 0).await)
        .persist(true)
        .node_timeout(Duration::from_secs(2))
        .node(Selector::Node(4), NodeOverride::default().with_image(later))
        .node(
            "replica:2".parse().unwrap(),
            NodeOverride::default().set("slowlog-max-len=7".parse().unwrap()),
        )
        .node(Selector::Node(6), NodeOverride::default().with_memory(64 << 20))
        .build()
        .unwrap()
}

/// Returns whether a node reports itself as a master.
async fn is_master(cluster: &Cluster, node: usize) -> bool {
    let nodes: String = said(cluster, node, &["CLUSTER", "NODES"]).await;
    nodes.lines().any(|line| line.contains("myself,master"))
}

async fn until_master(cluster: &Cluster, node: usize) {
    let begun = Instant::now();
    while !is_master(cluster, node).await {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "node {node} does not take over"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_upgrade_half_way_is_made_used_adopted_restarted_and_reset() {
    let _turn = turn().await;
    let name = Name::new("mixed");
    let spec = upgrading(&name).await;
    let mut cluster = up(&spec).await;
    assert_eq!(
        cluster.topology().formation,
        Formation::Commands,
        "no master copies a later server"
    );
    assert_ready(&cluster).await;
    let _: String = said(&cluster, 1, &["FLUSHALL"]).await;

    for node in 1..=6 {
        let wanted = if node == 4 { "8.0" } else { "7.0" };
        assert!(version(&cluster, node).await.starts_with(wanted), "node {node}");
        let wanted = if node == 5 { "7" } else { "128" };
        assert_eq!(
            configured(&cluster, node, "slowlog-max-len").await,
            wanted,
            "node {node}"
        );
        let own = configured(&cluster, node, "maxmemory").await == (64 << 20).to_string();
        assert_eq!(own, node == 6, "node {node}");
    }
    let report = serde_json::to_value(cluster.report()).unwrap();
    super::super::schemas::assert_valid("status", &report);
    assert!(report["nodes"][3]["version"].as_str().unwrap().starts_with("8.0"));
    assert!(report["nodes"][0].get("version").is_none());

    // Planned differences do not fail, and the suite skips failovers that would break replication.
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let outcome = validated(&attached, Suite::Standard).await;
    assert!(outcome.passed, "{:#?}", outcome.checks);
    let failed = outcome.checks.iter().find(|check| check.status == Status::Warn);
    assert!(failed.is_none(), "{failed:#?}");
    assert!(
        summary(&outcome, "versions").starts_with("as planned, Redis 7.0."),
        "{outcome:#?}"
    );
    assert!(summary(&outcome, "config-drift").contains("as planned"));
    let _: String = said(&cluster, 5, &["CONFIG", "SET", "slowlog-max-len", "8"]).await;
    let _: String = said(&cluster, 2, &["CONFIG", "SET", "slowlog-max-len", "9"]).await;
    let drifted = validated(&attached, Suite::Standard).await;
    assert_eq!(
        summary(&drifted, "config-drift"),
        "slowlog-max-len is 128 on 4 nodes, 9 on rcup-NAME-2"
            .replace("rcup-NAME", &format!("rcup-{}", name.0))
    );
    let _: String = said(&cluster, 2, &["CONFIG", "SET", "slowlog-max-len", "128"]).await;

    // The same specification adopts the cluster, a different one is refused.
    cluster.keep();
    let again = up(&spec).await;
    assert!(again.was_adopted());
    let other = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(Engine::Redis, 7, 0).await)
        .persist(true)
        .node_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let error = Cluster::up(docker(), &other, &options())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different);
    let told = error.detail_lines().join("\n");
    assert!(
        told.contains("node 4: image ") && told.contains("slowlog-max-len=7"),
        "{told}"
    );

    // No replica could hand the role of node 1 back, so no replica takes it over. Its data is on its volume.
    let _: String = said(&cluster, 1, &["SET", "a-key-of-{bar}", "kept"]).await;
    attached
        .restart(&[1], Duration::from_mins(1), &Silent)
        .await
        .unwrap();
    assert!(is_master(&cluster, 1).await);
    let kept: String = said(&cluster, 1, &["GET", "a-key-of-{bar}"]).await;
    assert_eq!(kept, "kept");
    assert_eq!(configured(&cluster, 4, "cluster-replica-no-failover").await, "no");

    assert_stranded_and_reset(&cluster, &spec, &name).await;

    // A missing node is created again with its own server image.
    down_container(&name, 4).await;
    let restored = up(&spec).await;
    assert!(version(&restored, 4).await.starts_with("8.0"));
    name.down().await;
}

/// After a failover to the newer server, the older one cannot replicate from it. `up` reports that at once instead of
/// waiting.
async fn assert_stranded_and_reset(cluster: &Cluster, spec: &ClusterSpec, name: &Name) {
    docker().kill(&format!("rcup-{}-1", name.0)).await.unwrap();
    until_master(cluster, 4).await;
    let error = Cluster::up(docker(), spec, &options())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
    assert!(
        error.to_string().contains("cannot replicate from it"),
        "{error}: {:?}",
        error.causes()
    );
    let reset = cluster.reset().await.unwrap();
    assert!(
        reset
            .mended
            .iter()
            .any(|what| what.contains("node 1 master again")),
        "{reset:?}"
    );
    let report = Cluster::attach(docker(), &name.0).await.unwrap().report().await;
    assert_eq!(report.nodes[0].role, Role::Master);
    assert_eq!(report.nodes[3].link, Some("up"));
    let keys: u64 = said(cluster, 1, &["DBSIZE"]).await;
    assert_eq!(keys, 0);
}

async fn down_container(name: &Name, index: usize) {
    let container = format!("rcup-{}-{index}", name.0);
    docker().remove_container(&container).await.unwrap();
}

#[tokio::test]
async fn a_replica_with_an_earlier_server_is_refused_before_anything_is_made() {
    let _turn = turn().await;
    let name = Name::new("backwards");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(Engine::Redis, 8, 0).await)
        .node(
            Selector::Replicas,
            NodeOverride::default().with_image(image(Engine::Redis, 7, 0).await),
        )
        .build()
        .unwrap();
    let error = Cluster::up(docker(), &spec, &options())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("node 4 with Redis 7.0."), "{error}");
    assert!(
        error
            .to_string()
            .contains("cannot copy its master, node 1 with Redis 8.0."),
        "{error}"
    );
    name.assert_gone().await;
}

#[tokio::test]
async fn servers_whose_buses_clash_are_refused_before_anything_is_made() {
    let _turn = turn().await;
    let name = Name::new("clash");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(Engine::Valkey, 8, 1).await)
        .node(
            Selector::Replicas,
            NodeOverride::default().with_image(image(Engine::Redis, 8, 0).await),
        )
        .build()
        .unwrap();
    let error = Cluster::up(docker(), &spec, &options())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("cannot be in one cluster"), "{error}");
    name.assert_gone().await;
}

#[tokio::test]
async fn shards_with_a_server_each_are_seeded_each_in_its_own_format() {
    let _turn = turn().await;
    let name = Name::new("servers");
    let valkey = image(Engine::Valkey, 8, 1).await;
    let mut spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(Engine::Redis, 7, 0).await)
        .node_timeout(Duration::from_secs(2));
    for index in [3, 6] {
        spec = spec.node(
            Selector::Node(index),
            NodeOverride::default().with_image(&*valkey),
        );
    }
    let cluster = up(&spec.build().unwrap()).await;
    assert_eq!(cluster.topology().formation, Formation::Seeded);
    assert_ready(&cluster).await;
    for (node, wanted) in [(1, "7.0"), (3, "8.1"), (6, "8.1")] {
        assert!(version(&cluster, node).await.starts_with(wanted), "node {node}");
    }
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let outcome = validated(&attached, Suite::Standard).await;
    assert!(outcome.passed, "{:#?}", outcome.checks);
    cluster.down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_such_a_cluster_brings_it_up_again() {
    let _turn = turn().await;
    let name = Name::new("mixed-file");
    let (subnet, port) = ports::coming_back();
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .subnet(subnet)
        .port(port)
        .image(image(Engine::Redis, 7, 0).await)
        .node(
            Selector::Node(5),
            NodeOverride::default().with_image(image(Engine::Valkey, 8, 1).await),
        )
        .node(
            Selector::Node(6),
            NodeOverride::default().set("slowlog-max-len=7".parse().unwrap()),
        )
        .build()
        .unwrap();
    let mut cluster = up(&spec).await;
    cluster.keep();
    let topology = cluster.topology().clone().with_life(Life::default());
    let project = Project::of_running(name.0.as_str(), Generation::First.at_hand());
    name.down().await;
    project.up(&topology).await;
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let outcome = validated(&attached, Suite::Standard).await;
    assert!(outcome.passed, "{:#?}", outcome.checks);
    for node in 1..=6 {
        let wanted = if node == 6 { "7" } else { "128" };
        assert_eq!(configured(&cluster, node, "slowlog-max-len").await, wanted);
        let wanted = if node == 5 { "8.1" } else { "7.0" };
        assert!(version(&cluster, node).await.starts_with(wanted), "node {node}");
    }
    assert!(up(&spec).await.was_adopted());
    project.run(&["down", "-v"]);
    name.assert_gone().await;
}
