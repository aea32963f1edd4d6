//! The time that PING takes on every node.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::target::Target;
use crate::check::{ENOUGH_FOR_P999, NodeLatency, Percentile, Threshold};

/// How many answers are measured on each node.
const SAMPLES: u64 = 200;

/// For how long at most, where no percentile is asked for that needs more of them: a node far away answers slowly.
const TIME: Duration = Duration::from_secs(2);

/// Asks one node after the other, so that none is measured while this process waits for another's answer.
pub(super) async fn latency(target: &Target<'_>, thresholds: &[Threshold]) -> Vec<NodeLatency> {
    let rare = thresholds
        .iter()
        .any(|threshold| threshold.percentile == Percentile::P999);
    let (samples, time) = if rare {
        (2 * ENOUGH_FOR_P999, None)
    } else {
        (SAMPLES, Some(TIME))
    };
    let mut all = Vec::new();
    // Connections of their own: on those of the other probes a PING would wait behind their commands.
    let opened = join_all(target.members.iter().filter_map(|member| {
        let link = member.link.as_ref().ok()?;
        Some(async move { (member, link.elsewhere(link.address()).await) })
    }))
    .await;
    for (member, link) in opened {
        let Ok(link) = link else { continue };
        let mut micros = Vec::new();
        let started = Instant::now();
        for _ in 0..samples {
            if time.is_some_and(|time| started.elapsed() >= time) {
                break;
            }
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
