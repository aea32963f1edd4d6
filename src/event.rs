//! Progress events of long operations. The library itself prints nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

/// A measured phase of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Phase {
    /// Finding the container engine and observing its state.
    Engine,
    /// Finding or pulling the image.
    Image,
    /// Creating the network.
    Network,
    /// Creating the containers.
    Create,
    /// Starting the containers until all nodes respond.
    Start,
    /// Forming the cluster.
    Form,
    /// Verifying readiness.
    Prove,
    /// Removing the cluster's objects.
    Remove,
}

impl Phase {
    /// Returns the lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Image => "image",
            Self::Network => "network",
            Self::Create => "create",
            Self::Start => "start",
            Self::Form => "form",
            Self::Prove => "prove",
            Self::Remove => "remove",
        }
    }
}

/// A progress event. In JSON, the field `event` holds its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A phase began.
    PhaseStarted {
        /// The phase.
        phase: Phase,
        /// Its number of units; a unit is usually a node.
        units: usize,
    },
    /// Another unit of the phase is done. While an image is pulled, units are bytes; their total grows until all
    /// layers are known.
    Progress {
        /// The phase.
        phase: Phase,
        /// Units done.
        done: usize,
        /// Total units.
        units: usize,
    },
    /// A phase succeeded.
    PhaseFinished {
        /// The phase.
        phase: Phase,
        /// Duration in milliseconds.
        ms: u64,
    },
    /// A note: the container engine, the image and why it was selected, or another selected setting.
    Note {
        /// One sentence fragment, lower case.
        message: String,
    },
    /// A warning.
    Warning {
        /// One sentence fragment, lower case.
        message: String,
    },
    /// A rollback began.
    Undoing {
        /// The reason.
        reason: String,
    },
}

impl Event {
    pub(crate) fn note(message: impl Into<String>) -> Self {
        Self::Note {
            message: message.into(),
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self::Warning {
            message: message.into(),
        }
    }

    pub(crate) fn finished(phase: Phase, took: Duration) -> Self {
        Self::PhaseFinished {
            phase,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Receives events. Implemented for closures.
pub trait Observer: Send + Sync {
    /// Handles an event. Called for every event, in order, on any thread. It must not block.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Ignores all events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event) {}
}

/// Limits the rate of reports.
#[derive(Debug)]
pub(crate) struct Rate {
    every: Duration,
    last: Instant,
}

impl Rate {
    /// Creates a limit of one report per `every`. The first report is due after `every`.
    pub(crate) fn new(every: Duration) -> Self {
        Self {
            every,
            last: Instant::now(),
        }
    }

    /// Returns whether a report is due. If so, the next one is due after another interval.
    pub(crate) fn is_due(&mut self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.last) >= self.every;
        if due {
            self.last = now;
        }
        due
    }
}

/// Duration of each phase.
pub type Timings = BTreeMap<Phase, Duration>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_allows_one_report_per_interval() {
        let mut rate = Rate::new(Duration::from_secs(5));
        let start = rate.last;
        let due: Vec<u64> = (0..=20)
            .filter(|second| rate.is_due_at(start + Duration::from_secs(*second)))
            .collect();
        assert_eq!(due, [5, 10, 15, 20]);
    }
}
