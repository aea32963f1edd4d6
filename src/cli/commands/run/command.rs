//! Finds the command, runs it with the cluster's settings, and forwards signals to it.

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::cli::signals::Passed;
use crate::error::{Error, ErrorKind};

/// How the command ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended(ExitStatus);

impl Ended {
    /// Returns the exit code as a shell does: 128 plus the signal number if a signal ended the command.
    pub fn code(self) -> i64 {
        let signal = || self.0.signal().map(|signal| 128 + signal);
        i64::from(self.0.code().or_else(signal).unwrap_or(1))
    }
}

/// Finds a program; if it cannot be run, returns the exit code that a shell would return.
pub fn find(program: &str) -> Result<PathBuf, (i64, Error)> {
    let refuse = |code: i64, why: &str| {
        let error = Error::new(ErrorKind::Io, format!("cannot run `{program}`")).because(why.to_owned());
        Err((
            code,
            error.hint("Nothing was started. Pass a program on the PATH, or its path."),
        ))
    };
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![PathBuf::from(program)]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .collect()
    };
    let files: Vec<&PathBuf> = candidates.iter().filter(|path| path.is_file()).collect();
    match files.iter().find(|path| is_executable(path)) {
        Some(path) => Ok((*path).clone()),
        None if files.is_empty() => refuse(127, "program not found"),
        None => refuse(126, "it is not executable"),
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

/// Runs the command and forwards every signal.
///
/// The command shares this process group, so that it can read from the terminal. The kernel sends a Ctrl-C to
/// both processes, so rcup does not forward it.
pub async fn run(
    program: &str,
    arguments: &[String],
    settings: &[(&str, String)],
    signals: &mut Passed,
) -> Result<Ended, Error> {
    let failed =
        |error: io::Error| Error::new(ErrorKind::Io, format!("cannot run `{program}`")).because(error);
    let mut child = Command::new(program)
        .args(arguments)
        .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
        .spawn()
        .map_err(failed)?;
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => return status.map(Ended).map_err(failed),
            number = signals.next() => {
                let from_terminal = number == Signal::INT.as_raw() && in_foreground();
                if let (Some(pid), Some(signal), false) = (pid, Signal::from_named_raw(number), from_terminal) {
                    // The command may have exited meanwhile.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// Returns whether this process group is in the foreground of a terminal.
fn in_foreground() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal()
        && rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_has_the_code_of_a_shell() {
        assert!(find("sh").unwrap().ends_with("sh"));
        assert_eq!(find("/nonexistent/program").unwrap_err().0, 127);
        assert_eq!(find("surely-there-is-no-such-program").unwrap_err().0, 127);
        assert_eq!(find("/etc/passwd").unwrap_err().0, 126);
    }

    #[test]
    fn a_signal_is_told_as_a_shell_tells_it() {
        assert_eq!(Ended(ExitStatus::from_raw(15)).code(), 143);
        assert_eq!(Ended(ExitStatus::from_raw(7 << 8)).code(), 7);
    }
}
