//! Placement of a new cluster: free subnet, ports and addresses on the container engine and on this host.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::checks::reach::clients::left_out;
use crate::doctor::gather;
use crate::doctor::gather::this_machine::{neighbourhood, taken};
use crate::doctor::neighbours::neighbours;
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::retry::RetryConstraints;
use crate::runtime::interface::{EngineInfo, OwnContainer, Runtime};
use crate::runtime::network::{NetworkDetails, on_network};
use crate::runtime::observed::{NetworkSeen, Observed};
use crate::spec::cluster::ClusterSpec;
use crate::spec::modes::AnnounceChoice;
use crate::topology::address::{choose_ports, choose_subnet, gateway};
use crate::topology::hardware::Machine;
use crate::topology::layout::{Announce, Image, Placement, Topology};

/// The port of the reachability test. A refused connection also shows that there is a route.
const KNOCK: u16 = 9;

/// Timeout of the reachability test: the bridge is one hop away at most.
const PATIENCE: Duration = Duration::from_millis(200);

/// Chooses the placement.
pub(crate) fn choose(
    spec: &ClusterSpec,
    (image, images): (Image, BTreeMap<usize, Image>),
    machine: Machine,
    engine: &EngineInfo,
    observed: &Observed,
    network: Option<&NetworkDetails>,
    constraints: &RetryConstraints,
) -> Result<Placement> {
    let (mut subnets, mut ports) = taken(engine, observed);
    subnets.extend(constraints.subnets.iter().cloned());
    ports.extend(constraints.ports.iter().cloned());
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
            let (subnet, shared) = on_network(spec, name, network, observed, &constraints.addresses)?;
            (subnet, Some(shared))
        }
    };
    let placement = Placement {
        image,
        images,
        subnet,
        shared,
        first_port: choose_ports(spec, &ports, probe)?,
        bridge_reachable: !constraints.bridge_unreachable,
        open_files: gather::this_machine::open_files(engine.local)
            .filter(|_| !constraints.open_files_refused),
        own_sysctls: !constraints.sysctls_refused,
        volumes_at_home: true,
        machine,
        seed: rand::random(),
    };
    placement.check(spec)?;
    Ok(placement)
}

/// Checks that published ports are reachable from this host.
///
/// # Errors
/// [`ErrorKind::Usage`] for another host's loopback address, or an address that this host does not have.
fn published(spec: &ClusterSpec, engine: &EngineInfo) -> Result<()> {
    let cannot = |message: String, hint: String| Err(Error::new(ErrorKind::Usage, message).hint(hint));
    match (spec.publish(), engine.host()) {
        (None, Some(host)) => cannot(
            format!(
                "the container engine at {} is on another machine: ports published on its 127.0.0.1 are unreachable from here",
                engine.endpoint
            ),
            format!(
                "Pass that machine's address with `--publish {}`, preferably with --password and --tls: Docker's published \
                 ports bypass the host's firewall.",
                host.parse().unwrap_or(Ipv4Addr::new(192, 168, 1, 10))
            ),
        ),
        // Elsewhere the container engine runs in a virtual machine with addresses of its own.
        (Some(address), None)
            if engine.local
                && cfg!(target_os = "linux")
                && !gather::this_machine::is_own_address(address) =>
        {
            cannot(
                format!("{address} is not an address of this host"),
                "`ip -4 address` lists its addresses; omit --publish for 127.0.0.1.".to_owned(),
            )
        }
        _ => Ok(()),
    }
}

/// Details of the network that the user named.
pub(crate) async fn network<R: Runtime>(runtime: &R, spec: &ClusterSpec) -> Result<Option<NetworkDetails>> {
    match spec.network() {
        Some(name) => runtime.network(name).await,
        None => Ok(None),
    }
}

/// The Docker host. If its bridges are on this host, it is this host; otherwise the container engine is queried, which
/// takes longer.
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

/// Checks that the neighbour table has room for another cluster.
fn fits(spec: &ClusterSpec, observed: &Observed) -> Result<()> {
    let Some(limit) = gather::this_machine::neighbour_limit() else {
        return Ok(());
    };
    neighbours(spec.nodes(), &neighbourhood(spec, observed), limit)
}

/// Whether the container engine's bridges are on this host: the default bridge's address is then one of its
/// addresses. Without a default bridge, a local container engine on Linux is assumed to be on this host.
pub(crate) fn is_this_machine(networks: &[NetworkSeen]) -> bool {
    match default_bridge(networks) {
        Some(gateway) => gather::this_machine::is_own_address(gateway),
        None => cfg!(target_os = "linux"),
    }
}

/// The address of the default bridge.
fn default_bridge(networks: &[NetworkSeen]) -> Option<Ipv4Addr> {
    let default = networks
        .iter()
        .find(|network| network.name == "bridge" || network.name == "podman");
    Some(gateway(*default?.subnets.first()?))
}

/// Whether this host can reach the containers' own addresses. This is an estimate from before any container exists;
/// the nodes' responses confirm or refute it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) reachable: bool,
    /// The reason.
    why: String,
}

impl Reach {
    fn new(reachable: bool, why: impl Into<String>) -> Self {
        Self {
            reachable,
            why: why.into(),
        }
    }

    /// Determines the reachability. A socket of an ordinary user may belong to a rootless container engine, whose
    /// bridges are in a network namespace of their own; an address of this host may equal that of such a bridge.
    /// Otherwise, if the default bridge is not on this host, a connection attempt shows whether there is a route; a
    /// refused connection does as well.
    pub(crate) async fn measure<R: Runtime>(
        runtime: &R,
        engine: &EngineInfo,
        networks: &[NetworkSeen],
        own: Option<&OwnContainer>,
    ) -> Self {
        if let Some(own) = own {
            return Self::new(true, format!("container {} is on the nodes' network", own.name));
        }
        if !engine.local {
            return Self::new(false, "the container engine is on another machine");
        }
        if engine.user_socket && runtime.details().await.is_ok_and(|details| details.rootless) {
            return Self::new(
                false,
                "a rootless container engine has its bridges in a network namespace of its own",
            );
        }
        // Podman creates its default bridge only while a container uses it.
        if engine.podman && cfg!(target_os = "linux") {
            return Self::new(true, "Podman's bridges are on this host");
        }
        let Some(gateway) = default_bridge(networks) else {
            return Self::new(true, "there is no default bridge to test");
        };
        if gather::this_machine::is_own_address(gateway) {
            return Self::new(true, format!("the default bridge {gateway} is on this host"));
        }
        match tokio::task::spawn_blocking(move || knock(gateway)).await {
            Ok(Ok(())) => Self::new(true, format!("the default bridge {gateway} answers")),
            Ok(Err(error)) => Self::new(
                false,
                format!("the default bridge {gateway} does not answer: {error}"),
            ),
            Err(error) => Self::new(false, error.to_string()),
        }
    }

    /// Returns the advertised address and the reason in one line, and the clients for which it does not work in
    /// another.
    pub(crate) fn decided(&self, topology: &Topology, constraints: &RetryConstraints) -> Vec<String> {
        let reachable = topology.placement.bridge_reachable;
        let left_out = left_out(topology.announce, reachable, topology.name().as_str());
        std::iter::once(self.decision(topology, constraints))
            .chain(left_out)
            .collect()
    }

    fn decision(&self, topology: &Topology, constraints: &RetryConstraints) -> String {
        let subnet = topology.placement.subnet;
        let published = || {
            let first = topology.nodes.first();
            first
                .map(|node| node.host_address().ip().to_string())
                .unwrap_or_default()
        };
        let insisted = topology.spec.announce() != AnnounceChoice::Auto;
        match topology.announce {
            Announce::Ip if insisted => {
                format!("nodes advertise their own addresses in {subnet}, set by --announce")
            }
            Announce::Hostname | Announce::ClientIpv4 if insisted => format!(
                "nodes advertise {} by {}, set by --announce",
                published(),
                topology.announce.as_str()
            ),
            Announce::Ip => format!(
                "nodes advertise their own addresses, because this host reaches them in {subnet}, as containers do"
            ),
            Announce::Hostname | Announce::ClientIpv4 => {
                let why = if constraints.bridge_unreachable {
                    format!("the nodes answered on their published ports but not in {subnet}")
                } else {
                    self.why.clone()
                };
                format!(
                    "nodes advertise {} by {}, because this host does not reach their own addresses: {why}",
                    published(),
                    topology.announce.as_str()
                )
            }
        }
    }
}

/// Checks that there is a route to an address: a connection is accepted or refused. Blocks for up to [`PATIENCE`]
/// of real time, even if the executor's clock is paused: the kernel responds.
fn knock(address: Ipv4Addr) -> std::io::Result<()> {
    match TcpStream::connect_timeout(&SocketAddr::from((address, KNOCK)), PATIENCE) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fake::Fake;
    use crate::runtime::interface::EngineDetails;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::placement as place;

    fn engine(local: bool) -> EngineInfo {
        EngineInfo {
            endpoint: String::new(),
            found_by: String::new(),
            version: String::new(),
            api: String::new(),
            local,
            user_socket: false,
            podman: false,
        }
    }

    fn network(name: &str, subnet: &str) -> Vec<NetworkSeen> {
        vec![NetworkSeen {
            name: name.to_owned(),
            subnets: vec![subnet.parse().unwrap()],
            ..NetworkSeen::default()
        }]
    }

    #[tokio::test]
    async fn reachability_of_the_bridge_is_determined() {
        let fake = Fake::new();
        let reach = async |info: &EngineInfo, networks: Vec<NetworkSeen>| {
            Reach::measure(&fake, info, &networks, None).await.reachable
        };
        let (here, remote) = (engine(true), engine(false));
        let loopback = network("bridge", "127.0.0.0/8");
        assert!(reach(&here, loopback.clone()).await, "an address of this host");
        assert!(!reach(&remote, loopback.clone()).await, "remote");
        assert!(reach(&here, Vec::new()).await, "the nodes decide");
        let podman = EngineInfo {
            podman: true,
            ..engine(true)
        };
        let by_name = Reach::measure(&fake, &podman, &network("bridge", "10.88.0.0/16"), None).await;
        assert_eq!(
            by_name.why.contains("Podman"),
            cfg!(target_os = "linux"),
            "{by_name:?}"
        );
        assert!(knock(Ipv4Addr::LOCALHOST).is_ok(), "a refusal shows a route");
        assert!(
            knock(Ipv4Addr::new(224, 0, 0, 1)).is_err(),
            "a group has no route"
        );
    }

    #[tokio::test]
    async fn bridge_of_a_rootless_engine_is_unreachable() {
        let fake = Fake::new();
        let user = EngineInfo {
            user_socket: true,
            ..engine(true)
        };
        let loopback = network("bridge", "127.0.0.0/8");
        // A virtual machine's socket belongs to the user too.
        assert!(Reach::measure(&fake, &user, &loopback, None).await.reachable);
        fake.set_details(EngineDetails {
            rootless: true,
            ..EngineDetails::default()
        });
        let reach = Reach::measure(&fake, &user, &loopback, None).await;
        assert!(!reach.reachable && reach.why.contains("rootless"), "{reach:?}");
        assert!(
            Reach::measure(&fake, &engine(true), &loopback, None)
                .await
                .reachable
        );
    }

    #[test]
    fn the_decision_is_told_with_its_reason_and_with_whom_it_leaves_out() {
        let told = |choice, reachable, constraints: &RetryConstraints| {
            let spec = ClusterSpec::builder().announce(choice).build().unwrap();
            let mut placement = place(Engine::Redis, "8.0.2");
            placement.bridge_reachable = reachable;
            let topology = Topology::new(&spec, &placement).unwrap();
            Reach::new(reachable, "it was measured").decided(&topology, constraints)
        };
        let none = RetryConstraints::default();
        assert_eq!(
            told(AnnounceChoice::Auto, true, &none),
            [
                "nodes advertise their own addresses, because this host reaches them in 10.213.0.0/26, as containers do"
            ]
        );
        let hostname = told(AnnounceChoice::Auto, false, &none);
        assert_eq!(hostname.len(), 2, "{hostname:?}");
        assert_eq!(
            hostname[0],
            "nodes advertise 127.0.0.1 by hostname, because this host does not reach their own addresses: it was measured"
        );
        assert!(hostname[1].contains("--from network") && hostname[1].contains("CLUSTER NODES"));
        let constrained = RetryConstraints {
            bridge_unreachable: true,
            ..RetryConstraints::default()
        };
        assert!(told(AnnounceChoice::Auto, false, &constrained)[0].contains("published ports"));
        let chosen = told(AnnounceChoice::Hostname, true, &none);
        assert_eq!(chosen.len(), 2, "{chosen:?}");
        assert_eq!(
            chosen[0],
            "nodes advertise 127.0.0.1 by hostname, set by --announce"
        );
        assert!(chosen[1].contains("--announce ip"), "{chosen:?}");
        assert_eq!(
            told(AnnounceChoice::Ip, true, &none),
            ["nodes advertise their own addresses in 10.213.0.0/26, set by --announce"]
        );
    }
}
