//! rcup in a container of the container engine that it uses, with the fake engine.

use super::scene::{Scene, count};
use rcup::event::Event;
use rcup::runtime::interface::OwnContainer;
use rcup::{Cluster, ErrorKind, UpOptions};

/// Returns a scene in which rcup runs in a container on these networks.
fn scene(networks: &[&str]) -> Scene {
    let scene = Scene::with_a_dead_node();
    scene.engine.run_in(OwnContainer {
        name: "job".to_owned(),
        networks: networks.iter().map(ToString::to_string).collect(),
    });
    scene
}

fn kept(scene: &Scene) -> UpOptions {
    scene.options().keep_on_failure(true)
}

#[tokio::test(start_paused = true)]
async fn the_container_joins_the_network_that_a_start_makes_and_leaves_with_it() {
    let scene = scene(&["bridge"]);
    scene.up(&kept(&scene)).await.unwrap_err();
    let network = scene.spec.name().network();
    assert_eq!(scene.engine.joined(), ["bridge", &network]);
    let told = scene.events.lock().unwrap().clone();
    let told = told.iter().any(
        |event| matches!(event, Event::Note { message } if message.contains("container job to network")),
    );
    assert!(told);
    scene.down().await;
    assert_eq!(scene.engine.joined(), ["bridge"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_have_it_join_is_undone() {
    let scene = scene(&["bridge"]);
    scene.engine.fail_at("join", 1, ErrorKind::Engine);
    let error = scene.up(&UpOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Engine);
    scene.assert_untouched("nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn elsewhere_nobody_joins_anything() {
    let scene = Scene::with_a_dead_node();
    scene.up(&UpOptions::default()).await.unwrap_err();
    assert_eq!(count(&scene.engine.calls(), "join"), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_on_the_network_is_told_and_not_that_the_nodes_are_silent() {
    let scene = scene(&["bridge"]);
    scene.up(&kept(&scene)).await.unwrap_err();
    let attached = Cluster::attach(scene.engine.clone(), scene.spec.name())
        .await
        .unwrap();
    attached.within_reach().await.unwrap();
    scene.engine.run_in(OwnContainer {
        name: "other".to_owned(),
        networks: vec!["bridge".to_owned()],
    });
    let error = attached.within_reach().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    let hint = error.hint_text().unwrap();
    let connect = format!("docker network connect {} other", scene.spec.name().network());
    assert!(hint.contains(&connect) && hint.contains("rcup up"), "{hint}");
}
