//! A shared cluster for all tests of a run: `rcup::testing`.
//!
//! A run is one `cargo test` or `cargo nextest run`. If neither is the parent of this process, the run is
//! this process. The first test starts the cluster; the other tests attach to it, in other threads and
//! processes. The run owns the cluster. When the run has ended, a background process of the first test
//! removes the cluster. That process is `rcup prune`; the program is taken from `RCUP_BIN`, the build
//! directory of the tests, or the `PATH`. Without the program, the next start of any cluster removes it.
//!
//! Two file locks control shared and exclusive use. The kernel releases them when the holder exits.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::cluster::builder::Builder;
#[cfg(feature = "blocking")]
use crate::cluster::executor::wait;
use crate::cluster::handle::Cluster;
use crate::connect::attached::Attached;
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::options::UpOptions;
use crate::lifecycle::reset::run::Reset;
use crate::lifecycle::reset::settings::Settings;
use crate::ownership::background::aside;
use crate::ownership::lock::{Held, directory};
use crate::ownership::owner::parent_that_runs_tests;
use crate::runtime::docker::client::Docker;
use crate::runtime::observed::Activity;
use crate::spec::cluster::ClusterSpec;
use crate::spec::expiry::Owner;
use crate::spec::name::ClusterName;
use crate::wait::{Seen, until};

/// Timeout for other tests to release the cluster.
const PATIENCE: Duration = Duration::from_mins(10);

/// A cluster shared with other tests. Tests must use different key names.
pub struct Shared {
    attached: Attached,
    urls: Vec<String>,
    _used: Held,
}

/// Exclusive use of the shared cluster, for fault injection. Dropping it resets the cluster for the other
/// tests.
pub struct Exclusive {
    attached: Attached,
    urls: Vec<String>,
    settings: Settings,
    files: Files,
    used: Option<Held>,
}

/// Returns the cluster of this run with the default settings: 3 masters with one replica each.
///
/// # Errors
/// When the cluster does not become ready.
pub async fn shared() -> Result<Shared> {
    shared_of(Cluster::builder()).await
}

/// Returns the cluster of this run with other settings. Each combination has its own cluster.
///
/// # Errors
/// When the cluster does not become ready.
pub async fn shared_of(builder: Builder) -> Result<Shared> {
    let run = Run::of(builder)?;
    let deadline = Instant::now() + PATIENCE;
    // A test that waits for exclusive use holds the `turn` lock, so that new shared users cannot starve it.
    let turn = run.files.open("turn")?;
    acquire(&turn, true, deadline).await?;
    let used = run.files.open("use")?;
    acquire(&used, false, deadline).await?;
    let (attached, settings) = run.cluster().await?;
    if run.files.path("dirty").exists() {
        // The last exclusive user exited before its reset.
        used.unlock().map_err(|error| run.files.failed("use", error))?;
        acquire(&used, true, deadline).await?;
        clean(&attached, &settings, &run.files).await?;
        acquire(&used, false, deadline).await?;
    }
    let urls = attached.urls().await?;
    Ok(Shared {
        attached,
        urls,
        _used: used,
    })
}

/// Blocking version of [`shared`].
///
/// # Errors
/// As [`shared`].
#[cfg(feature = "blocking")]
pub fn shared_blocking() -> Result<Shared> {
    wait(shared())
}

/// Acquires exclusive use of the cluster of this run.
///
/// # Errors
/// When the cluster does not become ready; [`ErrorKind::Timeout`] when other users, including this test
/// itself, hold the cluster for more than ten minutes.
pub async fn exclusive() -> Result<Exclusive> {
    exclusive_of(Cluster::builder()).await
}

/// Acquires exclusive use of the cluster of this run with other settings.
///
/// # Errors
/// As [`exclusive`].
pub async fn exclusive_of(builder: Builder) -> Result<Exclusive> {
    let run = Run::of(builder)?;
    let deadline = Instant::now() + PATIENCE;
    let turn = run.files.open("turn")?;
    acquire(&turn, true, deadline).await?;
    let used = run.files.open("use")?;
    acquire(&used, true, deadline).await?;
    let (attached, settings) = run.cluster().await?;
    clean(&attached, &settings, &run.files).await?;
    run.files.write("dirty", b"")?;
    let urls = attached.urls().await?;
    Ok(Exclusive {
        attached,
        urls,
        settings,
        files: run.files,
        used: Some(used),
    })
}

/// Blocking version of [`exclusive`].
///
/// # Errors
/// As [`exclusive`].
#[cfg(feature = "blocking")]
pub fn exclusive_blocking() -> Result<Exclusive> {
    wait(exclusive())
}

impl Shared {
    /// Returns the URL of every node for clients on this host, masters first.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }
}

impl Exclusive {
    /// Returns the URL of every node for clients on this host, masters first.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Resets the cluster to its initial state and deletes all keys.
    ///
    /// # Errors
    /// As [`Cluster::reset`].
    pub async fn reset(&self) -> Result<Reset> {
        self.attached.reset(Some(&self.settings)).await
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let Some(used) = self.used.take() else { return };
        let (name, settings) = (self.attached.topology().name().clone(), self.settings.clone());
        let (runtime, files) = (self.attached.runtime().clone(), self.files.clone());
        aside("reset the cluster", async move {
            let reset = async {
                let attached = Cluster::attach(runtime, &name).await?;
                clean(&attached, &settings, &files).await
            };
            if let Err(error) = reset.await {
                // The file `dirty` stays, so that the next user resets the cluster.
                tracing::warn!(%name, %error, "the cluster could not be reset");
            }
            drop(used);
        });
    }
}

impl Deref for Shared {
    type Target = Attached;

    fn deref(&self) -> &Attached {
        &self.attached
    }
}

impl Deref for Exclusive {
    type Target = Attached;

    fn deref(&self) -> &Attached {
        &self.attached
    }
}

async fn clean(attached: &Attached, settings: &Settings, files: &Files) -> Result<()> {
    attached.reset(Some(settings)).await?;
    files.remove("dirty");
    Ok(())
}

/// The cluster of a run and its files.
struct Run {
    spec: ClusterSpec,
    options: UpOptions,
    files: Files,
}

impl Run {
    fn of(builder: Builder) -> Result<Self> {
        let mut owner = match parent_that_runs_tests() {
            Some(parent) => parent,
            None => Owner::this_process()?,
        };
        let (spec, mut options) = builder.name("shared").parts()?;
        let shape = serde_json::to_string(&spec).unwrap_or_default();
        let identity = format!("{} {} {} {shape}", owner.boot, owner.pid, owner.started);
        let digest = Sha256::digest(identity);
        let text = digest
            .iter()
            .take(6)
            .fold(String::from("shared-"), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
        let name: ClusterName = text.parse()?;
        let files = Files {
            directory: directory(),
            name: name.clone(),
        };
        owner.lease = Some(files.path("use"));
        options.owner = Some(owner);
        Ok(Self {
            spec: spec.with_name(name),
            options,
            files,
        })
    }

    /// Starts the cluster or attaches to it, in one process at a time.
    async fn cluster(&self) -> Result<(Attached, Settings)> {
        let docker = Docker::find_with(&*self.options.observer)?;
        if let Some(settings) = self.files.read("ready")
            && let Ok(attached) = Cluster::attach(docker.clone(), self.spec.name()).await
            && attached.containers().len() >= self.spec.nodes()
            && attached
                .containers()
                .iter()
                .all(|container| container.activity == Activity::Running)
        {
            return Ok((attached, settings));
        }
        let mut cluster = Cluster::up(docker.clone(), &self.spec, &self.options).await?;
        let settings = cluster.settings().clone();
        let made = !cluster.was_adopted();
        cluster.release();
        drop(cluster);
        let attached = Cluster::attach(docker, self.spec.name()).await?;
        self.files
            .write("ready", &serde_json::to_vec(&settings).unwrap_or_default())?;
        if made {
            keeper(self.spec.name());
        }
        Ok((attached, settings))
    }
}

/// Files of a shared cluster, next to the locks.
#[derive(Clone)]
struct Files {
    directory: PathBuf,
    name: ClusterName,
}

impl Files {
    fn path(&self, what: &str) -> PathBuf {
        self.directory.join(format!("{}.{what}", self.name))
    }

    fn failed(&self, what: &str, error: std::io::Error) -> Error {
        let path = self.path(what);
        Error::new(ErrorKind::Io, format!("cannot use {}", path.display()))
            .because(error)
            .hint("rcup keeps its lock files there; set TMPDIR to a writable directory.")
    }

    fn open(&self, what: &str) -> Result<Held> {
        std::fs::create_dir_all(&self.directory)
            .and_then(|()| {
                File::options()
                    .create(true)
                    .read(true)
                    .append(true)
                    .open(self.path(what))
            })
            .map(Held)
            .map_err(|error| self.failed(what, error))
    }

    fn read(&self, what: &str) -> Option<Settings> {
        serde_json::from_slice(&std::fs::read(self.path(what)).ok()?).ok()
    }

    /// Writes a file atomically, readable only by this user.
    fn write(&self, what: &str, bytes: &[u8]) -> Result<()> {
        use std::io::Write as _;
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(bytes)?;
            file.persist(self.path(what)).map_err(|error| error.error)
        };
        write().map(drop).map_err(|error| self.failed(what, error))
    }

    fn remove(&self, what: &str) {
        if let Err(error) = std::fs::remove_file(self.path(what)) {
            tracing::debug!(%error, what, "a file could not be removed");
        }
    }
}

/// Waits for an exclusive or shared lock.
async fn acquire(file: &File, alone: bool, deadline: Instant) -> Result<()> {
    let what = "other tests release the shared cluster";
    until(what, deadline, Duration::from_millis(5), || async {
        let locked = if alone {
            file.try_lock()
        } else {
            file.try_lock_shared()
        };
        match locked {
            Ok(()) => Ok(Seen::Done(())),
            Err(TryLockError::WouldBlock) => Ok(Seen::NotYet("it is in use".to_owned())),
            Err(TryLockError::Error(error)) => {
                Err(Error::new(ErrorKind::Io, "cannot lock a file").because(error))
            }
        }
    })
    .await
}

/// Starts a background process that removes the cluster once its owner has exited.
fn keeper(name: &ClusterName) {
    let Some(program) = program() else {
        tracing::debug!("program `rcup` not found; the next start removes the shared cluster");
        return;
    };
    let spawned = Command::new(program)
        .args(["prune", "--when-gone", name.as_str(), "--quiet"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C, which ends the run, must not end this process.
        .process_group(0)
        .spawn();
    if let Err(error) = spawned {
        tracing::debug!(%error, "the next start will remove the shared cluster");
    }
}

/// Finds the program `rcup`: in `RCUP_BIN`, the build directory of the tests, or the PATH.
fn program() -> Option<PathBuf> {
    let named = std::env::var_os("RCUP_BIN").map(PathBuf::from);
    let tests = std::env::current_exe().ok();
    let beside = tests
        .as_deref()
        .into_iter()
        .flat_map(Path::ancestors)
        .skip(1)
        .take(2)
        .map(|folder| folder.join("rcup"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed: Vec<PathBuf> = std::env::split_paths(&path)
        .map(|folder| folder.join("rcup"))
        .collect();
    named
        .into_iter()
        .chain(beside)
        .chain(installed)
        .find(|program| program.is_file())
}
