//! How a start goes about it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::{Observer, Silent};
use crate::spec::expiry::Owner;

/// How a start goes about it.
#[derive(Clone)]
#[non_exhaustive]
pub struct UpOptions {
    /// How long it may take until the cluster is ready (default 2 minutes).
    pub(crate) timeout: Duration,
    /// Whether what a failed start has made stays for a closer look.
    pub(crate) keep_on_failure: bool,
    /// Whether a machine that is not as the profile wants it is refused, rather than warned of.
    pub(crate) strict: bool,
    /// Ends the start early; what it has made is then removed.
    pub(crate) cancel: CancellationToken,
    /// Is told what happens.
    pub(crate) observer: Arc<dyn Observer>,
    /// The process for which the cluster is made. When it has ended, the next rcup removes what is left.
    pub(crate) owner: Option<Owner>,
    /// How long a new cluster lives at most; then the next rcup removes it (default: for ever).
    pub(crate) ttl: Option<Duration>,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(2),
            keep_on_failure: false,
            strict: false,
            cancel: CancellationToken::new(),
            observer: Arc::new(Silent),
            owner: None,
            ttl: None,
        }
    }
}

impl UpOptions {
    /// The same with another deadline.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, keeping what a failed start has made.
    #[must_use]
    pub fn keep_on_failure(mut self, keep: bool) -> Self {
        self.keep_on_failure = keep;
        self
    }

    /// The same, refusing a machine that is not as the profile wants it.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Interrupts the start when the future completes; what it has created is then removed. Call it within a tokio runtime.
    #[must_use]
    pub fn cancel_when(self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        let token = self.cancel.clone();
        tokio::spawn(async move {
            stop.await;
            token.cancel();
        });
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same for an owner.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// The same with an end to the cluster's life.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The same with an observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }
}
