//! Owner processes: the identity of this process, and whether another one is alive.
//!
//! On Linux, /proc provides both. On other systems `ps` and `sysctl` do, and there is only one namespace.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::ownership::lock::Held;
use crate::spec::expiry::{Owner, Presence};

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when its start time cannot be read.
    pub fn this_process() -> Result<Self> {
        Self::process(std::process::id())
    }

    /// The running process with this id.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when there is none, or its start time cannot be read.
    pub fn process(pid: u32) -> Result<Self> {
        let started = started(pid).ok_or_else(|| {
            Error::new(
                ErrorKind::Io,
                format!("cannot read the start time of process {pid}"),
            )
            .hint("The owner must be a running process: pass its PID, such as `$$` in a shell.")
        })?;
        Ok(Self {
            pid,
            started,
            host: host(),
            boot: boot(),
            space: space(),
            lease: None,
        })
    }
}

/// The process that runs this test and others, if it can be detected: cargo runs one test program after the
/// other, nextest each test in its own process. `RCUP_RUN_PID` overrides it.
pub(crate) fn parent_that_runs_tests() -> Option<Owner> {
    if let Some(named) = std::env::var("RCUP_RUN_PID")
        .ok()
        .and_then(|pid| pid.parse().ok())
    {
        return Owner::process(named).ok();
    }
    let parent = u32::try_from(rustix::process::getppid()?.as_raw_nonzero().get()).ok()?;
    let runs_tests = std::env::var_os("NEXTEST_RUN_ID").is_some() || program(parent)? == "cargo";
    runs_tests.then(|| Owner::process(parent).ok()).flatten()
}

/// Program name of a process.
fn program(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        return Some(name.trim().to_owned());
    }
    let path = answer(Command::new("ps").args(["-o", "comm=", "-p", &pid.to_string()]))?;
    Some(path.rsplit('/').next().unwrap_or(&path).to_owned())
}

/// Whether an owner is alive. `local`: the container engine runs on this host. Only then has an owner from before
/// the last boot certainly exited.
pub(crate) fn presence(owner: &Owner, local: bool) -> Presence {
    if owner.boot != boot() {
        let same_machine = local && !owner.host.is_empty() && owner.host == host();
        return if same_machine {
            Presence::Gone
        } else {
            Presence::Unknown
        };
    }
    if owner.space != space() {
        return Presence::Unknown;
    }
    if started(owner.pid).as_ref() == Some(&owner.started) {
        return Presence::Here;
    }
    owner.lease.as_deref().map_or(Presence::Gone, held)
}

/// Whether a lease is held.
fn held(lease: &Path) -> Presence {
    match File::options().read(true).write(true).open(lease) {
        Ok(file) => match Held(file).try_lock() {
            Ok(()) => Presence::Gone,
            Err(TryLockError::WouldBlock) => Presence::Here,
            Err(TryLockError::Error(_)) => Presence::Unknown,
        },
        Err(error) if error.kind() == IoErrorKind::NotFound => Presence::Gone,
        Err(_) => Presence::Unknown,
    }
}

/// Start time of a process. A zombie has exited.
fn started(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program name in parentheses, which may contain any character.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let state = fields.first()?;
        return (!matches!(*state, "Z" | "X")).then(|| fields.get(19).map(|ticks| (*ticks).to_owned()))?;
    }
    answer(Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]))
}

/// Hash of the machine id, which itself must stay private. Empty if there is none.
fn host() -> String {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty());
    let id = match id {
        None if cfg!(target_os = "macos") => answer(Command::new("sysctl").args(["-n", "kern.uuid"])),
        other => other,
    };
    id.map_or_else(String::new, |id| {
        let digest = Sha256::digest(format!("rcup {id}"));
        digest.iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    })
}

fn boot() -> String {
    if cfg!(target_os = "linux") {
        return std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| String::new(), |id| id.trim().to_owned());
    }
    answer(Command::new("sysctl").args(["-n", "kern.bootsessionuuid"])).unwrap_or_default()
}

fn space() -> String {
    std::fs::read_link("/proc/self/ns/pid").map_or_else(
        |_| String::new(),
        |link| link.to_string_lossy().trim_start_matches("pid:").to_owned(),
    )
}

fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_here_and_a_later_one_of_its_number_is_another() {
        let owner = Owner::this_process().unwrap();
        assert_eq!(presence(&owner, true), Presence::Here);
        let mut earlier = owner.clone();
        earlier.started = "1".to_owned();
        assert_eq!(presence(&earlier, true), Presence::Gone);
    }

    #[test]
    fn a_process_that_has_ended_is_gone_even_before_it_is_waited_for() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let owner = Owner::process(child.id()).unwrap();
        assert_eq!(presence(&owner, true), Presence::Here);
        child.kill().unwrap();
        let begun = std::time::Instant::now();
        while presence(&owner, true) == Presence::Here {
            assert!(begun.elapsed().as_secs() < 10, "it does not end");
            std::thread::yield_now();
        }
        assert_eq!(presence(&owner, true), Presence::Gone);
        child.wait().unwrap();
        assert_eq!(presence(&owner, true), Presence::Gone);
        assert!(Owner::process(child.id()).is_err());
    }

    #[test]
    fn what_cannot_be_seen_from_here_is_unknown() {
        let owner = Owner::this_process().unwrap();
        let elsewhere = Owner {
            space: "0".to_owned(),
            ..owner.clone()
        };
        assert_eq!(presence(&elsewhere, true), Presence::Unknown);
        let before = Owner {
            boot: "before".to_owned(),
            host: "this".to_owned(),
            ..owner
        };
        assert_eq!(presence(&before, true), Presence::Unknown, "another machine");
        let here = Owner {
            host: host(),
            ..before
        };
        let known = !here.host.is_empty();
        assert_eq!(presence(&here, false), Presence::Unknown, "an engine elsewhere");
        let wanted = if known { Presence::Gone } else { Presence::Unknown };
        assert_eq!(
            presence(&here, true),
            wanted,
            "before this machine was started again"
        );
    }

    #[test]
    fn a_lease_keeps_a_cluster_whose_owner_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let lease = directory.path().join("x.lease");
        let owner = Owner {
            started: "1".to_owned(),
            lease: Some(lease.clone()),
            ..Owner::this_process().unwrap()
        };
        assert_eq!(presence(&owner, true), Presence::Gone, "there is no such file");
        let file = File::create(&lease).unwrap();
        file.lock_shared().unwrap();
        assert_eq!(presence(&owner, true), Presence::Here);
        file.unlock().unwrap();
        assert_eq!(presence(&owner, true), Presence::Gone);
    }
}
