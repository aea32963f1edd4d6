//! Where a new cluster goes: what the engine and this machine leave free.

use std::net::Ipv4Addr;

use super::host;
use crate::check::neighbours;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Activity, NetworkDetails, NetworkSeen, Observed, on_network};
use crate::runtime::{EngineInfo, Runtime};
use crate::spec::ClusterSpec;
use crate::topology::{
    Image, Machine, Surroundings, TakenPort, TakenSubnet, choose_ports, choose_subnet, gateway,
};

/// What an earlier attempt of the same start has learnt the hard way.
#[derive(Clone, Debug, Default)]
pub(super) struct Lessons {
    /// Subnets that the engine refused.
    pub(super) subnets: Vec<TakenSubnet>,
    /// Ports that the engine could not publish.
    pub(super) ports: Vec<TakenPort>,
    /// Addresses on the user's network that the engine did not grant.
    pub(super) addresses: Vec<Ipv4Addr>,
    /// The bridge could not be reached after all.
    pub(super) bridge_unreachable: bool,
    /// The engine could not grant the limit of open files.
    pub(super) open_files_refused: bool,
    /// The engine could not grant kernel settings of a node's own.
    pub(super) sysctls_refused: bool,
}

/// Chooses.
pub(super) fn surroundings(
    spec: &ClusterSpec,
    image: Image,
    machine: Machine,
    engine: &EngineInfo,
    observed: &Observed,
    network: Option<&NetworkDetails>,
    lessons: &Lessons,
) -> Result<Surroundings> {
    spec.check_for(image.server)?;
    let (mut subnets, mut ports) = taken(engine, observed);
    subnets.extend(lessons.subnets.iter().cloned());
    ports.extend(lessons.ports.iter().cloned());
    let mut probe = |port: u16| host::port_holder(spec.published(), port);
    let mut elsewhere = |_: u16| None;
    published(spec, engine)?;
    if engine.local {
        fits(spec, observed)?;
    }
    let probe: &mut dyn FnMut(u16) -> Option<String> = if engine.local { &mut probe } else { &mut elsewhere };
    let (subnet, shared) = match spec.network() {
        None => (choose_subnet(spec, &subnets)?, None),
        Some(name) => {
            let (subnet, shared) = on_network(spec, name, network, observed, &lessons.addresses)?;
            (subnet, Some(shared))
        }
    };
    Ok(Surroundings {
        image,
        subnet,
        shared,
        first_port: choose_ports(spec, &ports, probe)?,
        bridge_reachable: engine.local && !lessons.bridge_unreachable && reaches_bridges(&observed.networks),
        open_files: host::open_files(engine.local).filter(|_| !lessons.open_files_refused),
        own_sysctls: !lessons.sysctls_refused,
        machine,
        seed: rand::random(),
    })
}

/// Whether what is published can be reached from here.
///
/// # Errors
/// [`ErrorKind::Usage`] when it lies on another machine's loopback address, or on an address that is not this
/// machine's.
fn published(spec: &ClusterSpec, engine: &EngineInfo) -> Result<()> {
    let cannot = |message: String, hint: String| Err(Error::new(ErrorKind::Usage, message).hint(hint));
    match (spec.publish(), engine.host()) {
        (None, Some(host)) => cannot(
            format!(
                "the engine at {} is on another machine, and nodes published on its 127.0.0.1 are not reached from here",
                engine.endpoint
            ),
            format!(
                "Name the address of that machine at which clients reach it, such as `--publish {}`, best with --password \
                 and --tls: Docker's published ports bypass a host's firewall.",
                host.parse().unwrap_or(Ipv4Addr::new(192, 168, 1, 10))
            ),
        ),
        // What a virtual machine has is not this machine's, so only Linux can tell.
        (Some(address), None)
            if engine.local && cfg!(target_os = "linux") && !host::is_own_address(address) =>
        {
            cannot(
                format!("{address} is not an address of this machine"),
                "`ip -4 address` lists those that are; leave --publish out for 127.0.0.1.".to_owned(),
            )
        }
        _ => Ok(()),
    }
}

/// The network that the user named, as it is.
pub(super) async fn network<R: Runtime>(runtime: &R, spec: &ClusterSpec) -> Result<Option<NetworkDetails>> {
    match spec.network() {
        Some(name) => runtime.network(name).await,
        None => Ok(None),
    }
}

/// The machine on which the containers run. Where this one reaches the bridges, it is this one; else the
/// engine is asked, which takes longer.
pub(super) async fn machine<R: Runtime>(
    runtime: &R,
    engine: &EngineInfo,
    observed: &Observed,
) -> Result<Machine> {
    if engine.local && reaches_bridges(&observed.networks) {
        let here = host::this_machine();
        if here.memory.is_some() {
            return Ok(here);
        }
    }
    let details = runtime.details().await?;
    Ok(Machine {
        memory: (details.memory > 0).then_some(details.memory),
        cores: (details.cores > 0).then_some(details.cores),
    })
}

/// The subnets and ports that are in use, as far as the engine and this machine's routes tell.
pub(super) fn taken(engine: &EngineInfo, observed: &Observed) -> (Vec<TakenSubnet>, Vec<TakenPort>) {
    let mut subnets = observed.taken_subnets();
    if engine.local {
        subnets.extend(host::routes());
    }
    (subnets, observed.taken_ports())
}

/// The sizes of the other clusters that run.
pub(super) fn neighbourhood(spec: &ClusterSpec, observed: &Observed) -> Vec<usize> {
    observed
        .clusters()
        .iter()
        .filter(|name| *name != spec.name())
        .map(|name| {
            observed
                .of(name)
                .containers
                .iter()
                .filter(|node| node.activity == Activity::Running)
                .count()
        })
        .filter(|running| *running > 0)
        .collect()
}

/// Whether this machine has room for the cluster beside those that run.
fn fits(spec: &ClusterSpec, observed: &Observed) -> Result<()> {
    let Some(limit) = host::neighbour_limit() else {
        return Ok(());
    };
    neighbours(spec.nodes(), &neighbourhood(spec, observed), limit)
}

/// Whether this machine reaches the engine's bridges: the default bridge's own address is then one of
/// this machine's. Without a default bridge, Linux is taken at its word; the start finds out.
pub(super) fn reaches_bridges(networks: &[NetworkSeen]) -> bool {
    let default = networks
        .iter()
        .find(|network| network.name == "bridge" || network.name == "podman")
        .and_then(|network| network.subnets.first());
    match default {
        Some(subnet) => host::is_own_address(gateway(*subnet)),
        None => cfg!(target_os = "linux") && host::is_own_address(Ipv4Addr::LOCALHOST),
    }
}
