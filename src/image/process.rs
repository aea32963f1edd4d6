//! Runs a child process with a timeout, and returns an error with its output if it fails.

use std::io::ErrorKind as IoKind;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::error::{Error, ErrorKind, Result};

/// The number of the last output lines of a failed process that go into the error.
const LAST_LINES: usize = 8;

/// Runs `command` to completion and returns its standard output.
///
/// `what` describes the work as a fragment ("reading the package index"). The process is killed when the deadline
/// passes or the caller drops the future.
pub(crate) async fn run(command: &mut Command, what: &str, deadline: Duration) -> Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| not_started(&program, error))?;
    let Ok(output) = tokio::time::timeout(deadline, child.wait_with_output()).await else {
        return Err(Error::new(
            ErrorKind::Timeout,
            format!("{what} took longer than {}", humantime::format_duration(deadline)),
        ));
    };
    let output = output.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot read what `{program}` says")).because(error)
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(judge(
        Error::new(ErrorKind::Image, format!("{what} failed"))
            .because(format!("`{program}`: {}", output.status))
            .details(last_lines(&said)),
        &said,
    ))
}

fn not_started(program: &str, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        IoKind::NotFound => Some(format!("Install `{program}`, or correct the PATH.")),
        IoKind::PermissionDenied => {
            Some("The temporary directory may be mounted noexec. Point TMPDIR at another one.".to_owned())
        }
        // The standard library has no `ErrorKind` for ENOEXEC.
        _ if error.raw_os_error() == Some(8) => {
            Some("The program is built for another processor architecture than this machine's.".to_owned())
        }
        _ => None,
    };
    let failure = Error::new(ErrorKind::Image, format!("cannot run `{program}`")).because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Adds hints for causes that any process can have.
fn judge(error: Error, said: &str) -> Error {
    if said.contains("No space left on device") || said.contains("enough free space") {
        return error.hint(
            "The temporary directory is full. Make room for 300 MB, or point TMPDIR at a larger disk.",
        );
    }
    error
}

fn last_lines(said: &str) -> Vec<String> {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..]
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_shows_what_the_process_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo fine; echo broken >&2; exit 3"]);
        let error = run(&mut command, "trying", Duration::from_secs(5))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "trying failed");
        assert_eq!(error.detail_lines(), ["broken"]);
        assert_eq!(error.causes(), ["`sh`: exit status: 3"]);
    }

    #[tokio::test]
    async fn a_process_that_hangs_meets_its_deadline() {
        let mut command = Command::new("tail");
        command.args(["-f", "/dev/null"]);
        let error = run(&mut command, "waiting", Duration::from_millis(20))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "waiting took longer than 20ms");
    }

    #[tokio::test]
    async fn an_absent_program_is_named() {
        let error = run(
            &mut Command::new("rcup-no-such-program"),
            "trying",
            Duration::from_secs(5),
        )
        .await
        .unwrap_err();
        assert_eq!(error.to_string(), "cannot run `rcup-no-such-program`");
        assert!(error.hint_text().is_some());
    }

    #[test]
    fn a_full_disk_is_recognised() {
        let error = judge(
            Error::new(ErrorKind::Image, "x"),
            "tar: write error: No space left on device",
        );
        assert!(error.hint_text().unwrap().contains("TMPDIR"));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let said = (0..20)
            .map(|n| format!("line {n}"))
            .collect::<Vec<_>>()
            .join("\n\n");
        let lines = last_lines(&said);
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines[7], "line 19");
    }
}
