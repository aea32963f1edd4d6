//! Assigns each node a host and a port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::export::spread::host_of;
use crate::spec::cluster::BUS_OFFSET;
use crate::topology::layout::Topology;

/// The port of the first node of a host if the user names none: the default port of Redis.
const FIRST_PORT: u16 = 6379;

/// The machines, and the clients that may connect to the nodes on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareMetal {
    /// The addresses of the machines, at which the nodes reach each other.
    pub hosts: Vec<Ipv4Addr>,
    /// The networks of the clients. The hosts themselves always have access.
    pub clients: Vec<Ipv4Net>,
}

/// Returns the topology with the nodes placed on the machines, with their addresses and ports.
///
/// # Errors
/// [`ErrorKind::Usage`] if there are too few hosts, if a host is named twice, or if a port is too high for its bus
/// port.
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
