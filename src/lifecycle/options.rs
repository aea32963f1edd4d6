//! Options of a start.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::{Observer, Silent};
use crate::spec::expiry::Owner;

/// Options of a start.
#[derive(Clone)]
#[non_exhaustive]
pub struct UpOptions {
    /// Timeout until the cluster is ready (default 2 minutes).
    pub(crate) timeout: Duration,
    /// Whether to keep the containers of a failed start for debugging.
    pub(crate) keep_on_failure: bool,
    /// Whether to fail, instead of warn, when the host does not meet the profile's requirements.
    pub(crate) strict: bool,
    /// Cancels the start; what it has created is then removed.
    pub(crate) cancel: CancellationToken,
    /// Receives the events.
    pub(crate) observer: Arc<dyn Observer>,
    /// Owner process of the cluster. After it has exited, the next rcup process removes the cluster.
    pub(crate) owner: Option<Owner>,
    /// TTL of a new cluster; the next rcup process removes an expired cluster (default: no expiry).
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
    /// Sets the timeout until the cluster is ready.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether to keep the containers of a failed start for debugging.
    #[must_use]
    pub fn keep_on_failure(mut self, keep: bool) -> Self {
        self.keep_on_failure = keep;
        self
    }

    /// Sets whether to fail when the host does not meet the profile's requirements.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Interrupts the start when the future completes; what it has created is then removed. Call it within a tokio
    /// runtime.
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

    /// Sets the owner process.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Sets the TTL of a new cluster.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }
}
