//! The environment of the tests without Docker: a fake engine that also holds foreign objects, ports on which nothing
//! can answer, and a record of all events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::ports;
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::ownership::rollback::Removed;
use rcup::runtime::fake::Fake;
use rcup::runtime::fake::calls::{Call, Stall};
use rcup::runtime::observed::{Activity, ContainerSeen, NetworkSeen, Observed, VolumeSeen};
use rcup::spec::builder::ClusterSpecBuilder;
use rcup::{Cluster, ClusterSpec, Event, Result, UpOptions};

/// The number of silent ports: two clusters of six nodes.
const SILENT: u16 = 12;

/// Longer than any start in these tests. With a paused clock, it takes no time.
pub const LONG: Duration = Duration::from_mins(10);

/// A block of ports that are bound but not listened on. Connections are refused at once, and no other program of this
/// machine can use the ports during the tests.
static BLOCK: LazyLock<(u16, Vec<TcpSocket>)> = LazyLock::new(|| {
    let bind = |port: u16| -> std::io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], port).into())?;
        Ok(socket)
    };
    ports::silent(SILENT)
        .find_map(|first| {
            let all: std::io::Result<Vec<TcpSocket>> = (first..first + SILENT).map(bind).collect();
            Some((first, all.ok()?))
        })
        .expect("no block of ports is free")
});

/// Returns the first of the silent ports.
pub fn silent_port() -> u16 {
    BLOCK.0
}

/// Returns a specification of three masters with a replica each, on silent ports.
pub fn spec() -> ClusterSpecBuilder {
    ClusterSpec::builder().port(silent_port())
}

/// A fake engine with foreign objects.
pub struct Scene {
    pub engine: Fake,
    pub spec: ClusterSpec,
    pub events: Arc<Mutex<Vec<Event>>>,
    before: Observed,
}

impl Scene {
    /// Creates a scene for the default cluster.
    pub fn new() -> Self {
        Self::of(spec())
    }

    /// Creates a scene for another cluster.
    pub fn of(spec: ClusterSpecBuilder) -> Self {
        let engine = Fake::new();
        engine.add(strangers());
        Self {
            before: engine.seen(),
            engine,
            spec: spec.build().unwrap(),
            events: Arc::default(),
        }
    }

    /// Creates a scene with a node that exits as soon as it is started, which ends the wait for its answer.
    pub fn with_a_dead_node() -> Self {
        let scene = Self::new();
        scene.doom();
        scene
    }

    /// Makes the second node exit from now on.
    pub fn doom(&self) {
        let name = self.spec.name().container(2);
        self.engine.doom(&name, &["Fatal error", "Bye"]);
    }

    /// Returns options whose observer records all events.
    pub fn options(&self) -> UpOptions {
        UpOptions::default().observer(self.observer())
    }

    /// Returns an observer that records every event of the scene.
    pub fn observer(&self) -> Arc<dyn rcup::Observer> {
        let events = Arc::clone(&self.events);
        Arc::new(move |event: &Event| events.lock().unwrap().push(event.clone()))
    }

    /// Starts the cluster. Fails the test if the start hangs.
    pub async fn up(&self, options: &UpOptions) -> Result<Cluster<Fake>> {
        let up = Cluster::up(self.engine.clone(), &self.spec, options);
        tokio::time::timeout(LONG, up).await.expect("it hangs")
    }

    /// Removes the cluster.
    pub async fn down(&self) -> Removed {
        down(&self.engine, self.spec.name(), false, &Silent)
            .await
            .unwrap()
    }

    /// Returns the number of calls of this name.
    pub fn count(&self, call: &str) -> usize {
        count(&self.engine.calls(), call)
    }

    /// Returns the messages of all warnings.
    pub fn warnings(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let warning = |event: &Event| match event {
            Event::Warning { message } => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(warning).collect()
    }

    /// Returns all objects except the foreign ones.
    pub fn left(&self) -> Observed {
        let mut left = self.engine.seen();
        left.networks.retain(|one| !self.before.networks.contains(one));
        left.containers
            .retain(|one| !self.before.containers.contains(one));
        left.volumes.retain(|one| !self.before.volumes.contains(one));
        left
    }

    /// Checks that no object of rcup remains and that the foreign objects are unchanged.
    #[track_caller]
    pub fn assert_untouched(&self, case: &str) {
        assert_eq!(self.engine.seen(), self.before, "{case}");
    }

    /// Adds foreign objects.
    pub fn add_strangers(&mut self, objects: Observed) {
        self.before.networks.extend(objects.networks.clone());
        self.before.containers.extend(objects.containers.clone());
        self.before.volumes.extend(objects.volumes.clone());
        self.engine.add(objects);
    }
}

impl Drop for Scene {
    /// Removes the lock files. Each fake engine has its own, so nothing else removes them.
    fn drop(&mut self) {
        let slug = format!("{}.lock", self.engine.endpoint().replace([':', '/'], "-"));
        let own = format!("rcup-{}", rustix::process::getuid().as_raw());
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("rcup"));
        for directory in [Some(std::env::temp_dir().join(own)), runtime]
            .into_iter()
            .flatten()
        {
            for file in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                if file.file_name().to_string_lossy().ends_with(&slug) {
                    // Another thread may have removed it first.
                    let _ = std::fs::remove_file(file.path());
                }
            }
        }
    }
}

/// Returns when the call hangs. Fails the test if the call is never made.
pub async fn reached(stall: &Stall) {
    tokio::time::timeout(LONG, stall.reached())
        .await
        .expect("the call is not made");
}

/// Counts the occurrences of a call.
pub fn count(calls: &[Call], name: &str) -> usize {
    calls.iter().filter(|call| call.name == name).count()
}

/// Returns whether the call removes an object other than the container that carries the files. Every start removes that
/// container once the files are in place.
pub fn removes(call: &Call) -> bool {
    call.name.starts_with("remove") && call.on != "rcup-default-files"
}

/// Returns a foreign container.
pub fn foreign_container(name: &str, ports: &[u16]) -> ContainerSeen {
    ContainerSeen {
        id: format!("foreign-{name}"),
        name: name.to_owned(),
        activity: Activity::Running,
        labels: BTreeMap::from([("com.example".to_owned(), "1".to_owned())]),
        ports: ports.to_vec(),
    }
}

/// Returns a foreign network.
pub fn foreign_network(name: &str, subnet: &str) -> NetworkSeen {
    NetworkSeen {
        id: format!("foreign-{name}"),
        name: name.to_owned(),
        subnets: vec![subnet.parse().unwrap()],
        labels: BTreeMap::new(),
    }
}

/// Returns a foreign volume.
pub fn foreign_volume(name: &str) -> VolumeSeen {
    VolumeSeen {
        name: name.to_owned(),
        labels: BTreeMap::new(),
    }
}

/// Returns foreign objects on the engine, including another cluster of rcup.
fn strangers() -> Observed {
    let other = BTreeMap::from([
        ("rcup.cluster".to_owned(), "other".to_owned()),
        ("rcup.run".to_owned(), "another".to_owned()),
    ]);
    let mut container = foreign_container("rcup-other-1", &[]);
    container.labels.clone_from(&other);
    let mut network = foreign_network("rcup-other", "192.168.77.0/24");
    network.labels.clone_from(&other);
    let mut volume = foreign_volume("rcup-other");
    volume.labels = other;
    Observed {
        networks: vec![network, foreign_network("web", "192.168.78.0/24")],
        containers: vec![container, foreign_container("web", &[8080])],
        volumes: vec![volume, foreign_volume("web")],
        probes: Vec::new(),
    }
}
