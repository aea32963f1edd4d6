//! Options of a validation.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::checks::catalogue::Selection;
use crate::checks::latency::judge::Threshold;
use crate::event::{Observer, Silent};

/// How a validation goes about it.
#[derive(Clone)]
#[non_exhaustive]
pub struct SuiteOptions {
    /// Which checks are made.
    pub selection: Selection,
    /// How slow nodes may be; without any, only what is slow beyond doubt is told.
    pub thresholds: Vec<Threshold>,
    /// Whether keys are written and messages sent (by default yes; set it to `false` for a cluster of
    /// somebody else).
    pub write: bool,
    /// The round, from 0: each takes another master away.
    pub round: usize,
    /// Ends a failover early; what it has taken away comes back first.
    pub cancel: CancellationToken,
    /// Is told what is going on where it takes long.
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
    /// The same with other checks.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// The same with thresholds for the latency.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Vec<Threshold>) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// The same, writing or not.
    #[must_use]
    pub fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// The same for another round.
    #[must_use]
    pub fn round(mut self, round: usize) -> Self {
        self.round = round;
        self
    }

    /// The same with a token that ends failovers early.
    #[must_use]
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same with an observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    pub(crate) fn wants(&self, id: &str) -> bool {
        self.selection.includes(id)
    }
}
