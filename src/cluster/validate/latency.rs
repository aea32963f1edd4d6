//! The time that PING takes on every node.

use std::time::Instant;

use futures_util::future::join_all;

use super::target::Target;
use crate::check::NodeLatency;

/// How many answers are measured on each node.
const SAMPLES: usize = 200;

/// Asks one node after the other, so that none is measured while this process waits for another's answer.
pub(super) async fn latency(target: &Target<'_>) -> Vec<NodeLatency> {
    let mut all = Vec::new();
    // Connections of their own: on those of the other probes a PING would wait behind their commands.
    let opened = join_all(target.members.iter().filter_map(|member| {
        let link = member.link.as_ref().ok()?;
        Some(async move { (member, link.elsewhere(link.address()).await) })
    }))
    .await;
    for (member, link) in opened {
        let Ok(link) = link else { continue };
        let mut micros = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let begun = Instant::now();
            if link.ping().await.is_err() {
                break;
            }
            micros.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        all.push(NodeLatency::of(&member.name, &micros));
    }
    all
}
