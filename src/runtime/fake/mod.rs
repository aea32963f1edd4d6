//! An in-memory container engine for tests: it refuses what a real one refuses, and fails, hangs or lags where a
//! test injects it. No servers run in its containers.

pub mod calls;
pub mod engine;
pub mod faults;
pub mod injected;
pub mod interface;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ipnet::Ipv4Net;

use crate::runtime::fake::calls::Call;
use crate::runtime::fake::calls::held;
use crate::runtime::fake::engine::{Container, State};
use crate::runtime::interface::{EngineDetails, EngineInfo, ImageSeen, OwnContainer};
use crate::runtime::observed::{Activity, NetworkSeen, Observed};
use crate::runtime::request::File;
use crate::spec::server::Engine;

/// An in-memory container engine for tests. Clones share its state.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl Fake {
    /// Creates a remote container engine with a default bridge and the official Redis image. Each has its own
    /// locks.
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let image = ImageSeen {
            reference: Engine::Redis.official_image().to_owned(),
            env: BTreeMap::from([("REDIS_VERSION".to_owned(), "8.0.2".to_owned())]),
            ..ImageSeen::default()
        };
        let bridge = NetworkSeen {
            id: "n0".to_owned(),
            name: "bridge".to_owned(),
            subnets: "172.17.0.0/16".parse().into_iter().collect(),
            ..NetworkSeen::default()
        };
        let state = State {
            info: EngineInfo {
                endpoint: format!("fake://{}-{number}", std::process::id()),
                found_by: "a test".to_owned(),
                version: "0".to_owned(),
                api: "0.0".to_owned(),
                local: false,
                user_socket: false,
                podman: false,
            },
            details: EngineDetails::default(),
            networks: vec![bridge],
            containers: Vec::new(),
            volumes: Vec::new(),
            files: Vec::new(),
            images: vec![image],
            held_subnets: Vec::new(),
            held_ports: Vec::new(),
            most_open_files: u64::MAX,
            refuses_sysctls: false,
            doomed: BTreeMap::new(),
            made: 0,
            calls: Vec::new(),
            injections: Vec::new(),
            late: Vec::new(),
            own: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Sets what it reports about itself and its host.
    pub fn set_details(&self, details: EngineDetails) {
        held(&self.state).details = details;
    }

    /// Changes its description.
    pub fn describe_as(&self, change: impl FnOnce(&mut EngineInfo)) {
        change(&mut held(&self.state).info);
    }

    /// Simulates that this process runs in a container.
    pub fn run_in(&self, container: OwnContainer) {
        held(&self.state).own = Some(container);
    }

    /// Returns the networks that the container of this process is connected to.
    pub fn joined(&self) -> Vec<String> {
        let own = held(&self.state).own.clone();
        own.unwrap_or_default().networks
    }

    /// Returns its unique endpoint.
    pub fn endpoint(&self) -> String {
        held(&self.state).info.endpoint.clone()
    }

    /// Adds objects of any owner.
    pub fn add(&self, objects: Observed) {
        let mut state = held(&self.state);
        state.networks.extend(objects.networks);
        state.volumes.extend(objects.volumes);
        state
            .containers
            .extend(objects.containers.into_iter().map(|seen| Container {
                seen,
                ..Container::default()
            }));
    }

    /// Replaces the images.
    pub fn set_images(&self, images: Vec<ImageSeen>) {
        held(&self.state).images = images;
    }

    /// Refuses networks that overlap this subnet, which no network shows.
    pub fn hold_subnet(&self, subnet: Ipv4Net) {
        held(&self.state).held_subnets.push(subnet);
    }

    /// Refuses to publish this port, which no container shows.
    pub fn hold_port(&self, port: u16) {
        held(&self.state).held_ports.push(port);
    }

    /// Refuses to start containers with a higher open file limit.
    pub fn limit_open_files(&self, most: u64) {
        held(&self.state).most_open_files = most;
    }

    /// Refuses to start containers with sysctls.
    pub fn refuse_sysctls(&self) {
        held(&self.state).refuses_sysctls = true;
    }

    /// Makes the container of that name exit on start, with these log lines.
    pub fn doom(&self, container: &str, log: &[&str]) {
        let log = log.iter().map(|line| (*line).to_owned()).collect();
        held(&self.state).doomed.insert(container.to_owned(), log);
    }

    /// Sets the activity of a container.
    pub fn set_activity(&self, container: &str, activity: Activity) {
        let mut state = held(&self.state);
        if let Some(found) = state.find(container) {
            found
                .seen
                .ports
                .retain(|_| matches!(activity, Activity::Running | Activity::Paused));
            found.seen.activity = activity;
        }
    }

    /// Removes a container without a recorded call; returns whether it existed.
    pub fn remove(&self, container: &str) -> bool {
        let mut state = held(&self.state);
        let before = state.containers.len();
        state.containers.retain(|one| one.seen.name != container);
        state.containers.len() < before
    }

    /// Returns all calls so far, in their order.
    pub fn calls(&self) -> Vec<Call> {
        held(&self.state).calls.clone()
    }

    /// Returns all objects, without a recorded call.
    pub fn seen(&self) -> Observed {
        held(&self.state).seen()
    }

    /// Returns the files copied to volumes.
    pub fn files(&self) -> Vec<File> {
        held(&self.state).files.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::plan::request::{container, network};
    use crate::runtime::interface::{Runtime as _, Scope};
    use crate::runtime::request::{ContainerRequest, NetworkRequest};
    use crate::topology::layout::tests::topology;

    fn requests() -> (NetworkRequest, Vec<ContainerRequest>) {
        let topology = topology(2, 0, Engine::Redis, "8.0.2");
        let mut containers: Vec<ContainerRequest> = topology
            .nodes
            .iter()
            .map(|node| container(&topology, node))
            .collect();
        for request in &mut containers {
            request.image = Engine::Redis.official_image().to_owned();
        }
        (network(&topology), containers)
    }

    #[tokio::test]
    async fn it_refuses_what_an_engine_refuses() {
        let engine = Fake::new();
        let (net, nodes) = requests();
        let kind = |error: crate::error::Error| error.kind();
        let unknown = engine.create_container(&nodes[0]).await.unwrap_err();
        assert_eq!(unknown.to_string(), format!("there is no network {}", net.name));
        engine.create_network(&net).await.unwrap();
        assert_eq!(
            engine.create_network(&net).await.map_err(kind),
            Err(ErrorKind::Subnet)
        );
        let mut elsewhere = net.clone();
        elsewhere.subnet = "10.1.0.0/26".parse().unwrap();
        assert_eq!(
            engine.create_network(&elsewhere).await.map_err(kind),
            Err(ErrorKind::NameTaken)
        );
        engine.create_container(&nodes[0]).await.unwrap();
        assert_eq!(
            engine.create_container(&nodes[0]).await.map_err(kind),
            Err(ErrorKind::NameTaken)
        );
        engine.start(&nodes[0].name).await.unwrap();
        engine.start(&nodes[0].name).await.unwrap();
        let mut clash = nodes[1].clone();
        clash.port = nodes[0].port;
        engine.create_container(&clash).await.unwrap();
        assert_eq!(
            engine.start(&clash.name).await.map_err(kind),
            Err(ErrorKind::Port)
        );
        assert_eq!(
            engine.remove_network(&net.name).await.map_err(kind),
            Err(ErrorKind::Engine)
        );
        assert_eq!(
            engine.remove_volume(&nodes[0].volume.name).await.map_err(kind),
            Err(ErrorKind::Engine)
        );
        engine.set_images(Vec::new());
        assert_eq!(
            engine.create_container(&nodes[1]).await.map_err(kind),
            Err(ErrorKind::Engine)
        );
        for node in &nodes {
            engine.remove_container(&node.name).await.unwrap();
            engine.remove_container(&node.name).await.unwrap();
        }
        engine.remove_network(&net.name).await.unwrap();
        engine.remove_network(&net.name).await.unwrap();
        engine.remove_volume(&nodes[0].volume.name).await.unwrap();
        assert_eq!(engine.seen(), Fake::new().seen());
    }

    #[tokio::test]
    async fn what_was_dropped_may_come_late() {
        let (net, _) = requests();
        for (looks, seen) in [(None, [0, 0, 0]), (Some(0), [1, 1, 1]), (Some(2), [0, 0, 1])] {
            let engine = Fake::new();
            let stall = match looks {
                None => engine.stall_at("create_network", 1),
                Some(looks) => engine.late_at("create_network", 1, looks),
            };
            tokio::select! {
                biased;
                _ = engine.create_network(&net) => unreachable!("it hangs"),
                () = stall.reached() => {}
            }
            for count in seen {
                let observed = engine.observe(&Scope::Clusters).await.unwrap();
                assert_eq!(observed.networks.len(), count, "{looks:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_stall_ends_as_the_test_wants() {
        let engine = Fake::new();
        let stall = engine.stall_at("describe", 2);
        engine.describe().await.unwrap();
        let (answer, ()) = tokio::join!(engine.describe(), async {
            stall.reached().await;
            stall.fail(ErrorKind::Io);
        });
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Io);
        let stall = engine.stall_at("describe", 1);
        stall.release();
        engine.describe().await.unwrap();
    }
}
