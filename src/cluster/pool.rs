//! Clusters that outlive the test that made them, for the next one that wants the same.
//!
//! Such a cluster has no owner but an end: its name follows from what it shall be, so that another wish never finds
//! it, and one user at a time holds its claim, a locked file beside the other locks. Who gets one that was used before
//! gets it after a reset. Those whose time has passed go with the next sweep, but not from under a user.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::cluster::handle::{Cluster, down};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lifecycle::execute::Outcome;
use crate::lifecycle::options::UpOptions;
use crate::lifecycle::reset::initial_settings;
use crate::lifecycle::reset::run::proven;
use crate::lifecycle::secrets::cluster;
use crate::ownership::lock::{Held, directory};
use crate::ownership::owner::presence;
use crate::ownership::rollback::Guard;
use crate::runtime::faults::Faults;
use crate::runtime::labels;
use crate::spec::cluster::ClusterSpec;
use crate::spec::expiry::{Owner, Presence};
use crate::spec::name::ClusterName;

/// How long a cluster lives for others where nothing else is asked for.
const TTL: Duration = Duration::from_hours(1);

/// How many clusters of one specification there may be, each with a user of its own.
const MOST: usize = 16;

/// A cluster of this specification that nobody uses, as new, or else a new one. It stays for the next when the handle
/// is dropped.
pub(crate) async fn reuse<R: Faults>(
    runtime: R,
    spec: &ClusterSpec,
    options: &UpOptions,
) -> Result<Cluster<R>> {
    if spec.persist() {
        return Err(
            Error::new(ErrorKind::Usage, "a cluster that keeps its keys cannot be reused")
                .hint("Whoever reuses a cluster gets it empty: leave out --persist, or --reuse."),
        );
    }
    for nth in 1..=MOST {
        let spec = spec.clone().with_name(name(spec, nth)?);
        let Some(claim) = claim(spec.name(), options.owner.as_ref())? else {
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
        cluster.use_alone(claim);
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
    let access = cluster::access(&secrets);
    let settings = initial_settings::of(&topology, &secrets);
    let (_, (checks, answers)) = proven(runtime, &topology, &access, &settings).await?;
    let outcome = Outcome {
        checks,
        answers,
        settings: Some(settings),
        ..Outcome::default()
    };
    let guard = Guard::new(runtime.clone());
    let mut cluster = Cluster::new(runtime.clone(), topology, secrets, outcome, guard, true);
    cluster.took(begun.elapsed());
    Ok(Some(cluster))
}

/// Where the claim on a cluster lies.
fn path(name: &ClusterName) -> PathBuf {
    directory().join(format!("{name}.use"))
}

/// Takes the claim on a cluster if nobody has it: neither who holds the file locked, nor a living process that it
/// names. It is then this process's as long as the file is open, and the owner's as long as that lives.
fn claim(name: &ClusterName, owner: Option<&Owner>) -> Result<Option<Held>> {
    let path = path(name);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot use {}", path.display()))
            .because(error)
            .hint("rcup keeps its lock files there; point TMPDIR at a directory you may write to.")
    };
    std::fs::create_dir_all(directory()).map_err(failed)?;
    loop {
        let mut options = File::options();
        let opened = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        let mut file = Held(opened.map_err(failed)?);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Whoever swept the cluster has removed the file too, and the next comer locks another one.
        let same = |other: std::fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == other.ino());
        if !std::fs::metadata(&path).is_ok_and(same) {
            continue;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let former: Option<Owner> = serde_json::from_str(&text).ok();
        if former
            .as_ref()
            .is_some_and(|former| lives(former) && Some(former) != owner)
        {
            return Ok(None);
        }
        let written = file.set_len(0).and_then(|()| {
            file.rewind()?;
            match owner {
                Some(owner) => file.write_all(serde_json::to_string(owner)?.as_bytes()),
                None => Ok(()),
            }
        });
        written.map_err(failed)?;
        return Ok(Some(file));
    }
}

fn lives(owner: &Owner) -> bool {
    presence(owner, true) == Presence::Here
}

/// Somebody uses a cluster.
#[derive(Debug)]
pub(crate) struct InUse;

/// Whether a cluster may be swept: somebody may be using it although its time has passed. The file that is returned, if
/// there is one, keeps others from beginning to, as long as it is held.
pub(crate) fn unused(name: &ClusterName) -> Result<Option<Held>, InUse> {
    let Ok(file) = File::options().read(true).write(true).open(path(name)) else {
        return Ok(None);
    };
    let mut file = Held(file);
    let mut text = String::new();
    if file.try_lock().is_err() || file.read_to_string(&mut text).is_err() {
        return Err(InUse);
    }
    match serde_json::from_str(&text) {
        Ok(user) if lives(&user) => Err(InUse),
        _ => Ok(Some(file)),
    }
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

    #[test]
    fn a_claim_is_one_users_until_he_has_ended() {
        let name = crate::cluster::builder::made_up("claim");
        let held = claim(&name, None).unwrap().unwrap();
        assert!(claim(&name, None).unwrap().is_none());
        assert!(unused(&name).is_err(), "it is in use");
        drop(held);
        assert!(unused(&name).is_ok());
        let mut process = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let owner = Owner::process(process.id()).unwrap();
        drop(claim(&name, Some(&owner)).unwrap().unwrap());
        assert!(claim(&name, None).unwrap().is_none());
        assert!(unused(&name).is_err(), "its user lives");
        drop(claim(&name, Some(&owner)).unwrap().expect("its own"));
        process.kill().unwrap();
        process.wait().unwrap();
        let swept = unused(&name).expect("nobody's");
        assert!(claim(&name, None).unwrap().is_none(), "it is being swept");
        std::fs::remove_file(path(&name)).unwrap();
        let anew = claim(&name, None).unwrap().expect("the next one's");
        drop(swept);
        assert!(claim(&name, None).unwrap().is_none());
        drop(anew);
        std::fs::remove_file(path(&name)).unwrap();
    }
}
