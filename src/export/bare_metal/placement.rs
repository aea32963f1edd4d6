//! Which node runs on which host, and under which port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::BUS_OFFSET;
use crate::topology::layout::{Node, Role, Topology};

/// The port of a host's first node where the user names none: the one that Redis has by default.
const FIRST_PORT: u16 = 6379;

/// The machines and who may talk to the nodes on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareMetal {
    /// The machines' addresses, under which the nodes reach each other.
    pub hosts: Vec<Ipv4Addr>,
    /// From where clients come; the hosts themselves are always let in.
    pub clients: Vec<Ipv4Net>,
}

/// On which of so many hosts, counted from 0, a node runs: masters in turn, and every replica a further host on.
pub fn host_of(topology: &Topology, node: &Node, hosts: usize) -> usize {
    let home = node.shard - 1;
    let at = match node.role {
        Role::Replica if hosts > 1 => {
            let nth = (node.index - 1) / topology.shards.len();
            home + 1 + (nth - 1) % (hosts - 1)
        }
        Role::Master | Role::Replica => home,
    };
    at % hosts
}

/// The same topology with the nodes on the machines, under their addresses and ports.
///
/// # Errors
/// [`ErrorKind::Usage`] when the hosts are too few, or are named twice, or a port leaves no room for the bus.
pub fn on_machines(topology: &Topology, place: &BareMetal) -> Result<Topology> {
    let usage =
        |message: String, hint: &str| Err(Error::new(ErrorKind::Usage, message).hint(hint.to_owned()));
    let hosts = &place.hosts;
    let mut seen = BTreeSet::new();
    if let Some(twice) = hosts.iter().find(|host| !seen.insert(**host)) {
        return usage(
            format!("host {twice} is named twice"),
            "Name each host once with --hosts; several nodes share a host by themselves.",
        );
    }
    if hosts.is_empty() {
        return usage(
            "no host is named".to_owned(),
            "Name them: --hosts 10.0.0.1,10.0.0.2,10.0.0.3.",
        );
    }
    if hosts.len() == 1 && topology.spec.replicas() > 0 {
        return usage(
            format!(
                "with the single host {} every replica would lie on its master's",
                hosts[0]
            ),
            "Name at least two hosts with --hosts, or ask for --replicas 0.",
        );
    }
    let first = topology.spec.port().unwrap_or(FIRST_PORT);
    let mut placed = topology.clone();
    let mut next: BTreeMap<Ipv4Addr, u16> = BTreeMap::new();
    for node in &mut placed.nodes {
        let at = host_of(topology, node, hosts.len());
        node.ip = hosts[at];
        let port = next.entry(node.ip).or_insert(first);
        node.port = *port;
        if *port > u16::MAX - BUS_OFFSET {
            return usage(
                format!("port {port} leaves no room for the bus, {BUS_OFFSET} higher"),
                "Choose a lower first port with --port, or name more --hosts.",
            );
        }
        *port += 1;
    }
    Ok(placed)
}
