//! No object of a start remains after a failure, a cancellation, the deadline, a panic or a dropped future, at any call
//! to the container engine.
//!
//! The clock is paused in almost all tests: it advances to the next deadline when no task can run. It is not paused in
//! the thread on which a dropped start cleans up.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::scene::{LONG, Scene, count, reached, removes};
use rcup::event::Silent;
use rcup::plan::request::container;
use rcup::runtime::fake::Fake;
use rcup::runtime::fake::calls::{Call, Stall};
use rcup::runtime::interface::Runtime as _;
use rcup::runtime::labels;
use rcup::runtime::observed::Activity;
use rcup::{Cluster, ErrorKind, Event, Result, UpOptions};

/// A kind of failure that a start does not retry.
const FATAL: ErrorKind = ErrorKind::EngineUnavailable;

/// Calls that create or change an object. Calls of this kind in progress run to completion.
const EFFECTS: [&str; 6] = [
    "create_network",
    "create_volume",
    "create_container",
    "put_files",
    "remove_container",
    "start",
];

/// Returns all calls up to the detection of a dead node, each with its number of occurrences so far.
fn numbered(calls: &[Call]) -> Vec<(&'static str, usize)> {
    let nth = |at: usize| count(&calls[..=at], calls[at].name);
    let all = calls.iter().enumerate().map(|(at, call)| (call.name, nth(at)));
    all.collect()
}

async fn script() -> Vec<(&'static str, usize)> {
    let scene = Scene::with_a_dead_node();
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NodeFailed);
    let calls = scene.engine.calls();
    let end = calls.iter().position(|call| call.name == "state").unwrap();
    let script = numbered(&calls[..=end]);
    // The coverage of the tests below depends on this list.
    for (name, times) in [
        ("describe", 1),
        ("observe", 2),
        ("image", 1),
        ("create_network", 1),
        ("create_volume", 1),
        ("create_container", 6),
        ("put_files", 1),
        ("remove_container", 1),
        ("start", 6),
        ("state", 1),
    ] {
        assert_eq!(count(&calls[..=end], name), times, "{name}");
    }
    script
}

fn effects(script: &[(&'static str, usize)]) -> Vec<(&'static str, usize)> {
    let effect = |(name, _): &&(&'static str, usize)| EFFECTS.contains(name);
    script.iter().filter(effect).copied().collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_told_with_its_log_and_everything_is_undone() {
    let scene = Scene::with_a_dead_node();
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NodeFailed);
    assert_eq!(error.to_string(), "rcup-default-2 exited with code 1");
    assert_eq!(error.detail_lines(), ["Fatal error", "Bye"]);
    scene.assert_untouched("a dead node");
    let undoing = |event: &Event| matches!(event, Event::Undoing { reason } if *reason == error.to_string());
    assert!(scene.events.lock().unwrap().iter().any(undoing));
    assert_eq!(scene.warnings(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_never_answer_run_into_the_deadline() {
    let scene = Scene::new();
    let options = scene.options().timeout(Duration::from_secs(5));
    let error = scene.up(&options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.causes().len(), 1, "the last observation is told");
    scene.assert_untouched("the deadline");
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_told_and_undone() {
    for (call, nth) in script().await {
        let case = format!("{call} {nth}");
        let scene = Scene::with_a_dead_node();
        scene.engine.fail_at(call, nth, FATAL);
        let error = scene.up(&scene.options()).await.unwrap_err();
        assert_eq!(error.kind(), FATAL, "{case}");
        assert!(error.to_string().contains(call), "{case}: {error}");
        scene.assert_untouched(&case);
        assert_eq!(scene.warnings(), Vec::<String>::new(), "{case}");
        assert!(scene.down().await.is_nothing(), "{case}: the lock is free again");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nothing_more_is_begun() {
    for (call, nth) in effects(&script().await) {
        let scene = Scene::with_a_dead_node();
        scene.engine.fail_at(call, nth, FATAL);
        scene.up(&scene.options()).await.unwrap_err();
        let calls = scene.engine.calls();
        let failed = calls.iter().position(removes).unwrap_or(calls.len());
        // All steps of a stage run concurrently. After a failed step, neither the next stage nor the steps that follow
        // it begin.
        let later = match call {
            "create_volume" | "create_network" => "create_container",
            "put_files" => "start",
            _ => "state",
        };
        assert_eq!(count(&calls[..failed], later), 0, "{call} {nth}");
        if call == "create_container" {
            let made = calls.iter().filter(|one| one.name == call).nth(nth - 1).unwrap();
            let started = calls.iter().any(|one| one.name == "start" && one.on == made.on);
            assert!(!started, "{made} failed, and was started");
        }
    }
}

/// How a hanging call continues after the start was cancelled.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Succeeds,
    Fails,
    /// The container engine never answers.
    Never,
}

async fn cancel_at(scene: &Scene, stall: &Stall, ending: Ending) -> ErrorKind {
    let cancel = CancellationToken::new();
    let options = scene.options().timeout(LONG / 2).cancel(cancel.clone());
    let canceller = async {
        reached(stall).await;
        cancel.cancel();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        match ending {
            Ending::Succeeds => stall.release(),
            Ending::Fails => stall.fail(ErrorKind::Io),
            Ending::Never => {}
        }
    };
    let (outcome, ()) = tokio::join!(scene.up(&options), canceller);
    outcome.unwrap_err().kind()
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_start_leaves_nothing() {
    for (call, nth) in script().await {
        for ending in [Ending::Succeeds, Ending::Fails, Ending::Never] {
            let case = format!("{call} {nth} {ending:?}");
            let scene = Scene::new();
            let stall = scene.engine.stall_at(call, nth);
            let begun = tokio::time::Instant::now();
            assert_eq!(
                cancel_at(&scene, &stall, ending).await,
                ErrorKind::Interrupted,
                "{case}"
            );
            scene.assert_untouched(&case);
            let patience = if EFFECTS.contains(&call) { 30 } else { 1 };
            assert!(
                begun.elapsed() < Duration::from_secs(patience),
                "{case}: {:?}",
                begun.elapsed()
            );
            assert!(scene.down().await.is_nothing(), "{case}: the lock is free again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_makes_after_it_was_given_up_is_removed_too() {
    for (call, nth) in effects(&script().await) {
        for looks in 0..4 {
            let case = format!("{call} {nth}, {looks} looks later");
            let scene = Scene::new();
            let stall = scene.engine.late_at(call, nth, looks);
            assert_eq!(
                cancel_at(&scene, &stall, Ending::Never).await,
                ErrorKind::Interrupted,
                "{case}"
            );
            scene.assert_untouched(&case);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_start_whose_engine_hangs() {
    for (call, nth) in script().await {
        let case = format!("{call} {nth}");
        let scene = Scene::new();
        // The image pull has its own limits: it may take longer than the deadline of a start.
        if call == "image" {
            continue;
        }
        let _stall = scene.engine.stall_at(call, nth);
        let begun = tokio::time::Instant::now();
        let options = scene.options().timeout(Duration::from_secs(5));
        let error = scene.up(&options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{case}");
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{case}: {:?}",
            begun.elapsed()
        );
        scene.assert_untouched(&case);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_cancelled_before_it_begins_makes_nothing() {
    let scene = Scene::new();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = scene.up(&scene.options().cancel(cancel)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let calls = scene.engine.calls();
    assert!(
        calls.iter().all(|call| !EFFECTS.contains(&call.name)),
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_leaves_nothing() {
    let scene = Scene::with_a_dead_node();
    scene.up(&scene.options()).await.unwrap_err();
    let events = scene.events.lock().unwrap().len();
    assert!(events > 30, "{events}");
    for nth in 0..events {
        let scene = Scene::with_a_dead_node();
        let told = AtomicUsize::new(0);
        let observer = move |_: &Event| {
            assert_ne!(
                told.fetch_add(1, Ordering::Relaxed),
                nth,
                "the observer panics on purpose"
            );
        };
        let options = UpOptions::default().observer(Arc::new(observer));
        let outcome = AssertUnwindSafe(scene.up(&options)).catch_unwind().await;
        assert!(outcome.is_err(), "event {nth}");
        scene.assert_untouched(&format!("a panic at event {nth}"));
    }
}

/// Where a start is dropped.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    OnItsOneThread,
    OnOneOfManyThreads,
    OutsideAnyRuntime,
    InAPanic,
}

type Start = Pin<Box<dyn Future<Output = Result<Cluster<Fake>>> + Send>>;

/// Returns whether the call hangs before the start ends. A start that was moved away is dropped.
async fn hangs(start: impl Future + Unpin, stall: &Stall) -> bool {
    let reached = pin!(reached(stall));
    matches!(select(start, reached).await, Either::Right(_))
}

/// Runs a start until the call hangs, and drops the start.
fn drop_at(scene: &Scene, stall: Stall, how: Dropped) {
    let (engine, spec) = (scene.engine.clone(), scene.spec.clone());
    let mut start: Start = Box::pin(async move { Cluster::up(engine, &spec, &UpOptions::default()).await });
    let mut builder = match how {
        Dropped::OnOneOfManyThreads => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    match how {
        Dropped::OnOneOfManyThreads => runtime.block_on(async {
            let task = tokio::spawn(start);
            reached(&stall).await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }),
        Dropped::OnItsOneThread => runtime.block_on(async {
            assert!(hangs(start, &stall).await);
        }),
        Dropped::OutsideAnyRuntime => {
            runtime.block_on(async {
                assert!(hangs(&mut start, &stall).await);
            });
            drop(runtime);
            drop(start);
        }
        Dropped::InAPanic => {
            let thread = std::thread::spawn(move || {
                runtime.block_on(async {
                    let hangs = hangs(&mut start, &stall).await;
                    assert!(!hangs, "a panic on purpose");
                });
            });
            assert!(thread.join().is_err());
        }
    }
}

/// Drops a start at every call that creates or changes an object. The clock of the cleanup thread is not paused, so the
/// cases run concurrently.
fn dropped_everywhere(how: Dropped) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let script = runtime.unwrap().block_on(script());
    std::thread::scope(|scope| {
        for (call, nth) in script {
            for late in [None, Some(0), Some(1), Some(3)] {
                let effect = EFFECTS.contains(&call);
                // A call that never returns costs seconds of waiting, so only one case covers it.
                let never = effect && late.is_none();
                if (late.is_some() && !effect) || (never && !matches!(how, Dropped::OnItsOneThread)) {
                    continue;
                }
                scope.spawn(move || {
                    let case = format!("{how:?} at {call} {nth}, late {late:?}");
                    let scene = Scene::new();
                    let stall = match late {
                        None => scene.engine.stall_at(call, nth),
                        Some(looks) => scene.engine.late_at(call, nth, looks),
                    };
                    drop_at(&scene, stall, how);
                    scene.assert_untouched(&case);
                });
            }
        }
    });
}

#[test]
fn a_start_dropped_on_its_one_thread_leaves_nothing() {
    dropped_everywhere(Dropped::OnItsOneThread);
}

#[test]
fn a_start_dropped_on_one_of_many_threads_leaves_nothing() {
    dropped_everywhere(Dropped::OnOneOfManyThreads);
}

#[test]
fn a_start_dropped_outside_any_runtime_leaves_nothing() {
    dropped_everywhere(Dropped::OutsideAnyRuntime);
}

#[test]
fn a_start_dropped_in_a_panic_leaves_nothing() {
    dropped_everywhere(Dropped::InAPanic);
}

#[tokio::test(start_paused = true)]
async fn a_start_dropped_while_it_is_undone_is_undone_all_the_same() {
    let scene = Scene::with_a_dead_node();
    scene.up(&scene.options()).await.unwrap_err();
    let calls = scene.engine.calls();
    let from = calls.iter().position(|call| call.name == "logs").unwrap() + 1;
    let undo = numbered(&calls).split_off(from);
    assert!(undo.len() >= 10, "{undo:?}");
    for (call, nth) in undo {
        let scene = Scene::with_a_dead_node();
        let stall = scene.engine.stall_at(call, nth);
        let options = scene.options();
        assert!(hangs(Box::pin(scene.up(&options)), &stall).await, "{call} {nth}");
        scene.assert_untouched(&format!("{call} {nth}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_once_is_tried_again() {
    let scene = Scene::with_a_dead_node();
    scene.up(&scene.options()).await.unwrap_err();
    let calls = scene.engine.calls();
    let removals = numbered(&calls)
        .into_iter()
        .filter(|(name, _)| name.starts_with("remove"));
    // The first removal is part of the start: it removes the container that carried the files.
    let removals: Vec<_> = removals.skip(1).collect();
    assert_eq!(removals.len(), 8, "{removals:?}");
    for (call, nth) in removals {
        let case = format!("{call} {nth}");
        let scene = Scene::with_a_dead_node();
        scene.engine.fail_at(call, nth, ErrorKind::Engine);
        let error = scene.up(&scene.options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NodeFailed, "{case}");
        assert_eq!(scene.warnings(), Vec::<String>::new(), "{case}");
        scene.assert_untouched(&case);
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_is_a_warning_and_down_does_the_rest() {
    for call in ["observe", "remove_container", "remove_network", "remove_volume"] {
        let scene = Scene::with_a_dead_node();
        let engine = scene.engine.clone();
        let keeps = scene.observer();
        let observer = move |event: &Event| {
            keeps.observe(event);
            if matches!(event, Event::Undoing { .. }) {
                engine.fail_always(call, ErrorKind::Engine);
            }
        };
        let error = scene
            .up(&scene.options().observer(Arc::new(observer)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NodeFailed, "{call}");
        let warnings = scene.warnings();
        assert!(
            matches!(&warnings[..], [one] if one.contains("cleanup incomplete") && one.contains("rcup down")),
            "{call}: {warnings:?}"
        );
        assert!(!scene.left().is_empty(), "{call}");
        scene.engine.recover();
        assert!(!scene.down().await.is_nothing(), "{call}");
        scene.assert_untouched(call);
    }
}

#[tokio::test(start_paused = true)]
async fn what_shall_be_kept_is_kept_until_it_is_taken_down() {
    for (call, nth) in effects(&script().await) {
        let case = format!("{call} {nth}");
        let scene = Scene::with_a_dead_node();
        scene.engine.fail_at(call, nth, FATAL);
        let options = scene.options().keep_on_failure(true);
        assert_eq!(scene.up(&options).await.unwrap_err().kind(), FATAL, "{case}");
        let left = scene.left();
        // The network and the volume are created concurrently, so the network may or may not exist.
        assert!(!left.is_empty() || call == "create_volume", "{case}");
        assert_eq!(
            scene.engine.calls().iter().filter(|call| removes(call)).count(),
            0
        );
        let removed = scene.down().await;
        assert_eq!(
            (removed.containers, removed.networks, removed.volumes),
            (left.containers.len(), left.networks.len(), left.volumes.len()),
            "{case}"
        );
        scene.assert_untouched(&case);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_dead_node_is_there_for_a_closer_look() {
    let scene = Scene::with_a_dead_node();
    let options = scene.options().keep_on_failure(true);
    scene.up(&options).await.unwrap_err();
    let left = scene.left();
    let activities: Vec<_> = left.containers.iter().map(|one| one.activity.clone()).collect();
    assert_eq!(
        activities.iter().filter(|one| **one == Activity::Running).count(),
        5
    );
    assert!(activities.contains(&Activity::Exited), "{activities:?}");
    assert!(!scene.engine.files().is_empty());
    let kept = |event: &Event| matches!(event, Event::Note { message } if message.contains("are kept"));
    assert!(scene.events.lock().unwrap().iter().any(kept));
    let removed = scene.down().await;
    assert_eq!((removed.containers, removed.networks, removed.volumes), (6, 1, 1));
    scene.assert_untouched("down");
}

#[tokio::test(start_paused = true)]
async fn what_comes_to_light_during_a_removal_is_removed_too() {
    let scene = Scene::new();
    scene.engine.fail_at("put_files", 1, FATAL);
    scene
        .up(&scene.options().keep_on_failure(true))
        .await
        .unwrap_err();
    let left = scene.left();
    let topology = labels::topology(&left.networks[0].labels).unwrap();
    for container in &left.containers {
        scene.engine.remove_container(&container.id).await.unwrap();
    }
    // The engine creates a container late, while its network and volume are being removed.
    let stall = scene.engine.late_at("create_container", 1, 1);
    let request = container(&topology, &topology.nodes[3]);
    let creation = scene.engine.create_container(&request);
    assert!(hangs(Box::pin(creation), &stall).await);
    assert_eq!(scene.left().containers.len(), 0);
    let removed = scene.down().await;
    assert_eq!((removed.containers, removed.networks, removed.volumes), (1, 1, 1));
    scene.assert_untouched("down");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let scene = Scene::new();
    let plan = Cluster::plan(&scene.engine, &scene.spec, &Silent).await.unwrap();
    assert!(!plan.is_empty());
    let names: Vec<_> = scene.engine.calls().iter().map(|call| call.name).collect();
    assert_eq!(names, ["describe", "observe", "image", "details"]);
    scene.assert_untouched("a dry run");
}

/// Users may run the library on any thread. Checked at compile time.
#[test]
fn every_operation_can_be_sent_to_another_thread() {
    fn sent<T>(operation: impl Future<Output = T> + Send) {
        drop(operation);
    }
    let scene = Scene::new();
    let (engine, spec, options) = (&scene.engine, &scene.spec, UpOptions::default());
    sent(Cluster::up(engine.clone(), spec, &options));
    sent(Cluster::plan(engine, spec, &Silent));
    sent(Cluster::attach(engine.clone(), spec.name()));
    sent(rcup::cluster::handle::down(engine, spec.name(), false, &Silent));
    sent(rcup::cluster::list::list(engine));
    sent(async {
        let cluster = Cluster::up(engine.clone(), spec, &options).await?;
        cluster.down().await
    });
    sent(async {
        let attached = Cluster::attach(engine.clone(), spec.name()).await?;
        attached.validate().await;
        attached
            .validate_with(&rcup::checks::options::SuiteOptions::default())
            .await;
        attached.report().await;
        Ok::<_, rcup::Error>(())
    });
}
