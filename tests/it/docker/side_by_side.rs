//! Concurrent starts: many clusters at once, and the same cluster twice.

use futures_util::future::join_all;

use super::{Name, alone, assert_ready, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_clusters_start_at_the_same_time() {
    let _turn = alone().await;
    let names: Vec<Name> = (0..10).map(|_| Name::new("ten")).collect();
    let clusters = join_all(names.iter().map(|name| async {
        let cluster = up(&name.shape(3, 0).await).await;
        assert_ready(&cluster).await;
        cluster
    }))
    .await;
    let mut ports: Vec<u16> = clusters
        .iter()
        .flat_map(|cluster| cluster.topology().nodes.iter().map(|node| node.port))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 30, "every node has a port of its own");
    drop(clusters);
    for name in &names {
        name.assert_gone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_starts_of_one_cluster_are_a_start_and_an_adoption() {
    let _turn = alone().await;
    let name = Name::new("twice");
    let spec = name.spec().await;
    let (mut one, mut other) = tokio::join!(up(&spec), up(&spec));
    one.keep();
    other.keep();
    assert_ne!(one.was_adopted(), other.was_adopted());
    assert_eq!(name.remains().await.containers.len(), 6);
    assert_ready(&one).await;
    name.down().await;
}
