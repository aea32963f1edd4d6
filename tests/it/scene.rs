//! The scene of the tests without Docker: an engine in memory that also holds what is not rcup's, ports on
//! which nothing can answer, and everything that was told.

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

/// How many ports are kept silent: two clusters of six nodes.
const SILENT: u16 = 12;

/// Longer than any start may take here. Where the clock is paused, it costs nothing.
pub const LONG: Duration = Duration::from_mins(10);

/// A block of ports that are bound but not listened on, so that dialling one is refused at once, and no
/// other program of this machine can answer there as long as the tests run.
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

/// The first of the silent ports.
pub fn silent_port() -> u16 {
    BLOCK.0
}

/// Three masters with a replica each on silent ports.
pub fn spec() -> ClusterSpecBuilder {
    ClusterSpec::builder().port(silent_port())
}

/// An engine with strangers on it.
pub struct Scene {
    pub engine: Fake,
    pub spec: ClusterSpec,
    pub events: Arc<Mutex<Vec<Event>>>,
    before: Observed,
}

impl Scene {
    /// With the default cluster to come.
    pub fn new() -> Self {
        Self::of(spec())
    }

    /// With another cluster to come.
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

    /// With a node that dies as soon as it is started, which ends the wait for its answer.
    pub fn with_a_dead_node() -> Self {
        let scene = Self::new();
        scene.doom();
        scene
    }

    /// From now on, the second node dies.
    pub fn doom(&self) {
        let name = self.spec.name().container(2);
        self.engine.doom(&name, &["Fatal error", "Bye"]);
    }

    /// Options whose observer keeps all events.
    pub fn options(&self) -> UpOptions {
        UpOptions::default().observer(self.observer())
    }

    /// Records every event of the scene.
    pub fn observer(&self) -> Arc<dyn rcup::Observer> {
        let events = Arc::clone(&self.events);
        Arc::new(move |event: &Event| events.lock().unwrap().push(event.clone()))
    }

    /// Starts the cluster. A start that hangs is a failure of the test.
    pub async fn up(&self, options: &UpOptions) -> Result<Cluster<Fake>> {
        let up = Cluster::up(self.engine.clone(), &self.spec, options);
        tokio::time::timeout(LONG, up).await.expect("it hangs")
    }

    /// Takes it down.
    pub async fn down(&self) -> Removed {
        down(&self.engine, self.spec.name(), false, &Silent)
            .await
            .unwrap()
    }

    /// How often the engine was asked for something.
    pub fn count(&self, call: &str) -> usize {
        count(&self.engine.calls(), call)
    }

    /// The messages of all warnings.
    pub fn warnings(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let warning = |event: &Event| match event {
            Event::Warning { message } => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(warning).collect()
    }

    /// What is there beside the strangers.
    pub fn left(&self) -> Observed {
        let mut left = self.engine.seen();
        left.networks.retain(|one| !self.before.networks.contains(one));
        left.containers
            .retain(|one| !self.before.containers.contains(one));
        left.volumes.retain(|one| !self.before.volumes.contains(one));
        left
    }

    /// Nothing of rcup remains, and the strangers are as they were.
    #[track_caller]
    pub fn assert_untouched(&self, case: &str) {
        assert_eq!(self.engine.seen(), self.before, "{case}");
    }

    /// Adds objects that are not rcup's.
    pub fn add_strangers(&mut self, objects: Observed) {
        self.before.networks.extend(objects.networks.clone());
        self.before.containers.extend(objects.containers.clone());
        self.before.volumes.extend(objects.volumes.clone());
        self.engine.add(objects);
    }
}

impl Drop for Scene {
    /// Removes the lock files, which nobody else would do: no two engines in memory share theirs.
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
                    // Another thread may have been quicker.
                    let _ = std::fs::remove_file(file.path());
                }
            }
        }
    }
}

/// Returns when the call hangs. One that is never made is a failure of the test.
pub async fn reached(stall: &Stall) {
    tokio::time::timeout(LONG, stall.reached())
        .await
        .expect("the call is not made");
}

/// How often a call occurs.
pub fn count(calls: &[Call], name: &str) -> usize {
    calls.iter().filter(|call| call.name == name).count()
}

/// Whether the call removes something else than the container that carries the files, which every start
/// removes when they are in place.
pub fn removes(call: &Call) -> bool {
    call.name.starts_with("remove") && call.on != "rcup-default-files"
}

/// A container that is not rcup's.
pub fn foreign_container(name: &str, ports: &[u16]) -> ContainerSeen {
    ContainerSeen {
        id: format!("foreign-{name}"),
        name: name.to_owned(),
        activity: Activity::Running,
        labels: BTreeMap::from([("com.example".to_owned(), "1".to_owned())]),
        ports: ports.to_vec(),
    }
}

/// A network that is not rcup's.
pub fn foreign_network(name: &str, subnet: &str) -> NetworkSeen {
    NetworkSeen {
        id: format!("foreign-{name}"),
        name: name.to_owned(),
        subnets: vec![subnet.parse().unwrap()],
        labels: BTreeMap::new(),
    }
}

/// A volume that is not rcup's.
pub fn foreign_volume(name: &str) -> VolumeSeen {
    VolumeSeen {
        name: name.to_owned(),
        labels: BTreeMap::new(),
    }
}

/// What somebody else has on the engine, another cluster of rcup included.
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
