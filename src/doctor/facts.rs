//! Facts about the host. Other modules evaluate them.

use std::time::Duration;

use crate::doctor::finding::Fact;
use crate::doctor::firewall::FirewallFacts;
use crate::doctor::fix::Seat;

/// All facts that `rcup doctor` checks.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Where the containers run, relative to this machine.
    pub seat: Seat,
    /// The container engine.
    pub engine: Result<EngineFacts, EngineTrouble>,
    /// All container engines that were found.
    pub engines: EnginesFacts,
    /// Kernel settings of the Docker host.
    pub kernel: KernelFacts,
    /// Hardware of the Docker host.
    pub machine: MachineFacts,
    /// Limits of open files.
    pub limits: LimitFacts,
    /// Resources for a new cluster.
    pub place: PlaceFacts,
    /// Firewall rules that apply to packets between nodes.
    pub firewall: Fact<FirewallFacts>,
    /// The clocks.
    pub clock: ClockFacts,
    /// Running nodes, one per cluster.
    pub nodes: Vec<NodeFacts>,
}

/// The container engines that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnginesFacts {
    /// Endpoint of the selected container engine, and how it was found.
    pub chosen: Option<(String, String)>,
    /// Whether the user selected it.
    pub is_selected: bool,
    /// Other sockets that exist.
    pub others: Vec<SocketFacts>,
    /// A problem with Docker's configuration.
    pub warning: Option<String>,
}

/// The socket of a container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFacts {
    /// Its URL.
    pub endpoint: String,
    /// Product that the socket belongs to.
    pub product: String,
    /// Why it accepts no connection.
    pub failure: Option<String>,
}

/// Why no container engine is available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineTrouble {
    /// What failed.
    pub message: String,
    /// Suggested fix.
    pub hint: Option<String>,
}

/// Kind of container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// On this machine's kernel, as root.
    Native,
    /// On this machine's kernel, rootless.
    Rootless,
    /// In a virtual machine on this machine; contains the product name.
    Machine(String),
    /// On another machine.
    Remote,
}

/// The container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFacts {
    /// Version.
    pub version: String,
    /// API version.
    pub api: String,
    /// Endpoint.
    pub endpoint: String,
    /// Kind.
    pub kind: Kind,
    /// Whether it is Podman.
    pub podman: bool,
    /// Storage driver.
    pub driver: String,
    /// cgroup version, `1` or `2`.
    pub cgroup: String,
    /// Whether it can limit the memory of containers.
    pub limits_memory: bool,
    /// Whether this machine can reach an address on a bridge network of the container engine, with the
    /// evidence.
    pub bridge: Fact<(bool, String)>,
}

/// Kernel settings, as the kernel prints them.
#[derive(Clone, Debug)]
pub struct KernelFacts {
    /// `/sys/kernel/mm/transparent_hugepage/enabled`, such as `always [madvise] never`.
    pub thp_enabled: Fact<String>,
    /// `/sys/kernel/mm/transparent_hugepage/defrag`.
    pub thp_defrag: Fact<String>,
    /// `vm.overcommit_memory`.
    pub overcommit_memory: Fact<u64>,
    /// `net.core.somaxconn` in the host's own network namespace.
    pub somaxconn: Fact<u64>,
    /// `net.ipv4.tcp_max_syn_backlog` in the host's own network namespace.
    pub tcp_max_syn_backlog: Fact<u64>,
    /// `vm.swappiness`.
    pub swappiness: Fact<u64>,
    /// Size of swap and used swap, in bytes.
    pub swap: Fact<(u64, u64)>,
}

/// Hardware.
#[derive(Clone, Debug)]
pub struct MachineFacts {
    /// CPU cores.
    pub cores: Fact<u64>,
    /// Memory in bytes.
    pub memory: Fact<u64>,
    /// The disk that holds the volumes.
    pub disk: Fact<Disk>,
    /// Duration of small synced writes; only measured on request.
    pub fsync: Option<Fact<Fsync>>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The container engine's data directory on this disk.
    pub path: String,
    /// Free bytes.
    pub free: u64,
    /// Whether the disk is rotational, if the kernel reports it.
    pub rotational: Option<bool>,
}

/// Small writes, each followed by an fsync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fsync {
    /// Number of writes.
    pub writes: u32,
    /// Median.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// Maximum.
    pub max: Duration,
}

/// Limits of open files.
#[derive(Clone, Debug)]
pub struct LimitFacts {
    /// Limit of the container engine's process.
    pub engine: Fact<u64>,
    /// Limit that rcup requests for a node. `None` keeps the container engine's default, because rcup's own
    /// limit is too small.
    pub node: Option<u64>,
}

/// Resources for a new cluster, or why one is not available.
#[derive(Clone, Debug)]
pub struct PlaceFacts {
    /// Image reference.
    pub image: Result<String, EngineTrouble>,
    /// Whether a start may pull the image.
    pub may_pull: bool,
    /// Subnet.
    pub subnet: Result<String, EngineTrouble>,
    /// First and last port.
    pub ports: Result<(u16, u16), EngineTrouble>,
    /// Maximum number of neighbour entries in the kernel.
    pub neighbour_limit: Fact<usize>,
    /// Maximum number of packets that the kernel queues per processor.
    pub backlog: Fact<usize>,
    /// Number of nodes that try to connect to a node that has not started yet.
    pub callers: usize,
    /// Sizes of the clusters that already run.
    pub others: Vec<usize>,
}

/// The clocks.
#[derive(Clone, Debug)]
pub struct ClockFacts {
    /// How many milliseconds the Docker host's clock is ahead of this machine's, and the error of the
    /// measurement in milliseconds.
    pub ahead: Fact<(i64, u64)>,
    /// The time sync service, if one was found.
    pub keeper: Fact<Option<String>>,
}

/// Settings and limits as seen inside a running node.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// Container name.
    pub name: String,
    /// Whether rcup requested the kernel settings for the node.
    pub asked: bool,
    /// `net.core.somaxconn` in the node's network namespace.
    pub somaxconn: Fact<u64>,
    /// `net.ipv4.tcp_max_syn_backlog` in the node's network namespace.
    pub syn_backlog: Fact<u64>,
    /// Limit of open files of the server process.
    pub open_files: Fact<u64>,
    /// Memory limit that rcup requested in bytes, if any.
    pub asked_memory: Option<u64>,
    /// Effective memory limit in bytes; `u64::MAX` if unlimited.
    pub memory: Fact<u64>,
}
