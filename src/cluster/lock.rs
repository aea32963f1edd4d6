//! Locks among the rcup processes of one user on one machine, so that two starts of one cluster become a
//! start and an adoption, and two choices of ports or subnets do not choose alike.
//!
//! The kernel releases a lock when its holder dies. The file itself says one thing only: a holder writes its
//! process id into it and empties it when it is done, so whoever finds it written knows that the last holder
//! was killed, and that the engine may still be making what it had asked for.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::wait::{Seen, until};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    abandoned: bool,
}

impl Lock {
    /// Whether the last holder was killed before it was done.
    pub(super) fn was_abandoned(&self) -> bool {
        self.abandoned
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "a lock file could not be emptied");
        }
    }
}

fn directory() -> PathBuf {
    let own = || std::env::temp_dir().join(format!("rcup-{}", rustix::process::getuid().as_raw()));
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(|dir| PathBuf::from(dir).join("rcup"))
        .filter(|dir| std::fs::create_dir_all(dir).is_ok())
        .unwrap_or_else(own)
}

/// Takes the lock called `name` on the engine at `endpoint`, waiting for another holder until `deadline`.
pub(super) async fn lock(
    endpoint: &str,
    name: &str,
    deadline: Instant,
    observer: &dyn Observer,
) -> Result<Lock> {
    let directory = directory();
    let readable: String = endpoint
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let path = directory.join(format!("{name}{readable}.lock"));
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot lock {}", path.display()))
            .because(error)
            .hint("rcup keeps its lock files there; point TMPDIR at a directory you may write to.")
    };
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let mut file = File::options()
        .create(true)
        .read(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    let mut told = false;
    let mut attempt = || match file.try_lock() {
        Ok(()) => Ok(Seen::Done(())),
        Err(std::fs::TryLockError::WouldBlock) => {
            if !std::mem::replace(&mut told, true) {
                observer.observe(&Event::note(format!(
                    "waiting for another rcup that works on {name}"
                )));
            }
            Ok(Seen::NotYet(format!("another rcup holds {}", path.display())))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    };
    until(
        "another rcup is done",
        deadline,
        Duration::from_millis(10),
        || {
            let seen = attempt();
            async { seen }
        },
    )
    .await?;
    let abandoned = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
    // The mark is a help for whoever comes next, and no reason to fail: a full disk takes the lock all the same.
    if let Err(error) = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
    {
        tracing::debug!(%error, "a lock file could not be marked");
    }
    Ok(Lock { file, abandoned })
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
        // A holder that is killed never drops its lock; the kernel closes the file.
        let killed = again.file.try_clone().unwrap();
        killed.unlock().unwrap();
        std::mem::forget(again);
        assert!(
            lock("unix:///x", &name, soon(), &Silent)
                .await
                .unwrap()
                .was_abandoned()
        );
    }
}
