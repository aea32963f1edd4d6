//! Objects that exist before a start: an existing cluster is adopted and never removed, remains of an earlier start are
//! replaced, foreign objects are left alone, and two concurrent starts of one cluster do not interfere.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::scene::{
    Scene, foreign_container, foreign_network, foreign_volume, reached, removes, silent_port, spec,
};
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::runtime::observed::{Activity, Observed};
use rcup::{Cluster, ErrorKind, Event, UpOptions};

const SOON: Duration = Duration::from_millis(1500);

/// Returns a scene whose nodes all run according to the container engine, but never answer.
async fn standing() -> Scene {
    let scene = Scene::new();
    let options = scene.options().timeout(SOON).keep_on_failure(true);
    assert_eq!(scene.up(&options).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(running(&scene.left()), 6);
    scene.events.lock().unwrap().clear();
    scene
}

/// Returns the same scene after a failure: one node has exited, one is paused, one was created but never started.
async fn sleeping() -> Scene {
    let scene = standing().await;
    for (index, activity) in [
        (2, Activity::Exited),
        (3, Activity::Paused),
        (5, Activity::Created),
    ] {
        scene
            .engine
            .set_activity(&format!("rcup-default-{index}"), activity);
    }
    scene
}

fn running(observed: &Observed) -> usize {
    let runs = observed
        .containers
        .iter()
        .filter(|one| one.activity == Activity::Running);
    runs.count()
}

/// Returns the identities of all objects that still exist, in any state.
fn identities(observed: &Observed) -> Vec<String> {
    let containers = observed.containers.iter().map(|one| one.id.clone());
    let networks = observed.networks.iter().map(|one| one.id.clone());
    let volumes = observed.volumes.iter().map(|one| one.name.clone());
    containers.chain(networks).chain(volumes).collect()
}

fn removals(scene: &Scene) -> usize {
    let calls = scene.engine.calls();
    calls.iter().filter(|call| removes(call)).count()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_is_adopted_and_left_as_it_is() {
    let scene = standing().await;
    let before = scene.engine.seen();
    let error = scene.up(&scene.options().timeout(SOON)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy);
    assert_eq!(scene.engine.seen(), before);
    assert_eq!(removals(&scene), 0);
}

#[tokio::test(start_paused = true)]
async fn what_sleeps_is_woken_and_stays_when_that_was_not_enough() {
    let scene = sleeping().await;
    let before = identities(&scene.engine.seen());
    let error = scene.up(&scene.options().timeout(SOON)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy);
    assert_eq!(running(&scene.left()), 6);
    assert_eq!(identities(&scene.engine.seen()), before);
    assert_eq!(removals(&scene), 0);
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_fails_removes_nothing() {
    for (call, nth) in [
        ("describe", 1),
        ("observe", 1),
        ("start", 1),
        ("start", 2),
        ("resume", 1),
        ("state", 1),
    ] {
        let scene = sleeping().await;
        let before = identities(&scene.engine.seen());
        scene.engine.fail_at(call, nth, ErrorKind::EngineUnavailable);
        let error = scene.up(&scene.options().timeout(SOON)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EngineUnavailable, "{call} {nth}");
        assert_eq!(identities(&scene.engine.seen()), before, "{call} {nth}");
        assert_eq!(removals(&scene), 0, "{call} {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_adoption_that_is_cancelled_dropped_or_panics_removes_nothing() {
    for (call, nth) in [
        ("observe", 1),
        ("start", 1),
        ("start", 2),
        ("resume", 1),
        ("state", 1),
    ] {
        let scene = sleeping().await;
        let before = identities(&scene.engine.seen());
        let cancel = CancellationToken::new();
        let stall = scene.engine.stall_at(call, nth);
        let options = scene.options().cancel(cancel.clone());
        let (outcome, ()) = tokio::join!(scene.up(&options), reached(&stall).map(|()| cancel.cancel()));
        assert_eq!(
            outcome.unwrap_err().kind(),
            ErrorKind::Interrupted,
            "{call} {nth}"
        );
        assert_eq!(identities(&scene.engine.seen()), before, "{call} {nth}");

        let scene = sleeping().await;
        let stall = scene.engine.stall_at(call, nth);
        let options = scene.options();
        let ended = {
            let (up, reached) = (pin!(scene.up(&options)), pin!(reached(&stall)));
            matches!(select(up, reached).await, Either::Left(_))
        };
        assert!(!ended, "{call} {nth}");
        assert_eq!(identities(&scene.engine.seen()), before, "{call} {nth}");
    }
    let scene = sleeping().await;
    let before = identities(&scene.engine.seen());
    let observer = |event: &Event| {
        let late = matches!(event, Event::Progress { done: 2, .. });
        assert!(!late, "the observer panics on purpose");
    };
    let options = UpOptions::default().observer(Arc::new(observer));
    assert!(AssertUnwindSafe(scene.up(&options)).catch_unwind().await.is_err());
    assert_eq!(identities(&scene.engine.seen()), before);
    assert_eq!(removals(&scene), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_same_or_not_whole_is_refused_and_left_as_it_is() {
    let mut scene = standing().await;
    scene.spec = spec().masters(4).build().unwrap();
    let before = scene.engine.seen();
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different);
    assert_eq!(scene.engine.seen(), before);

    let scene = standing().await;
    let lost = scene.engine.remove("rcup-default-5");
    assert!(lost);
    let before = scene.engine.seen();
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("rcup-default-5"), "{error}");
    assert_eq!(scene.engine.seen(), before);
    assert_eq!(removals(&scene), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_start_has_left_is_replaced() {
    for (call, nth) in [
        ("create_network", 1),
        ("create_container", 1),
        ("create_container", 4),
        ("put_files", 1),
        ("start", 1),
    ] {
        let case = format!("{call} {nth}");
        let scene = Scene::new();
        scene.engine.fail_at(call, nth, ErrorKind::Engine);
        if call == "start" {
            scene.engine.fail_always(call, ErrorKind::Engine);
        }
        let options = scene.options().keep_on_failure(true);
        scene.up(&options).await.unwrap_err();
        let remains = identities(&scene.left());
        assert!(!remains.is_empty(), "{case}");
        scene.engine.recover();
        scene.doom();
        let error = scene.up(&options).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::NodeFailed,
            "{case}: it got as far as that"
        );
        let left = scene.left();
        assert_eq!(
            (left.containers.len(), left.networks.len(), left.volumes.len()),
            (6, 1, 1),
            "{case}"
        );
        let old = left.containers.iter().any(|one| remains.contains(&one.id));
        assert!(!old, "{case}");
        scene.down().await;
        scene.assert_untouched(&case);
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_alone_is_replaced_too() {
    let scene = Scene::new();
    scene.engine.fail_at("create_network", 1, ErrorKind::Engine);
    let options = scene.options().keep_on_failure(true);
    scene.up(&options).await.unwrap_err();
    assert_eq!(identities(&scene.left()), ["rcup-default"]);
    scene.doom();
    assert_eq!(
        scene.up(&scene.options()).await.unwrap_err().kind(),
        ErrorKind::NodeFailed
    );
    scene.assert_untouched("undone");
}

#[tokio::test(start_paused = true)]
async fn remains_that_cannot_be_removed_end_the_start_before_it_makes_anything() {
    let scene = Scene::new();
    scene.engine.fail_at("create_container", 3, ErrorKind::Engine);
    scene
        .up(&scene.options().keep_on_failure(true))
        .await
        .unwrap_err();
    let made = scene.count("create_network");
    scene.engine.fail_always("remove_network", ErrorKind::Engine);
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Engine);
    assert!(error.to_string().contains("remove_network"), "{error}");
    assert_eq!(scene.count("create_network"), made);
}

/// Returns foreign objects with names that the cluster needs.
fn namesakes() -> [(&'static str, Observed); 3] {
    let container = Observed {
        containers: vec![foreign_container("rcup-default-2", &[])],
        ..Observed::default()
    };
    let network = Observed {
        networks: vec![foreign_network("rcup-default", "192.168.99.0/24")],
        ..Observed::default()
    };
    let volume = Observed {
        volumes: vec![foreign_volume("rcup-default")],
        ..Observed::default()
    };
    [("container", container), ("network", network), ("volume", volume)]
}

#[tokio::test(start_paused = true)]
async fn strangers_with_our_names_are_refused_and_left_as_they_are() {
    for (what, namesake) in namesakes() {
        let mut scene = Scene::new();
        scene.add_strangers(namesake);
        let error = scene.up(&scene.options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken, "{what}");
        assert!(error.to_string().contains("was not created by rcup"), "{error}");
        let names: Vec<_> = scene.engine.calls().iter().map(|call| call.name).collect();
        assert_eq!(names, ["describe", "observe"], "{what}");
        assert!(scene.down().await.is_nothing(), "{what}");
        scene.assert_untouched(what);
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_that_come_in_the_middle_of_a_start_are_left_as_they_are() {
    for (what, namesake) in namesakes() {
        let mut scene = Scene::new();
        let stall = scene.engine.stall_at("image", 1);
        let (engine, spec) = (scene.engine.clone(), scene.spec.clone());
        let options = scene.options();
        let up = Cluster::up(engine, &spec, &options);
        let (outcome, ()) = tokio::join!(up, async {
            reached(&stall).await;
            scene.add_strangers(namesake);
            stall.release();
        });
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NameTaken, "{what}");
        scene.assert_untouched(what);
    }
}

#[tokio::test(start_paused = true)]
async fn two_starts_of_one_cluster_become_a_start_and_an_adoption() {
    let scene = Scene::new();
    let options = scene.options().timeout(SOON).keep_on_failure(true);
    let patient = scene.options().timeout(SOON * 3).keep_on_failure(true);
    let (first, second) = tokio::join!(scene.up(&options), scene.up(&patient));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Unhealthy);
    for (call, times) in [
        ("create_network", 1),
        ("create_volume", 1),
        ("create_container", 6),
        ("start", 6),
    ] {
        assert_eq!(scene.count(call), times, "{call}");
    }
    let waiting = |event: &Event| matches!(event, Event::Note { message } if message == "waiting for another rcup to finish with default");
    assert!(scene.events.lock().unwrap().iter().any(waiting));
}

#[tokio::test(start_paused = true)]
async fn a_start_begins_when_the_one_before_is_undone() {
    let scene = Scene::with_a_dead_node();
    let options = scene.options();
    let (first, second) = tokio::join!(scene.up(&options), scene.up(&options));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::NodeFailed);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::NodeFailed);
    let calls = scene.engine.calls();
    let at = |name: &str| calls.iter().rposition(|call| call.name == name).unwrap();
    let second = at("create_network").min(at("create_volume"));
    let undone = calls[..second].iter().filter(|call| removes(call)).count();
    assert_eq!(undone, 6 + 1 + 1);
    scene.assert_untouched("both");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_another_start_can_be_cancelled_and_has_a_deadline() {
    let scene = Scene::new();
    let stall = scene.engine.stall_at("create_network", 1);
    let cancel = CancellationToken::new();
    let options = scene.options();
    let cancelled = scene.options().cancel(cancel.clone());
    let overdue = scene.options().timeout(SOON);
    let others = async {
        reached(&stall).await;
        let (one, other, ()) = tokio::join!(scene.up(&cancelled), scene.up(&overdue), async {
            tokio::task::yield_now().await;
            cancel.cancel();
        });
        assert_eq!(one.unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(other.unwrap_err().kind(), ErrorKind::Timeout);
        stall.fail(ErrorKind::Engine);
    };
    let (first, ()) = tokio::join!(scene.up(&options), others);
    assert_eq!(
        first.unwrap_err().kind(),
        ErrorKind::Engine,
        "it was not disturbed"
    );
    scene.assert_untouched("all");
}

#[tokio::test(start_paused = true)]
async fn two_clusters_at_once_do_not_choose_the_same_place() {
    let mut scene = Scene::new();
    let mine = scene.spec.clone();
    let theirs = spec()
        .name("second".parse().unwrap())
        .port(silent_port() + 6)
        .build()
        .unwrap();
    let options = scene.options().timeout(SOON).keep_on_failure(true);
    let start = |spec| Cluster::up(scene.engine.clone(), spec, &options);
    let (first, second) = tokio::join!(start(&mine), start(&theirs));
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(scene.count("create_network"), 2, "neither was refused");
    let mut subnets: Vec<String> = scene
        .left()
        .networks
        .iter()
        .map(|one| one.subnets[0].to_string())
        .collect();
    subnets.sort();
    assert_eq!(subnets, ["10.213.0.0/26", "10.213.0.64/26"]);
    assert_eq!(scene.down().await.containers, 6);
    assert_eq!(scene.left().containers.len(), 6, "the other one is not touched");
    scene.spec = theirs;
    assert_eq!(scene.down().await.containers, 6);
    scene.assert_untouched("both");
}

#[tokio::test(start_paused = true)]
async fn down_sees_a_start_to_its_end_and_removes_its_work() {
    let scene = Scene::new();
    let stall = scene.engine.stall_at("create_container", 3);
    let options = scene.options().timeout(SOON).keep_on_failure(true);
    let downs = async {
        reached(&stall).await;
        let (removed, ()) = tokio::join!(down(&scene.engine, scene.spec.name(), false, &Silent), async {
            tokio::task::yield_now().await;
            stall.release();
        });
        removed.unwrap()
    };
    let (started, removed) = tokio::join!(scene.up(&options), downs);
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!((removed.containers, removed.networks, removed.volumes), (6, 1, 1));
    scene.assert_untouched("down");
}
