//! Ctrl-C and SIGTERM during a start: the first interrupts the start, the second exits immediately.

use tokio_util::sync::CancellationToken;

use crate::cli::signals::Signals;
use crate::cli::terminal::Terminal;
use crate::spec::name::ClusterName;

/// Returns a token that the first Ctrl-C or SIGTERM cancels. The second one ends the process.
pub fn token(terminal: &Terminal, name: &ClusterName) -> CancellationToken {
    let token = CancellationToken::new();
    let (cancel, terminal, name) = (token.clone(), terminal.clone(), name.clone());
    // Listen before anything is created, not when the task first runs.
    let signals = Signals::new();
    tokio::spawn(async move {
        let Ok(mut signals) = signals else { return };
        signals.next().await;
        cancel.cancel();
        terminal.say("interrupted, cleaning up (Ctrl-C again to exit immediately)");
        signals.next().await;
        terminal.say(&format!(
            "interrupted during cleanup: remove the rest with `rcup down {name}`"
        ));
        leave();
    });
    token
}

#[expect(clippy::exit, reason = "a second Ctrl-C must not wait for work in progress")]
fn leave() -> ! {
    std::process::exit(1)
}
