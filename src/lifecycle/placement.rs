//! Where a new cluster goes: what the engine and this machine leave free.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::checks::reach::clients::left_out;
use crate::doctor::gather;
use crate::doctor::gather::this_machine::{neighbourhood, taken};
use crate::doctor::neighbours::neighbours;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::interface::{EngineInfo, OwnContainer, Runtime};
use crate::runtime::network::{NetworkDetails, on_network};
use crate::runtime::observed::{NetworkSeen, Observed};
use crate::spec::cluster::ClusterSpec;
use crate::spec::modes::AnnounceChoice;
use crate::topology::address::{TakenPort, TakenSubnet, choose_ports, choose_subnet, gateway};
use crate::topology::hardware::Machine;
use crate::topology::layout::{Announce, Image, Surroundings, Topology};

/// The port at which a bridge is knocked at. That nobody listens there is as good an answer as any.
const KNOCK: u16 = 9;

/// How long a bridge may take to answer that is a hop away at most.
const PATIENCE: Duration = Duration::from_millis(200);

/// What an earlier attempt of the same start has learnt the hard way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lessons {
    /// Subnets that the engine refused.
    pub(crate) subnets: Vec<TakenSubnet>,
    /// Ports that the engine could not publish.
    pub(crate) ports: Vec<TakenPort>,
    /// Addresses on the user's network that the engine did not grant.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The bridge cannot be reached.
    pub(crate) bridge_unreachable: bool,
    /// The engine could not grant the limit of open files.
    pub(crate) open_files_refused: bool,
    /// The engine could not grant kernel settings of a node's own.
    pub(crate) sysctls_refused: bool,
}

impl Lessons {
    /// With what was measured beside what was learnt.
    pub(crate) fn and(&self, reach: &Reach) -> Self {
        Self {
            bridge_unreachable: self.bridge_unreachable || !reach.reachable,
            ..self.clone()
        }
    }
}

/// Chooses.
pub(crate) fn surroundings(
    spec: &ClusterSpec,
    (image, images): (Image, BTreeMap<usize, Image>),
    machine: Machine,
    engine: &EngineInfo,
    observed: &Observed,
    network: Option<&NetworkDetails>,
    lessons: &Lessons,
) -> Result<Surroundings> {
    let (mut subnets, mut ports) = taken(engine, observed);
    subnets.extend(lessons.subnets.iter().cloned());
    ports.extend(lessons.ports.iter().cloned());
    let mut probe = |port: u16| gather::this_machine::port_holder(spec.published(), port);
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
    let surroundings = Surroundings {
        image,
        images,
        subnet,
        shared,
        first_port: choose_ports(spec, &ports, probe)?,
        bridge_reachable: !lessons.bridge_unreachable,
        open_files: gather::this_machine::open_files(engine.local).filter(|_| !lessons.open_files_refused),
        own_sysctls: !lessons.sysctls_refused,
        machine,
        seed: rand::random(),
    };
    surroundings.check(spec)?;
    Ok(surroundings)
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
            if engine.local
                && cfg!(target_os = "linux")
                && !gather::this_machine::is_own_address(address) =>
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
pub(crate) async fn network<R: Runtime>(runtime: &R, spec: &ClusterSpec) -> Result<Option<NetworkDetails>> {
    match spec.network() {
        Some(name) => runtime.network(name).await,
        None => Ok(None),
    }
}

/// The machine on which the containers run. Where the bridges are this one's, it is this one; else the
/// engine is asked, which takes longer.
pub(crate) async fn machine<R: Runtime>(
    runtime: &R,
    engine: &EngineInfo,
    observed: &Observed,
) -> Result<Machine> {
    if engine.local && is_this_machine(&observed.networks) {
        let here = gather::this_machine::this_machine();
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

/// Whether this machine has room for the cluster beside those that run.
fn fits(spec: &ClusterSpec, observed: &Observed) -> Result<()> {
    let Some(limit) = gather::this_machine::neighbour_limit() else {
        return Ok(());
    };
    neighbours(spec.nodes(), &neighbourhood(spec, observed), limit)
}

/// Whether the engine's bridges are this machine's: the default bridge's own address is then one of its addresses.
/// Without a default bridge, Linux is taken at its word.
pub(crate) fn is_this_machine(networks: &[NetworkSeen]) -> bool {
    match default_bridge(networks) {
        Some(gateway) => gather::this_machine::is_own_address(gateway),
        None => cfg!(target_os = "linux"),
    }
}

fn default_bridge(networks: &[NetworkSeen]) -> Option<Ipv4Addr> {
    let default = networks
        .iter()
        .find(|network| network.name == "bridge" || network.name == "podman");
    Some(gateway(*default?.subnets.first()?))
}

/// Whether this machine has a way to containers' own addresses, as far as it can be measured before there are any.
/// The nodes themselves have the last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) reachable: bool,
    /// By what this is known.
    why: String,
}

impl Reach {
    fn new(reachable: bool, why: impl Into<String>) -> Self {
        Self {
            reachable,
            why: why.into(),
        }
    }

    /// Measures. A bridge that is this machine's costs nothing to look at; another is knocked at: whether somebody
    /// answers or refuses, the way there is open.
    pub(crate) async fn measure(
        engine: &EngineInfo,
        networks: &[NetworkSeen],
        own: Option<&OwnContainer>,
    ) -> Self {
        if let Some(own) = own {
            return Self::new(
                true,
                format!("the container {} is on the nodes' network", own.name),
            );
        }
        if !engine.local {
            return Self::new(false, "the engine is on another machine");
        }
        let Some(gateway) = default_bridge(networks) else {
            return Self::new(true, "the engine has no default bridge to measure by");
        };
        if gather::this_machine::is_own_address(gateway) {
            return Self::new(true, format!("the engine's bridge {gateway} is this host's"));
        }
        match tokio::task::spawn_blocking(move || knock(gateway)).await {
            Ok(Ok(())) => Self::new(true, format!("the engine's bridge {gateway} answers")),
            Ok(Err(error)) => Self::new(
                false,
                format!("the engine's bridge {gateway} does not answer: {error}"),
            ),
            Err(error) => Self::new(false, error.to_string()),
        }
    }

    /// What was decided, and why, in one line, and whom that leaves out, in another; after the nodes have answered.
    pub(crate) fn decided(&self, topology: &Topology, lessons: &Lessons) -> Vec<String> {
        let reachable = topology.surroundings.bridge_reachable;
        let left_out = left_out(topology.announce, reachable, topology.name().as_str());
        std::iter::once(self.decision(topology, lessons))
            .chain(left_out)
            .collect()
    }

    fn decision(&self, topology: &Topology, lessons: &Lessons) -> String {
        let subnet = topology.surroundings.subnet;
        let published = || {
            let first = topology.nodes.first();
            first
                .map(|node| node.host_address().ip().to_string())
                .unwrap_or_default()
        };
        let insisted = topology.spec.announce() != AnnounceChoice::Auto;
        match topology.announce {
            Announce::Ip if insisted => {
                format!("nodes announce their own addresses in {subnet}, as --announce has it")
            }
            Announce::Hostname | Announce::ClientIpv4 if insisted => format!(
                "nodes announce {} by {}, as --announce has it",
                published(),
                topology.announce.as_str()
            ),
            Announce::Ip => format!(
                "nodes announce their own addresses, because this host reaches them in {subnet}, as containers do"
            ),
            Announce::Hostname | Announce::ClientIpv4 => {
                let why = if lessons.bridge_unreachable {
                    format!("the nodes answered this host on their published ports, and not in {subnet}")
                } else {
                    self.why.clone()
                };
                format!(
                    "nodes announce {} by {}, because this host does not reach their own addresses: {why}",
                    published(),
                    topology.announce.as_str()
                )
            }
        }
    }
}

/// Whether there is a way to an address: somebody answers there, or refuses. Blocks for so long, and not by the
/// executor's clock: the answer is the kernel's.
fn knock(address: Ipv4Addr) -> std::io::Result<()> {
    match TcpStream::connect_timeout(&SocketAddr::from((address, KNOCK)), PATIENCE) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::surroundings as place;

    fn engine(local: bool) -> EngineInfo {
        EngineInfo {
            endpoint: String::new(),
            found_by: String::new(),
            version: String::new(),
            api: String::new(),
            local,
        }
    }

    fn bridge(subnet: &str) -> Vec<NetworkSeen> {
        vec![NetworkSeen {
            name: "bridge".to_owned(),
            subnets: vec![subnet.parse().unwrap()],
            ..NetworkSeen::default()
        }]
    }

    #[tokio::test]
    async fn the_way_to_the_bridge_is_measured() {
        let reach = |local, networks: Vec<NetworkSeen>| async move {
            Reach::measure(&engine(local), &networks, None).await.reachable
        };
        assert!(
            reach(true, bridge("127.0.0.0/8")).await,
            "an address of this host"
        );
        assert!(
            !reach(false, bridge("127.0.0.0/8")).await,
            "another machine's engine"
        );
        assert!(reach(true, Vec::new()).await, "the nodes will tell");
        assert!(knock(Ipv4Addr::LOCALHOST).is_ok(), "a refusal is an answer");
        assert!(
            knock(Ipv4Addr::new(224, 0, 0, 1)).is_err(),
            "no way leads to a group"
        );
    }

    #[test]
    fn the_decision_is_told_with_its_reason_and_with_whom_it_leaves_out() {
        let told = |choice, reachable, lessons: &Lessons| {
            let spec = ClusterSpec::builder().announce(choice).build().unwrap();
            let mut surroundings = place(Engine::Redis, "8.0.2");
            surroundings.bridge_reachable = reachable;
            let topology = Topology::new(&spec, &surroundings).unwrap();
            Reach::new(reachable, "it was measured").decided(&topology, lessons)
        };
        let none = Lessons::default();
        assert_eq!(
            told(AnnounceChoice::Auto, true, &none),
            [
                "nodes announce their own addresses, because this host reaches them in 10.213.0.0/26, as containers do"
            ]
        );
        let hostname = told(AnnounceChoice::Auto, false, &none);
        assert_eq!(hostname.len(), 2, "{hostname:?}");
        assert_eq!(
            hostname[0],
            "nodes announce 127.0.0.1 by hostname, because this host does not reach their own addresses: it was measured"
        );
        assert!(hostname[1].contains("--from network") && hostname[1].contains("CLUSTER NODES"));
        let learnt = Lessons {
            bridge_unreachable: true,
            ..Lessons::default()
        };
        assert!(told(AnnounceChoice::Auto, false, &learnt)[0].contains("published ports"));
        let chosen = told(AnnounceChoice::Hostname, true, &none);
        assert_eq!(chosen.len(), 2, "{chosen:?}");
        assert_eq!(
            chosen[0],
            "nodes announce 127.0.0.1 by hostname, as --announce has it"
        );
        assert!(chosen[1].contains("--announce ip"), "{chosen:?}");
        assert_eq!(
            told(AnnounceChoice::Ip, true, &none),
            ["nodes announce their own addresses in 10.213.0.0/26, as --announce has it"]
        );
    }
}
