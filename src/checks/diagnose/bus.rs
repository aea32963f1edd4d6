//! Cluster bus links that are down, and their causes.

use std::collections::BTreeMap;

use crate::checks::diagnose::finding::Finding;
use crate::checks::diagnose::observed::{BusAnswer, BusProbe, NodeFound, Observations};
use crate::checks::diagnose::server::moment;
use crate::server::wire::reply::NodeLine;

/// Returns bus links that are down between nodes that answer: source, destination, and the CLUSTER NODES line
/// that reports it. A link is shown as connected while its connection attempts fail, so the other node's
/// failure report counts too.
pub fn cut(all: &Observations) -> Vec<(&NodeFound, &NodeFound, &NodeLine)> {
    let mut cut = Vec::new();
    // Two nodes with the same id receive each other's messages, so the links to both go up and down. Another
    // finding reports duplicate ids.
    let twin = |node: &NodeFound| all.nodes.iter().filter(|other| other.id() == node.id()).count() > 1;
    for (node, view) in all.seen().into_iter().filter(|(node, _)| !twin(node)) {
        let links = node.server.as_ref().and_then(|server| server.links.as_deref());
        for line in view
            .nodes
            .iter()
            .filter(|line| !line.has("myself") && !line.has("handshake"))
        {
            let linked =
                links.is_none_or(|links| links.iter().any(|link| link.outgoing && link.node == line.id));
            let down = !line.connected || !linked || line.troubles().next().is_some();
            // A node that does not answer has its own finding.
            if let Some(other) = all.by_id(&line.id).filter(|other| down && !twin(other)) {
                cut.push((node, other, line));
            }
        }
    }
    cut
}

/// Returns findings for bus links that are down, grouped by the unreachable port.
pub(crate) fn links(all: &Observations) -> Vec<Finding> {
    let mut by_port: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to, _) in cut(all) {
        by_port.entry(&to.name).or_default().push(&from.name);
    }
    by_port.into_iter().map(|(to, by)| link(all, to, &by)).collect()
}

fn link(all: &Observations, to: &str, by: &[&str]) -> Finding {
    let probes: Vec<&BusProbe> = all.probes.iter().filter(|probe| probe.to == to).collect();
    let any = |answer: &BusAnswer| probes.iter().any(|probe| probe.answer == *answer);
    let port = probes
        .first()
        .map_or_else(|| "its bus port".to_owned(), |probe| probe.address.clone());
    let bus = port.rsplit_once(':').map_or("PORT", |(_, port)| port);
    let (why, remedy) = if any(&BusAnswer::Silent) {
        (
            format!("A firewall drops packets to {port}, the bus port."),
            vec![
                format!(
                    "On its host: sudo ufw allow {bus}/tcp, or sudo firewall-cmd --permanent \
                     --add-port={bus}/tcp \
                     && sudo firewall-cmd --reload, or iptables -I INPUT -p tcp --dport {bus} -j ACCEPT"
                ),
                format!("Check that it is open: nc -zv {}", port.replace(':', " ")),
            ],
        )
    } else if any(&BusAnswer::Refused) {
        (
            format!("Nothing is listening at {port}: the node announces a wrong bus port or address."),
            vec![
                "Compare cluster-port, cluster-announce-ip and cluster-announce-bus-port with the \
                 listening ports: ss -ltnp"
                    .to_owned(),
            ],
        )
    } else if let Some(until) = expired(all) {
        (
            format!("The port accepts connections, but a certificate has expired: {until}."),
            vec!["Replace it on every node, then: CONFIG SET tls-cert-file PATH".to_owned()],
        )
    } else if any(&BusAnswer::Open) {
        (
            format!(
                "{port} accepts connections: the link is reconnecting, or the two nodes do not trust each \
                 other's certificates."
            ),
            vec!["Run the command again in a few seconds; then check both logs.".to_owned()],
        )
    } else {
        (
            "Its bus port is unreachable (client port + 10000 unless cluster-port is set).".to_owned(),
            vec![
                "Test from each node: nc -zv OTHER-NODE BUS-PORT. Open it in the firewall in both directions."
                    .to_owned(),
            ],
        )
    };
    let tried = probes.iter().map(|probe| {
        let from = probe
            .from
            .as_deref()
            .map_or("from this host".to_owned(), |from| format!("from inside {from}"));
        let answer = match &probe.answer {
            BusAnswer::Open => "accepts connections".to_owned(),
            BusAnswer::Refused => "refuses connections".to_owned(),
            BusAnswer::Silent => "does not respond".to_owned(),
            BusAnswer::Untried(why) => format!("could not be tested: {why}"),
        };
        format!("bus port {} of {to}, {from}: {answer}", probe.address)
    });
    Finding::new(
        "bus-link",
        format!("no bus link to {to} from {}", by.join(", ")),
        why,
    )
    .on([to])
    .on(by.iter().copied())
    .seen(by.iter().map(|node| format!("{node}: no bus link to {to}")))
    .seen(tried)
    .mended_by(remedy)
}

/// Returns the name of a node with an expired certificate, and the expiry time.
fn expired(all: &Observations) -> Option<String> {
    all.nodes.iter().find_map(|node| {
        let ends = node.certificate_ends?;
        (ends < all.looked_at).then(|| format!("{} until {}", node.name, moment(ends)))
    })
}
