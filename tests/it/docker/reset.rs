//! A reset restores the planned state of a cluster after any change by a test, and verifies it.

use std::process::Command;
use std::time::Duration;

use redis::AsyncCommands as _;

use super::{Name, assert_ready, connect, connect_as_client, image, images, turn, up};
use rcup::lifecycle::reset::run::Reset;
use rcup::spec::security::Password;
use rcup::spec::server::Engine;
use rcup::spec::user::{Login, User};
use rcup::topology::layout::Role;
use rcup::{Cluster, ClusterSpec, ErrorKind};

async fn start(image: String) -> Cluster {
    let builder = Cluster::builder().image(image).timeout(Duration::from_secs(90));
    builder.up().await.unwrap()
}

/// Sends a command to one node.
async fn tell(cluster: &Cluster, node: usize, words: &[&str]) -> redis::Value {
    let address = cluster.report().nodes[node - 1].advertised.clone();
    let mut connection = connect(&address).await;
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    let answer = command.query_async(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{words:?} on node {node}: {error}"))
}

async fn text(cluster: &Cluster, node: usize, words: &[&str]) -> String {
    redis::from_redis_value(tell(cluster, node, words).await).unwrap()
}

/// The number of fields in a line of `CLUSTER NODES` before the slots: id, address, flags, master, ping, pong, epoch,
/// link.
const BEFORE_SLOTS: usize = 8;

/// Returns whether a node reports that it owns no slots.
async fn owns_nothing(cluster: &Cluster, node: usize) -> bool {
    let nodes = text(cluster, node, &["CLUSTER", "NODES"]).await;
    let myself = nodes.lines().find(|line| line.contains("myself")).unwrap();
    myself.split_whitespace().count() == BEFORE_SLOTS
}

/// Creates everything that a test may leave in a cluster.
async fn litter(cluster: &Cluster) {
    let mut client = cluster.client().await.unwrap();
    for n in 0..300 {
        let key = format!("litter:{n}");
        let () = client.set(&key, n).await.unwrap();
    }
    for node in 1..=6 {
        tell(cluster, node, &["SCRIPT", "LOAD", "return 1"]).await;
        tell(
            cluster,
            node,
            &[
                "CONFIG",
                "SET",
                "maxmemory-samples",
                "9",
                "notify-keyspace-events",
                "KEA",
            ],
        )
        .await;
        tell(
            cluster,
            node,
            &["ACL", "SETUSER", "eve", "on", ">secret", "~x", "+get"],
        )
        .await;
        tell(cluster, node, &["ACL", "SETUSER", "default", "-flushdb"]).await;
    }
    for node in 1..=3 {
        let library = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
        tell(cluster, node, &["FUNCTION", "LOAD", library]).await;
    }
}

/// Checks that everything is as planned, independently of the reset.
async fn assert_as_new(cluster: &Cluster) {
    let attached = Cluster::attach(super::docker(), cluster.name()).await.unwrap();
    let report = attached.report().await;
    for (node, planned) in report.nodes.iter().zip(&cluster.topology().nodes) {
        assert_eq!(
            (node.role, node.state.as_str()),
            (planned.role, "running"),
            "{}",
            node.name
        );
        let shard = cluster.topology().shard_of(planned);
        if node.role == Role::Master {
            assert_eq!(node.slots, [shard.slots], "{}", node.name);
        } else {
            assert_eq!(node.replica_of, Some(shard.master), "{}", node.name);
        }
        let index = node.index;
        assert_eq!(tell(cluster, index, &["DBSIZE"]).await, redis::Value::Int(0));
        let users = tell(cluster, index, &["ACL", "LIST"]).await;
        let users: Vec<String> = redis::from_redis_value(users).unwrap();
        assert!(users.len() == 1 && !users[0].contains("flushdb"), "{users:?}");
        let samples = tell(cluster, index, &["CONFIG", "GET", "maxmemory-samples"]).await;
        let samples: Vec<String> = redis::from_redis_value(samples).unwrap();
        assert_eq!(samples, ["maxmemory-samples", "5"]);
        let info = text(cluster, index, &["INFO", "memory"]).await;
        for none in ["number_of_functions:0", "number_of_cached_scripts:0"] {
            assert!(info.contains(none), "{none} on node {index}");
        }
    }
    assert_ready(cluster).await;
}

fn mended(reset: &Reset) -> String {
    reset.mended.join("; ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_test_leaves_and_upsets_is_set_right_on_every_server() {
    for image in images().await {
        let _turn = turn().await;
        let cluster = start(image).await;
        litter(&cluster).await;
        let reset = cluster.reset().await.unwrap();
        assert!(mended(&reset).contains("set maxmemory-samples, notify-keyspace-events on node 6 back"));
        assert!(mended(&reset).contains("set user eve on node 1 back"));
        assert_as_new(&cluster).await;
        let again = cluster.reset().await.unwrap();
        assert_eq!(again.mended, Vec::<String>::new(), "{again:?}");
        upset(&cluster).await;
        let reset = cluster.reset().await.unwrap();
        assert!(mended(&reset).contains("make node 1 master again"), "{reset:?}");
        assert!(
            mended(&reset).contains("give 50 slots back to node 2"),
            "{reset:?}"
        );
        assert_as_new(&cluster).await;
    }
}

/// Triggers a failover, moves slots, and leaves one slot in migration.
async fn upset(cluster: &Cluster) {
    tell(cluster, 4, &["CLUSTER", "FAILOVER", "TAKEOVER"]).await;
    let (two, three) = (
        text(cluster, 2, &["CLUSTER", "MYID"]).await,
        text(cluster, 3, &["CLUSTER", "MYID"]).await,
    );
    for slot in 6000..6050 {
        let slot = slot.to_string();
        tell(cluster, 3, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &two]).await;
        tell(cluster, 2, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &three]).await;
        tell(cluster, 3, &["CLUSTER", "SETSLOT", &slot, "NODE", &three]).await;
        tell(cluster, 2, &["CLUSTER", "SETSLOT", &slot, "NODE", &three]).await;
    }
    // One slot stays in migration.
    tell(cluster, 2, &["CLUSTER", "SETSLOT", "7000", "MIGRATING", &three]).await;
}

/// Triggers a failover with an election and waits until every node knows the new master and its slots.
async fn fail_over(cluster: &Cluster, replica: usize) {
    tell(cluster, replica, &["CLUSTER", "FAILOVER"]).await;
    let id = text(cluster, replica, &["CLUSTER", "MYID"]).await;
    let begun = std::time::Instant::now();
    for node in 1..=6 {
        let master = |nodes: &str| {
            let mut lines = nodes.lines().filter(|line| line.starts_with(&id));
            lines.any(|line| line.contains("master") && line.split_whitespace().count() > BEFORE_SLOTS)
        };
        while !master(&text(cluster, node, &["CLUSTER", "NODES"]).await) {
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "node {node} does not see node {replica} as master"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_has_failed_over_fails_over_again_after_a_reset() {
    for image in images().await {
        let _turn = turn().await;
        let cluster = start(image).await;
        let restarted = |reset: &Reset| -> Vec<usize> {
            let line = |node: &usize| format!("restart node {node}, which remembers an election");
            (1..=6)
                .filter(|node| reset.mended.contains(&line(node)))
                .collect()
        };
        fail_over(&cluster, 4).await;
        let reset = cluster.reset().await.unwrap();
        // The voters depend on timing; at least two of three masters voted for it.
        let who = restarted(&reset);
        assert!(
            who.contains(&4) && who.contains(&2) | who.contains(&3),
            "{reset:?}"
        );
        assert!(!who.contains(&5) && !who.contains(&6), "{reset:?}");
        assert_as_new(&cluster).await;
        // The old master takes over without an election: the elected node is a replica again, but still has the vote in
        // its state.
        fail_over(&cluster, 4).await;
        tell(&cluster, 1, &["CLUSTER", "FAILOVER", "TAKEOVER"]).await;
        let reset = cluster.reset().await.unwrap();
        assert!(restarted(&reset).contains(&4), "{reset:?}");
        assert_as_new(&cluster).await;
        fail_over(&cluster, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_were_stopped_paused_killed_or_cut_off_come_back() {
    let _turn = turn().await;
    let cluster = start(image(Engine::Redis, 8, 0).await).await;
    litter(&cluster).await;
    cluster.node(4).unwrap().pause().await.unwrap();
    cluster.node(4).unwrap().pause().await.unwrap();
    cluster.node(5).unwrap().kill().await.unwrap();
    cluster.node(6).unwrap().disconnect().await.unwrap();
    let reset = cluster.reset().await.unwrap();
    for what in ["resumed", "started", "connected"] {
        assert!(mended(&reset).contains(what), "{reset:?}");
    }
    assert_as_new(&cluster).await;
    cluster.node(2).unwrap().stop().await.unwrap();
    cluster.reset().await.unwrap();
    assert_as_new(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_follow_others_and_a_drained_master_come_back() {
    let _turn = turn().await;
    let cluster = start(image(Engine::Valkey, 8, 1).await).await;
    let one = text(&cluster, 1, &["CLUSTER", "MYID"]).await;
    let three = text(&cluster, 3, &["CLUSTER", "MYID"]).await;
    tell(&cluster, 5, &["CLUSTER", "REPLICATE", &one]).await;
    // All slots of the third master move to the first one, and it becomes a replica of that master.
    let planned = cluster.topology().shards[2].slots;
    let (first, next, last) = (
        planned.first.to_string(),
        (planned.first + 1).to_string(),
        planned.last.to_string(),
    );
    // The end of an import increases the config epoch, so that no node reclaims the slots.
    tell(&cluster, 1, &["CLUSTER", "SETSLOT", &first, "IMPORTING", &three]).await;
    tell(&cluster, 1, &["CLUSTER", "SETSLOT", &first, "NODE", &one]).await;
    tell(&cluster, 1, &["CLUSTER", "DELSLOTSRANGE", &next, &last]).await;
    tell(&cluster, 1, &["CLUSTER", "ADDSLOTSRANGE", &next, &last]).await;
    let begun = std::time::Instant::now();
    while !owns_nothing(&cluster, 3).await {
        assert!(begun.elapsed() < Duration::from_mins(1), "node 3 keeps slots");
    }
    tell(&cluster, 3, &["CLUSTER", "REPLICATE", &one]).await;
    let reset = cluster.reset().await.unwrap();
    assert!(
        mended(&reset).contains("make node 5 a replica of node 2"),
        "{reset:?}"
    );
    assert!(mended(&reset).contains("slots back to node 3"), "{reset:?}");
    assert_as_new(&cluster).await;
}

/// Changes settings and users on every node of a cluster with a password and TLS, and writes keys.
async fn spoil(cluster: &Cluster) {
    for url in cluster.urls() {
        let mut node = connect_as_client(cluster, &url).await;
        let settings = [
            "CONFIG SET hll-sparse-max-bytes 9",
            "CONFIG SET maxmemory-policy allkeys-random",
        ];
        for words in settings
            .into_iter()
            .chain(["ACL SETUSER eve on >secret ~x +get", "ACL SETUSER app +set"])
        {
            let mut words = words.split(' ');
            let mut command = redis::cmd(words.next().unwrap());
            let () = command
                .arg(words.collect::<Vec<_>>())
                .query_async(&mut node)
                .await
                .unwrap();
        }
    }
    let mut client = cluster.client().await.unwrap();
    for n in 0..50 {
        let () = client.set(format!("spoilt:{n}"), n).await.unwrap();
    }
}

/// Returns the value of a directive of the first node.
async fn configured(cluster: &Cluster, name: &str) -> String {
    let mut node = connect_as_client(cluster, &cluster.urls()[0]).await;
    let told: Vec<String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg(name)
        .query_async(&mut node)
        .await
        .unwrap();
    told[1].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_resets_a_guarded_cluster_by_its_name() {
    let _turn = turn().await;
    let name = Name::new("reset-guarded");
    let user = User::new("app", "~app:* +@read", Login::Open).unwrap();
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(Engine::Redis, 8, 0).await);
    let spec = spec.tls(true).password(Password::Any).user(user).build().unwrap();
    let cluster = up(&spec).await;
    let (policy, bytes) = (
        configured(&cluster, "maxmemory-policy").await,
        configured(&cluster, "hll-sparse-max-bytes").await,
    );
    // A process with another runtime directory only knows the plan.
    let elsewhere = tempfile::tempdir().unwrap();
    let reset = |known: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
        command.args(["reset", name.0.as_str(), "--output", "json"]);
        if !known {
            command.env("XDG_RUNTIME_DIR", elsewhere.path());
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        crate::schemas::assert_valid("reset", &told);
        told["mended"].to_string()
    };
    for known in [true, false] {
        assert_eq!(reset(known), "[]", "there was nothing to mend: {known}");
        spoil(&cluster).await;
        let mended = reset(known);
        for what in ["set user eve on node 1 back", "set user app on node 6 back"] {
            assert!(mended.contains(what), "{known}: {mended}");
        }
        assert!(
            !mended.contains("user default") && !mended.contains("user rcup-"),
            "{mended}"
        );
        assert_eq!(configured(&cluster, "maxmemory-policy").await, policy);
        let wanted = if known { &bytes } else { "9" };
        assert_eq!(configured(&cluster, "hll-sparse-max-bytes").await, *wanted);
        let mut client = cluster.client().await.unwrap();
        let left: Option<String> = client.get("spoilt:7").await.unwrap();
        assert_eq!(left, None);
    }
    // The handle keeps the settings that it was created with.
    let mended = mended(&cluster.reset().await.unwrap());
    assert!(
        mended.contains("set hll-sparse-max-bytes on node 1 back"),
        "{mended}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_a_node_cannot_be_reset() {
    let _turn = turn().await;
    let cluster = start(image(Engine::Redis, 8, 0).await).await;
    let name = cluster.node(6).unwrap().plan().name.clone();
    rcup::runtime::interface::Runtime::remove_container(&super::docker(), &name)
        .await
        .unwrap();
    let error = cluster.reset().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains(&name), "{error}");
}
