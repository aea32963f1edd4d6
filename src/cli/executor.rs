//! The executor and the container engine of a command.

use crate::cli::exit::{Failure, Outcome};
use crate::error::{Error, ErrorKind};
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::Runtime as _;

/// Runs a command to its end. Commands that need no container engine start no executor.
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

/// The container engine, after it has answered.
///
/// # Errors
/// When no container engine is found, or it does not answer.
pub(crate) async fn engine() -> Result<Docker, Failure> {
    let docker = Docker::find()?;
    docker.describe().await?;
    Ok(docker)
}
