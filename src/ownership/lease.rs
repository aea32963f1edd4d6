//! Leases on reusable clusters: a locked file beside the other locks, which names the process that uses the cluster.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};
use crate::ownership::lock::{Held, directory};
use crate::ownership::owner::presence;
use crate::spec::expiry::{Owner, Presence};
use crate::spec::name::ClusterName;

/// The file of a lease.
fn path(name: &ClusterName) -> PathBuf {
    directory().join(format!("{name}.use"))
}

/// Acquires the lease on a cluster if it is free: no process holds the file locked, and the process that it names has
/// exited. The lease lasts while the file is open, and while `owner` is alive.
///
/// # Errors
/// [`ErrorKind::Io`] when the file cannot be used.
pub(crate) fn acquire(name: &ClusterName, owner: Option<&Owner>) -> Result<Option<Held>> {
    let path = path(name);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot use {}", path.display()))
            .because(error)
            .hint("rcup keeps its lock files there; set TMPDIR to a writable directory.")
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
        // Garbage collection removes the file with the cluster; the next process then locks a new file.
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

/// The cluster is in use.
#[derive(Debug)]
pub(crate) struct InUse;

/// Checks that a cluster may be removed: it may be in use although it has expired. The returned file, if any, prevents
/// other processes from acquiring the lease while it is held.
///
/// # Errors
/// [`InUse`] while a process holds the lease.
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

/// Extensions of the files that shared and reused clusters keep beside the locks.
const FILES: [&str; 4] = ["ready", "dirty", "use", "turn"];

/// Removes the files of a shared or reused cluster that is gone.
pub(crate) fn forget(name: &ClusterName) {
    for extension in FILES {
        let path = directory().join(format!("{name}.{extension}"));
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(%error, path = %path.display(), "a file could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_belongs_to_one_user_until_it_ends() {
        let name = ClusterName::generated("lease");
        let held = acquire(&name, None).unwrap().unwrap();
        assert!(acquire(&name, None).unwrap().is_none());
        assert!(unused(&name).is_err(), "it is in use");
        drop(held);
        assert!(unused(&name).is_ok());
        let mut process = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let owner = Owner::process(process.id()).unwrap();
        drop(acquire(&name, Some(&owner)).unwrap().unwrap());
        assert!(acquire(&name, None).unwrap().is_none());
        assert!(unused(&name).is_err(), "its owner lives");
        drop(acquire(&name, Some(&owner)).unwrap().expect("its own"));
        process.kill().unwrap();
        process.wait().unwrap();
        let swept = unused(&name).expect("free");
        assert!(acquire(&name, None).unwrap().is_none(), "being removed");
        std::fs::remove_file(path(&name)).unwrap();
        let anew = acquire(&name, None).unwrap().expect("free again");
        drop(swept);
        assert!(acquire(&name, None).unwrap().is_none());
        drop(anew);
        std::fs::remove_file(path(&name)).unwrap();
    }
}
