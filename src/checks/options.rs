//! Options of a validation.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::checks::catalogue::Selection;
use crate::checks::latency::judge::Threshold;
use crate::event::{Observer, Silent};

/// The options of a validation.
#[derive(Clone)]
#[non_exhaustive]
pub struct SuiteOptions {
    /// The checks to run.
    pub selection: Selection,
    /// The maximum response times; if empty, only very slow nodes are reported.
    pub thresholds: Vec<Threshold>,
    /// Whether to write keys and send messages (default: `true`; set it to `false` for a cluster that rcup
    /// did not create).
    pub write: bool,
    /// The round, from 0: each makes a different master unavailable.
    pub round: usize,
    /// Cancels a failover early, after the affected master is restored.
    pub cancel: CancellationToken,
    /// Receives progress events of steps that take long.
    pub observer: Arc<dyn Observer>,
}

impl Default for SuiteOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            thresholds: Vec::new(),
            write: true,
            round: 0,
            cancel: CancellationToken::new(),
            observer: Arc::new(Silent),
        }
    }
}

impl SuiteOptions {
    /// Sets the checks to run.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Sets the thresholds for the response times.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Vec<Threshold>) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Sets whether to write.
    #[must_use]
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// Sets the round.
    #[must_use]
    pub fn round(mut self, round: usize) -> Self {
        self.round = round;
        self
    }

    /// Sets a token that cancels failovers early.
    #[must_use]
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets the observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    pub(crate) fn wants(&self, id: &str) -> bool {
        self.selection.includes(id)
    }
}
