//! Orphaned objects are removed by the next start and by `prune`, and nothing else is. Uses the fake engine.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::scene::{Scene, reached};
use rcup::event::{Event, Silent};
use rcup::lifecycle::prune::{prunable, prune};
use rcup::runtime::fake::Fake;
use rcup::runtime::labels;
use rcup::runtime::observed::{ContainerSeen, NetworkSeen, Observed, VolumeSeen};
use rcup::spec::expiry::{Life, Owner};
use rcup::topology::layout::{Placement, Topology};
use rcup::{ClusterSpec, UpOptions};

/// Returns an owner with the id of this process when another process still had it.
fn dead() -> Owner {
    Owner {
        started: "1".to_owned(),
        ..Owner::this_process().unwrap()
    }
}

/// Returns the objects of a cluster.
fn cluster(name: &str, seed: u8, life: Life) -> Observed {
    let spec = ClusterSpec::builder()
        .name(name.parse().unwrap())
        .build()
        .unwrap();
    let place: Placement = serde_json::from_value(serde_json::json!({
        "image": {"reference": "redis:8", "server": {"engine": "redis", "version": "8.0.2"}, "volumes": []},
        "subnet": format!("10.99.{seed}.0/28"),
        "first_port": 15_000 + u16::from(seed) * 10,
        "bridge_reachable": true,
        "open_files": null,
        "seed": vec![seed; 16],
    }))
    .unwrap();
    let topology = Topology::new(&spec, &place).unwrap().with_life(life);
    Observed {
        networks: vec![NetworkSeen {
            id: format!("n-{name}-{seed}"),
            name: topology.network(),
            subnets: vec![place.subnet],
            labels: labels::of_cluster(&topology),
        }],
        containers: topology
            .nodes
            .iter()
            .map(|node| ContainerSeen {
                id: format!("c-{}-{seed}", node.name),
                name: node.name.clone(),
                labels: labels::of_node(&topology, node),
                ..ContainerSeen::default()
            })
            .collect(),
        volumes: vec![VolumeSeen {
            name: topology.name().volume(),
            labels: labels::of_cluster(&topology),
        }],
        probes: Vec::new(),
    }
}

fn owned(owner: Owner) -> Life {
    Life {
        owner: Some(owner),
        expires: None,
    }
}

/// Returns an engine with a cluster of each kind.
fn engine() -> Fake {
    let engine = Fake::new();
    engine.add(cluster("endless", 1, Life::default()));
    engine.add(cluster("mine", 2, owned(Owner::this_process().unwrap())));
    engine.add(cluster("dead", 3, owned(dead())));
    let expired = Life {
        owner: None,
        expires: Some(1),
    };
    engine.add(cluster("old", 4, expired));
    let mut kept = cluster("kept", 5, owned(dead()));
    let mut mark = kept.volumes[0].clone();
    mark.name.push_str(".kept");
    mark.labels.insert(labels::KEPT.to_owned(), "true".to_owned());
    kept.volumes.push(mark);
    engine.add(kept);
    engine
}

fn names(engine: &Fake) -> Vec<String> {
    engine.seen().clusters().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn prune_removes_what_is_nobodys_and_nothing_else() {
    let engine = engine();
    let before = engine.seen();
    let found = prunable(&engine).await.unwrap();
    let found: Vec<String> = found
        .iter()
        .map(|one| format!("{}: {}", one.name, one.cause))
        .collect();
    assert_eq!(found, ["dead: its owner has exited", "old: its TTL has expired"]);
    assert_eq!(engine.seen(), before, "looking changes nothing");
    let swept = prune(&engine, &Silent).await.unwrap();
    let counts: Vec<_> = swept
        .iter()
        .map(|one| {
            (
                one.leftover.name.as_str(),
                one.removed.containers,
                one.removed.networks,
            )
        })
        .collect();
    assert_eq!(counts, [("dead", 6, 1), ("old", 6, 1)]);
    assert_eq!(names(&engine), ["endless", "kept", "mine"]);
    assert!(prune(&engine, &Silent).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_start_sweeps_beside_its_own_work() {
    let scene = Scene::with_a_dead_node();
    scene.engine.add(cluster("dead", 3, owned(dead())));
    scene.engine.add(cluster("endless", 1, Life::default()));
    scene.up(&scene.options()).await.unwrap_err();
    let left: Vec<String> = scene.left().clusters().iter().map(ToString::to_string).collect();
    assert_eq!(left, ["endless"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_replaces_what_a_dead_owner_left_under_its_name() {
    let scene = Scene::with_a_dead_node();
    let name = scene.spec.name().to_string();
    scene.engine.add(cluster(&name, 3, owned(dead())));
    let error = scene.up(&scene.options()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        rcup::error::ErrorKind::NodeFailed,
        "it was not adopted"
    );
    scene.assert_untouched("all of both is gone");
}

#[tokio::test(start_paused = true)]
async fn what_a_start_makes_says_whose_it_is_and_how_long_it_lives() {
    let scene = Scene::with_a_dead_node();
    let owner = Owner::this_process().unwrap();
    let options = UpOptions::default()
        .owner(owner.clone())
        .ttl(Duration::from_mins(1))
        .keep_on_failure(true);
    scene.up(&options).await.unwrap_err();
    let left = scene.left();
    assert!(left.all_labels().count() >= 8);
    for labels in left.all_labels() {
        let life = labels::life(labels);
        assert_eq!(life.owner.as_ref(), Some(&owner));
        assert!(life.expires.is_some_and(|at| at > 1_000_000_000));
    }
    assert!(
        prunable(&scene.engine).await.unwrap().is_empty(),
        "this process lives"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_prunes_waits_for_another_who_removes_the_same() {
    let engine = engine();
    let stall = engine.stall_at("remove_network", 1);
    let second = async {
        reached(&stall).await;
        let (swept, ()) = tokio::join!(prune(&engine, &Silent), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stall.release();
        });
        assert_eq!(names(&engine), ["endless", "kept", "mine"], "it is gone");
        swept.unwrap()
    };
    let (first, second) = tokio::join!(prune(&engine, &Silent), second);
    assert_eq!(first.unwrap().len(), 2);
    assert!(second.is_empty(), "the other has removed them: {second:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_prunes_leaves_it_to_another_who_takes_too_long() {
    let engine = engine();
    let stall = engine.stall_at("remove_network", 1);
    let warnings = Mutex::new(Vec::new());
    let note = |event: &Event| {
        if let Event::Warning { message, .. } = event {
            warnings.lock().unwrap().push(message.clone());
        }
    };
    let begun = Instant::now();
    let second = async {
        reached(&stall).await;
        prune(&engine, &note).await.unwrap()
    };
    let second = tokio::select! {
        _ = prune(&engine, &Silent) => panic!("the first hangs"),
        second = second => second,
    };
    assert!(second.iter().all(|one| one.leftover.name.as_str() == "old"));
    assert!(begun.elapsed() >= Duration::from_secs(30));
    let warnings = warnings.into_inner().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("another rcup has been at work on cluster"),
        "{warnings:?}"
    );
}
