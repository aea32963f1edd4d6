//! What happens during a long operation, for whoever wants to show it. The library itself prints nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// A part of an operation whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Phase {
    /// Finding the engine and looking at what is there.
    Engine,
    /// Finding or getting the image.
    Image,
    /// Making the network.
    Network,
    /// Making the containers.
    Create,
    /// Starting them until all answer.
    Start,
    /// Making one cluster of them.
    Form,
    /// Proving that it is ready.
    Prove,
    /// Removing.
    Remove,
}

impl Phase {
    /// The lower-case word.
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

/// Something that happened. In JSON each carries its name in the field `event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A phase began, with so many units of work.
    PhaseStarted {
        /// Which.
        phase: Phase,
        /// How many units it has; a unit is a node almost everywhere.
        units: usize,
    },
    /// Another unit of the phase is done.
    Progress {
        /// Which.
        phase: Phase,
        /// How many are done.
        done: usize,
        /// Of how many.
        units: usize,
    },
    /// A phase ended well.
    PhaseFinished {
        /// Which.
        phase: Phase,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// Something worth saying: which engine, which image and why, what was chosen.
    Note {
        /// One sentence fragment, lower case.
        message: String,
    },
    /// Something that may surprise later.
    Warning {
        /// One sentence fragment, lower case.
        message: String,
    },
    /// What was made is being removed again.
    Undoing {
        /// Why.
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

/// Whoever wants to know. A closure is enough.
pub trait Observer: Send + Sync {
    /// Is told of every event, in order, from whichever thread it happens on. It must not block.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event) {}
}

/// How long each phase took.
pub type Timings = BTreeMap<Phase, Duration>;
