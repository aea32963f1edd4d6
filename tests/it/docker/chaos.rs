//! Chaos test for garbage collection: runs end at any moment, next to clusters that stay in use. A single `prune`
//! afterwards removes everything except the clusters in use. `RCUP_CHAOS=200` increases the number of runs.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt as _;
use redis::AsyncCommands as _;

use super::{alone, any_image, docker, options, turn};
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::lifecycle::prune::prune;
use rcup::runtime::interface::{Runtime as _, Scope};
use rcup::runtime::labels;
use rcup::{Cluster, UpOptions};

/// The longest time before a run is ended, in milliseconds: some runs still search for a placement, some run their
/// command.
const LONGEST: u64 = 4000;

/// Starts `rcup run`, sends it a signal after some time, and returns when it has exited.
fn ended_run(name: &str, image: &str, nth: usize) {
    let mut run = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args([
            "run",
            "--name",
            name,
            "--image",
            image,
            "--masters",
            "1",
            "--replicas",
            "1",
        ])
        .args(["--node-timeout", "5s", "--quiet", "--", "sleep", "600"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rcup starts");
    std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..LONGEST)));
    let signal = ["-INT", "-TERM", "-KILL"][nth % 3];
    let _ = Command::new("kill")
        .args([signal, &run.id().to_string()])
        .status();
    run.wait().expect("rcup ends");
}

/// A test that starts a cluster with the library, uses it, and would continue for a long time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the next one, in a process that is ended"]
async fn a_test_of_the_library() {
    let name = std::env::var("RCUP_CHAOS_NAME").expect("the name of the cluster");
    let builder = Cluster::builder().name(name).image(any_image().await);
    let cluster = builder.masters(1).replicas(1).up().await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let () = client.set("a", 1).await.unwrap();
    std::future::pending::<()>().await;
}

/// Starts such a test, kills it after some time, and returns when it has exited.
fn killed_test(name: &str) {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "docker::chaos::a_test_of_the_library"])
        .env("RCUP_CHAOS_NAME", name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program runs");
    std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..LONGEST)));
    test.kill().expect("it is there");
    test.wait().expect("it ends");
}

/// Returns the names of this test's existing clusters.
async fn there(prefix: &str) -> BTreeSet<String> {
    let observed = docker().observe(&Scope::Clusters).await.unwrap();
    observed
        .all_labels()
        .filter_map(|labels| labels.get(labels::CLUSTER))
        .filter(|name| name.starts_with(prefix))
        .cloned()
        .collect()
}

#[expect(clippy::print_stderr, reason = "a soak is run for its figures")]
fn tell(runs: usize, before: usize, swept: usize, left: usize) {
    eprintln!("chaos: {runs} runs ended; {before} left something; the sweep removed {swept}; {left} remain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sweep_after_many_violent_ends_leaves_exactly_the_living() {
    let _turn = alone().await;
    let runs: usize = std::env::var("RCUP_CHAOS").map_or(12, |runs| runs.parse().expect("a number"));
    let image = any_image().await;
    let prefix = format!("it-chaos-{}", std::process::id());
    let builder = || Cluster::builder().image(image.clone()).masters(1).replicas(1);
    // One cluster that this process owns, one without an owner, and one whose owner has released it.
    let owned = builder().name(format!("{prefix}-owned")).up().await.unwrap();
    let plain = rcup::spec::cluster::ClusterSpec::builder()
        .name(format!("{prefix}-plain").parse().unwrap())
        .image(image.clone())
        .masters(1)
        .replicas(1)
        .build()
        .unwrap();
    let mut plain = Cluster::up(docker(), &plain, &options()).await.unwrap();
    plain.keep();
    let mut kept = builder().name(format!("{prefix}-kept")).up().await.unwrap();
    kept.keep();
    let living: BTreeSet<String> = [&owned, &plain, &kept].map(|one| one.name().to_string()).into();
    // Three at a time, as with parallel tests.
    let lanes = (0..3).map(|lane| {
        let (prefix, image) = (prefix.clone(), image.clone());
        tokio::task::spawn_blocking(move || {
            for nth in (lane..runs).step_by(3) {
                let name = format!("{prefix}-{nth}");
                // Every lane uses all three signals, and every fourth run is a killed test.
                if nth / 3 % 4 == 3 {
                    killed_test(&name);
                } else {
                    ended_run(&name, &image, nth / 3 + lane);
                }
            }
        })
    });
    for lane in futures_util::future::join_all(lanes).await {
        lane.unwrap();
    }
    let before = there(&prefix).await;
    let swept = prune(&docker(), &Silent).await.unwrap();
    let left = there(&prefix).await;
    if std::env::var_os("RCUP_CHAOS").is_some() {
        tell(
            runs,
            before.difference(&living).count(),
            swept.len(),
            left.difference(&living).count(),
        );
    }
    for name in left.difference(&living) {
        down(&docker(), &name.parse().unwrap(), false, &Silent)
            .await
            .unwrap();
    }
    assert_eq!(left, living, "swept: {swept:?}");
    for cluster in [&owned, &plain, &kept] {
        let mut client = cluster.client().await.unwrap();
        let () = client.set("a", 1).await.unwrap();
        if cluster.name() != owned.name() {
            down(&docker(), cluster.name(), false, &Silent).await.unwrap();
        }
    }
    drop(owned);
    assert_eq!(there(&prefix).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_up_goes_with_the_owner_that_it_is_given() {
    let _turn = turn().await;
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let name = rcup::spec::name::ClusterName::generated("it-owned");
    let image = any_image().await;
    let up = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args([
            "up",
            name.as_str(),
            "--image",
            &image,
            "--masters",
            "1",
            "--replicas",
            "0",
        ])
        .args(["--quiet", "--owner", &owner.id().to_string()])
        .output()
        .unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    prune(&docker(), &Silent).await.unwrap();
    assert_eq!(there(name.as_str()).await.len(), 1, "its owner lives");
    owner.kill().unwrap();
    owner.wait().unwrap();
    prune(&docker(), &Silent).await.unwrap();
    assert_eq!(there(name.as_str()).await.len(), 0);
    let gone = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(["up", name.as_str(), "--owner", &owner.id().to_string()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(
        !gone.status.success() && told.contains("a running process"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_past_its_time_goes_and_what_is_not_stays() {
    let _turn = turn().await;
    let start = |ttl: u64| async move {
        let options: UpOptions = options().ttl(Duration::from_secs(ttl));
        let spec = rcup::spec::cluster::ClusterSpec::builder()
            .name(rcup::spec::name::ClusterName::generated("it-ttl"));
        let spec = spec
            .image(any_image().await)
            .masters(1)
            .replicas(0)
            .build()
            .unwrap();
        let mut cluster = Cluster::up(docker(), &spec, &options).await.unwrap();
        cluster.keep();
        cluster.name().clone()
    };
    let (short, long) = (start(0).await, start(600).await);
    // The second start may have removed the first cluster already.
    prune(&docker(), &Silent).await.unwrap();
    let left = there(long.as_str()).await;
    down(&docker(), &long, false, &Silent).await.unwrap();
    assert_eq!(left, BTreeSet::from([long.to_string()]));
    assert!(there(short.as_str()).await.is_empty());
}
