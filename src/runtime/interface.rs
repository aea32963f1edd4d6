//! The trait, and the plain types that cross it.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::Stream;
use serde::Serialize;
use tokio::io::AsyncWrite;

use crate::error::Result;
use crate::runtime::network::NetworkDetails;
use crate::runtime::observed::{Activity, Observed};
use crate::runtime::request::{ContainerRequest, FilesRequest, NetworkRequest, ProbeRequest, VolumeRequest};
use crate::spec::name::ClusterName;
use crate::spec::secret::Secret;

/// What is known of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineInfo {
    /// Where it was found, such as `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// By which of the usual ways it was found, such as `DOCKER_HOST` or `the default socket`.
    pub found_by: String,
    /// Its version.
    pub version: String,
    /// The version of its API.
    pub api: String,
    /// Whether it listens on this machine, so that ports and routes of this machine are its own.
    pub local: bool,
}

impl EngineInfo {
    /// The host in the endpoint, where it is on another machine.
    pub fn host(&self) -> Option<&str> {
        if self.local { None } else { host_of(&self.endpoint) }
    }
}

/// The host in an endpoint that has one: what stands between `@` and the port, without an IPv6 address's brackets.
pub(crate) fn host_of(endpoint: &str) -> Option<&str> {
    let (scheme, rest) = endpoint.split_once("://")?;
    if !["tcp", "http", "https", "ssh"].contains(&scheme) {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or(bracketed),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    Some(host).filter(|host| !host.is_empty())
}

/// What an engine says of itself and of the machine under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineDetails {
    /// The machine's name.
    pub name: String,
    /// The machine's operating system.
    pub system: String,
    /// Its kernel's release.
    pub kernel: String,
    /// The storage driver.
    pub driver: String,
    /// The version of control groups.
    pub cgroup: String,
    /// Whether containers' memory can be limited.
    pub limits_memory: bool,
    /// Whether it runs without root.
    pub rootless: bool,
    /// The machine's cores.
    pub cores: u64,
    /// The machine's bytes of memory.
    pub memory: u64,
    /// The directory with the engine's data, on that machine.
    pub root: String,
    /// What time it is there.
    pub time: Option<SystemTime>,
}

/// The container in which this process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnContainer {
    /// Its name.
    pub name: String,
    /// The names of the networks that it is on.
    pub networks: Vec<String>,
}

/// How much of the engine is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All networks and containers, whoever made them.
    Everything,
    /// What carries the label of any cluster.
    Clusters,
    /// What carries the label of this cluster.
    Cluster(ClusterName),
    /// What carries the mark of this run.
    Run(String),
}

/// An image on the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSeen {
    /// Its name.
    pub reference: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
    /// The directories it declares as volumes.
    pub volumes: Vec<String>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What a container is doing, and how it ended if it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// What it is doing.
    pub activity: Activity,
    /// The exit code of its last run.
    pub exit_code: i64,
    /// How often the engine has started it again by itself.
    pub restarts: i64,
    /// Whether the kernel killed it for memory.
    pub out_of_memory: bool,
}

/// Which log lines to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// So many lines from the end; all when `None`.
    pub tail: Option<u32>,
    /// Whether to wait for more.
    pub follow: bool,
    /// Only lines since this UNIX time, in seconds; 0 for all.
    pub since: i64,
    /// Whether each line begins with the engine's time stamp.
    pub timestamps: bool,
}

/// One line of a container's output, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The text.
    pub text: String,
}

/// A program to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables of its environment. Of a program that is run, an engine tells nobody the environment: neither
    /// `docker inspect` nor the events have it, and in the container it is for the same user alone.
    pub env: Vec<(String, Secret)>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it gets this process's input.
    pub input: bool,
}

/// A piece of a program's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// From its standard output, or from its terminal.
    Stdout(Vec<u8>),
    /// From its standard error.
    Stderr(Vec<u8>),
}

/// A program that runs in a container.
pub struct ExecSession {
    /// For [`Runtime::exec_resize`] and [`Runtime::exec_code`].
    pub id: String,
    /// What it prints, until it ends.
    pub output: Pin<Box<dyn Stream<Item = Result<Output>> + Send>>,
    /// What it reads.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// A container engine, in the words rcup needs.
///
/// Every call has a deadline of its own. Removing what is not there is success; starting what runs is
/// success. An error's kind tells the clashes apart that a caller can react to: [`crate::error::ErrorKind::Subnet`],
/// [`crate::error::ErrorKind::Port`] and [`crate::error::ErrorKind::NameTaken`].
pub trait Runtime: Clone + Send + Sync + 'static {
    /// Checks that the engine answers and is new enough.
    fn describe(&self) -> impl Future<Output = Result<EngineInfo>> + Send;

    /// Asks the engine about itself and about the machine under it.
    fn details(&self) -> impl Future<Output = Result<EngineDetails>> + Send;

    /// Looks at what is there, all at once.
    fn observe(&self, scope: &Scope) -> impl Future<Output = Result<Observed>> + Send;

    /// The network of that name, if the engine has it.
    fn network(&self, name: &str) -> impl Future<Output = Result<Option<NetworkDetails>>> + Send;

    /// The image of that name, if the engine has it.
    fn image(&self, reference: &str) -> impl Future<Output = Result<Option<ImageSeen>>> + Send;

    /// The images that rcup made.
    fn local_images(&self) -> impl Future<Output = Result<Vec<ImageSeen>>> + Send;

    /// Gets an image from its registry. Fails when the registry has not begun to answer within `patience`.
    fn pull(
        &self,
        reference: &str,
        patience: Duration,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> impl Future<Output = Result<()>> + Send;

    /// Makes an image of the root file system in the tar file `archive`. The changes are lines of a
    /// Dockerfile.
    fn import(
        &self,
        archive: &Path,
        reference: &str,
        changes: &[String],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Runs a program in a new container, removes the container, and returns what it printed.
    fn run_once(&self, request: &ProbeRequest) -> impl Future<Output = Result<String>> + Send;

    /// Makes a container in which something is tried, with its files, and returns its id. It does not run yet, and
    /// stays until it is removed.
    fn create_probe(&self, request: &ProbeRequest) -> impl Future<Output = Result<String>> + Send;

    /// Makes a network.
    fn create_network(&self, request: &NetworkRequest) -> impl Future<Output = Result<()>> + Send;

    /// The container in which this process runs, where that is one of the engine's with a network of its own.
    fn own_container(&self) -> impl Future<Output = Result<Option<OwnContainer>>> + Send;

    /// Has the container of this process join a network, under the first of the addresses that is free. It leaves when
    /// the network is removed. [`crate::error::ErrorKind::Subnet`] when none is free.
    fn join(
        &self,
        container: &str,
        network: &str,
        addresses: &[Ipv4Addr],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Makes a volume. One of that name with other labels is somebody else's: [`crate::error::ErrorKind::NameTaken`].
    fn create_volume(&self, request: &VolumeRequest) -> impl Future<Output = Result<()>> + Send;

    /// Makes a container and returns its id. It does not run yet.
    fn create_container(&self, request: &ContainerRequest) -> impl Future<Output = Result<String>> + Send;

    /// Puts files onto volumes, for the user [`crate::runtime::request::USER`], through a container that never runs and
    /// that stays until it is removed.
    fn put_files(&self, request: &FilesRequest) -> impl Future<Output = Result<()>> + Send;

    /// The text of a file in a container, which need not run, or on a volume mounted in it; `None` when there is
    /// no such file.
    fn read_file(&self, container: &str, path: &str) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Starts a container.
    fn start(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Lets a paused container go on.
    fn resume(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Kills and removes a container, its anonymous volumes included.
    fn remove_container(&self, id: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes a network.
    fn remove_network(&self, id: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes a volume.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<()>> + Send;

    /// What a container is doing.
    fn state(&self, container: &str) -> impl Future<Output = Result<NodeState>> + Send;

    /// A container's output.
    fn logs(
        &self,
        container: &str,
        request: LogRequest,
    ) -> Pin<Box<dyn Stream<Item = Result<LogLine>> + Send>>;

    /// Starts a program in a running container.
    fn exec(
        &self,
        container: &str,
        request: &ExecRequest,
    ) -> impl Future<Output = Result<ExecSession>> + Send;

    /// Tells the program's terminal its size.
    fn exec_resize(&self, id: &str, columns: u16, rows: u16) -> impl Future<Output = Result<()>> + Send;

    /// The exit code of a program that has ended.
    fn exec_code(&self, id: &str) -> impl Future<Output = Result<i64>> + Send;
}
