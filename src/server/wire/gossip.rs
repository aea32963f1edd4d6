//! Having a node tell all others its new role.

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

/// The node timeout, in milliseconds, of a node that has news, until all others have been pinged with them. A node
/// pings every other from whom it has not heard for half its node timeout, so with this one it reaches all of
/// them on its next tick or the one after, over the links that stand. (`CLUSTER MEET` tells them too, but
/// the receiver then drops the old link, and everybody waits for another tick until it is back.) A failure
/// that such an impatient replica suspects counts for nothing, because only masters are asked about
/// failures, and the suspicion ends with the answer.
const IMPATIENT: &str = "101";

/// The same while a small cluster is formed, when nobody uses it yet. All have just heard the promotions, and this
/// one has the next tick come late enough to ping them again.
const HASTY: &str = "21";

/// The same while a large cluster is formed. It takes longer than a tick until so many have answered; with a shorter
/// one links are dropped on which an answer is under way, and nodes are called failing that are only busy.
const STEADY: &str = "601";

/// Has a node whose role has changed tell all others at once, who would otherwise learn it from a ping
/// within half the node timeout.
pub(crate) async fn announce(topology: &Topology, link: &NodeConnection, deadline: Instant) -> Result<()> {
    let settled = topology.spec.node_timeout().as_millis().to_string();
    tell(topology, link, (IMPATIENT, &settled), deadline).await
}

/// The same while the cluster is formed, with `lasting` as the node timeout from then on, in milliseconds.
pub(crate) async fn tell_while_forming(
    topology: &Topology,
    link: &NodeConnection,
    lasting: &str,
    deadline: Instant,
) -> Result<()> {
    let meanwhile = if topology.is_large() { STEADY } else { HASTY };
    tell(topology, link, (meanwhile, lasting), deadline).await
}

/// Whether a node has this node timeout only because it is telling others of its role.
pub(crate) fn is_of_a_teller(timeout: &str) -> bool {
    [IMPATIENT, HASTY, STEADY].contains(&timeout)
}

/// The same, with the node timeouts that the node has until all are pinged and from then on, in milliseconds.
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
        // With all pings on their way there is no hurry any more, and the answers may take their time.
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

/// Who has heard the news of a node, by what the node itself says of the others. An answer that it may have only by
/// hearsay is none; a true one that looks like that is followed by another.
#[derive(Debug)]
struct News {
    /// When its role had changed, in milliseconds of its clock.
    changed: u64,
    others: BTreeMap<NodeId, Told>,
}

/// What an answer of another node is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// One that came after this moment is an answer to a ping that told the news.
    After(u64),
    /// The ping that was sent at this moment, and is not answered yet, may be older than the news.
    NotBy(u64),
}

/// How many others are left.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// Those that have not answered to the news.
    untold: usize,
    /// Those among them to whom no ping is on its way.
    unasked: usize,
}

impl News {
    /// `seen` is what the node said after its role had changed, and before the moment `changed`.
    fn new(seen: &[NodeLine], changed: u64) -> Self {
        let pending = seen.iter().filter(|line| line.ping > 0);
        Self {
            changed,
            others: pending
                .map(|line| (line.id.clone(), Told::NotBy(line.ping)))
                .collect(),
        }
    }

    /// What is left by what the node says now.
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

    /// The line of another node, with a ping on its way and the last answer.
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
        // Its answer comes late, and another ping has to follow.
        assert_eq!(news.left(&[line("a", 0, 120)]), left(1, 1));
        assert_eq!(news.left(&[line("a", 150, 120)]), left(1, 0));
        assert_eq!(news.left(&[line("a", 0, 151)]), left(0, 0));
        // Unless the next ping is on its way already when this is seen.
        let mut news = News::new(&[line("a", 95, 40)], 100);
        assert_eq!(news.left(&[line("a", 130, 120)]), left(1, 0));
        assert_eq!(news.left(&[line("a", 0, 131)]), left(0, 0));
    }

    #[test]
    fn what_others_say_of_a_node_is_not_its_answer() {
        let mut news = News::new(&[line("a", 0, 1_990)], 1_995);
        // Another node had an answer of it in the second that has just begun, and said so.
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
