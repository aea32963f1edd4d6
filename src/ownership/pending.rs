//! What the engine was asked to make and has not answered for. It may make it all the same, after whoever
//! asked has gone; removing must wait for that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{ErrorKind, Result};
use crate::runtime::interface::{Runtime, Scope};
use crate::runtime::observed::Observed;
use crate::wait::{Seen, until};

/// How long an engine may take to make what nobody waits for any more. It usually takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A kind of thing that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Network,
    Volume,
    Container,
}

/// The open requests of one start. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Making {
    open: Arc<Mutex<BTreeSet<(Kind, String)>>>,
}

impl Making {
    /// Waits for the answer to a request. It stays open when the future is dropped, or when the engine has
    /// fallen silent.
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

    /// Waits until all that was asked for is there, or can be expected no more.
    pub(crate) async fn settle<R: Runtime>(&self, runtime: &R, scope: &Scope) {
        let open = self.with(std::mem::take);
        if open.is_empty() {
            return;
        }
        let what = "the engine has made what it was asked for";
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
