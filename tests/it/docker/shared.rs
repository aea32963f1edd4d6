//! One cluster for all tests of a run: the first test starts it, all tests in one or several processes use it, tests
//! that break it get exclusive access, and it is removed when the run has ended.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use redis::AsyncCommands as _;

use super::{any_image, docker, turn};
use rcup::cluster::builder::Builder;
use rcup::cluster::testing::{exclusive_of, shared_of};
use rcup::{Cluster, ClusterName};

/// Returns a builder whose shape no other test uses.
async fn builder() -> Builder {
    Cluster::builder()
        .image(any_image().await)
        .set("maxmemory=50mb".parse().unwrap())
        .timeout(Duration::from_secs(90))
}

/// A test of a run in a separate process: uses the shared cluster, and prints its name and the time until it was
/// available.
#[tokio::test]
#[ignore = "run by the next one, in processes of their own"]
#[expect(clippy::print_stdout, reason = "the test that runs this one reads it")]
async fn member() {
    let begun = Instant::now();
    let cluster = shared_of(builder().await).await.unwrap();
    let ms = begun.elapsed().as_millis();
    let mut client = cluster.client().await.unwrap();
    let key = format!("of:{}", std::process::id());
    let () = client.set(&key, 1).await.unwrap();
    let read: u32 = client.get(&key).await.unwrap();
    assert_eq!(read, 1);
    println!("member {} {ms}", cluster.topology().name());
}

/// A test that is killed after it has broken the cluster.
#[tokio::test]
#[ignore = "run by the next one, in a process of its own"]
async fn vandal() {
    let cluster = exclusive_of(builder().await).await.unwrap();
    cluster.node(4).unwrap().kill().await.unwrap();
    let itself = std::process::id().to_string();
    let _ = Command::new("kill").args(["-KILL", &itself]).status();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tests_of_a_run_share_a_cluster_across_processes_and_it_ends_with_the_run() {
    let _turn = turn().await;
    let this = std::env::current_exe().unwrap();
    // Three tests at the same time, one that is killed after it has broken the cluster, and two more one after the
    // other. The shell is the parent of all of them, like nextest.
    let script = "set -- \"$0\" --ignored --exact --nocapture\n\
                  for nth in 1 2 3; do \"$@\" docker::shared::member >\"$OUT/$nth\" 2>&1 & done; wait\n\
                  \"$@\" docker::shared::vandal >/dev/null 2>&1\n\
                  for nth in 4 5; do \"$@\" docker::shared::member >\"$OUT/$nth\" 2>&1; done\n\
                  cat \"$OUT\"/*";
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("sh")
            .args(["-c", script])
            .arg(this)
            // nextest sets this variable for every test.
            .env("NEXTEST_RUN_ID", "a-run")
            .env("OUT", folder)
            .env("RCUP_BIN", env!("CARGO_BIN_EXE_rcup"))
            .stdin(Stdio::null())
            .output()
    });
    let output = output.await.unwrap().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let lines = told.lines().filter(|line| line.starts_with("member "));
    let members: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    assert_eq!(members.len(), 5, "{told}");
    assert!(members.iter().all(|member| member[1] == members[0][1]), "{told}");
    // The run ends when its shell exits. The cluster is then removed.
    let name: ClusterName = members[0][1].parse().unwrap();
    let begun = Instant::now();
    while Cluster::attach(docker(), &name).await.is_ok() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{name} is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_share_it_and_whoever_is_alone_may_break_it() {
    let _turn = turn().await;
    let one = shared_of(builder().await).await.unwrap();
    let other = shared_of(builder().await).await.unwrap();
    assert_eq!(one.urls(), other.urls());
    let name = one.topology().name().clone();
    let waiting = tokio::spawn(async { exclusive_of(builder().await).await.unwrap() });
    // Exclusive access waits while others use the cluster.
    let mut client = one.client().await.unwrap();
    let () = client.set("a", 1).await.unwrap();
    assert!(!waiting.is_finished());
    drop((one, other));
    let alone = waiting.await.unwrap();
    let read: Option<u32> = client.get("a").await.unwrap();
    assert_eq!(read, None, "whoever is alone gets it as new");
    alone.node(1).unwrap().kill().await.unwrap();
    drop(alone);
    let after = shared_of(builder().await).await.unwrap();
    let mut client = after.client().await.unwrap();
    let () = client.set("b", 1).await.unwrap();
    assert!(
        after
            .report()
            .await
            .nodes
            .iter()
            .all(|node| node.state == "running")
    );
    drop(after);
    // Other tests of this program use other shapes, so this cluster can be removed before the run ends.
    let attached = Cluster::attach(docker(), &name).await.unwrap();
    let removed = attached.down().await.unwrap();
    assert_eq!(removed.containers, 6);
}
