//! Imports the ports of the nodes and the addresses on which they are published.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::import::compose::Reading;
use crate::import::node::Member;
use crate::import::service::ports;
use crate::import::shell::is_unknown;
use crate::spec::cluster::BUS_OFFSET;

impl Reading<'_> {
    /// Returns the first port of the nodes, and the address on which the ports are published.
    pub(crate) fn published(&mut self, nodes: usize) -> Vec<(String, String)> {
        self.port_faults();
        let mut settings = Vec::new();
        let all: BTreeSet<u16> = self.nodes.iter().flat_map(client_ports).collect();
        if let (Some(first), Some(last)) = (all.first().copied(), all.last().copied()) {
            let line = self.nodes[0].service.line;
            let list = || all.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            let most = u16::MAX - BUS_OFFSET;
            let end = usize::from(first) + nodes - 1;
            if end > usize::from(most) {
                let text = format!("ports {} are not imported: rcup uses ports up to {most}", list());
                self.note(line, true, text);
            } else {
                if all.len() != nodes || usize::from(last) != end {
                    let text = format!(
                        "the published ports are {}; rcup publishes one for each node, {first} to {end}",
                        list()
                    );
                    self.note(line, false, text);
                }
                settings.push(("port".to_owned(), first.to_string()));
            }
        }
        settings.extend(self.publish());
        settings
    }

    /// Returns the `publish` setting: the host address to which clients connect.
    fn publish(&mut self) -> Option<(String, String)> {
        let hosts: BTreeSet<String> = self
            .nodes
            .iter()
            .flat_map(|node| ports(node.service))
            .map(|port| port.host.unwrap_or_else(|| "0.0.0.0".to_owned()))
            .collect();
        let is_outside = |address: &Ipv4Addr| !address.is_loopback() && !address.is_unspecified();
        let parsed = |text: &str| text.parse::<Ipv4Addr>().ok().filter(is_outside);
        let announced: BTreeSet<&str> = self
            .nodes
            .iter()
            .filter_map(|node| node.value("cluster-announce-ip"))
            .collect();
        let same = |all: &BTreeSet<&str>| {
            all.first()
                .filter(|_| all.len() == 1)
                .and_then(|text| parsed(text))
        };
        let is_published = !hosts.is_empty();
        let own: Vec<&str> = self.nodes.iter().flat_map(Member::addresses).collect();
        // Nodes can share an announced address only if it is that of the host.
        let of_host = same(&announced).filter(|address| !own.contains(&address.to_string().as_str()));
        if let Some(address) = of_host.filter(|_| is_published || self.nodes.len() > 1) {
            return Some(("publish".to_owned(), address.to_string()));
        }
        let line = self.nodes[0].line;
        if announced.iter().any(|text| {
            text.parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
        }) {
            self.note(
                line,
                false,
                "`cluster-announce-ip` is not imported: rcup announces 127.0.0.1 by itself where that is needed; see `--announce`",
            );
        }
        if self
            .nodes
            .iter()
            .any(|node| node.value("cluster-announce-hostname").is_some())
        {
            self.note(
                line,
                false,
                "`cluster-announce-hostname` is not imported: rcup's nodes announce addresses; see `--announce`",
            );
        }
        let bound: BTreeSet<&str> = hosts.iter().map(String::as_str).collect();
        same(&bound).map(|address| ("publish".to_owned(), address.to_string()))
    }

    /// Adds one note for each kind of problem, at the first line that has it.
    fn port_faults(&mut self) {
        let mut first: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        for node in &self.nodes {
            for port in ports(node.service) {
                let mut say = |kind, text: String| {
                    first.entry(kind).or_insert((port.line, text));
                };
                let inside = port.inside;
                if inside == node.bus() {
                    say(
                        "bus",
                        format!("{inside} is the cluster bus, which no client needs: do not publish it"),
                    );
                } else if port.published != Some(inside) && node.value("cluster-announce-port").is_none() {
                    let published = port
                        .published
                        .map_or_else(|| "any free port".to_owned(), |port| port.to_string());
                    say(
                        "number",
                        format!(
                            "port {inside} is published as {published}, but the node announces {inside}: a client on this host \
                             that is redirected reaches another node or none. rcup uses one number everywhere"
                        ),
                    );
                }
                if port.host.is_none() {
                    say(
                        "everywhere",
                        "without an address, the port is open to the whole network, past the host's firewall; rcup publishes on \
                         127.0.0.1"
                            .to_owned(),
                    );
                }
            }
        }
        for (line, text) in first.into_values() {
            self.note(line, true, text);
        }
    }
}

/// Returns the ports at which clients reach the node: the published ports, or with host networking the node's own.
fn client_ports(node: &Member<'_>) -> Vec<u16> {
    let is_host = node
        .service
        .get("network_mode")
        .is_some_and(|mode| mode.text() == "host");
    if is_host {
        return vec![node.port()];
    }
    let all = ports(node.service);
    // If only a shell can determine the port, all published ports count except those of the bus.
    let is_any = node.value("port").is_some_and(is_unknown);
    let is_bus = |bus: u16| {
        all.iter()
            .any(|port| port.inside.checked_add(BUS_OFFSET) == Some(bus))
    };
    let is_client = |inside: u16| {
        if is_any {
            !is_bus(inside)
        } else {
            inside == node.port()
        }
    };
    all.iter()
        .filter(|port| is_client(port.inside))
        .filter_map(|port| port.published)
        .collect()
}
