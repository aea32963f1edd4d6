//! Locks between the rcup processes of one user on one host, so that two starts of one cluster become a start and
//! an adoption, and concurrent starts choose different ports and subnets.
//!
//! The kernel releases a lock when its holder exits. A holder writes its process id into the file and empties it
//! when it is done, so a non-empty file means that the last holder was killed, and that the container engine may
//! still be processing its requests.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::wait::{Seen, until};

/// A file that is unlocked when dropped. Closing it is not enough: a process that another thread is about to
/// start inherits all open files until its exec, and an inherited file keeps the lock.
#[derive(Debug)]
pub(crate) struct Held(pub(crate) File);

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "a file could not be unlocked");
        }
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Held,
    abandoned: bool,
    keeps_its_mark: bool,
}

impl Lock {
    /// Whether the last holder was killed before it was done.
    pub(crate) fn was_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Releases the lock but keeps the mark of the killed holder for the next one.
    pub(crate) fn give_back(mut self) {
        self.keeps_its_mark = self.abandoned;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.keeps_its_mark {
            return;
        }
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "a lock file could not be emptied");
        }
    }
}

/// Directory of the lock files.
pub(crate) fn directory() -> PathBuf {
    let own = || std::env::temp_dir().join(format!("rcup-{}", rustix::process::getuid().as_raw()));
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(|dir| PathBuf::from(dir).join("rcup"))
        .filter(|dir| std::fs::create_dir_all(dir).is_ok())
        .unwrap_or_else(own)
}

/// File name suffix for a container engine.
fn ending(endpoint: &str) -> String {
    let readable: String = endpoint
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("{readable}.lock")
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot lock {}", path.display()))
        .because(error)
        .hint("rcup keeps its lock files there; set TMPDIR to a writable directory.")
}

fn open(endpoint: &str, name: &str) -> Result<(PathBuf, Held)> {
    let directory = directory();
    let path = directory.join(format!("{name}{}", ending(endpoint)));
    let file = std::fs::create_dir_all(&directory)
        .and_then(|()| File::options().create(true).read(true).append(true).open(&path));
    match file {
        Ok(file) => Ok((path, Held(file))),
        Err(error) => Err(failed(&path, error)),
    }
}

/// Acquires the lock `name` for the container engine at `endpoint`, waiting for another holder until `deadline`.
pub(crate) async fn lock(
    endpoint: &str,
    name: &str,
    deadline: Instant,
    observer: &dyn Observer,
) -> Result<Lock> {
    let (path, file) = open(endpoint, name)?;
    let mut told = false;
    let mut attempt = || match file.try_lock() {
        Ok(()) => Ok(Seen::Done(())),
        Err(TryLockError::WouldBlock) => {
            if !std::mem::replace(&mut told, true) {
                observer.observe(&Event::note(format!(
                    "waiting for another rcup to finish with {name}"
                )));
            }
            Ok(Seen::NotYet(format!(
                "another rcup holds the lock {}",
                path.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(failed(&path, error)),
    };
    until(
        "another rcup releases the lock",
        deadline,
        Duration::from_millis(10),
        || {
            let seen = attempt();
            async { seen }
        },
    )
    .await?;
    Ok(taken(file))
}

/// Acquires the lock if it is free.
pub(crate) fn try_lock(endpoint: &str, name: &str) -> Result<Option<Lock>> {
    let (path, file) = open(endpoint, name)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(taken(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(&path, error)),
    }
}

/// Whether the last process that held this lock was killed before it was done.
pub(crate) fn is_abandoned(endpoint: &str, name: &str) -> bool {
    let path = directory().join(format!("{name}{}", ending(endpoint)));
    if_abandoned(&path, |_| ()).is_some()
}

/// The lock files whose last holders were killed before they were done.
pub(crate) fn abandoned(endpoint: &str) -> Vec<PathBuf> {
    let ending = ending(endpoint);
    let files = std::fs::read_dir(directory()).into_iter().flatten().flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().ends_with(&ending))
        .map(|file| file.path())
        .filter(|path| if_abandoned(path, |_| ()).is_some())
        .collect()
}

/// Clears the marks of killed holders once their requests have completed.
pub(crate) fn settle(abandoned: &[PathBuf]) {
    for path in abandoned {
        if let Some(Err(error)) = if_abandoned(path, |file| file.set_len(0)) {
            tracing::debug!(%error, "a lock file could not be emptied");
        }
    }
}

/// Runs `then` on the file of a free lock that carries the mark of a killed holder.
fn if_abandoned<T>(path: &Path, then: impl FnOnce(&File) -> T) -> Option<T> {
    let marked = |metadata: std::io::Result<std::fs::Metadata>| metadata.is_ok_and(|is| is.len() > 0);
    if !marked(path.metadata()) {
        return None;
    }
    let file = Held(File::options().read(true).append(true).open(path).ok()?);
    file.try_lock().ok()?;
    marked(file.metadata()).then(|| then(&file))
}

fn taken(mut file: Held) -> Lock {
    let abandoned = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
    // The mark is optional: the lock also works on a full disk.
    if let Err(error) = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
    {
        tracing::debug!(%error, "a lock file could not be marked");
    }
    Lock {
        file,
        abandoned,
        keeps_its_mark: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;

    #[tokio::test]
    async fn a_lock_is_held_by_one_and_freed_by_dropping() {
        let soon = || Instant::now() + Duration::from_millis(50);
        let name = format!("test-{}", std::process::id());
        let held = lock("unix:///x", &name, soon(), &Silent).await.unwrap();
        let error = lock("unix:///x", &name, soon(), &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(
            lock("unix:///y", &name, soon(), &Silent).await.is_ok(),
            "another engine is another matter"
        );
        drop(held);
        let again = lock("unix:///x", &name, soon(), &Silent).await.unwrap();
        assert!(!again.was_abandoned());
        // A killed holder never drops its lock; the kernel closes the file.
        let killed = again.file.try_clone().unwrap();
        killed.unlock().unwrap();
        std::mem::forget(again);
        for _ in 0..2 {
            let next = lock("unix:///x", &name, soon(), &Silent).await.unwrap();
            assert!(next.was_abandoned());
            next.give_back();
        }
        drop(lock("unix:///x", &name, soon(), &Silent).await.unwrap());
        let last = lock("unix:///x", &name, soon(), &Silent).await.unwrap();
        assert!(!last.was_abandoned(), "somebody has seen to it");
    }

    #[tokio::test]
    async fn a_lock_goes_with_its_holder_also_where_a_process_about_to_start_has_a_copy() {
        let name = format!("test-copied-{}", std::process::id());
        let held = try_lock("unix:///x", &name).unwrap().unwrap();
        let copy = held.file.try_clone().unwrap();
        assert!(try_lock("unix:///x", &name).unwrap().is_none());
        drop(held);
        assert!(try_lock("unix:///x", &name).unwrap().is_some());
        drop(copy);
    }
}
