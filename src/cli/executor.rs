//! The async runtime and the container engine of a command.

use std::sync::Once;

use crate::cli::exit::{Failure, Outcome};
use crate::cli::terminal::Terminal;
use crate::error::{Error, ErrorKind};
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::Runtime as _;

/// Runs a command to completion. Commands that need no container engine do not start the async runtime.
pub(crate) fn wait(command: impl Future<Output = Outcome>) -> Outcome {
    let executor = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, "cannot start the executor").because(error))?;
    let outcome = executor.block_on(command);
    // A thread may still be blocked on standard input.
    executor.shutdown_background();
    outcome
}

/// Returns the container engine. Prints a warning if Docker's configuration is invalid.
///
/// # Errors
/// When no container engine is found.
pub(crate) fn find_engine(terminal: &Terminal) -> Result<Docker, Error> {
    let docker = Docker::find()?;
    if let Some(warning) = docker.warning() {
        // Some commands connect more than once.
        static ONCE: Once = Once::new();
        ONCE.call_once(|| terminal.warn(warning));
    }
    Ok(docker)
}

/// Returns the container engine after checking that it responds.
///
/// # Errors
/// When no container engine is found, or it does not respond.
pub(crate) async fn engine(terminal: &Terminal) -> Result<Docker, Failure> {
    let docker = find_engine(terminal)?;
    docker.describe().await?;
    Ok(docker)
}
