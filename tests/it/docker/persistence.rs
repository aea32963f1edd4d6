//! Data on volumes: it outlives the nodes, the containers, the network, a crash, and goes only on the user's word.

use redis::AsyncCommands as _;
use std::time::Duration;

use assert_cmd::Command;
use rcup::cluster::{State, down};
use rcup::event::Silent;
use rcup::plan::labels;
use rcup::spec::Engine;
use rcup::{Cluster, ClusterSpec};
use redis::cluster_async::ClusterConnection;

use super::{Name, any_image, docker, image, options, turn};

const KEYS: usize = 200;

async fn persistent(name: &Name, image: String, replicas: usize) -> ClusterSpec {
    let _ = any_image().await;
    ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .replicas(replicas)
        .persist(true)
        .set("appendfsync=always".parse().unwrap())
        .build()
        .unwrap()
}

async fn start(spec: &ClusterSpec) -> Cluster {
    let mut cluster = Box::pin(Cluster::up(docker(), spec, &options()))
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", error.causes(), error.detail_lines()));
    cluster.keep();
    cluster
}

async fn client(cluster: &Cluster) -> ClusterConnection {
    redis::cluster::ClusterClient::builder(cluster.urls())
        .response_timeout(Duration::from_secs(10))
        .build()
        .unwrap()
        .get_async_connection()
        .await
        .unwrap()
}

async fn fill(cluster: &Cluster) {
    let mut client = client(cluster).await;
    for nth in 0..KEYS {
        let () = client.set(format!("key:{nth}"), nth).await.unwrap();
    }
}

async fn assert_filled(cluster: &Cluster) {
    let mut client = client(cluster).await;
    for nth in 0..KEYS {
        let value: Option<usize> = redis::cmd("GET")
            .arg(format!("key:{nth}"))
            .query_async(&mut client)
            .await
            .unwrap();
        assert_eq!(value, Some(nth), "key:{nth}");
    }
}

fn shape(cluster: &Cluster) -> Vec<String> {
    let report = cluster.report();
    let line = |node: &rcup::cluster::NodeReport| format!("{} {} {:?}", node.index, node.id, node.slots);
    report.nodes.iter().map(line).collect()
}

fn rcup(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command.args(arguments);
    command
}

async fn every_acknowledged_write_survives(image: String) {
    let _turn = turn().await;
    let name = Name::new("persist");
    let spec = persistent(&name, image, 1).await;
    let cluster = start(&spec).await;
    let before = shape(&cluster);
    fill(&cluster).await;

    // All nodes die at once, as in a power cut.
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    for node in &attached.topology().nodes {
        rcup::runtime::Faults::kill(&docker(), &node.name).await.unwrap();
    }
    let cluster = start(&spec).await;
    assert_eq!(shape(&cluster), before);
    assert_filled(&cluster).await;

    // Only the volumes are left.
    down(&docker(), &name.0, true, &Silent).await.unwrap();
    let left = name.remains().await;
    assert_eq!(
        (left.containers.len(), left.networks.len(), left.volumes.len()),
        (0, 0, 6)
    );
    let cluster = start(&spec).await;
    assert_eq!(shape(&cluster), before);
    assert_filled(&cluster).await;

    // One container was removed by hand.
    let engine = bollard::Docker::connect_with_defaults().unwrap();
    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::default().force(true);
    engine
        .remove_container(&name.0.container(2), Some(force.build()))
        .await
        .unwrap();
    let cluster = start(&spec).await;
    assert_eq!(shape(&cluster), before);
    assert_filled(&cluster).await;
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_on_redis_7() {
    Box::pin(every_acknowledged_write_survives(
        image(Engine::Redis, 7, 0).await,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_on_redis_8() {
    Box::pin(every_acknowledged_write_survives(
        image(Engine::Redis, 8, 0).await,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_on_valkey_8() {
    Box::pin(every_acknowledged_write_survives(
        image(Engine::Valkey, 8, 1).await,
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_goes_only_on_the_users_word() {
    let _turn = turn().await;
    let name = Name::new("word");
    let spec = persistent(&name, any_image().await, 0).await;
    let cluster = start(&spec).await;
    fill(&cluster).await;
    let name_text = name.0.to_string();
    let refused = rcup(&["down", &name_text]).assert().code(2);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        said.contains("holds 200 keys") && said.contains("--keep-volumes"),
        "{said}"
    );
    assert_eq!(name.remains().await.containers.len(), 3, "nothing was removed");

    // Stopped, it cannot say how many keys it holds, and is asked about all the same.
    rcup(&["stop", &name_text]).assert().success();
    let report = Cluster::attach(docker(), &name.0).await.unwrap().report().await;
    assert_eq!(report.state, State::Stopped);
    rcup(&["down", &name_text]).assert().code(2);
    rcup(&["start", &name_text]).assert().success();
    assert_filled(&start(&spec).await).await;
    rcup(&["down", &name_text, "--volumes"]).assert().success();
    name.assert_gone().await;

    // Where there is no key, nobody is asked.
    start(&spec).await;
    rcup(&["down", &name_text]).assert().success();
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_handle_leaves_the_data() {
    let _turn = turn().await;
    let name = Name::new("dropped");
    let spec = persistent(&name, any_image().await, 0).await;
    let cluster = Cluster::up(docker(), &spec, &options()).await.unwrap();
    fill(&cluster).await;
    drop(cluster);
    let left = name.remains().await;
    assert_eq!(
        (left.containers.len(), left.networks.len(), left.volumes.len()),
        (0, 0, 3)
    );
    assert!(
        left.volumes
            .iter()
            .all(|volume| volume.labels.contains_key(labels::NODE))
    );
    assert_filled(&start(&spec).await).await;
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_node_by_node_loses_no_key_even_in_memory() {
    let _turn = turn().await;
    let name = Name::new("rolling");
    let cluster = start(&name.spec().await).await;
    fill(&cluster).await;
    let before = shape(&cluster);
    let name_text = name.0.to_string();
    rcup(&["restart", &name_text, "--node", "1", "--node", "replica:2"])
        .assert()
        .success();
    let again = start(&name.spec().await).await;
    assert_eq!(shape(&again), before);
    assert_filled(&again).await;

    // To stop it would lose them, so it is not done without a word.
    let refused = rcup(&["stop", &name_text]).assert().code(2);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        said.contains("in memory alone") && said.contains("--yes"),
        "{said}"
    );
    rcup(&["stop", &name_text, "--yes"]).assert().success();
    rcup(&["down", &name_text]).assert().success();
    name.assert_gone().await;
}
