//! Round trip of the export to Compose: a running cluster is exported and removed, Compose starts the exported file,
//! and each node is compared with its original.

use std::fmt;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use super::project::{Generation, Project, Seen, rcup, seen};
use super::{Name, docker, images, options, turn, up};
use crate::ports;
use rcup::checks::finding::all_passed;
use rcup::checks::status::State;
use rcup::runtime::docker::client::Docker;
use rcup::spec::expiry::Life;
use rcup::spec::profile::Profile;
use rcup::spec::secret::Secret;
use rcup::spec::security::{Password, Secrets};
use rcup::spec::user::{Login, User};
use rcup::topology::layout::Topology;
use rcup::{Cluster, ClusterSpec};

/// The names of the servers, in the order of [`images`].
const SERVERS: [&str; 3] = ["redis-7", "redis-8", "valkey-8"];
const SHAPES: [(usize, usize); 5] = [(1, 0), (3, 0), (3, 1), (3, 2), (5, 1)];

/// Settings that change the exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    /// With an additional user and the limits of the profile `production`.
    Password,
    Tls,
    Persistent,
}

use Mode::{Password as WithPassword, Persistent, Plain, Tls};

const MODES: [Mode; 4] = [Plain, WithPassword, Tls, Persistent];

/// A cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    server: usize,
    shape: (usize, usize),
    mode: Mode,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (masters, replicas) = self.shape;
        write!(f, "{}/{masters}x{replicas}/{:?}", SERVERS[self.server], self.mode)
    }
}

/// Covers every server, shape and mode at least once, and every server with three modes.
const DEFAULT: [(usize, (usize, usize), Mode); 9] = [
    (0, (1, 0), Plain),
    (0, (3, 1), WithPassword),
    (0, (3, 0), Tls),
    (1, (3, 2), Plain),
    (1, (1, 0), Tls),
    (1, (3, 1), Persistent),
    (2, (3, 0), Persistent),
    (2, (5, 1), WithPassword),
    (2, (3, 1), Tls),
];

/// Returns the selected cells: those above, all with `RCUP_MATRIX=all`, or those whose name contains the value of the
/// variable.
fn cells() -> Vec<Cell> {
    let every = (0..SERVERS.len()).flat_map(|server| {
        SHAPES
            .into_iter()
            .flat_map(move |shape| MODES.map(|mode| Cell { server, shape, mode }))
    });
    let chosen: Vec<Cell> = match std::env::var("RCUP_MATRIX") {
        Ok(all) if all == "all" => every.collect(),
        Ok(part) => every.filter(|cell| cell.to_string().contains(&part)).collect(),
        Err(_) => DEFAULT
            .map(|(server, shape, mode)| Cell { server, shape, mode })
            .to_vec(),
    };
    assert!(
        !chosen.is_empty(),
        "RCUP_MATRIX names no cell, such as `redis-8/3x1/Tls`"
    );
    chosen
}

impl Cell {
    /// Returns its specification, with a subnet and ports that no other test uses while the cluster is down
    /// temporarily.
    fn spec(self, name: &Name, image: &str) -> ClusterSpec {
        let (subnet, port) = ports::coming_back();
        let spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(image)
            .masters(self.shape.0)
            .replicas(self.shape.1)
            .subnet(subnet)
            .port(port)
            .memory(64 << 20);
        let user = || User::new("app", "~app:* +@all", Login::with(&Secret::new("of-the-app"))).unwrap();
        match self.mode {
            Plain => spec,
            WithPassword => spec
                .profile(Profile::Production)
                .password(Password::Given(Secret::new("from a file: $x 'y' #z")))
                .user(user()),
            Tls => spec.tls(true),
            Persistent => spec.persist(true),
        }
        .build()
        .unwrap()
    }
}

/// A cluster that rcup started, as it was before its removal, and its exported file.
struct Origin {
    name: Name,
    spec: ClusterSpec,
    topology: Topology,
    secrets: Secrets,
    before: Vec<Seen>,
    project: Project,
}

impl Origin {
    async fn of(cell: Cell, generation: Generation) -> Self {
        let name = Name::new("compose");
        let spec = cell.spec(&name, &images().await[cell.server]);
        let mut cluster = up(&spec).await;
        cluster.keep();
        let attached = Cluster::attach(docker(), &name.0).await.unwrap();
        // From the labels, which contain no password; without the TTL of test clusters, because Compose has none.
        let topology = attached.topology().clone().with_life(Life::default());
        let secrets = attached.secrets().await.unwrap().clone();
        let before = seen(&topology, &secrets).await;
        let project = Project::of_running(name.0.as_str(), generation);
        name.down().await;
        Self {
            name,
            spec,
            topology,
            secrets,
            before,
            project,
        }
    }

    /// Checks a cluster started by Compose with the library and the binary.
    async fn assert_same(&self) {
        let attached = Cluster::attach(docker(), &self.name.0).await.unwrap();
        assert_eq!(*attached.topology(), self.topology);
        assert_eq!(*attached.secrets().await.unwrap(), self.secrets);
        assert_eq!(attached.report().await.state, State::Ok);
        let checks = attached.validate().await;
        assert!(all_passed(&checks), "{checks:#?}");
        let after = seen(&self.topology, &self.secrets).await;
        assert_eq!(self.before.len(), after.len());
        for ((node, before), after) in self.topology.nodes.iter().zip(&self.before).zip(&after) {
            assert_eq!(before, after, "{}", node.name);
        }
        let adopted: Cluster<Docker> = Cluster::up(docker(), &self.spec, &options()).await.unwrap();
        assert!(adopted.was_adopted());
        let name = self.name.0.as_str();
        let status = rcup(&["status", name, "--output", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["state"], "ok");
        rcup(&["validate", name, "--quiet"]);
        let pong = rcup(&["cli", name, "--", "ping"]);
        assert_eq!(String::from_utf8_lossy(&pong.stdout).trim(), "PONG");
    }
}

async fn round_trip(cell: Cell, generation: Generation) {
    let _turn = turn().await;
    let origin = Origin::of(cell, generation).await;
    origin.project.up(&origin.topology).await;
    origin.assert_same().await;
    if cell.mode == Persistent {
        let name = origin.name.0.as_str();
        rcup(&["cli", name, "--", "set", "kept", "over-down"]);
        origin.project.run(&["down"]);
        origin.project.up(&origin.topology).await;
        let read = rcup(&["cli", name, "--", "get", "kept"]);
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), "over-down");
    }
    origin.project.run(&["down", "-v"]);
    origin.name.assert_gone().await;
}

/// Runs as many cells at a time as there are turns. The generations of Compose alternate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_comes_back_from_its_file_as_it_was() {
    let mut under_way = Vec::new();
    for (nth, cell) in cells().into_iter().enumerate() {
        let generation = [Generation::Second, Generation::First][nth % 2].at_hand();
        under_way.push((cell, generation, tokio::spawn(round_trip(cell, generation))));
    }
    let mut failed = Vec::new();
    for (cell, generation, trip) in under_way {
        if trip.await.is_err() {
            failed.push(format!("{cell} with Compose {generation}"));
        }
    }
    assert!(
        failed.is_empty(),
        "see above; again one by one with RCUP_MATRIX=NAME: {failed:#?}"
    );
}

/// Starts it twice in a row, after `down` and after `down -v`. At the end, rcup's `down` removes it with all its
/// objects.
async fn again(generation: Generation, mode: Mode) {
    let _turn = turn().await;
    let cell = Cell {
        server: 1,
        shape: (3, 1),
        mode,
    };
    let origin = Origin::of(cell, generation).await;
    let (project, topology) = (&origin.project, &origin.topology);
    project.up(topology).await;
    project.up(topology).await;
    project.run(&["down"]);
    assert_eq!(
        origin.name.remains().await.volumes.len(),
        1,
        "down keeps the volume"
    );
    project.up(topology).await;
    origin.assert_same().await;
    project.run(&["down", "-v"]);
    origin.name.assert_gone().await;
    project.up(topology).await;
    origin.assert_same().await;
    rcup(&["down", origin.name.0.as_str()]);
    origin.name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compose_v2_brings_it_up_twice_and_after_down_with_and_without_its_volume() {
    again(Generation::Second, Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_compose_1_brings_it_up_twice_and_after_down_with_and_without_its_volume() {
    again(Generation::First.at_hand(), Tls).await;
}

/// Both tools accept the files of every selected shape and mode. This needs no container engine.
#[test]
fn both_generations_find_nothing_wrong_in_the_files() {
    for cell in cells() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("compose.yml");
        let (masters, replicas) = (cell.shape.0.to_string(), cell.shape.1.to_string());
        let image = ["redis:7.0", "redis:8.0", "valkey/valkey:8.1"][cell.server];
        let more: &[&str] = match cell.mode {
            Plain => &[],
            WithPassword => &[
                "--password",
                "--profile",
                "production",
                "--user",
                "app nopass ~app:* +@all",
            ],
            Tls => &["--tls"],
            Persistent => &["--persist", "--memory", "64mb"],
        };
        let written = Command::new(cargo_bin("rcup"))
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .args([
                "export",
                "compose",
                "--quiet",
                "-o",
                file.to_str().unwrap(),
                "--image",
                image,
            ])
            .args(["--masters", &masters, "--replicas", &replicas])
            .args(more)
            .status()
            .unwrap();
        assert!(written.success(), "{cell}");
        for generation in Generation::all() {
            let output = generation
                .command()
                .arg("-f")
                .arg(&file)
                .args(["config", "-q"])
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && told.is_empty(),
                "{cell} with Compose {generation}: {told}"
            );
        }
    }
}
