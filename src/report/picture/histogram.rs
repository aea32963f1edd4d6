//! The latency histogram of one node: a bar for each bucket, with its count.

use crate::checks::latency::judge::{NodeLatency, micros};
use crate::report::picture::draw::Drawing;

const WIDE: u64 = 300;
const HIGH: u64 = 120;

/// Draws the response times of a node.
pub(crate) fn histogram(latency: &NodeLatency) -> String {
    let mut drawing = Drawing::new(WIDE, HIGH, &format!("Response times of {}", latency.node));
    let most = latency.buckets.iter().map(|(_, count)| *count).max();
    let most = most.unwrap_or(1).max(1);
    let step = WIDE / (latency.buckets.len() as u64).max(1);
    for (nth, (upper, count)) in latency.buckets.iter().enumerate() {
        let height = (count * (HIGH - 40) / most).max(1);
        let x = nth as u64 * step;
        let top = HIGH - 20 - height;
        let title = format!("{count} responses up to {}", micros(*upper));
        drawing.bar((x + 2, top), (step.saturating_sub(4), height), "shard0", &title);
        if *count > 0 {
            drawing.text(x + 4, top.saturating_sub(4), "tiny", &count.to_string());
        }
        if latency.buckets.len() <= 7 || nth % 2 == 0 {
            drawing.text(x + 2, HIGH - 6, "tiny", &micros(*upper));
        }
    }
    drawing.done()
}
