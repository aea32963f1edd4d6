//! Requests that the container engine has not answered. It may complete them after the caller has stopped waiting,
//! and cleanup must wait for that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{ErrorKind, Result};
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::observed::Observed;
use crate::wait::{Seen, until};

/// How long cleanup waits for abandoned requests. They usually complete within a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Poll interval.
const LOOK: Duration = Duration::from_millis(20);

/// Kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Network,
    Volume,
    Container,
}

/// Open requests of one start, shared by clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Making {
    open: Arc<Mutex<BTreeSet<(Kind, String)>>>,
}

impl Making {
    /// Waits for the response to a request. The request stays open when the future is dropped, or when the
    /// container engine has stopped responding.
    pub(crate) async fn answer<T>(
        &self,
        kind: Kind,
        name: &str,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let entry = (kind, name.to_owned());
        self.with(|open| open.insert(entry.clone()));
        let answer = request.await;
        let silent = matches!(&answer, Err(error) if error.kind() == ErrorKind::EngineUnavailable);
        if !silent {
            self.with(|open| open.remove(&entry));
        }
        answer
    }

    /// Waits until all requested objects exist or the time limit has passed.
    pub(crate) async fn settle<R: Runtime>(&self, runtime: &R, scope: &Scope) {
        let open = self.with(std::mem::take);
        if open.is_empty() {
            return;
        }
        let what = "the container engine completes pending requests";
        let waited = until(what, Instant::now() + PATIENCE, LOOK, || async {
            let observed = runtime.observe(scope).await?;
            let missing = open.iter().find(|entry| !is_there(entry, &observed));
            Ok(missing.map_or(Seen::Done(()), |(_, name)| Seen::NotYet(name.clone())))
        })
        .await;
        if let Err(error) = waited {
            tracing::debug!(causes = ?error.causes(), "{error}");
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut BTreeSet<(Kind, String)>) -> T) -> T {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_there((kind, name): &(Kind, String), observed: &Observed) -> bool {
    match kind {
        Kind::Network => observed.networks.iter().any(|one| one.name == *name),
        Kind::Volume => observed.volumes.iter().any(|one| one.name == *name),
        Kind::Container => {
            let probes = &observed.probes;
            observed
                .containers
                .iter()
                .chain(probes)
                .any(|one| one.name == *name)
        }
    }
}
