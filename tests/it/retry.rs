//! A start whose placement is refused retries with another one and leaves no objects of the first. A placement that the
//! user has chosen is not replaced.

use std::sync::Arc;

use crate::scene::{Scene, foreign_container, foreign_network, silent_port, spec};
use rcup::runtime::labels;
use rcup::runtime::observed::Observed;
use rcup::topology::layout::Topology;
use rcup::{ClusterSpec, Error, ErrorKind, Event, UpOptions};

/// Returns options that make the second attempt fail before it connects to a node, and keep its objects.
fn second_attempt_only(scene: &Scene) -> UpOptions {
    let engine = scene.engine.clone();
    let keeps = scene.observer();
    let observer = move |event: &Event| {
        keeps.observe(event);
        if matches!(event, Event::Note { message } if message.starts_with("trying again with")) {
            engine.fail_always("start", ErrorKind::Io);
        }
    };
    scene.options().keep_on_failure(true).observer(Arc::new(observer))
}

/// Returns the topology of the only cluster. All its objects belong to one run.
fn only(scene: &Scene) -> Topology {
    let left = scene.left();
    assert_eq!((left.networks.len(), left.volumes.len()), (1, 1));
    // The first failure of a start cancels the creation of the other objects.
    assert!(!left.containers.is_empty());
    let mut runs: Vec<&String> = left.all_labels().map(|labels| &labels[labels::RUN]).collect();
    runs.dedup();
    assert_eq!(runs.len(), 1, "nothing of the first attempt is left");
    labels::topology(&left.networks[0].labels).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_only_the_engine_knows_to_be_taken_is_left_to_it() {
    let scene = Scene::with_a_dead_node();
    scene.engine.hold_subnet("10.213.0.0/25".parse().unwrap());
    let options = scene.options().keep_on_failure(true);
    assert_eq!(
        scene.up(&options).await.unwrap_err().kind(),
        ErrorKind::NodeFailed
    );
    assert_eq!(only(&scene).placement.subnet.to_string(), "10.213.0.128/26");
    assert_eq!(scene.count("create_network"), 3);
    scene.down().await;
    scene.assert_untouched("down");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_only_the_engine_knows_to_be_taken_is_left_to_it() {
    let scene = Scene::of(ClusterSpec::builder());
    scene.engine.hold_port(7003);
    let error = scene.up(&second_attempt_only(&scene)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let topology = only(&scene);
    assert_eq!(topology.placement.first_port, 7007);
    assert_eq!(
        topology.placement.subnet.to_string(),
        "10.213.0.0/26",
        "the first attempt's subnet is free again"
    );
    scene.down().await;
    scene.assert_untouched("down");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_the_engine_cannot_grant_is_done_without() {
    let scene = Scene::with_a_dead_node();
    scene.engine.limit_open_files(1024);
    let options = scene.options().keep_on_failure(true);
    assert_eq!(
        scene.up(&options).await.unwrap_err().kind(),
        ErrorKind::NodeFailed
    );
    assert_eq!(only(&scene).placement.open_files, None);
    scene.down().await;
    scene.assert_untouched("down");
}

#[tokio::test(start_paused = true)]
async fn kernel_settings_that_the_engine_refuses_are_done_without() {
    let scene = Scene::with_a_dead_node();
    scene.engine.refuse_sysctls();
    let options = scene.options().keep_on_failure(true);
    assert_eq!(
        scene.up(&options).await.unwrap_err().kind(),
        ErrorKind::NodeFailed
    );
    let place = only(&scene).placement;
    assert!(!place.own_sysctls);
    assert!(place.open_files.is_some(), "only what was refused is given up");
    scene.down().await;
    scene.assert_untouched("down");
}

/// Returns the error of a start that must not be retried and must leave no objects.
async fn refused(scene: &Scene) -> Error {
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert!(scene.count("create_network") <= 1, "it was tried again");
    scene.assert_untouched("refused");
    error
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_the_user_has_named_is_not_replaced() {
    let named = || spec().subnet("10.77.0.0/24");
    let scene = Scene::of(named());
    scene.engine.hold_subnet("10.77.0.0/16".parse().unwrap());
    let error = refused(&scene).await;
    assert_eq!(error.kind(), ErrorKind::Subnet);
    assert!(error.to_string().contains("10.77.0.0/24"), "{error}");
    assert_eq!(scene.count("create_network"), 1);

    let mut scene = Scene::of(named());
    scene.add_strangers(Observed {
        networks: vec![foreign_network("office", "10.77.0.128/25")],
        ..Observed::default()
    });
    let error = refused(&scene).await;
    assert_eq!(error.kind(), ErrorKind::Subnet);
    assert!(error.to_string().contains("network office"), "{error}");
    assert_eq!(scene.count("create_network"), 0, "it is known beforehand");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_the_user_has_named_is_not_replaced() {
    let taken = silent_port() + 2;
    let scene = Scene::new();
    scene.engine.hold_port(taken);
    let error = refused(&scene).await;
    assert_eq!(error.kind(), ErrorKind::Port);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert_eq!(scene.count("create_network"), 1);

    let mut scene = Scene::new();
    scene.add_strangers(Observed {
        containers: vec![foreign_container("shop", &[taken])],
        ..Observed::default()
    });
    let error = refused(&scene).await;
    assert_eq!(error.kind(), ErrorKind::Port);
    assert!(error.to_string().contains("container shop"), "{error}");
    assert_eq!(scene.count("create_network"), 0, "it is known beforehand");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_refuses_everything_is_given_up_on() {
    let scene = Scene::new();
    scene.engine.fail_always("create_network", ErrorKind::Subnet);
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Subnet);
    assert_eq!(scene.count("create_network"), 12);
    scene.assert_untouched("given up");
}

#[tokio::test(start_paused = true)]
async fn no_second_attempt_is_made_beside_the_remains_of_the_first() {
    let scene = Scene::new();
    scene.engine.limit_open_files(1024);
    // The first removal is part of the start: it removes the container that carried the files.
    for nth in 2..2000 {
        scene.engine.fail_at("remove_container", nth, ErrorKind::Engine);
    }
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "not the failure to remove");
    assert_eq!(scene.count("create_network"), 1);
    assert_eq!(scene.warnings().len(), 1, "{:?}", scene.warnings());
    scene.engine.recover();
    assert_eq!(scene.down().await.containers, 6);
    scene.assert_untouched("down");
}
