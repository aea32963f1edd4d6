//! A program in a container, attached to this process's input and output.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::cli::exit::Failure;
use crate::cli::signals::Signals;
use crate::cli::terminal::pass_on;
use crate::error::{Error, ErrorKind};
use crate::runtime::interface::{ExecRequest, Output, Runtime};
use crate::spec::secret::Secret;

/// Prefix of the container engine's error for a program that cannot be run.
const REFUSAL: &[u8] = b"OCI runtime exec failed";

/// A program and its environment variables.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Names and values.
    pub env: Vec<(String, Secret)>,
}

impl From<Vec<String>> for Run {
    fn from(command: Vec<String>) -> Self {
        Self {
            command,
            env: Vec::new(),
        }
    }
}

/// Result of a program.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with a code.
    Code(i64),
    /// It could not be run.
    NotRun {
        /// The container engine's message.
        reason: String,
    },
}

impl Ended {
    /// Returns the result for an exit code and the buffered output that looked like a refusal.
    pub fn new(code: i64, held: &[u8]) -> Self {
        if matches!(code, 126 | 127) && looks_refused(held) {
            Self::NotRun {
                reason: String::from_utf8_lossy(held).trim().to_owned(),
            }
        } else {
            Self::Code(code)
        }
    }

    /// Returns the exit code as a shell does (127 not found, 126 not executable), and the error if the
    /// program could not be run.
    pub fn verdict(&self, container: &str, program: &str) -> (i64, Option<Error>) {
        match self {
            Self::Code(code) => (*code, None),
            Self::NotRun { reason } => {
                let missing = reason.contains("not found") || reason.contains("no such file");
                let reason = reason
                    .rsplit_once("exec: ")
                    .map_or(reason.as_str(), |(_, reason)| reason)
                    .trim_end_matches(": unknown");
                let error = Error::new(
                    ErrorKind::NodeFailed,
                    format!("cannot run `{program}` in {container}"),
                )
                .because(reason.to_owned());
                let error = if missing {
                    error.hint(
                        "The image may lack it. Images built by rcup include busybox: try `sh` or `busybox`.",
                    )
                } else {
                    error
                };
                (if missing { 127 } else { 126 }, Some(error))
            }
        }
    }
}

/// Returns whether the output is, or may become, the container engine's error.
pub fn looks_refused(output: &[u8]) -> bool {
    let length = output.len().min(REFUSAL.len());
    length > 0 && output[..length] == REFUSAL[..length]
}

/// Runs a program attached to this process: with a pseudo-terminal if this process has a terminal, otherwise
/// with pipes.
pub async fn run<R: Runtime>(engine: &R, container: &str, run: Run) -> Result<Ended, Failure> {
    let tty = io::stdin().is_terminal() && io::stdout().is_terminal();
    let request = ExecRequest {
        command: run.command,
        env: run.env,
        tty,
        input: true,
    };
    let session = engine.exec(container, &request).await?;
    let raw = if tty { Some(Raw::enter()?) } else { None };
    let mut input = session.input;
    // Use a separate task: a program that does not read must not block its output.
    let feeding = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut input).await;
        let _ = input.shutdown().await;
        // Keep the connection open for the output.
        std::future::pending::<()>().await;
    });
    let sizing = tty.then(|| tokio::spawn(follow_size(engine.clone(), session.id.clone())));
    let mut output = session.output;
    let mut held = Vec::new();
    let mut begun = false;
    let work = async {
        while let Some(piece) = output.next().await {
            let piece = piece?;
            if let Output::Stdout(bytes) = &piece
                && !begun
            {
                held.extend_from_slice(bytes);
                if looks_refused(&held) {
                    continue;
                }
                held.clear();
            }
            begun = true;
            pass_on(&piece)?;
        }
        Ok::<(), Failure>(())
    };
    // In raw mode, Ctrl-C is sent to the program; other signals must not leave the terminal raw.
    let ended = if tty {
        let mut signals = Signals::new()?;
        tokio::select! {
            ended = work => ended,
            () = signals.next() => Err(Error::new(ErrorKind::Interrupted, "interrupted").into()),
        }
    } else {
        work.await
    };
    feeding.abort();
    if let Some(sizing) = sizing {
        sizing.abort();
    }
    drop(raw);
    ended?;
    let ended = Ended::new(engine.exec_code(&session.id).await?, &held);
    if matches!(ended, Ended::Code(_)) && !held.is_empty() {
        pass_on(&Output::Stdout(held))?;
    }
    Ok(ended)
}

/// A terminal in raw mode, restored on drop, also in a panic.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        crossterm::terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// Forwards the terminal size to the program, initially and on every change.
async fn follow_size<R: Runtime>(engine: R, id: String) {
    // The size cannot be set before the program runs.
    let mut again = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..50 {
        again.tick().await;
        let Ok((columns, rows)) = crossterm::terminal::size() else {
            return;
        };
        if engine.exec_resize(&id, columns, rows).await.is_ok() {
            break;
        }
    }
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut changed) = signal(SignalKind::window_change()) else {
            return;
        };
        while changed.recv().await.is_some() {
            if let Ok((columns, rows)) = crossterm::terminal::size() {
                let _ = engine.exec_resize(&id, columns, rows).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: &[u8] = b"OCI runtime exec failed: exec failed: unable to start container process: exec: \
                             \"nope\": executable file not found in $PATH: unknown\r\n";

    #[test]
    fn a_program_that_is_not_there_is_told_from_one_that_fails() {
        assert_eq!(Ended::new(126, b""), Ended::Code(126));
        assert_eq!(Ended::new(1, MISSING), Ended::Code(1));
        let (code, error) = Ended::new(126, MISSING).verdict("rcup-x-1", "nope");
        assert_eq!(code, 127);
        let error = error.unwrap();
        assert_eq!(error.to_string(), "cannot run `nope` in rcup-x-1");
        assert_eq!(error.causes(), ["\"nope\": executable file not found in $PATH"]);
    }

    #[test]
    fn a_program_that_may_not_run_is_126() {
        let denied = b"OCI runtime exec failed: exec failed: exec: \"/x\": permission denied: unknown";
        let (code, error) = Ended::new(126, denied).verdict("rcup-x-1", "/x");
        assert_eq!(code, 126);
        assert_eq!(error.unwrap().hint_text(), None);
    }

    #[test]
    fn the_beginning_of_a_refusal_is_recognised() {
        assert!(looks_refused(b"OCI run"));
        assert!(looks_refused(MISSING));
        assert!(!looks_refused(b"OK"));
        assert!(!looks_refused(b""));
    }
}
