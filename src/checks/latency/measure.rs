//! Measures the response time of PING on every node.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::checks::latency::judge::{ENOUGH_FOR_P999, Latencies, NodeLatency, Percentile, Threshold};
use crate::connect::target::Target;
use crate::server::wire::connection::NodeConnection;

/// Number of responses to measure on each node.
const SAMPLES: u64 = 200;

/// Maximum duration, unless a percentile requires more responses: a distant node responds slowly.
const TIME: Duration = Duration::from_secs(2);

/// Measures the nodes one after the other, so that this process never measures one while it waits for
/// another.
pub(crate) async fn latency(target: &Target<'_>, thresholds: &[Threshold]) -> Latencies {
    let rare = thresholds
        .iter()
        .any(|threshold| threshold.percentile == Percentile::P999);
    let (samples, time) = if rare {
        (2 * ENOUGH_FOR_P999, None)
    } else {
        (SAMPLES, Some(TIME))
    };
    let mut all = Latencies::default();
    // Separate connections: on those of the other probes, a PING would wait behind their commands.
    let opened = join_all(target.members.iter().map(async |member| {
        let link = match &member.link {
            Ok(link) => link
                .elsewhere(link.address())
                .await
                .map_err(|error| error.reason()),
            Err(why) => Err(why.clone()),
        };
        (member, link)
    }))
    .await;
    for (member, link) in opened {
        let mut micros = Vec::new();
        let ended = match link {
            Ok(link) => pings(&link, samples, time, &mut micros).await,
            Err(why) => Err(why),
        };
        if let Err(why) = ended {
            all.missing.push(match micros.len() {
                0 => format!("{}: not measured: {why}", member.name),
                few => format!("{}: stopped answering after {few} PINGs: {why}", member.name),
            });
        }
        if !micros.is_empty() {
            all.nodes.push(NodeLatency::of(&member.name, &micros));
        }
    }
    all
}

/// Adds the microseconds of each response to `micros`, until `time` has passed.
async fn pings(
    link: &NodeConnection,
    samples: u64,
    time: Option<Duration>,
    micros: &mut Vec<u64>,
) -> Result<(), String> {
    let started = Instant::now();
    for _ in 0..samples {
        if time.is_some_and(|time| started.elapsed() >= time) {
            break;
        }
        let begun = Instant::now();
        link.ping().await.map_err(|error| error.reason())?;
        micros.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(())
}
