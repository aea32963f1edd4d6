//! Pool of reusable clusters that are kept for later test runs.
//!
//! A reusable cluster has a TTL but no owner. Its name is a hash of its settings, so that different settings
//! never match. One process at a time holds its lease, a locked file next to the other locks. A cluster that
//! was used before is reset first. Garbage collection removes expired clusters, but not while a lease is
//! held.

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

/// Default TTL of a reusable cluster.
const TTL: Duration = Duration::from_hours(1);

/// Maximum number of clusters with the same settings.
const MOST: usize = 16;

impl<R: Faults> Cluster<R> {
    /// Reuses an idle cluster with these settings after a reset, or creates one. Its name is derived from the
    /// settings; the name in `spec` is ignored. This handle has exclusive use of the cluster, and so does the
    /// owner in `options` until it exits. The cluster then stays available until its TTL expires (1 hour by
    /// default).
    ///
    /// # Errors
    /// As [`Cluster::up`]; [`ErrorKind::Usage`] for a persistent cluster,
    /// [`ErrorKind::Timeout`] when too many are in use.
    pub async fn reuse(runtime: R, spec: &ClusterSpec, options: &UpOptions) -> Result<Self> {
        let span = tracing::info_span!("reuse");
        reuse(runtime, spec, options).instrument(span).boxed().await
    }
}

/// Reuses an idle cluster with these settings, or creates one. It stays available when the handle is dropped.
async fn reuse<R: Faults>(runtime: R, spec: &ClusterSpec, options: &UpOptions) -> Result<Cluster<R>> {
    if spec.persist() {
        return Err(
            Error::new(ErrorKind::Usage, "a cluster with --persist cannot be reused")
                .hint("A reused cluster is emptied first: omit --persist or --reuse."),
        );
    }
    for nth in 1..=MOST {
        let spec = spec.clone().with_name(name(spec, nth)?);
        let Some(lease) = acquire(spec.name(), options.owner.as_ref())? else {
            continue;
        };
        let found = match again(&runtime, &spec).await {
            // A cluster with another password exists.
            Err(error) if error.kind() == ErrorKind::Different => continue,
            Err(error) => {
                options.observer.observe(&Event::note(format!(
                    "cannot reuse cluster {} ({error}): recreating it",
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
            // The cluster stays after its creator exits, until its TTL expires.
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
        format!("{MOST} clusters with these settings are in use"),
    )
    .hint("Release one, or start a separate cluster without --reuse."))
}

/// Returns the name of a cluster with these settings. It includes the rcup version, which may change the
/// configuration.
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

/// Returns the cluster of this name after a reset; `None` if it does not exist or has expired.
async fn again<R: Faults>(runtime: &R, spec: &ClusterSpec) -> Result<Option<Cluster<R>>> {
    let begun = Instant::now();
    let attached = match Cluster::attach(runtime.clone(), spec.name()).await {
        Ok(attached) => attached,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let labels = attached.containers().first().map(|container| &container.labels);
    if labels.is_none_or(|labels| labels::life(labels).has_expired(SystemTime::now())) {
        return Err(Error::new(ErrorKind::NotFound, "its TTL has expired"));
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
