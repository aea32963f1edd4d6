//! `up` on an existing cluster.

use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters as query;
use tokio_util::sync::CancellationToken;

use super::{Name, Told, assert_ready, connect, docker, options, turn, up};
use rcup::checks::status::State;
use rcup::error::ErrorKind;
use rcup::event::{Event, Phase};
use rcup::topology::layout::Role;
use rcup::{Cluster, ClusterSpec};

fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().expect("an engine")
}

async fn stop(name: &str) {
    let options = query::StopContainerOptionsBuilder::default().t(1).build();
    engine().stop_container(name, Some(options)).await.expect("stops");
}

/// Starts a cluster that is kept when its handle is dropped.
async fn kept(spec: &ClusterSpec) -> Cluster {
    let mut cluster = up(spec).await;
    cluster.keep();
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_start_again_proves_it_ready_and_changes_nothing() {
    let _turn = turn().await;
    let name = Name::new("again");
    let spec = name.spec().await;
    let first = kept(&spec).await;
    assert!(!first.was_adopted());
    let again = up(&spec).await;
    assert!(again.was_adopted());
    let ids = |cluster: &Cluster| -> Vec<String> {
        cluster
            .report()
            .nodes
            .iter()
            .map(|node| node.id.to_string())
            .collect()
    };
    assert_eq!(ids(&first), ids(&again));
    drop(again);
    assert_eq!(
        name.remains().await.containers.len(),
        6,
        "an adopted cluster outlives the handle"
    );
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_specification_says_what_differs_and_touches_nothing() {
    let _turn = turn().await;
    let name = Name::new("differs");
    let _cluster = kept(&name.shape(1, 1).await).await;
    let before = name.remains().await;
    let other = name.shape(2, 1).await;
    let error = Cluster::up(docker(), &other, &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different);
    assert_eq!(error.detail_lines(), ["masters: 1 → 2"]);
    assert!(error.hint_text().unwrap().contains("rcup down"));
    assert_eq!(name.remains().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_or_paused_is_started_and_said() {
    let _turn = turn().await;
    let name = Name::new("wake");
    let spec = name.spec().await;
    let first = kept(&spec).await;
    let container = |index: usize| name.0.container(index);
    // Both nodes are replicas, so no failover occurs and their shards keep working.
    stop(&container(4)).await;
    engine().pause_container(&container(5)).await.unwrap();
    let told = Told::default();
    let again = Cluster::up(docker(), &spec, &options().observer(Arc::new(told.clone())))
        .await
        .unwrap();
    let notes = told.notes();
    assert!(
        notes.contains(&format!("start container {}: it is exited", container(4))),
        "{notes}"
    );
    assert!(
        notes.contains(&format!("resume container {}: it is paused", container(5))),
        "{notes}"
    );
    assert_ready(&again).await;
    assert_eq!(
        first.report().nodes[3].id,
        again.report().nodes[3].id,
        "the node kept its identity"
    );
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_roles_are_handed_back_with_the_data() {
    let _turn = turn().await;
    let name = Name::new("handback");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(super::any_image().await)
        .node_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let first = kept(&spec).await;
    let report = first.report();
    let replica = &report.nodes[3];
    stop(&name.0.container(1)).await;
    // The replica is promoted by an automatic failover.
    let mut connection = connect(&replica.advertised).await;
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let role: redis::Value = redis::cmd("ROLE").query_async(&mut connection).await.unwrap();
            if format!("{role:?}").contains("master") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the replica takes over");
    // A key that is written now exists only on the promoted replica, which will hand its role back.
    let () = redis::cmd("SET")
        .arg("{0}")
        .arg("kept")
        .query_async(&mut connection)
        .await
        .unwrap_or_else(|error| {
            assert_eq!(error.code(), Some("MOVED"), "{error}");
        });
    let told = Told::default();
    let again = Cluster::up(docker(), &spec, &options().observer(Arc::new(told.clone())))
        .await
        .unwrap();
    let notes = told.notes();
    assert!(notes.contains("is master again, as planned"), "{notes}");
    assert_eq!(again.report().nodes[0].role, Role::Master);
    assert_eq!(again.report().nodes[3].replica_of, Some(1));
    assert_ready(&again).await;
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_removed_by_hand_is_a_loss_that_is_told() {
    let _turn = turn().await;
    let name = Name::new("lost");
    let spec = name.spec().await;
    let _cluster = kept(&spec).await;
    let options_remove = query::RemoveContainerOptionsBuilder::default()
        .force(true)
        .build();
    engine()
        .remove_container(&name.0.container(2), Some(options_remove))
        .await
        .unwrap();
    let error = Cluster::up(docker(), &spec, &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains(&name.0.container(2)), "{error}");
    assert!(error.hint_text().unwrap().contains("rcup down"));
    assert_eq!(name.remains().await.containers.len(), 5, "nothing is touched");
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let report = attached.report().await;
    assert_ne!(report.state, State::Ok);
    assert_eq!(report.nodes[1].state, "missing");
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_died_half_way_is_begun_anew() {
    let _turn = turn().await;
    let name = Name::new("halfway");
    let spec = name.spec().await;
    // If the future of a start is dropped and the process then exits, the objects of the start remain. This test
    // simulates that by skipping the cleanup with `keep_on_failure`.
    let cancel = CancellationToken::new();
    let half_way = {
        let cancel = cancel.clone();
        move |event: &Event| {
            if matches!(event, Event::Progress { phase: Phase::Start, done, .. } if *done >= 3) {
                cancel.cancel();
            }
        }
    };
    let interrupted = options()
        .keep_on_failure(true)
        .cancel(cancel)
        .observer(Arc::new(half_way));
    let error = Cluster::up(docker(), &spec, &interrupted)
        .await
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    assert!(!name.remains().await.is_empty(), "there are remains to replace");
    let cluster = up(&spec).await;
    assert!(!cluster.was_adopted());
    assert_ready(&cluster).await;
    drop(cluster);
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_every_node_is_survived() {
    let _turn = turn().await;
    let name = Name::new("crash");
    let spec = name.spec().await;
    let first = kept(&spec).await;
    let kill = query::KillContainerOptionsBuilder::default()
        .signal("SIGKILL")
        .build();
    let container = |index| name.0.container(index);
    for index in 1..=6 {
        engine()
            .kill_container(&container(index), Some(kill.clone()))
            .await
            .unwrap();
    }
    let again = up(&spec).await;
    assert_ready(&again).await;
    let identities = |cluster: &Cluster| -> Vec<_> {
        cluster
            .report()
            .nodes
            .iter()
            .map(|node| (node.id.clone(), node.role, node.slots.clone()))
            .collect()
    };
    assert_eq!(identities(&first), identities(&again));
    name.down().await;
}
