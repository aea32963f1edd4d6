//! Ctrl-C and SIGTERM during a start: the first asks for an orderly end, the second leaves at once.

use tokio_util::sync::CancellationToken;

use crate::cli::terminal::Terminal;
use crate::spec::name::ClusterName;

/// A token that the first Ctrl-C or SIGTERM cancels. The second one ends the process.
pub fn token(terminal: &Terminal, name: &ClusterName) -> CancellationToken {
    let token = CancellationToken::new();
    let (cancel, terminal, name) = (token.clone(), terminal.clone(), name.clone());
    // Listening begins before anything is made, not when the task first runs.
    let signals = Signals::new();
    tokio::spawn(async move {
        let Ok(mut signals) = signals else { return };
        signals.next().await;
        cancel.cancel();
        terminal.say("stopping, and removing what was made (a second Ctrl-C leaves at once)");
        signals.next().await;
        terminal.say(&format!(
            "left in the middle: remove what is there with `rcup down {name}`"
        ));
        leave();
    });
    token
}

#[expect(
    clippy::exit,
    reason = "whoever asks twice does not want to wait for the work under way"
)]
fn leave() -> ! {
    std::process::exit(1)
}

#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal that asks to end.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Listens from now on.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next Ctrl-C.
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The signals that are passed on to a command, by their numbers.
#[cfg(unix)]
pub struct Passed(Vec<(i32, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Passed {
    /// Listens from now on.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ];
        let listen = |kind: SignalKind| Ok((kind.as_raw_value(), signal(kind)?));
        kinds
            .into_iter()
            .map(listen)
            .collect::<std::io::Result<_>>()
            .map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> i32 {
        let each = self.0.iter_mut().map(|(number, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *number
            })
        });
        futures_util::future::select_all(each).await.0
    }
}
