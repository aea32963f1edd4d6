//! Connections to all nodes of a cluster.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::interface::{LogRequest, Runtime};
use crate::runtime::observed::Activity;
use crate::server::wire::access::Access;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::server::wire::cron_rate::wake;
use crate::server::wire::reply::Answer;
use crate::topology::layout::{Node, Topology};
use crate::wait::{Seen, pace, until};

/// How long a node may be silent before its container is inspected, in a small cluster.
const SILENCE: Duration = Duration::from_millis(300);

/// How long the bridge address is still preferred after a node has responded on its published port.
const WALL: Duration = Duration::from_secs(2);

/// Number of log lines of a failed node in the error.
const LOG_LINES: u32 = 15;

/// A connection to every node, in the order of the topology.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    all: Vec<NodeConnection>,
}

impl Links {
    /// Creates links from connections in topology order.
    pub(crate) fn of(all: Vec<NodeConnection>) -> Self {
        Self { all }
    }

    /// Returns the connection to node `index` (1-based).
    pub(crate) fn to(&self, index: usize) -> &NodeConnection {
        &self.all[index - 1]
    }

    /// Returns all connections in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NodeConnection> {
        self.all.iter()
    }

    /// Returns whether all nodes were reached at their bridge addresses.
    pub(crate) fn through_bridge(&self, topology: &Topology) -> bool {
        let at = |(link, node): (&NodeConnection, &Node)| link.address().host == node.ip.to_string();
        self.all.iter().zip(&topology.nodes).all(at)
    }

    /// Opens a connection to another address with the same access options.
    pub(crate) async fn elsewhere(&self, address: &Address) -> Result<NodeConnection> {
        match self.all.first() {
            Some(link) => link.elsewhere(address).await,
            None => NodeConnection::open(address, &Access::open()).await,
        }
    }

    /// Queries every node.
    pub(crate) async fn views(&self) -> Vec<Answer> {
        join_all(self.all.iter().map(|link| async {
            link.view()
                .await
                .map_err(|error| match error.causes().into_iter().next() {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                })
        }))
        .await
    }
}

/// Returns the candidate addresses of a node for this host, preferred first.
pub(crate) fn addresses(topology: &Topology, node: &Node) -> Vec<Address> {
    let bridge = Address::new(node.ip, node.port);
    let published = Address::new(node.host_address().ip(), node.port);
    if topology.placement.bridge_reachable {
        vec![bridge, published]
    } else {
        vec![published]
    }
}

/// Tracks which nodes have been started. If rcup connects to a node before its interface is up, the kernel's ARP
/// request fails and is retried only a second later.
#[derive(Debug, Default)]
pub(crate) struct Started(BTreeMap<String, CancellationToken>);

impl Started {
    /// Creates a tracker. The named nodes are not started yet; all others run.
    pub(crate) fn pending(names: impl IntoIterator<Item = String>) -> Self {
        Self(
            names
                .into_iter()
                .map(|name| (name, CancellationToken::new()))
                .collect(),
        )
    }

    /// Marks a node as started.
    pub(crate) fn tell(&self, name: &str) {
        if let Some(token) = self.0.get(name) {
            token.cancel();
        }
    }

    async fn wait(&self, name: &str) {
        if let Some(token) = self.0.get(name) {
            token.cancelled().await;
        }
    }
}

/// Returns the silence limit per node for this cluster size. Nodes that start at the same time delay each other,
/// and every inspection delays the container engine's next start.
fn silence(nodes: usize) -> Duration {
    SILENCE * u32::try_from(nodes / 10).unwrap_or(u32::MAX).clamp(1, 10)
}

/// Waits until every started node answers a PING. In a cluster that is being
/// formed, nodes with a low-frequency cron wait for each other at `dozing`, where their `hz` is raised.
///
/// # Errors
/// [`ErrorKind::NodeFailed`] with the last lines of its log as soon as a node has exited;
/// [`ErrorKind::Address`] when the nodes respond, but not at their announced addresses.
pub(crate) async fn gather<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    started: &Started,
    dozing: Option<&Barrier>,
    deadline: Instant,
) -> Result<Links> {
    let all = try_join_all(topology.nodes.iter().map(|node| async {
        let in_time = tokio::time::timeout_at(deadline, started.wait(&node.name)).await;
        in_time.map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                format!("the container engine did not start {} in time", node.name),
            )
            .hint("Raise --timeout; the host may be overloaded.")
        })?;
        let link = answer(runtime, topology, access, node, deadline).await?;
        if let Some(dozing) = dozing {
            wake(topology, node, &link, dozing, deadline).await?;
        }
        Ok::<_, Error>(link)
    }))
    .await?;
    let links = Links { all };
    if topology.placement.bridge_reachable && !links.through_bridge(topology) {
        return Err(Error::new(
            ErrorKind::Address,
            format!(
                "the nodes respond on their published ports, but not at {}",
                topology.placement.subnet
            ),
        )
        .hint("A firewall blocks this user's traffic to the bridge: use --announce hostname."));
    }
    Ok(links)
}

async fn answer<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    access: &Access,
    node: &Node,
    deadline: Instant,
) -> Result<NodeConnection> {
    let addresses = addresses(topology, node);
    let (best, others) = addresses
        .split_first()
        .ok_or_else(|| Error::new(ErrorKind::Redis, format!("{} has no address", node.name)))?;
    let (pace, silence) = (pace(topology.nodes.len()), silence(topology.nodes.len()));
    let begun = Instant::now();
    let mut asked = begun;
    // Docker's proxy accepts connections on a published port before the node listens, and the bridge may be
    // unreachable from this host. So only the preferred address is tried at first, and it stays preferred for a
    // while. A slow response is then not mistaken for a firewall.
    let second: Mutex<Option<(Instant, NodeConnection)>> = Mutex::default();
    let what = format!("{} answers", node.name);
    until(&what, deadline, pace, || {
        let look = asked.elapsed() >= silence;
        if look {
            asked = Instant::now();
        }
        let second = &second;
        async move {
            let mut last = match dial(best, access).await {
                Ok(link) => return Ok(Seen::Done(link)),
                Err(error) if error.kind() == ErrorKind::Refused => return Err(error),
                Err(error) => cause(&error),
            };
            if begun.elapsed() < silence {
                return Ok(Seen::NotYet(last));
            }
            let known = second.lock().ok().and_then(|known| known.clone());
            match known {
                Some((since, link)) if since.elapsed() >= WALL => return Ok(Seen::Done(link)),
                Some(_) => {}
                None => {
                    for address in others {
                        match dial(address, access).await {
                            Ok(link) => {
                                if let Ok(mut known) = second.lock() {
                                    *known = Some((Instant::now(), link));
                                }
                            }
                            Err(error) => last = cause(&error),
                        }
                    }
                }
            }
            if look {
                alive(runtime, node).await?;
            }
            Ok(Seen::NotYet(last))
        }
    })
    .await
}

/// Returns why an attempt to connect failed.
fn cause(error: &Error) -> String {
    error
        .causes()
        .into_iter()
        .next()
        .unwrap_or_else(|| error.to_string())
}

async fn dial(address: &Address, access: &Access) -> Result<NodeConnection> {
    let link = NodeConnection::open(address, access).await?;
    match link.ping().await {
        // A server that cannot save its data refuses even PING (MISCONF), but answers INFO.
        Err(error) if !cause(&error).starts_with("MISCONF") => Err(error),
        _ => Ok(link),
    }
}

/// Fails when the node's container is not running, with its last log lines.
async fn alive<R: Runtime>(runtime: &R, node: &Node) -> Result<()> {
    let state = runtime.state(&node.name).await?;
    let what = match state.activity {
        Activity::Running if state.restarts == 0 => return Ok(()),
        Activity::Created => return Ok(()),
        _ if state.out_of_memory => "was killed: out of memory".to_owned(),
        Activity::Paused => "is paused".to_owned(),
        // The container was restarted, which resets the exit code.
        _ if state.exit_code == 0 && state.restarts > 0 => "keeps exiting and restarting".to_owned(),
        _ => format!("exited with code {}", state.exit_code),
    };
    let request = LogRequest {
        tail: Some(LOG_LINES),
        ..LogRequest::default()
    };
    let mut log = Vec::new();
    let mut lines = std::pin::pin!(runtime.logs(&node.name, request));
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => log.push(line.text),
            // Keep the lines read before the failure.
            Err(error) => {
                log.push(format!("(cannot read more of its log: {})", error.reason()));
                break;
            }
        }
    }
    let rejected = log.iter().any(|line| line.contains("CONFIG FILE ERROR"));
    Err(Error::new(ErrorKind::NodeFailed, format!("{} {what}", node.name))
        .details(log)
        .hint(if rejected {
            "The server rejected its configuration: check that its version supports the directives of --set."
        } else {
            "See its last log lines; --keep-on-failure keeps the container for debugging."
        }))
}

/// Returns the connections to those nodes of `running` (by index) that respond within `patience`.
pub(crate) async fn reachable(
    topology: &Topology,
    access: &Access,
    running: &[usize],
    patience: Duration,
) -> Vec<(usize, NodeConnection)> {
    let deadline = Instant::now() + patience;
    let attempts = topology
        .nodes
        .iter()
        .filter(|node| running.contains(&node.index))
        .map(|node| async move {
            let addresses = addresses(topology, node);
            let link = until("the node answers", deadline, pace(running.len()), || async {
                let mut last = String::new();
                for address in &addresses {
                    match dial(address, access).await {
                        Ok(link) => return Ok(Seen::Done(link)),
                        Err(error) => last = cause(&error),
                    }
                }
                Ok(Seen::NotYet(last))
            });
            link.await.ok().map(|link| (node.index, link))
        });
    join_all(attempts).await.into_iter().flatten().collect()
}

/// Returns a connection to every node.
///
/// # Errors
/// [`ErrorKind::Unhealthy`] names the nodes that did not respond by the deadline.
pub(crate) async fn all_reachable(topology: &Topology, access: &Access, deadline: Instant) -> Result<Links> {
    let all: Vec<usize> = topology.nodes.iter().map(|node| node.index).collect();
    let patience = deadline.saturating_duration_since(Instant::now());
    let links = reachable(topology, access, &all, patience).await;
    if links.len() == all.len() {
        return Ok(Links::of(links.into_iter().map(|(_, link)| link).collect()));
    }
    let silent: Vec<&str> = topology
        .nodes
        .iter()
        .filter(|node| !links.iter().any(|(index, _)| *index == node.index))
        .map(|node| node.name.as_str())
        .collect();
    let name = topology.name();
    Err(Error::new(
        ErrorKind::Unhealthy,
        format!("{} of cluster {name} do not respond", silent.join(", ")),
    )
    .hint(format!("Run `rcup status {name}` and `rcup logs {name}`.")))
}
