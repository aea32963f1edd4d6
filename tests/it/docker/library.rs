//! The library in a test: a separate cluster without any configuration, which is removed however the test ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::AsyncCommands as _;

use super::{alone, any_image, docker, turn};
use rcup::cluster::builder::Builder;
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::runtime::interface::{Runtime as _, Scope};
use rcup::runtime::observed::Observed;
use rcup::{Cluster, ClusterName, ErrorKind, Event, blocking};

/// Returns a builder of small clusters. These tests do not depend on the size.
async fn small() -> Builder {
    let image = any_image().await;
    Cluster::builder()
        .image(image)
        .replicas(0)
        .timeout(Duration::from_secs(90))
}

async fn seen(name: &ClusterName) -> Observed {
    docker().observe(&Scope::Cluster(name.clone())).await.unwrap()
}

async fn assert_gone(name: &ClusterName) {
    let left = seen(name).await;
    assert!(left.is_empty(), "left behind: {left:#?}");
}

/// Runs a future without an existing runtime.
fn block<T>(work: impl Future<Output = T>) -> T {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    executor.unwrap().block_on(work)
}

#[tokio::test]
async fn a_cluster_is_used_through_its_handle_and_gone_with_it_on_one_thread() {
    let _turn = turn().await;
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let told = Arc::clone(&events);
    let observer = move |event: &Event| told.lock().unwrap().push(event.clone());
    let cluster = small().await.observer(observer).up().await.unwrap();
    let name = cluster.name().clone();
    let mut client = cluster.client().await.unwrap();
    let () = client.set("a", 1).await.unwrap();
    let read: u32 = client.get("a").await.unwrap();
    assert_eq!(read, 1);
    assert_eq!((cluster.urls().len(), cluster.nodes().len()), (3, 3));
    let logs = cluster.logs(Some(5)).await.unwrap();
    assert!(
        logs.iter()
            .all(|log| !log.lines.is_empty() && log.lines.len() <= 5),
        "{logs:?}"
    );
    assert_eq!(cluster.node(4).unwrap_err().kind(), ErrorKind::Usage);
    assert!(matches!(
        events.lock().unwrap().first(),
        Some(Event::PhaseStarted { .. })
    ));
    drop(cluster);
    assert_gone(&name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_task_takes_the_cluster_with_it() {
    let _turn = turn().await;
    let cluster = small().await.up().await.unwrap();
    let name = cluster.name().clone();
    let task = tokio::spawn(async move {
        assert_eq!(cluster.urls().len(), 0, "a test that fails");
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_gone(&name).await;
}

#[test]
fn a_handle_may_be_dropped_outside_of_any_executor() {
    let _turn = block(turn());
    let cluster = block(async { small().await.up().await.unwrap() });
    let name = cluster.name().clone();
    drop(cluster);
    block(assert_gone(&name));
}

#[test]
fn a_plain_thread_needs_no_executor_and_a_panic_in_it_cleans_up() {
    let _turn = block(turn());
    let builder = block(small());
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let cluster = builder.up_blocking().unwrap();
        tell.send(cluster.name().clone()).unwrap();
        let mut client = cluster.client().unwrap();
        let () = redis::cmd("SET").arg("b").arg(2).query(&mut client).unwrap();
        let reset = cluster.reset().unwrap();
        assert_eq!(reset.mended, Vec::<String>::new());
        let read: Option<u32> = redis::cmd("GET").arg("b").query(&mut client).unwrap();
        assert_eq!(read, None);
        let attached = blocking::Cluster::attach(cluster.name()).unwrap();
        assert_eq!(attached.urls().unwrap(), cluster.urls());
        panic!("a test that fails");
    });
    assert!(thread.join().is_err());
    block(assert_gone(&told.recv().unwrap()));
}

#[tokio::test]
async fn the_blocking_handle_works_where_an_executor_runs_already() {
    let _turn = turn().await;
    let cluster = small().await.up_blocking().unwrap();
    let name = cluster.name().clone();
    assert_eq!(cluster.logs(Some(1)).unwrap().len(), 3);
    let removed = cluster.down().unwrap();
    assert_eq!(removed.containers, 3);
    assert_gone(&name).await;
}

#[tokio::test]
async fn what_is_kept_outlives_its_handle_and_its_owner() {
    let _turn = turn().await;
    // This owner will have exited when the cluster is checked again.
    let mut owner = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let alive = rcup::spec::expiry::Owner::process(owner.id()).unwrap();
    let mut kept = small().await.owner(alive.clone()).up().await.unwrap();
    kept.keep();
    let mut left = small().await.owner(alive).up().await.unwrap();
    let (kept_name, left_name) = (kept.name().clone(), left.name().clone());
    drop(kept);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let prunable = |name: ClusterName| async move {
        let found = rcup::lifecycle::prune::prunable(&docker()).await.unwrap();
        found.iter().any(|one| one.name == name)
    };
    assert!(prunable(left_name.clone()).await);
    assert!(!prunable(kept_name.clone()).await);
    left.keep();
    assert!(!prunable(left_name.clone()).await);
    drop(left);
    for name in [kept_name, left_name] {
        assert_eq!(seen(&name).await.containers.len(), 3);
        down(&docker(), &name, false, &Silent).await.unwrap();
        assert_gone(&name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_tests_start_ten_clusters_without_a_clash() {
    let _turn = alone().await;
    let starts = (0..10).map(|_| async { small().await.replicas(1).up().await.unwrap() });
    let clusters = futures_util::future::join_all(starts).await;
    let mut names: Vec<ClusterName> = clusters.iter().map(|one| one.name().clone()).collect();
    let mut ports: Vec<u16> = clusters
        .iter()
        .flat_map(|one| one.topology().nodes.iter().map(|node| node.port))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 60);
    for cluster in &clusters {
        let mut client = cluster.client().await.unwrap();
        let () = client.set("x", 1).await.unwrap();
    }
    drop(clusters);
    for name in names.drain(..) {
        assert_gone(&name).await;
    }
}

/// Debug builds, as in tests, need more stack: the frames of nested futures add up, and the thread of a test has 2 MB.
#[test]
fn a_start_needs_half_of_the_stack_that_a_test_has() {
    let start = || {
        block(async {
            let _turn = turn().await;
            let cluster = small().await.masters(1).replicas(1).up().await.unwrap();
            cluster.report().nodes.len()
        })
    };
    let thread = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(start)
        .unwrap();
    assert_eq!(thread.join().unwrap(), 2);
}
