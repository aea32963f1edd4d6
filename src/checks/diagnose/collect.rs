//! Collects the observations of a cluster: the answers of its nodes, the container states, and, where a node
//! does not answer or a link is down, the results of tests from inside the containers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use tokio::net::TcpStream;

use crate::checks::catalogue::{CATALOGUE, Selection, Suite, Touch};
use crate::checks::diagnose::bus::cut;
use crate::checks::diagnose::finding::Diagnosis;
use crate::checks::diagnose::inside;
use crate::checks::diagnose::judge::diagnose;
use crate::checks::diagnose::observed::{
    BusAnswer, BusProbe, ContainerFound, Mislead, NodeFound, Observations, Place,
};
use crate::checks::diagnose::slots::doubtful;
use crate::checks::options::SuiteOptions;
use crate::checks::suite::clients::astray;
use crate::checks::suite::run::run;
use crate::checks::suite::survey::survey;
use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::connect::greeting::greeted;
use crate::connect::links::addresses;
use crate::connect::target::{Target, address_of};
use crate::runtime::docker::client::Docker;
use crate::runtime::faults::Faults;
use crate::runtime::interface::LogRequest;
use crate::runtime::observed::Activity;
use crate::server::wire::access::Access;
use crate::server::wire::certificate;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::server::wire::tls_peer::served_certificate;
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::{Node, NodeId, Topology};

/// Excluded from a diagnosis although it only reads: it measures for a second, and a brief slowdown is not a
/// state that can be fixed.
const MEASURED: &str = "latency";

/// Returns the checks whose failures are reported even without a known cause: all checks that only read.
fn that_read() -> Vec<String> {
    CATALOGUE
        .iter()
        .filter(|entry| entry.touch == Touch::Reads && entry.suite <= Suite::Standard && entry.id != MEASURED)
        .map(|entry| entry.id.to_owned())
        .collect()
}

/// Maximum number of bus ports to test: each test runs a program in a container.
const PROBES: usize = 12;

/// Timeout for a bus port tested from this host.
const CONNECT: Duration = Duration::from_secs(2);

/// Number of log lines to read.
const LINES: u32 = 60;

/// Collects the observations of a cluster that rcup created.
pub(crate) async fn own<R: Faults>(attached: &Attached<R>) -> Observations {
    let (runtime, topology) = (attached.runtime(), attached.topology());
    let access = attached.access().await.unwrap_or_default();
    let target = attached.target(ServiceUser::Operator).await;
    let mut all = said(&target).await;
    all.own = true;
    all.persists = topology.spec.persist();
    let looks = topology.nodes.iter().zip(&mut all.nodes);
    join_all(looks.map(|(node, found)| look(runtime, topology, &access, node, found))).await;
    if access.authority().is_some() {
        let looks = topology.nodes.iter().zip(&mut all.nodes);
        join_all(looks.map(|(node, found)| async {
            found.certificate_ends = certificate(addresses(topology, node)).await;
        }))
        .await;
    }
    let tries: Vec<(String, String, String, u16)> = tries(&all);
    all.probes = join_all(tries.into_iter().map(|(from, to, host, port)| async move {
        let at = topology.nodes.iter().find(|node| node.name == from);
        let answer = match at {
            Some(at) => inside::bus(runtime, topology, at, &host, port).await,
            None => BusAnswer::Untried("it is not planned".to_owned()),
        };
        BusProbe {
            from: Some(from),
            to,
            address: format!("{host}:{port}"),
            answer,
        }
    }))
    .await;
    all
}

/// Returns the expiry time of the certificate from the first of these addresses that serves one.
async fn certificate(addresses: impl IntoIterator<Item = Address>) -> Option<u64> {
    for address in addresses {
        let shown = tokio::time::timeout(CONNECT, served_certificate(&address)).await;
        if let Ok(Some(der)) = shown {
            return certificate::ends(&der);
        }
    }
    None
}

/// Collects the observations of a cluster that rcup did not create.
pub(crate) async fn found(target: &Target<'_>, access: &Access) -> Observations {
    let mut all = said(target).await;
    if access.authority().is_some() {
        let looks = target.members.iter().zip(&mut all.nodes);
        join_all(looks.map(|(member, found)| async {
            // A link uses the address at which the node was found, which can differ from its known address.
            let at = member.link.as_ref().map(|link| link.address().clone()).ok();
            found.certificate_ends = certificate(at.into_iter().chain(address_of(member))).await;
        }))
        .await;
    }
    let mut tries = tries(&all);
    // A test from this host is the same for every node that misses the link.
    tries.sort_by(|one, other| one.1.cmp(&other.1));
    tries.dedup_by(|one, other| one.1 == other.1);
    all.probes = join_all(tries.into_iter().map(|(_, to, host, port)| async move {
        let answer = match tokio::time::timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await {
            Err(_) => BusAnswer::Silent,
            Ok(Ok(_)) => BusAnswer::Open,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => BusAnswer::Refused,
            Ok(Err(error)) => BusAnswer::Untried(error.to_string()),
        };
        BusProbe {
            from: None,
            to,
            address: format!("{host}:{port}"),
            answer,
        }
    }))
    .await;
    all
}

/// Returns the bus ports to test: source, destination, address.
fn tries(all: &Observations) -> Vec<(String, String, String, u16)> {
    let cut = cut(all).into_iter().take(PROBES);
    cut.map(|(from, to, line)| (from.name.clone(), to.name.clone(), line.ip.clone(), line.bus))
        .filter(|(_, _, host, port)| !host.is_empty() && *port != 0)
        .collect()
}

/// Collects the nodes' answers about the cluster and themselves, and tests the advertised addresses.
async fn said(target: &Target<'_>) -> Observations {
    let selection = Selection::new(Suite::Standard, that_read(), Vec::new()).unwrap_or_default();
    let options = SuiteOptions::default().selection(selection).write(false);
    let links = target.links();
    let (answers, servers, checks, misled) = tokio::join!(
        target.views(),
        survey(target),
        Box::pin(run(target, &options, None::<&Docker>)),
        astray(&links)
    );
    let mut servers: BTreeMap<String, _> = servers
        .into_iter()
        .map(|server| (server.name.clone(), server))
        .collect();
    let nodes = target.members.iter().zip(answers).enumerate();
    let nodes: Vec<NodeFound> = nodes
        .map(|(nth, (member, answer))| {
            let (ip, port) = member.address.rsplit_once(':').unwrap_or((&member.address, ""));
            NodeFound {
                name: member.name.clone(),
                ip: ip.to_owned(),
                port: port.parse().unwrap_or_default(),
                place: target
                    .plan
                    .and_then(|plan| plan.nodes.get(nth).map(|node| place(plan, node))),
                container: None,
                answer,
                server: servers.remove(&member.name),
                inside: None,
                certificate_ends: None,
                keys: BTreeMap::new(),
                log: Vec::new(),
            }
        })
        .collect();
    let mut all = Observations {
        cluster: target.name.clone(),
        own: target.plan.is_some(),
        persists: false,
        looked_at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        nodes,
        probes: Vec::new(),
        mislead: Vec::new(),
        checks: checks.checks,
    };
    let name = |id: &NodeId| {
        let of = all.nodes.iter().find(|node| node.id() == Some(id));
        of.map_or_else(|| id.to_string(), |node| node.name.clone())
    };
    all.mislead = misled
        .into_iter()
        .map(|(endpoint, outcome)| Mislead {
            node: name(&endpoint.id),
            told: format!("{}:{}", endpoint.host, endpoint.port),
            outcome,
        })
        .collect();
    count(target, &mut all).await;
    all
}

fn place(plan: &Topology, node: &Node) -> Place {
    let shard = plan.shard_of(node);
    Place {
        index: node.index,
        shard: shard.number,
        slots: shard.slots,
        role: node.role,
    }
}

/// Counts the keys of uncovered, disputed or moving slots on every node.
async fn count(target: &Target<'_>, all: &mut Observations) {
    let slots = doubtful(all);
    if slots.is_empty() {
        return;
    }
    let commands: Vec<Vec<String>> = slots
        .iter()
        .map(|slot| {
            vec![
                "CLUSTER".to_owned(),
                "COUNTKEYSINSLOT".to_owned(),
                slot.to_string(),
            ]
        })
        .collect();
    let commands = &commands;
    let counts = join_all(target.members.iter().map(|member| async move {
        let link = member.link.as_ref().ok()?;
        link.pipeline::<Vec<u64>>(commands).await.ok()
    }))
    .await;
    for (node, counts) in all.nodes.iter_mut().zip(counts) {
        let counts = counts.into_iter().flatten();
        node.keys = slots
            .iter()
            .copied()
            .zip(counts)
            .filter(|(_, keys)| *keys > 0)
            .collect();
    }
}

/// Collects a node's container state; for a node that does not answer, also the answer from inside the
/// container; and its log where it may contain the cause.
async fn look<R: Faults>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    node: &Node,
    found: &mut NodeFound,
) {
    let failed = |field: &str| {
        found
            .server
            .as_ref()
            .is_some_and(|server| server.field(field) == "err")
    };
    let unwell = found.answer.is_err()
        || failed("rdb_last_bgsave_status")
        || failed("aof_last_write_status")
        || failed("aof_last_bgrewrite_status")
        || found
            .answer
            .as_ref()
            .is_ok_and(|view| view.replication.replica && !view.replication.link_up);
    if unwell {
        let request = LogRequest {
            tail: Some(LINES),
            ..LogRequest::default()
        };
        let lines = runtime.logs(&node.name, request).map_ok(|line| line.text);
        found.log = lines.try_collect().await.unwrap_or_default();
    }
    if found.answer.is_ok() {
        return;
    }
    let container = container(runtime, topology, node).await;
    if container.activity == Some(Activity::Running) && container.connected {
        let (said, words) = tokio::join!(
            inside::look(runtime, topology, node, access.credentials()),
            refusal(topology, access, node)
        );
        found.inside = Some(said);
        if let Some(words) = words {
            found.answer = Err(words);
        }
    }
    found.container = Some(container);
}

async fn container<R: Faults>(runtime: &R, topology: &Topology, node: &Node) -> ContainerFound {
    let (state, seen) = tokio::join!(runtime.state(&node.name), runtime.inspect(&node.name));
    let Ok(state) = state else {
        return ContainerFound::default();
    };
    let seen = seen.unwrap_or_default();
    let settings = &seen["NetworkSettings"];
    let port = &settings["Ports"][format!("{}/tcp", node.port)];
    ContainerFound {
        activity: Some(state.activity),
        exit_code: state.exit_code,
        out_of_memory: state.out_of_memory,
        connected: settings["Networks"].get(topology.network()).is_some(),
        published: port.as_array().is_some_and(|bindings| !bindings.is_empty()),
    }
}

/// Returns the error with which a running node refuses a connection from this host.
async fn refusal(topology: &Topology, access: &Access, node: &Node) -> Option<String> {
    let mut words = None;
    for address in addresses(topology, node) {
        let tried = async { NodeConnection::open(&address, access).await?.ping().await };
        match tried.await {
            // The node has recovered in the meantime.
            Ok(()) => return None,
            Err(error) if words.is_none() => {
                words = Some(format!("{address}: {}", greeted(&address, access, &error).await));
            }
            Err(_) => {}
        }
    }
    words
}

impl<R: Faults> Attached<R> {
    /// Returns what is wrong with the cluster, the causes, and how to fix them. Changes nothing.
    #[doc(hidden)]
    pub async fn diagnose(&self) -> Diagnosis {
        // Boxed because the future is large and would enlarge every caller's future.
        diagnose(&Box::pin(own(self)).await)
    }
}

impl Endpoint {
    /// Like [`Attached::diagnose`], limited to the data that is available from this host.
    pub async fn diagnose(&self) -> Diagnosis {
        diagnose(&Box::pin(found(self.target(), self.access())).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_only_reads_and_is_no_measurement_is_looked_at() {
        let read = that_read();
        for id in [
            "config-drift",
            "full-coverage",
            "replica-balance",
            "anti-affinity",
            "versions",
            "addresses",
        ] {
            assert!(read.iter().any(|known| known == id), "{id}");
        }
        let selection = Selection::new(Suite::Standard, read, Vec::new()).unwrap();
        assert!(!selection.destroys() && !selection.includes("write-read") && !selection.includes(MEASURED));
    }
}
