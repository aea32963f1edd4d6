//! Raises `hz` of the nodes of a large cluster, which have a low-frequency cron while most nodes are not started
//! yet.

use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::error::Result;
use crate::server::conf::settings::effective::waking;
use crate::server::wire::connection::NodeConnection;
use crate::topology::layout::{Node, Topology};
use crate::wait::{Seen, pace, until};

/// Creates the barrier at which nodes with a low-frequency cron wait until all of them respond.
pub(crate) fn dozing(topology: &Topology) -> Barrier {
    Barrier::new(topology.nodes.iter().filter(|node| topology.dozes(node)).count())
}

/// Raises `hz` of a node once all nodes with a low-frequency cron respond. The new value takes effect on the next
/// tick of the slow cron, while the last nodes are started.
pub(crate) async fn wake(
    topology: &Topology,
    node: &Node,
    link: &NodeConnection,
    dozing: &Barrier,
    deadline: Instant,
) -> Result<()> {
    if !topology.dozes(node) {
        return Ok(());
    }
    dozing.wait().await;
    let Some((directive, value)) = waking(topology, node) else {
        return Ok(());
    };
    let what = format!("{} is awake", node.name);
    until(&what, deadline, pace(topology.nodes.len()), || async {
        link.set(directive, &value).await.map(Seen::Done)
    })
    .await
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::spec::server::Engine;
    use crate::topology::hardware::Machine;
    use crate::topology::layout::tests::topology;

    #[test]
    fn all_doze_until_the_last_of_them_answers() {
        let mut large = topology(30, 1, Engine::Redis, "8.0.2");
        large.placement.machine = Machine {
            memory: None,
            cores: Some(2),
        };
        let many = large.nodes.iter().filter(|node| large.dozes(node)).count();
        assert!(many > 1);
        let dozing = dozing(&large);
        let mut first: Vec<_> = (1..many).map(|_| Box::pin(dozing.wait())).collect();
        for each in &mut first {
            assert!(each.as_mut().now_or_never().is_none(), "some are missing");
        }
        assert!(dozing.wait().now_or_never().is_some(), "the last of them");
        assert!(first.into_iter().all(|each| each.now_or_never().is_some()), "all");
    }
}
