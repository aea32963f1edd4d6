//! Data on volumes: it survives the removal of nodes, containers and the network, and crashes. Only an explicit request
//! deletes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use assert_cmd::Command;
use redis::AsyncCommands as _;
use redis::cluster_async::ClusterConnection;

use super::{Name, any_image, docker, image, options, turn};
use rcup::checks::status::State;
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::runtime::labels;
use rcup::spec::server::Engine;
use rcup::{Cluster, ClusterSpec};

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
    let line =
        |node: &rcup::checks::status::NodeReport| format!("{} {} {:?}", node.index, node.id, node.slots);
    report.nodes.iter().map(line).collect()
}

/// A client that writes keys until the cluster is down.
struct Writer {
    acknowledged: Arc<AtomicUsize>,
    work: tokio::task::JoinHandle<()>,
}

impl Writer {
    fn begin(cluster: &Cluster, writer: usize) -> Self {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let count = acknowledged.clone();
        // The client does not retry: a write without an answer does not count as acknowledged.
        let urls = cluster.urls();
        let work = tokio::spawn(async move {
            let mut client = redis::cluster::ClusterClient::builder(urls)
                .retries(0)
                .response_timeout(Duration::from_secs(5))
                .build()
                .unwrap()
                .get_async_connection()
                .await
                .unwrap();
            loop {
                let nth = count.load(Ordering::SeqCst);
                let set: redis::RedisResult<()> = client.set(format!("writer:{writer}:{nth}"), nth).await;
                if set.is_err() {
                    return;
                }
                count.store(nth + 1, Ordering::SeqCst);
            }
        });
        Self { acknowledged, work }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Returns the number of acknowledged writes after the last one.
    async fn end(self) -> usize {
        self.work.await.unwrap();
        self.acknowledged.load(Ordering::SeqCst)
    }
}

/// Waits until the condition holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let so = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), so).await;
    waited.unwrap_or_else(|_| panic!("in vain: {what}"));
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

    // All nodes are killed at once, as in a power failure, while clients write.
    let writers: Vec<_> = (0..4).map(|writer| Writer::begin(&cluster, writer)).collect();
    eventually("every writer has written", || {
        writers.iter().all(|writer| writer.acknowledged() > 50)
    })
    .await;
    let engine = docker();
    let kills = cluster.topology().nodes.iter();
    let kills = kills.map(|node| rcup::runtime::faults::Faults::kill(&engine, &node.name));
    for killed in futures_util::future::join_all(kills).await {
        killed.unwrap();
    }
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.end().await);
    }
    let cluster = start(&spec).await;
    assert_eq!(shape(&cluster), before);
    assert_filled(&cluster).await;
    let mut reader = client(&cluster).await;
    for (writer, acknowledged) in written.into_iter().enumerate() {
        assert!(acknowledged > 50);
        for nth in 0..acknowledged {
            let key = format!("writer:{writer}:{nth}");
            let value: Option<usize> = reader.get(&key).await.unwrap();
            assert_eq!(value, Some(nth), "{key} of {acknowledged} was acknowledged");
        }
    }

    // Only the volumes remain.
    down(&docker(), &name.0, true, &Silent).await.unwrap();
    let left = name.remains().await;
    assert_eq!(
        (left.containers.len(), left.networks.len(), left.volumes.len()),
        (0, 0, 6)
    );
    let cluster = start(&spec).await;
    assert_eq!(shape(&cluster), before);
    assert_filled(&cluster).await;

    // One container was removed manually.
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

/// The container engine restarts crashed nodes, without a call of rcup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_nodes_all_crash_comes_back_by_itself() {
    let _turn = turn().await;
    let name = Name::new("crash");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .persist(true)
        .set("appendfsync=always".parse().unwrap())
        .set("enable-debug-command=yes".parse().unwrap())
        .build()
        .unwrap();
    let cluster = start(&spec).await;
    let before = shape(&cluster);
    fill(&cluster).await;
    // Docker treats a container that it was asked to kill as stopped; a server that exits by itself has crashed.
    let urls = cluster.urls();
    let crashes = urls.iter().map(|url| async move {
        let mut node = super::connect_url(url).await.unwrap();
        let died: redis::RedisResult<redis::Value> =
            redis::cmd("DEBUG").arg("SEGFAULT").query_async(&mut node).await;
        assert!(died.is_err(), "{died:?}");
    });
    futures_util::future::join_all(crashes).await;
    let back = async {
        loop {
            // A handle keeps the container data of the time when it attached, so each round attaches again.
            let report = Cluster::attach(docker(), &name.0).await.unwrap().report().await;
            let engine = bollard::Docker::connect_with_defaults().unwrap();
            let mut restarts = Vec::new();
            for node in &report.nodes {
                let seen = engine.inspect_container(&node.name, None).await.unwrap();
                restarts.push(seen.restart_count.unwrap_or_default());
            }
            if report.state == State::Ok && restarts.iter().all(|count| *count > 0) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let report = tokio::time::timeout(Duration::from_mins(2), back)
        .await
        .expect("it comes back");
    let line =
        |node: &rcup::checks::status::NodeReport| format!("{} {} {:?}", node.index, node.id, node.slots);
    assert_eq!(report.nodes.iter().map(line).collect::<Vec<_>>(), before);
    assert_filled(&cluster).await;
    name.down().await;
}

/// Runs `rcup` in a terminal with this answer. Returns its exit code and its output.
fn at_a_terminal(arguments: &[&str], answer: &str) -> (i32, String) {
    use std::io::Write as _;
    let command = format!("{} {}", env!("CARGO_BIN_EXE_rcup"), arguments.join(" "));
    let mut child = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("`script` is there (util-linux)");
    let mut input = child.stdin.take().unwrap();
    input.write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(input);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_terminal_down_asks_before_it_removes_keys() {
    let _turn = turn().await;
    let name = Name::new("asked");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .masters(1)
        .replicas(0)
        .persist(true)
        .build()
        .unwrap();
    fill(&start(&spec).await).await;
    for no in ["n\n", "\n", "maybe\n"] {
        let (code, told) = at_a_terminal(&["down", name.0.as_str()], no);
        assert_eq!(code, 2, "{told}");
        assert!(
            told.contains("holds 200 keys on its volumes. Delete the volumes too? [y/N]"),
            "{told}"
        );
        assert!(told.contains("nothing was removed"), "{told}");
        assert_filled(&start(&spec).await).await;
    }
    let (code, told) = at_a_terminal(&["down", name.0.as_str()], "y\n");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("removed cluster"), "{told}");
    name.assert_gone().await;
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

    // A stopped cluster cannot report its number of keys, but rcup asks for confirmation anyway.
    rcup(&["stop", &name_text]).assert().success();
    let report = Cluster::attach(docker(), &name.0).await.unwrap().report().await;
    assert_eq!(report.state, State::Stopped);
    rcup(&["down", &name_text]).assert().code(2);
    rcup(&["start", &name_text]).assert().success();
    assert_filled(&start(&spec).await).await;
    rcup(&["down", &name_text, "--volumes"]).assert().success();
    name.assert_gone().await;

    // Without keys, rcup does not ask for confirmation.
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

    // A stop would lose the keys, so rcup refuses it without confirmation.
    let refused = rcup(&["stop", &name_text]).assert().code(2);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        said.contains("in memory only") && said.contains("--yes"),
        "{said}"
    );
    rcup(&["stop", &name_text, "--yes"]).assert().success();
    rcup(&["down", &name_text]).assert().success();
    name.assert_gone().await;
}
