//! What is known of the machine. Whoever fills it decides nothing.

use std::time::Duration;

use crate::doctor::finding::Fact;
use crate::doctor::firewall::FirewallFacts;
use crate::doctor::fix::Seat;

/// Everything that is judged.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Where the containers run, as seen from here.
    pub seat: Seat,
    /// The engine.
    pub engine: Result<EngineFacts, EngineTrouble>,
    /// All engines that were found.
    pub engines: EnginesFacts,
    /// The kernel under the containers.
    pub kernel: KernelFacts,
    /// The machine under the containers.
    pub machine: MachineFacts,
    /// Limits of open files.
    pub limits: LimitFacts,
    /// What a cluster would take.
    pub place: PlaceFacts,
    /// The rules that a packet from node to node passes.
    pub firewall: Fact<FirewallFacts>,
    /// The clocks.
    pub clock: ClockFacts,
    /// Nodes that run already, one of each cluster.
    pub nodes: Vec<NodeFacts>,
}

/// The container engines that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnginesFacts {
    /// The endpoint that is used, and how it was found.
    pub chosen: Option<(String, String)>,
    /// Whether the user selected it.
    pub is_selected: bool,
    /// The other sockets that exist.
    pub others: Vec<SocketFacts>,
    /// A problem with Docker's configuration.
    pub warning: Option<String>,
}

/// The socket of a container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFacts {
    /// Its URL.
    pub endpoint: String,
    /// Whose socket it is.
    pub product: String,
    /// Why it accepts no connection.
    pub failure: Option<String>,
}

/// Why there is no engine to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineTrouble {
    /// What failed.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

/// What kind of engine it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// On this kernel, as root.
    Native,
    /// On this kernel, without root.
    Rootless,
    /// In a virtual machine on this computer; the product's name.
    Machine(String),
    /// On another machine.
    Remote,
}

/// The engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its version.
    pub version: String,
    /// The version of its API.
    pub api: String,
    /// Where it listens.
    pub endpoint: String,
    /// What kind it is.
    pub kind: Kind,
    /// Whether it is Podman.
    pub podman: bool,
    /// The storage driver.
    pub driver: String,
    /// The version of control groups, `1` or `2`.
    pub cgroup: String,
    /// Whether it can limit the memory of containers.
    pub limits_memory: bool,
    /// Whether an address on its bridges answers from here, and how that was found out.
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
    /// `net.core.somaxconn` of the machine's own network namespace.
    pub somaxconn: Fact<u64>,
    /// `net.ipv4.tcp_max_syn_backlog` of the machine's own network namespace.
    pub tcp_max_syn_backlog: Fact<u64>,
    /// `vm.swappiness`.
    pub swappiness: Fact<u64>,
    /// Bytes of swap, and how many of them are in use.
    pub swap: Fact<(u64, u64)>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct MachineFacts {
    /// Processor cores.
    pub cores: Fact<u64>,
    /// Bytes of memory.
    pub memory: Fact<u64>,
    /// The disk on which volumes lie.
    pub disk: Fact<Disk>,
    /// How long it takes until a small write is on it. Only looked at when asked for.
    pub fsync: Option<Fact<Fsync>>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The engine's directory on it.
    pub path: String,
    /// Free bytes.
    pub free: u64,
    /// Whether it has turning plates, where the kernel tells.
    pub rotational: Option<bool>,
}

/// Small writes, each followed by an fsync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fsync {
    /// How many.
    pub writes: u32,
    /// Half of them were quicker.
    pub p50: Duration,
    /// Of a hundred, one was slower.
    pub p99: Duration,
    /// The slowest.
    pub max: Duration,
}

/// Limits of open files.
#[derive(Clone, Debug)]
pub struct LimitFacts {
    /// The engine's own.
    pub engine: Fact<u64>,
    /// What rcup asks for a node; `None` leaves it to the engine, because rcup's own limit is too small.
    pub node: Option<u64>,
}

/// What a cluster would take, or why it cannot.
#[derive(Clone, Debug)]
pub struct PlaceFacts {
    /// The image, by name.
    pub image: Result<String, EngineTrouble>,
    /// Whether a start may get the image from its registry.
    pub may_pull: bool,
    /// The subnet.
    pub subnet: Result<String, EngineTrouble>,
    /// The first and the last port.
    pub ports: Result<(u16, u16), EngineTrouble>,
    /// How many neighbour entries the kernel keeps.
    pub neighbour_limit: Fact<usize>,
    /// How many packets the kernel queues for a processor.
    pub backlog: Fact<usize>,
    /// How many of the nodes call one that is not there yet.
    pub callers: usize,
    /// The sizes of the clusters that run already.
    pub others: Vec<usize>,
}

/// The clocks.
#[derive(Clone, Debug)]
pub struct ClockFacts {
    /// By how many milliseconds the engine's clock is ahead of this machine's; and how exactly that was measured.
    pub ahead: Fact<(i64, u64)>,
    /// What keeps the machine's clock right, if anything does.
    pub keeper: Fact<Option<String>>,
}

/// What a running node sees from inside.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// Its container's name.
    pub name: String,
    /// Whether rcup asked for its kernel settings.
    pub asked: bool,
    /// `net.core.somaxconn` in its network namespace.
    pub somaxconn: Fact<u64>,
    /// `net.ipv4.tcp_max_syn_backlog` there.
    pub syn_backlog: Fact<u64>,
    /// The limit of open files of its server.
    pub open_files: Fact<u64>,
    /// How many bytes of memory rcup asked for at most, where it did.
    pub asked_memory: Option<u64>,
    /// How many it may have; the largest number there is for no limit.
    pub memory: Fact<u64>,
}
