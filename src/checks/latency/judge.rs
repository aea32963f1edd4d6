//! Response times of the nodes: percentiles and a histogram for each node, no averages.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::checks::finding::Check;

/// 99th percentile from which a node is reported, in microseconds, if no threshold is set. On loopback or a
/// local network it is far lower, even on a busy host.
const SLOW: u64 = 100_000;

/// Response times of one node, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeLatency {
    /// The node's name.
    pub node: String,
    /// The number of measured responses.
    pub samples: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile; `None` for fewer than 1000 responses, where it would equal the maximum.
    pub p999: Option<u64>,
    /// The maximum.
    pub max: u64,
    /// The histogram: upper bounds in microseconds, doubling, and the number of responses at or below each
    /// bound and above the previous one.
    pub buckets: Vec<(u64, u64)>,
    /// The full histogram, for adding other measurements.
    #[serde(skip)]
    counts: Counts,
}

/// Number of responses from which a 99.9th percentile is meaningful.
pub const ENOUGH_FOR_P999: u64 = 1000;

/// The number of measurements for each time, with three significant digits.
#[derive(Clone, PartialEq)]
struct Counts(Histogram<u64>);

/// Counts are whole numbers, which always equal themselves.
impl Eq for Counts {}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Counts({})", self.0.len())
    }
}

impl NodeLatency {
    /// Creates it from single measurements in microseconds.
    pub fn of(node: &str, micros: &[u64]) -> Self {
        Self::counted(node, micros.iter().map(|value| (*value, 1)))
    }

    /// Creates it from times in microseconds and the number of measurements for each.
    pub fn counted(node: &str, times: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut histogram = empty();
        for (value, count) in times {
            // The histogram resizes automatically, so every value is in range.
            let _ = histogram.record_n(value.max(1), count);
        }
        Self::from(node, histogram)
    }

    /// Combines both measurements.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let _ = self.counts.0.add(&other.counts.0);
        Self::from(&self.node, self.counts.0)
    }

    fn from(node: &str, histogram: Histogram<u64>) -> Self {
        let at = |quantile: f64| histogram.value_at_quantile(quantile);
        Self {
            node: node.to_owned(),
            samples: histogram.len(),
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            p999: (histogram.len() >= ENOUGH_FOR_P999).then(|| at(0.999)),
            max: histogram.max(),
            buckets: buckets(&histogram),
            counts: Counts(histogram),
        }
    }
}

/// Creates a histogram with three significant digits, from one microsecond and without an upper limit.
fn empty() -> Histogram<u64> {
    Histogram::new(3).expect("one to five digits are allowed")
}

/// Returns doubling buckets, from the first to the last one that is not empty.
fn buckets(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    for value in histogram.iter_recorded() {
        let upper = value.value_iterated_to().next_power_of_two().max(16);
        while let Some((last, _)) = all.last()
            && *last < upper
        {
            let next = last * 2;
            all.push((next, 0));
        }
        match all.last_mut() {
            Some((_, count)) => *count += value.count_at_value(),
            None => all.push((upper, value.count_at_value())),
        }
    }
    all
}

/// The maximum for a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The percentile: `p50`, `p90`, `p99`, `p99.9` or `max`.
    pub percentile: Percentile,
    /// The maximum response time.
    pub most: Duration,
}

/// A measured percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Percentile {
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// The 99.9th percentile.
    P999,
    /// The maximum.
    Max,
}

impl Percentile {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }

    /// Returns the value of this percentile, or the maximum if there are too few responses for it.
    fn of(self, latency: &NodeLatency) -> u64 {
        match self {
            Self::P50 => latency.p50,
            Self::P90 => latency.p90,
            Self::P99 => latency.p99,
            Self::P999 => latency.p999.unwrap_or(latency.max),
            Self::Max => latency.max,
        }
    }
}

impl std::str::FromStr for Percentile {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::P50, Self::P90, Self::P99, Self::P999, Self::Max]
            .into_iter()
            .find(|percentile| percentile.as_str() == text)
            .ok_or(())
    }
}

/// The measurements of all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// The nodes that responded.
    pub nodes: Vec<NodeLatency>,
    /// The nodes with missing or incomplete measurements: `node: reason`.
    pub missing: Vec<String>,
}

/// Checks the response times against the given thresholds: a node that stopped responding exceeds all of
/// them. Without thresholds, reports only very slow and unmeasurable nodes, as a warning.
pub fn latency(measured: &Latencies, thresholds: &[Threshold]) -> Check {
    const ID: &str = "latency";
    const BAD: &str = "nodes respond too slowly or not at all";
    let Latencies { nodes, missing } = measured;
    let hint = if missing.is_empty() {
        "Check slow commands (SLOWLOG GET), forks (LATENCY LATEST) and the machine's load."
    } else {
        "Check the other results and run `rcup diagnose`."
    };
    let Some(slowest) = nodes.iter().max_by_key(|node| node.p99) else {
        if thresholds.is_empty() || missing.is_empty() {
            return Check::skipped(ID, "no node responds");
        }
        return Check::of(ID, "", BAD, missing.clone(), hint);
    };
    let good = format!(
        "PING: p50 {}, p99 {}, max {} on the slowest of {} nodes",
        micros(slowest.p50),
        micros(slowest.p99),
        micros(nodes.iter().map(|node| node.max).max().unwrap_or_default()),
        nodes.len()
    );
    let mut wrong = missing.clone();
    if thresholds.is_empty() {
        let slow = nodes.iter().filter(|node| node.p99 > SLOW);
        wrong.extend(slow.map(|node| format!("{}: p99 is {}", node.node, micros(node.p99))));
        return Check::good(ID, good).or_warn(wrong, hint);
    }
    for node in nodes {
        for threshold in thresholds {
            let is = threshold.percentile.of(node);
            let most = u64::try_from(threshold.most.as_micros()).unwrap_or(u64::MAX);
            if is > most {
                wrong.push(format!(
                    "{}: {} is {}, more than {}",
                    node.node,
                    threshold.percentile.as_str(),
                    micros(is),
                    micros(most)
                ));
            }
        }
    }
    Check::of(ID, good, BAD, wrong, hint)
}

/// Formats microseconds for display: `87 µs`, `1.2 ms`, `2.5 s`.
pub fn micros(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} µs"),
        1_000..1_000_000 => format!("{}.{} ms", value / 1_000, value % 1_000 / 100),
        _ => format!("{}.{} s", value / 1_000_000, value % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;

    #[test]
    fn percentiles_and_buckets_follow_from_the_measurements() {
        let values: Vec<u64> = (1..=1000).collect();
        let latency = NodeLatency::of("a", &values);
        assert_eq!(
            (latency.p50, latency.p90, latency.p99, latency.max),
            (500, 900, 990, 1000)
        );
        assert_eq!(
            latency.buckets,
            [
                (16, 16),
                (32, 16),
                (64, 32),
                (128, 64),
                (256, 128),
                (512, 256),
                (1024, 488)
            ]
        );
        assert_eq!(latency.p999, Some(999));
        let few = NodeLatency::of("a", &values[..999]);
        assert_eq!(few.p999, None, "it would be the slowest");
        let both = few.and(&NodeLatency::of("a", &[1000, 70_000]));
        assert_eq!((both.samples, both.p50, both.max), (1001, 501, 70_015));
        assert_eq!(both.buckets.last(), Some(&(131_072, 1)));
        assert_eq!(both.buckets.iter().map(|(_, count)| count).sum::<u64>(), 1001);
        let none = NodeLatency::of("a", &[]);
        assert_eq!((none.samples, none.max, none.buckets), (0, 0, Vec::new()));
    }

    #[test]
    fn thresholds_fail_and_without_any_only_the_extreme_is_told() {
        let quick = NodeLatency::of("a", &[100; 50]);
        let slow = NodeLatency::of("b", &[200_000; 50]);
        let of = |nodes: &[&NodeLatency]| Latencies {
            nodes: nodes.iter().copied().cloned().collect(),
            missing: Vec::new(),
        };
        assert_eq!(latency(&of(&[&quick]), &[]).status, Status::Pass);
        assert_eq!(latency(&of(&[&quick, &slow]), &[]).status, Status::Warn);
        let threshold = Threshold {
            percentile: "p99".parse().unwrap(),
            most: Duration::from_micros(50),
        };
        let check = latency(&of(&[&quick]), &[threshold]);
        assert_eq!(check.status, Status::Fail);
        assert_eq!(check.summary, "a: p99 is 100 µs, more than 50 µs");
    }

    #[test]
    fn a_node_that_is_not_measured_is_told_and_within_no_threshold() {
        let measured = Latencies {
            nodes: vec![NodeLatency::of("a", &[100; 50])],
            missing: vec!["b: not measured: timed out".to_owned()],
        };
        let threshold = Threshold {
            percentile: "p99".parse().unwrap(),
            most: Duration::from_secs(1),
        };
        for (thresholds, status) in [(&[][..], Status::Warn), (&[threshold], Status::Fail)] {
            let check = latency(&measured, thresholds);
            assert_eq!(
                (check.status, check.summary.as_str()),
                (status, "b: not measured: timed out")
            );
        }
        let none = Latencies {
            nodes: Vec::new(),
            ..measured
        };
        assert_eq!(latency(&none, &[]).status, Status::Skip);
        assert_eq!(latency(&none, &[threshold]).status, Status::Fail);
        let nobody = latency(&Latencies::default(), &[threshold]);
        assert_eq!(nobody.status, Status::Skip);
    }
}
