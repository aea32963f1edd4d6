//! Connections to all nodes of a cluster, and what they say.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{join_all, try_join_all};
use tokio::time::Instant;

use super::wait::{Seen, until};
use crate::check::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Activity;
use crate::redis::{Address, NodeConnection};
use crate::runtime::{LogRequest, Runtime};
use crate::topology::{Node, Topology};

/// How long a node may be silent before its container is asked whether it lives.
const SILENCE: Duration = Duration::from_millis(300);

/// How often an unanswered node is dialled.
const DIAL: Duration = Duration::from_millis(4);

/// How many lines of a dead node's log go into the error.
const LOG_LINES: u32 = 15;

/// A connection to every node, in the order of the topology.
#[derive(Clone, Debug)]
pub(super) struct Links {
    all: Vec<NodeConnection>,
}

impl Links {
    /// From connections in the order of the topology.
    pub(super) fn of(all: Vec<NodeConnection>) -> Self {
        Self { all }
    }

    /// The connection to node `index` (1-based).
    pub(super) fn to(&self, index: usize) -> &NodeConnection {
        &self.all[index - 1]
    }

    /// All connections in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &NodeConnection> {
        self.all.iter()
    }

    /// Whether all nodes were reached at their addresses on the bridge.
    pub(super) fn through_bridge(&self, topology: &Topology) -> bool {
        let at = |(link, node): (&NodeConnection, &Node)| link.address().host == node.ip.to_string();
        self.all.iter().zip(&topology.nodes).all(at)
    }

    /// What every node says now.
    pub(super) async fn views(&self) -> Vec<Answer> {
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

/// The addresses at which this machine may reach a node, the better one first.
fn addresses(topology: &Topology, node: &Node) -> Vec<Address> {
    let bridge = Address::new(node.ip, node.port);
    let published = Address::new(node.host_address().ip(), node.port);
    if topology.surroundings.bridge_reachable {
        vec![bridge, published]
    } else {
        vec![published]
    }
}

/// Waits until every node answers a PING, and keeps the connections.
///
/// # Errors
/// [`ErrorKind::NodeFailed`] with the last lines of its log as soon as a node is seen dead.
pub(super) async fn answering<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    deadline: Instant,
) -> Result<Links> {
    let all = try_join_all(
        topology
            .nodes
            .iter()
            .map(|node| answer(runtime, topology, node, deadline)),
    )
    .await?;
    Ok(Links { all })
}

async fn answer<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    node: &Node,
    deadline: Instant,
) -> Result<NodeConnection> {
    let begun = Instant::now();
    let mut asked = begun;
    let what = format!("{} answers", node.name);
    until(&what, deadline, DIAL, || {
        let look = asked.elapsed() >= SILENCE;
        if look {
            asked = Instant::now();
        }
        // The bridge is tried alone at first. A published port is taken by Docker's proxy before the node
        // listens, and this machine may yet turn out not to reach the bridge.
        let addresses = addresses(topology, node);
        let tried = if begun.elapsed() < SILENCE {
            1
        } else {
            addresses.len()
        };
        async move {
            let mut last = String::new();
            for address in &addresses[..tried] {
                match dial(address).await {
                    Ok(link) => return Ok(Seen::Done(link)),
                    Err(error) => {
                        last = error
                            .causes()
                            .into_iter()
                            .next()
                            .unwrap_or_else(|| error.to_string())
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

async fn dial(address: &Address) -> Result<NodeConnection> {
    let link = NodeConnection::open(address).await?;
    link.ping().await?;
    Ok(link)
}

/// Fails when the node's container is not running, with what it said at last.
async fn alive<R: Runtime>(runtime: &R, node: &Node) -> Result<()> {
    let state = runtime.state(&node.name).await?;
    let what = match state.activity {
        Activity::Running if state.restarts == 0 => return Ok(()),
        Activity::Created => return Ok(()),
        _ if state.out_of_memory => "was killed for want of memory".to_owned(),
        Activity::Paused => "is paused".to_owned(),
        _ => format!("died with exit code {}", state.exit_code),
    };
    let request = LogRequest {
        tail: Some(LOG_LINES),
        ..LogRequest::default()
    };
    let log: Vec<String> = runtime
        .logs(&node.name, request)
        .map_ok(|line| line.text)
        .try_collect()
        .await
        .unwrap_or_default();
    let rejected = log.iter().any(|line| line.contains("CONFIG FILE ERROR"));
    Err(Error::new(ErrorKind::NodeFailed, format!("{} {what}", node.name))
        .details(log)
        .hint(if rejected {
            "The server rejects its configuration: check the directives given with --set against its version."
        } else {
            "Its last log lines say why; --keep-on-failure leaves it in place for a closer look."
        }))
}

/// Tries every node once, and returns the connections of those that answer.
pub(super) async fn reachable(topology: &Topology) -> Vec<(usize, NodeConnection)> {
    let attempts = topology.nodes.iter().map(|node| async move {
        for address in addresses(topology, node) {
            if let Ok(link) = dial(&address).await {
                return Some((node.index, link));
            }
        }
        None
    });
    join_all(attempts).await.into_iter().flatten().collect()
}
