//! A Compose project: its file, the tool that starts it, and the comparison of its nodes with the original ones.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use bollard::models::ContainerInspectResponse;
use tempfile::TempDir;

use rcup::export::compose::COMPOSE_FILE;
use rcup::spec::security::Secrets;
use rcup::spec::service_user::ServiceUser;
use rcup::topology::layout::{Node, Topology};

/// A generation of Compose in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// docker-compose 1.29, in Python. Newer distributions no longer include it.
    First,
    /// Compose v2, which waits until all containers are healthy.
    Second,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "1.29",
            Self::Second => "v2",
        })
    }
}

impl Generation {
    /// Returns both generations, or only the second one if the first one is not available.
    pub fn all() -> Vec<Self> {
        let all = [Self::First, Self::Second].into_iter();
        all.filter(|one| *one == Self::Second || one.find().is_some())
            .collect()
    }

    /// Returns this generation, or the other one if this one is not available.
    pub fn at_hand(self) -> Self {
        self.find().map_or(Self::Second, |_| self)
    }

    fn find(self) -> Option<Vec<String>> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/compose/docker-compose");
        let candidates = [
            vec!["docker".to_owned(), "compose".to_owned()],
            vec![own.display().to_string()],
            vec!["docker-compose".to_owned()],
        ];
        candidates.into_iter().find(|tool| {
            let mut command = Command::new(&tool[0]);
            let output = command.args(&tool[1..]).args(["version", "--short"]).output();
            output.is_ok_and(|output| {
                let version = String::from_utf8_lossy(&output.stdout).into_owned();
                let is_first = version.starts_with("1.");
                output.status.success() && is_first == (self == Self::First)
            })
        })
    }

    /// Returns the command of the tool.
    pub fn command(self) -> Command {
        let tool = self
            .find()
            .unwrap_or_else(|| panic!("Compose {self} is not here: see scripts/ensure-compose.sh"));
        let mut command = Command::new(&tool[0]);
        command.args(&tool[1..]);
        command
    }
}

/// Runs the binary and returns its output.
pub fn rcup(arguments: &[&str]) -> Output {
    let output = Command::new(cargo_bin("rcup")).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "rcup {}: {}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A Compose file, the files next to it, and the tool that starts it.
pub struct Project {
    generation: Generation,
    directory: TempDir,
}

impl Project {
    /// Exports the running cluster `name` with the binary.
    pub fn of_running(name: &str, generation: Generation) -> Self {
        let project = Self {
            generation,
            directory: tempfile::tempdir().unwrap(),
        };
        let path = project.path();
        rcup(&["export", "compose", name, "-o", path.to_str().unwrap()]);
        project
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(COMPOSE_FILE)
    }

    pub fn run(&self, arguments: &[&str]) {
        let output = self
            .generation
            .command()
            .arg("-f")
            .arg(self.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "Compose {} {}: {}",
            self.generation,
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts the project. Compose v2 waits until all containers are healthy; with the older one, this method waits.
    pub async fn up(&self, topology: &Topology) {
        let waits = self.generation == Generation::Second;
        if waits {
            self.run(&["up", "-d", "--wait"]);
        } else {
            self.run(&["up", "-d"]);
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
                    assert!(!waits, "{}: {health} after --wait", node.name);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        };
        tokio::time::timeout(Duration::from_mins(2), healthy)
            .await
            .expect("all nodes get healthy");
    }
}

/// The state of a node: its own view of itself and the other nodes, without values that change over time, and the
/// options of its container.
#[derive(Debug, PartialEq)]
pub struct Seen {
    nodes: Vec<String>,
    settings: BTreeMap<String, String>,
    users: Vec<String>,
    container: BTreeMap<&'static str, String>,
}

/// Returns all nodes in order. Logs in as the user with the most permissions.
pub async fn seen(topology: &Topology, secrets: &Secrets) -> Vec<Seen> {
    let engine = bollard::Docker::connect_with_defaults().unwrap();
    let mut all = Vec::new();
    for node in &topology.nodes {
        let mut connection = connect(topology, secrets, node).await;
        let mut ask = redis::cmd("CLUSTER");
        let nodes: String = ask.arg("NODES").query_async(&mut connection).await.unwrap();
        let mut ask = redis::cmd("CONFIG");
        let settings = ask
            .arg("GET")
            .arg("*")
            .query_async(&mut connection)
            .await
            .unwrap();
        let mut ask = redis::cmd("ACL");
        let users: Vec<String> = ask.arg("LIST").query_async(&mut connection).await.unwrap();
        let mut nodes: Vec<String> = nodes.lines().map(stable).collect();
        nodes.sort();
        let container = engine.inspect_container(&node.name, None).await.unwrap();
        all.push(Seen {
            nodes,
            settings,
            users: users.iter().map(|line| any_order(line)).collect(),
            container: made(&container, topology),
        });
    }
    all
}

async fn connect(topology: &Topology, secrets: &Secrets, node: &Node) -> redis::aio::MultiplexedConnection {
    let scheme = if topology.spec.tls() { "rediss" } else { "redis" };
    let login = secrets
        .own
        .get(&ServiceUser::Operator)
        .map_or_else(String::new, |password| {
            format!("{}:{}@", ServiceUser::Operator.name(), password.expose())
        });
    let authority = secrets.certificates.as_ref().map(|all| all.authority.as_str());
    let url = format!("{scheme}://{login}{}", node.host_address());
    super::client(&url, authority)
        .get_multiplexed_async_connection_with_config(&super::patient())
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", node.name))
}

/// Returns the constant parts of a line of CLUSTER NODES: id, address with bus port and auxiliary fields, flags,
/// master, and the slots, without times and epochs.
fn stable(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let slots = words[8..].join(" ");
    format!("{} {} {} {} {slots}", words[0], words[1], words[2], words[3])
}

/// Sorts the commands of a user, because Redis 7.0 lists them in another order after every start.
fn any_order(line: &str) -> String {
    let mut words: Vec<&str> = line.split([' ', '(', ')']).collect();
    words.sort_unstable();
    words.join(" ")
}

/// Returns the options of the container that rcup sets.
fn made(container: &ContainerInspectResponse, topology: &Topology) -> BTreeMap<&'static str, String> {
    let config = container.config.as_ref().unwrap();
    let host = container.host_config.as_ref().unwrap();
    let networks = container
        .network_settings
        .as_ref()
        .unwrap()
        .networks
        .as_ref()
        .unwrap();
    let network = &networks[&topology.network()];
    // Compares only the mounts below `/rcup`. An export mounts the volume at one more path, to set its owner.
    let mounts = container.mounts.iter().flatten();
    let mounts: Vec<String> = mounts
        .filter(|mount| {
            mount
                .destination
                .as_deref()
                .is_some_and(|place| place.starts_with("/rcup"))
        })
        .map(|mount| format!("{:?} {:?} {:?}", mount.typ, mount.name, mount.rw))
        .collect();
    let ports: BTreeMap<_, _> = host.port_bindings.iter().flatten().collect();
    let sysctls: BTreeMap<_, _> = host.sysctls.iter().flatten().collect();
    let labels: BTreeMap<_, _> = config
        .labels
        .iter()
        .flatten()
        .filter(|(name, _)| {
            name.starts_with("rcup.") && !["rcup.expires", "rcup.owner"].contains(&name.as_str())
        })
        .collect();
    BTreeMap::from([
        ("image", format!("{:?}", container.image)),
        ("user", format!("{:?}", config.user)),
        ("host name", format!("{:?}", config.hostname)),
        ("address", format!("{:?}", network.ip_address)),
        ("ports", format!("{ports:?}")),
        ("mounts", format!("{mounts:?}")),
        ("labels", format!("{labels:?}")),
        ("limits", format!("{:?}", host.ulimits)),
        ("kernel settings", format!("{sysctls:?}")),
        ("memory", format!("{:?} {:?}", host.memory, host.memory_swap)),
        (
            "rights",
            format!("{:?} {:?} {:?}", host.cap_add, host.cap_drop, host.security_opt),
        ),
        ("privileged", format!("{:?}", host.privileged)),
        (
            "restart",
            format!(
                "{:?}",
                host.restart_policy.as_ref().and_then(|policy| policy.name)
            ),
        ),
    ])
}
