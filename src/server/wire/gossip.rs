//! Makes a node announce its new role to all other nodes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::error::Result;
use crate::server::conf::settings::effective::NODE_TIMEOUT;
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::reply::NodeLine;
use crate::topology::layout::{NodeId, Topology};
use crate::wait::{Seen, pace, until};

/// Node timeout, in milliseconds, of a node with a new role, until it has pinged all other nodes. A node pings
/// every node from which it has not received a PONG for half its node timeout. With this value, it pings all of
/// them on its next tick or the one after, over existing links. (`CLUSTER MEET` also sends the update, but the
/// receiver then drops the old link, and gossip waits for another tick until the link is back.) If a replica with
/// this timeout suspects a failure, the suspicion has no effect: only masters vote on failures, and the PONG clears
/// it.
const IMPATIENT: &str = "101";

/// Node timeout for the announcement while a small cluster is formed, before clients use it. All nodes have just
/// received the promotions. With this value, the next tick comes late enough to ping them again.
const HASTY: &str = "21";

/// Node timeout for the announcement while a large cluster is formed. It takes longer than a tick until all nodes
/// have answered. With a shorter timeout, the node drops links on which a PONG is pending, and marks busy nodes as
/// failing.
const STEADY: &str = "601";

/// Makes a node whose role has changed ping all other nodes at once. Otherwise they receive the new role with a
/// ping within half the node timeout.
pub(crate) async fn announce(topology: &Topology, link: &NodeConnection, deadline: Instant) -> Result<()> {
    let settled = topology.spec.node_timeout().as_millis().to_string();
    tell(topology, link, (IMPATIENT, &settled), deadline).await
}

/// Announces a role while the cluster is formed. `lasting` is the node timeout afterwards, in milliseconds.
pub(crate) async fn tell_while_forming(
    topology: &Topology,
    link: &NodeConnection,
    lasting: &str,
    deadline: Instant,
) -> Result<()> {
    let meanwhile = if topology.is_large() { STEADY } else { HASTY };
    tell(topology, link, (meanwhile, lasting), deadline).await
}

/// Returns whether a node has this node timeout only while it announces its role.
pub(crate) fn is_of_a_teller(timeout: &str) -> bool {
    [IMPATIENT, HASTY, STEADY].contains(&timeout)
}

/// Announces a role, with the node timeouts until all nodes are pinged and afterwards, in milliseconds.
async fn tell(
    topology: &Topology,
    link: &NodeConnection,
    (meanwhile, lasting): (&str, &str),
    deadline: Instant,
) -> Result<()> {
    let earlier = link.cluster_nodes().await?;
    let begun = link.clock().await?;
    let news = &Mutex::new(News::new(&earlier, begun));
    link.set(NODE_TIMEOUT, meanwhile).await?;
    let hurries = &AtomicBool::new(true);
    let what = format!("{} has announced its role to all others", link.address());
    let told = until(&what, deadline, pace(topology.nodes.len()), || async move {
        let nodes = link.cluster_nodes().await?;
        let left = news.lock().unwrap_or_else(PoisonError::into_inner).left(&nodes);
        // Once a ping is pending to every node, the lasting timeout gives them time to answer.
        let unasked = left.unasked > 0;
        if unasked != hurries.swap(unasked, Ordering::Relaxed) {
            link.set(NODE_TIMEOUT, if unasked { meanwhile } else { lasting })
                .await?;
        }
        Ok(if left.untold == 0 {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{} have not answered", left.untold))
        })
    })
    .await;
    if hurries.load(Ordering::Relaxed) {
        link.set(NODE_TIMEOUT, lasting).await?;
    }
    told
}

/// Tracks which nodes have received the new role of a node, based on its own `CLUSTER NODES` output. A PONG time
/// that may come from gossip does not count; a real PONG with such a time is followed by another one.
#[derive(Debug)]
struct News {
    /// Time at which its role had changed, in milliseconds of its clock.
    changed: u64,
    others: BTreeMap<NodeId, Told>,
}

/// Which PONG of another node confirms the new role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// A PONG received after this time answers a ping with the new role.
    After(u64),
    /// The pending ping, sent at this time, may be older than the new role.
    NotBy(u64),
}

/// Number of other nodes that have not confirmed the new role.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// Nodes that have not answered a ping with the new role.
    untold: usize,
    /// Those among them without a pending ping.
    unasked: usize,
}

impl News {
    /// Starts tracking. `seen` is the node's `CLUSTER NODES` output after its role had changed, and before the time
    /// `changed`.
    fn new(seen: &[NodeLine], changed: u64) -> Self {
        let pending = seen.iter().filter(|line| line.ping > 0);
        Self {
            changed,
            others: pending
                .map(|line| (line.id.clone(), Told::NotBy(line.ping)))
                .collect(),
        }
    }

    /// Returns the number of remaining nodes, based on the node's current `CLUSTER NODES` output.
    fn left(&mut self, nodes: &[NodeLine]) -> Left {
        let (mut untold, mut unasked) = (0, 0);
        for line in nodes.iter().filter(|line| !line.has("myself")) {
            let told = self
                .others
                .entry(line.id.clone())
                .or_insert(Told::After(self.changed));
            if matches!(told, Told::NotBy(ping) if *ping != line.ping) {
                *told = Told::After(line.pong.max(self.changed));
            }
            if !matches!(told, Told::After(moment) if line.pong > *moment && !line.is_hearsay()) {
                untold += 1;
                unasked += usize::from(line.ping == 0);
            }
        }
        Left { untold, unasked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the line of another node, with the times of its pending ping and its last PONG.
    fn line(id: &str, ping: u64, pong: u64) -> NodeLine {
        NodeLine {
            id: NodeId(id.to_owned()),
            ip: String::new(),
            port: 0,
            bus: 0,
            hostname: None,
            flags: Vec::new(),
            master: None,
            ping,
            pong,
            epoch: 0,
            connected: true,
            slots: Vec::new(),
            moving: Vec::new(),
        }
    }

    fn left(untold: usize, unasked: usize) -> Left {
        Left { untold, unasked }
    }

    #[test]
    fn an_answer_to_a_ping_after_the_change_tells_the_news() {
        let mut news = News::new(&[line("a", 0, 90), line("b", 0, 0)], 100);
        assert_eq!(news.left(&[line("a", 0, 90), line("b", 0, 100)]), left(2, 2));
        assert_eq!(news.left(&[line("a", 110, 90), line("b", 0, 100)]), left(2, 1));
        assert_eq!(news.left(&[line("a", 0, 112), line("b", 110, 100)]), left(1, 0));
        assert_eq!(news.left(&[line("a", 0, 112), line("b", 0, 113)]), left(0, 0));
    }

    #[test]
    fn a_ping_from_before_the_change_tells_nothing() {
        let mut news = News::new(&[line("a", 95, 40)], 100);
        assert_eq!(news.left(&[line("a", 95, 40)]), left(1, 0));
        // The PONG for the old ping arrives late, and another ping must follow.
        assert_eq!(news.left(&[line("a", 0, 120)]), left(1, 1));
        assert_eq!(news.left(&[line("a", 150, 120)]), left(1, 0));
        assert_eq!(news.left(&[line("a", 0, 151)]), left(0, 0));
        // The next ping is already pending when the node is queried.
        let mut news = News::new(&[line("a", 95, 40)], 100);
        assert_eq!(news.left(&[line("a", 130, 120)]), left(1, 0));
        assert_eq!(news.left(&[line("a", 0, 131)]), left(0, 0));
    }

    #[test]
    fn what_others_say_of_a_node_is_not_its_answer() {
        let mut news = News::new(&[line("a", 0, 1_990)], 1_995);
        // Another node received its PONG in the current second, and sent that time with gossip.
        assert_eq!(news.left(&[line("a", 0, 2_000)]), left(1, 1));
        assert_eq!(news.left(&[line("a", 2_040, 2_000)]), left(1, 0));
        assert_eq!(news.left(&[line("a", 0, 2_041)]), left(0, 0));
    }

    #[test]
    fn the_node_itself_need_not_be_told() {
        let mut own = line("a", 0, 0);
        own.flags = vec!["myself".to_owned()];
        assert_eq!(News::new(&[], 100).left(&[own]), left(0, 0));
    }
}
