//! A container engine behind `ssh://`. As with the Docker CLI, each connection is an `ssh` process that
//! runs `docker system dial-stdio` on the remote host, with the user's keys, agents, jump hosts and known hosts.
//!
//! bollard supports ssh too, but drops the port (0.21).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bollard::errors::Error as DockerError;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker as Client};
use http::Uri;

use crate::runtime::docker::endpoint::ssh_command;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

/// Maximum number of pending connections: `sshd` rejects some when more than
/// ten are unauthenticated (`MaxStartups`).
const AT_ONCE: usize = 4;

/// Connect timeout in seconds.
const PATIENCE: &str = "ConnectTimeout=20";

/// Creates the client. It sends nothing yet.
pub(crate) fn connect(endpoint: &str, timeout: u64) -> Result<Client, DockerError> {
    let pool = Arc::new(Pool::builder(TokioExecutor::new()).build(Ssh {
        command: ssh_command(endpoint).into(),
        turns: Arc::new(Semaphore::new(AT_ONCE)),
    }));
    // The host in the URL is a placeholder; the connector knows the target.
    Client::connect_with_custom_transport(
        move |request: BollardRequest| {
            let pool = Arc::clone(&pool);
            async move { pool.request(request).await.map_err(DockerError::from) }
        },
        Some("http://docker"),
        timeout,
        API_DEFAULT_VERSION,
    )
}

/// Opens connections.
#[derive(Clone)]
struct Ssh {
    command: Arc<[String]>,
    turns: Arc<Semaphore>,
}

impl Service<Uri> for Ssh {
    type Response = TokioIo<Pipe>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (command, turns) = (Arc::clone(&self.command), Arc::clone(&self.turns));
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let (program, words) = (&command[0], &command[1..]);
            let mut child = Command::new(program)
                // A prompt would appear once per connection, between other output.
                .args(["-o", "BatchMode=yes", "-o", PATIENCE, "-T"])
                .args(words)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .map_err(|error| io::Error::new(error.kind(), format!("cannot run {program}: {error}")))?;
            let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let (Some(input), Some(output), Some(errors)) = pipes else {
                return Err(io::Error::other("ssh has no pipes"));
            };
            Ok(TokioIo::new(Pipe {
                input,
                output,
                state: State::Dialling(Some((errors, turn))),
                _child: child,
            }))
        })
    }
}

/// A connection: standard input and output of `ssh`.
struct Pipe {
    input: ChildStdin,
    output: ChildStdout,
    state: State,
    /// Killed with the connection.
    _child: Child,
}

enum State {
    /// No data yet; the next reader waits for it.
    Dialling(Option<(ChildStderr, OwnedSemaphorePermit)>),
    Connected,
    /// It exited before any data arrived; standard error says why.
    Ending(Pin<Box<dyn Future<Output = io::Error> + Send>>),
}

/// Returns the error output of `ssh`, which is more specific than "connection closed".
async fn why(mut errors: ChildStderr) -> io::Error {
    let mut said = String::new();
    if let Err(error) = errors.read_to_string(&mut said).await {
        return error;
    }
    // Most lines already begin with the program's name.
    let lines: Vec<&str> = said
        .lines()
        .map(|line| line.trim().trim_start_matches("ssh: "))
        .filter(|line| !line.is_empty())
        .collect();
    let said = if lines.is_empty() {
        "it exited without output".to_owned()
    } else {
        lines.join("; ")
    };
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("ssh: {said}"))
}

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let pipe = &mut *self;
        loop {
            match &mut pipe.state {
                State::Connected => return Pin::new(&mut pipe.output).poll_read(context, buffer),
                State::Ending(why) => return Poll::Ready(Err(ready!(why.as_mut().poll(context)))),
                State::Dialling(held) => {
                    let before = buffer.filled().len();
                    ready!(Pin::new(&mut pipe.output).poll_read(context, buffer))?;
                    let ended = buffer.filled().len() == before;
                    pipe.state = match held.take() {
                        Some((errors, _turn)) if ended => State::Ending(Box::pin(why(errors))),
                        _ => State::Connected,
                    };
                    if !ended {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_run_can_be_tried_by_hand() {
        for (endpoint, command) in [
            (
                "ssh://me@build.test:2222",
                "ssh -p 2222 -- me@build.test docker system dial-stdio",
            ),
            ("ssh://build/", "ssh -- build docker system dial-stdio"),
            (
                "ssh://me@[fd00::1]:22",
                "ssh -p 22 -- me@fd00::1 docker system dial-stdio",
            ),
        ] {
            assert_eq!(super::ssh_command(endpoint).join(" "), command);
        }
    }
}
