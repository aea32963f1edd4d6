//! The export to Compose makes a round trip: a running cluster is written down and taken down, the file is brought
//! up by the real tool, and what then runs is compared with the cluster it came from, node by node.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rcup::check::all_passed;
use rcup::cluster::State;
use rcup::render::{COMPOSE_FILE, compose};
use rcup::runtime::Docker;
use rcup::spec::{Life, Login, Password, Profile, Secret, User};
use rcup::topology::Topology;
use rcup::{Cluster, ClusterSpec};
use tempfile::TempDir;

use super::{Name, any_image, docker, images, options, turn, up};

/// A specification with a subnet and ports that no other test takes while this cluster is down for a moment.
fn spec(name: &Name, image: &str, masters: usize, replicas: usize) -> ClusterSpec {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed) % 8;
    let own = u16::try_from(std::process::id() % 100).unwrap();
    ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .masters(masters)
        .replicas(replicas)
        .subnet(format!("10.230.{own}.{}/27", nth * 32).parse().unwrap())
        .port(12_000 + own * 120 + nth * 15)
        .set("maxmemory=64mb".parse().unwrap())
        .build()
        .unwrap()
}

/// A file and the tool that brings it up.
struct Project {
    tool: Vec<&'static str>,
    directory: TempDir,
}

impl Project {
    fn of(topology: &Topology) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = compose(topology).unwrap();
        std::fs::write(directory.path().join(COMPOSE_FILE), file.contents).unwrap();
        Self {
            tool: tool(topology),
            directory,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(COMPOSE_FILE)
    }

    fn run(&self, arguments: &[&str]) {
        let output = Command::new(self.tool[0])
            .args(&self.tool[1..])
            .arg("-f")
            .arg(self.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{} {}: {}",
            self.tool.join(" "),
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Brings it up. Compose v2 waits by itself until all are healthy, the older one leaves that to us.
    async fn up(&self, topology: &Topology) {
        if self.is_old() {
            self.run(&["up", "-d"]);
        } else {
            self.run(&["up", "-d", "--wait"]);
        }
        let engine = bollard::Docker::connect_with_defaults().unwrap();
        let healthy = async {
            for node in &topology.nodes {
                loop {
                    let seen = engine.inspect_container(&node.name, None).await.unwrap();
                    let health = seen.state.unwrap().health.unwrap().status.unwrap();
                    if health.to_string() == "healthy" {
                        break;
                    }
                    assert!(self.is_old(), "{}: {health} after --wait", node.name);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(1), healthy)
            .await
            .expect("all nodes get healthy");
    }

    fn is_old(&self) -> bool {
        let version = Command::new(self.tool[0])
            .args(&self.tool[1..])
            .arg("version")
            .output()
            .unwrap();
        String::from_utf8_lossy(&version.stdout).contains("version 1.")
    }
}

/// Compose v2 where it is, as a plugin or by itself; docker-compose 1.29 for some shapes, as long as it is to be had.
fn tool(topology: &Topology) -> Vec<&'static str> {
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/target/compose/docker-compose");
    let second = [&["docker", "compose"][..], &[fetched], &["docker-compose"]];
    let first = [&["docker-compose"][..], &[fetched]];
    let all = if topology.spec.masters() == 3 {
        &second[..]
    } else {
        &first[..]
    };
    let answers = |tool: &&&[&str]| {
        let mut command = Command::new(tool[0]);
        let output = command.args(&tool[1..]).arg("version").output();
        output.is_ok_and(|output| output.status.success())
    };
    all.iter()
        .find(answers)
        .expect("no Docker Compose is here: see scripts/ensure-compose.sh")
        .to_vec()
}

/// The cluster without the end that a test's clusters have: Compose's has none.
fn lasting(cluster: &Cluster) -> Topology {
    cluster.topology().clone().with_life(Life::default())
}

/// What a node says of itself and of the others, without what changes by the second.
#[derive(Debug, PartialEq)]
struct Said {
    nodes: Vec<String>,
    settings: BTreeMap<String, String>,
}

async fn said(topology: &Topology) -> Vec<Said> {
    let mut all = Vec::new();
    for node in &topology.nodes {
        let mut connection = super::connect(&node.host_address().to_string()).await;
        let nodes: String = redis::cmd("CLUSTER")
            .arg("NODES")
            .query_async(&mut connection)
            .await
            .unwrap();
        let settings = redis::cmd("CONFIG")
            .arg("GET")
            .arg("*")
            .query_async(&mut connection)
            .await
            .unwrap();
        // Id, address with bus port and auxiliary fields, flags, master, and the slots: no times and no epochs.
        let stable = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let slots = words[8..].join(" ");
            format!("{} {} {} {} {slots}", words[0], words[1], words[2], words[3])
        };
        let mut nodes: Vec<String> = nodes.lines().map(stable).collect();
        nodes.sort();
        all.push(Said { nodes, settings });
    }
    all
}

/// Everything that can be asked of a cluster that Compose has started.
async fn assert_same(name: &Name, spec: &ClusterSpec, topology: &Topology, before: &[Said]) {
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    assert_eq!(attached.topology(), topology);
    assert_eq!(attached.report().await.state, State::Ok);
    let checks = attached.validate().await;
    assert!(all_passed(&checks), "{checks:#?}");
    let after = said(topology).await;
    for ((node, before), after) in topology.nodes.iter().zip(before).zip(&after) {
        assert_eq!(before, after, "{}", node.name);
    }
    let adopted: Cluster<Docker> = Cluster::up(docker(), spec, &options()).await.unwrap();
    assert!(adopted.was_adopted());
}

async fn round_trip(image: &str, masters: usize, replicas: usize) {
    let _turn = turn().await;
    let name = Name::new("compose");
    let spec = spec(&name, image, masters, replicas);
    let cluster = up(&spec).await;
    let topology = lasting(&cluster);
    let before = said(&topology).await;
    cluster.down().await.unwrap();
    let project = Project::of(&topology);
    project.up(&topology).await;
    assert_same(&name, &spec, &topology, &before).await;
    project.run(&["down", "-v"]);
    name.assert_gone().await;
}

macro_rules! shapes {
    ($($test:ident: $image:literal $masters:literal x $replicas:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            round_trip(&images().await[$image], $masters, $replicas).await;
        })*
    };
}

shapes! {
    redis_7_1x0: 0 1 x 0;
    redis_7_3x1: 0 3 x 1;
    redis_8_3x2: 1 3 x 2;
    valkey_3x0: 2 3 x 0;
    valkey_5x1: 2 5 x 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_up_twice_and_after_down_with_and_without_its_volume() {
    let _turn = turn().await;
    let name = Name::new("compose-again");
    let spec = spec(&name, &any_image().await, 3, 1);
    let cluster = up(&spec).await;
    let topology = lasting(&cluster);
    let before = said(&topology).await;
    cluster.down().await.unwrap();
    let project = Project::of(&topology);
    project.up(&topology).await;
    project.up(&topology).await;
    project.run(&["down"]);
    assert_eq!(name.remains().await.volumes.len(), 1, "down keeps the volume");
    project.up(&topology).await;
    assert_same(&name, &spec, &topology, &before).await;
    project.run(&["down", "-v"]);
    name.assert_gone().await;
    project.up(&topology).await;
    assert_same(&name, &spec, &topology, &before).await;
    // rcup's own verb removes it as well, with everything that belongs to it.
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persistent_cluster_keeps_its_keys_over_down_and_up() {
    let _turn = turn().await;
    let name = Name::new("compose-persist");
    let plain = spec(&name, &any_image().await, 3, 1);
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .subnet(plain.subnet().unwrap())
        .port(plain.port().unwrap())
        .persist(true)
        .build()
        .unwrap();
    let cluster = up(&spec).await;
    let topology = lasting(&cluster);
    let before = said(&topology).await;
    cluster.down().await.unwrap();
    name.down().await;
    let project = Project::of(&topology);
    project.up(&topology).await;
    assert_same(&name, &spec, &topology, &before).await;
    let urls = topology
        .nodes
        .iter()
        .map(|node| format!("redis://{}", node.address()));
    let client = redis::cluster::ClusterClient::new(urls.collect::<Vec<_>>()).unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    for n in 0..100 {
        let () = redis::cmd("SET")
            .arg(n)
            .arg(n)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    project.run(&["down"]);
    project.up(&topology).await;
    let mut connection = client.get_async_connection().await.unwrap();
    for n in 0..100 {
        let read: u32 = redis::cmd("GET")
            .arg(n)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(read, n);
    }
    project.run(&["down", "-v"]);
    name.assert_gone().await;
}

/// With a password, users and TLS: what is secret comes from files beside the export, and rcup reads it back.
async fn guarded(image: &str, profile: Profile) {
    let _turn = turn().await;
    let name = Name::new("compose-guarded");
    let plain = spec(&name, image, 3, 1);
    let password = Secret::new("from a file: $x 'y' #z");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .profile(profile)
        .subnet(plain.subnet().unwrap())
        .port(plain.port().unwrap())
        .memory(64 << 20)
        .password(Password::Given(password.clone()))
        .user(User::new("app", "~app:* +@all", Login::with(&Secret::new("of-the-app"))).unwrap())
        .tls(true)
        .build()
        .unwrap();
    let mut cluster = up(&spec).await;
    cluster.keep();
    let before = Cluster::attach(docker(), &name.0).await.unwrap();
    // As its labels tell it, which hold no password.
    let topology = before.topology().clone().with_life(Life::default());
    let secrets = before.secrets().await.unwrap().clone();
    let settings = before.settings().await.unwrap();
    name.down().await;
    let project = Project::of(&topology);
    for file in rcup::render::beside(&topology, &secrets) {
        let place = project.directory.path().join(&file.path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, file.contents).unwrap();
    }
    project.up(&topology).await;
    project.run(&["down"]);
    project.up(&topology).await;
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    assert_eq!(*attached.topology(), topology);
    assert_eq!(*attached.secrets().await.unwrap(), secrets);
    let lines = |settings| {
        let text = serde_json::to_string_pretty(&settings).unwrap();
        // Redis 7.0 tells a user's commands in another order after every start.
        let sorted = |line: &str| {
            let mut words: Vec<&str> = line.split([' ', '"', ',', '(', ')']).collect();
            words.sort_unstable();
            words.join(" ")
        };
        text.lines().map(sorted).collect::<Vec<_>>()
    };
    let now = lines(attached.settings().await.unwrap());
    let different: Vec<_> = lines(settings)
        .into_iter()
        .zip(now)
        .filter(|(one, other)| one != other)
        .collect();
    assert!(different.is_empty(), "settings and users: {different:#?}");
    let checks = attached.validate().await;
    assert!(all_passed(&checks), "{checks:#?}");
    let adopted: Cluster<Docker> = Cluster::up(docker(), &spec, &options()).await.unwrap();
    assert!(adopted.was_adopted());
    super::assert_ready(&adopted).await;
    project.run(&["down", "-v"]);
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_cluster_makes_the_round_trip_on_redis_7() {
    Box::pin(guarded(&images().await[0], Profile::Production)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_cluster_makes_the_round_trip_on_valkey() {
    Box::pin(guarded(&images().await[2], Profile::Dev)).await;
}
