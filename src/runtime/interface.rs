//! The `Runtime` trait and its types.

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

/// Description of a container engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineInfo {
    /// Where it was found, such as `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// How it was found, such as `DOCKER_HOST` or `the default socket`.
    pub found_by: String,
    /// Its version.
    pub version: String,
    /// The version of its API.
    pub api: String,
    /// Whether it listens on this host, so that it shares the host's ports and routes.
    pub local: bool,
    /// Whether it listens on a Unix socket that belongs to an ordinary user: it may be rootless.
    #[serde(skip)]
    pub user_socket: bool,
    /// Whether it is Podman.
    #[serde(skip)]
    pub podman: bool,
}

impl EngineInfo {
    /// Returns the host in the endpoint, if it is remote.
    pub fn host(&self) -> Option<&str> {
        if self.local { None } else { host_of(&self.endpoint) }
    }
}

/// Returns the host in an endpoint: the text between `@` and the port, without the brackets of an IPv6 address.
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

/// Information about a container engine and its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineDetails {
    /// The host name.
    pub name: String,
    /// The host's operating system.
    pub system: String,
    /// Its kernel's release.
    pub kernel: String,
    /// The storage driver.
    pub driver: String,
    /// The cgroup version.
    pub cgroup: String,
    /// Whether it can limit the memory of containers.
    pub limits_memory: bool,
    /// Whether it runs without root.
    pub rootless: bool,
    /// Whether it is Podman.
    pub podman: bool,
    /// The host's CPU cores.
    pub cores: u64,
    /// The host's memory in bytes.
    pub memory: u64,
    /// The data directory on the host.
    pub root: String,
    /// The host's clock.
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

/// Scope of an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All networks and containers of any owner.
    Everything,
    /// Objects with the label of any cluster.
    Clusters,
    /// Objects with the label of this cluster.
    Cluster(ClusterName),
    /// Objects with the label of this run.
    Run(String),
}

/// A local image.
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

/// Progress of a pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Bytes downloaded, of all layers.
    pub downloaded: u64,
    /// Total bytes of the layers whose size is known so far.
    pub total: u64,
}

/// The state of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// Its activity.
    pub activity: Activity,
    /// The exit code of its last run.
    pub exit_code: i64,
    /// Number of automatic restarts.
    pub restarts: i64,
    /// Whether it was OOM-killed.
    pub out_of_memory: bool,
}

/// Which log lines to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Number of lines from the end; all when `None`.
    pub tail: Option<u32>,
    /// Whether to follow the log.
    pub follow: bool,
    /// Only lines since this UNIX time, in seconds; 0 for all.
    pub since: i64,
    /// Whether each line begins with a timestamp.
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
    /// Environment variables. They are not exposed by the container engine: neither
    /// `docker inspect` nor events contain them, and in the container only the same user can read them.
    pub env: Vec<(String, Secret)>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether its standard input is attached.
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

/// A running program in a container.
pub struct ExecSession {
    /// For [`Runtime::exec_resize`] and [`Runtime::exec_code`].
    pub id: String,
    /// Its output, until it exits.
    pub output: Pin<Box<dyn Stream<Item = Result<Output>> + Send>>,
    /// Its input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// The operations of a container engine that rcup needs.
///
/// Every call has its own deadline. Removing a missing object and starting a running container
/// succeed. The error kind distinguishes conflicts that a caller can handle: [`crate::error::ErrorKind::Subnet`],
/// [`crate::error::ErrorKind::Port`] and [`crate::error::ErrorKind::NameTaken`].
pub trait Runtime: Clone + Send + Sync + 'static {
    /// Checks that the container engine responds and is recent enough.
    fn describe(&self) -> impl Future<Output = Result<EngineInfo>> + Send;

    /// Queries the container engine and its host.
    fn details(&self) -> impl Future<Output = Result<EngineDetails>> + Send;

    /// Observes all objects in `scope`.
    fn observe(&self, scope: &Scope) -> impl Future<Output = Result<Observed>> + Send;

    /// Returns the network of that name, if it exists.
    fn network(&self, name: &str) -> impl Future<Output = Result<Option<NetworkDetails>>> + Send;

    /// Returns the image of that name, if it exists locally.
    fn image(&self, reference: &str) -> impl Future<Output = Result<Option<ImageSeen>>> + Send;

    /// Returns the images that rcup built.
    fn local_images(&self) -> impl Future<Output = Result<Vec<ImageSeen>>> + Send;

    /// Pulls an image, with the user's login for its registry. Fails if the registry does not respond within
    /// `patience`.
    fn pull(
        &self,
        reference: &str,
        patience: Duration,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> impl Future<Output = Result<()>> + Send;

    /// Imports an image from the root file system in the tar file `archive`. The changes are lines of a
    /// Dockerfile.
    fn import(
        &self,
        archive: &Path,
        reference: &str,
        changes: &[String],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Runs a program in a new container, removes the container, and returns the output.
    fn run_once(&self, request: &ProbeRequest) -> impl Future<Output = Result<String>> + Send;

    /// Creates a probe container with its files, and returns its id. It is not started, and
    /// stays until it is removed.
    fn create_probe(&self, request: &ProbeRequest) -> impl Future<Output = Result<String>> + Send;

    /// Creates a network.
    fn create_network(&self, request: &NetworkRequest) -> impl Future<Output = Result<()>> + Send;

    /// Returns the container in which this process runs, if it belongs to this container engine and has its own
    /// network.
    fn own_container(&self) -> impl Future<Output = Result<Option<OwnContainer>>> + Send;

    /// Connects the container of this process to a network, with the first free address. It is disconnected when
    /// the network is removed. Fails with [`crate::error::ErrorKind::Subnet`] if no address is free.
    fn join(
        &self,
        container: &str,
        network: &str,
        addresses: &[Ipv4Addr],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Creates a volume. An existing volume with other labels belongs to another owner: the call fails with
    /// [`crate::error::ErrorKind::NameTaken`].
    fn create_volume(&self, request: &VolumeRequest) -> impl Future<Output = Result<()>> + Send;

    /// Creates a container and returns its id. It is not started.
    fn create_container(&self, request: &ContainerRequest) -> impl Future<Output = Result<String>> + Send;

    /// Copies files to volumes, owned by the user [`crate::runtime::request::USER`], through a container that never
    /// runs and stays until it is removed.
    fn put_files(&self, request: &FilesRequest) -> impl Future<Output = Result<()>> + Send;

    /// Reads the text of a file in a container, which need not run, or on a volume mounted in it. Returns `None` if
    /// the file does not exist.
    fn read_file(&self, container: &str, path: &str) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Starts a container.
    fn start(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Resumes a paused container.
    fn resume(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Kills and removes a container and its anonymous volumes.
    fn remove_container(&self, id: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes a network.
    fn remove_network(&self, id: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes a volume.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<()>> + Send;

    /// Returns the state of a container.
    fn state(&self, container: &str) -> impl Future<Output = Result<NodeState>> + Send;

    /// Reads a container's output.
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

    /// Sets the size of the program's terminal.
    fn exec_resize(&self, id: &str, columns: u16, rows: u16) -> impl Future<Output = Result<()>> + Send;

    /// Returns the exit code of a program that has exited.
    fn exec_code(&self, id: &str) -> impl Future<Output = Result<i64>> + Send;
}
