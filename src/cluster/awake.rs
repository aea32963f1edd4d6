//! Letting the nodes of a large cluster doze while most of them are yet to be started.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::wait::{Seen, pace, until};
use crate::error::Result;
use crate::redis::NodeConnection;
use crate::render::{TICKS, temporary};
use crate::topology::{Node, Topology};

/// When nodes shall no longer doze: once as many answer as are to doze. Their clock then gets its lasting pace, which takes
/// effect on the next tick of the slow one, while the last nodes are started.
#[derive(Debug)]
pub(super) struct Awake {
    /// How many of those that doze must yet answer.
    missing: AtomicUsize,
    all_answer: CancellationToken,
}

impl Awake {
    /// Of nodes that do not doze.
    pub(super) fn always() -> Self {
        Self::after(0)
    }

    /// Of nodes that boot into a cluster that is to be formed.
    pub(super) fn from_dozing(topology: &Topology) -> Self {
        Self::after(topology.nodes.iter().filter(|node| topology.dozes(node)).count())
    }

    fn after(dozing: usize) -> Self {
        Self {
            missing: AtomicUsize::new(dozing),
            all_answer: CancellationToken::new(),
        }
    }

    /// A node answers. Returns once it does not doze any more.
    pub(super) async fn answers(
        &self,
        topology: &Topology,
        node: &Node,
        link: &NodeConnection,
        deadline: Instant,
    ) -> Result<()> {
        if self.missing.load(Ordering::Relaxed) == 0 || !topology.dozes(node) {
            return Ok(());
        }
        self.one_more().await;
        let settings = temporary(topology, node);
        let Some(setting) = settings.iter().find(|setting| setting.name == TICKS) else {
            return Ok(());
        };
        let what = format!("{} is awake", node.name);
        until(&what, deadline, pace(topology.nodes.len()), || async {
            link.set(TICKS, &setting.settled).await.map(Seen::Done)
        })
        .await
    }

    /// Waits until all that doze answer.
    async fn one_more(&self) {
        if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.all_answer.cancel();
        }
        self.all_answer.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn all_doze_until_the_last_of_them_answers() {
        let awake = Awake::after(3);
        let mut first: Vec<_> = (0..2).map(|_| Box::pin(awake.one_more())).collect();
        assert!(
            first
                .iter_mut()
                .all(|each| each.as_mut().now_or_never().is_none())
        );
        assert!(awake.one_more().now_or_never().is_some(), "the last");
        assert!(first.into_iter().all(|each| each.now_or_never().is_some()), "all");
    }
}
