//! Clusters that outlive the test that made them, for the next one that wants the same.
//!
//! Such a cluster has no owner but an end: its name follows from what it shall be, so that another wish never finds
//! it, and one user at a time holds its claim, a locked file beside the other locks. Who gets one that was used before
//! gets it after a reset. Those whose time has passed go with the next sweep, but not from under a user.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::cluster::handle::{Cluster, down};
use crate::connect::credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lifecycle::execute::Outcome;
use crate::lifecycle::options::UpOptions;
use crate::lifecycle::reset::initial_settings;
use crate::lifecycle::reset::run::proven;
use crate::lifecycle::secrets::cluster;
use crate::lifecycle::up::Started;
use crate::ownership::lease::acquire;
use crate::ownership::rollback::Guard;
use crate::runtime::faults::Faults;
use crate::runtime::labels;
use crate::spec::cluster::ClusterSpec;
use crate::spec::name::ClusterName;
use futures_util::FutureExt as _;
use tracing::Instrument as _;

/// How long a cluster lives for others where nothing else is asked for.
const TTL: Duration = Duration::from_hours(1);

/// How many clusters of one specification there may be, each with a user of its own.
const MOST: usize = 16;

impl<R: Faults> Cluster<R> {
    /// A cluster of this specification that an earlier user has left, as new after a reset, or else a new one. Its name
    /// follows from the specification; that of `spec` counts for nothing. It is this handle's alone, and the option's
    /// owner's as long as that lives; then it stays for the next, for an hour after it was made where the options say
    /// nothing else.
    ///
    /// # Errors
    /// As [`Cluster::up`]; [`ErrorKind::Usage`] for a specification that keeps keys,
    /// [`ErrorKind::Timeout`] when too many are in use.
    pub async fn reuse(runtime: R, spec: &ClusterSpec, options: &UpOptions) -> Result<Self> {
        let span = tracing::info_span!("reuse");
        reuse(runtime, spec, options).instrument(span).boxed().await
    }
}

/// A cluster of this specification that nobody uses, as new, or else a new one. It stays for the next when the handle
/// is dropped.
async fn reuse<R: Faults>(runtime: R, spec: &ClusterSpec, options: &UpOptions) -> Result<Cluster<R>> {
    if spec.persist() {
        return Err(
            Error::new(ErrorKind::Usage, "a cluster that keeps its keys cannot be reused")
                .hint("Whoever reuses a cluster gets it empty: leave out --persist, or --reuse."),
        );
    }
    for nth in 1..=MOST {
        let spec = spec.clone().with_name(name(spec, nth)?);
        let Some(lease) = acquire(spec.name(), options.owner.as_ref())? else {
            continue;
        };
        let found = match again(&runtime, &spec).await {
            // It is there with another password.
            Err(error) if error.kind() == ErrorKind::Different => continue,
            Err(error) => {
                options.observer.observe(&Event::note(format!(
                    "cluster {} cannot be used again ({error}): making it anew",
                    spec.name()
                )));
                down(&runtime, spec.name(), false, &*options.observer).await?;
                None
            }
            Ok(found) => found,
        };
        let mut cluster = if let Some(cluster) = found {
            cluster
        } else {
            let mut options = options.clone();
            // It shall outlive whoever makes it, but not for ever.
            options.owner = None;
            options.ttl.get_or_insert(TTL);
            let mut made = Cluster::up(runtime, &spec, &options).await?;
            made.release();
            made
        };
        cluster.use_alone(lease);
        return Ok(cluster);
    }
    Err(Error::new(
        ErrorKind::Timeout,
        format!("{MOST} clusters of this specification are in use"),
    )
    .hint("Let go of one, or start a cluster of your own without --reuse."))
}

/// What a cluster of this specification is called. Another version of rcup might set it up otherwise.
fn name(spec: &ClusterSpec, nth: usize) -> Result<ClusterName> {
    let nameless = spec.clone().with_name(ClusterName::default());
    let shape = serde_json::to_string(&nameless).unwrap_or_default();
    let digest = Sha256::digest(format!("{} {shape}", env!("CARGO_PKG_VERSION")));
    let mut text = String::from("reuse-");
    for byte in digest.iter().take(6) {
        let _ = write!(text, "{byte:02x}");
    }
    format!("{text}-{nth}").parse()
}

/// The cluster of this name after a reset; none where there is none or its time has passed.
async fn again<R: Faults>(runtime: &R, spec: &ClusterSpec) -> Result<Option<Cluster<R>>> {
    let begun = Instant::now();
    let attached = match Cluster::attach(runtime.clone(), spec.name()).await {
        Ok(attached) => attached,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let labels = attached.containers().first().map(|container| &container.labels);
    if labels.is_none_or(|labels| labels::life(labels).has_expired(SystemTime::now())) {
        return Err(Error::new(ErrorKind::NotFound, "its time has passed"));
    }
    let (topology, secrets) = (attached.topology().clone(), attached.secrets().await?.clone());
    cluster::same(spec, &secrets)?;
    let access = credentials::access(&secrets);
    let settings = initial_settings::of(&topology, &secrets);
    let (_, (checks, answers)) = proven(runtime, &topology, &access, &settings).await?;
    let outcome = Outcome {
        checks,
        answers,
        settings: Some(settings),
        ..Outcome::default()
    };
    Ok(Some(Cluster::new(Started {
        runtime: runtime.clone(),
        topology,
        secrets,
        outcome,
        guard: Guard::new(runtime.clone()),
        adopted: true,
        total: begun.elapsed(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_wish_has_another_name() {
        let spec = |masters: usize, name: &str| {
            let spec = ClusterSpec::builder()
                .masters(masters)
                .name(name.parse().unwrap());
            spec.build().unwrap()
        };
        let one = name(&spec(3, "a"), 1).unwrap();
        assert_eq!(one, name(&spec(3, "b"), 1).unwrap());
        assert_ne!(one, name(&spec(3, "a"), 2).unwrap());
        assert_ne!(one, name(&spec(4, "a"), 1).unwrap());
    }
}
