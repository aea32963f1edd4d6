//! Ctrl-C and SIGTERM during a start: the first asks for an orderly end, the second leaves at once.

use tokio_util::sync::CancellationToken;

use crate::cli::signals::Signals;
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
