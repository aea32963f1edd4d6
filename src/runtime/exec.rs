//! Output of a program in a node's container.

use std::time::Duration;

use futures_util::TryStreamExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::interface::{ExecRequest, Output, Runtime};

/// Runs a program and returns its standard output and standard error together.
///
/// # Errors
/// When the container engine refuses it, or [`ErrorKind::Timeout`] after `patience`.
pub(crate) async fn printed<R: Runtime>(
    runtime: &R,
    container: &str,
    request: &ExecRequest,
    patience: Duration,
) -> Result<String> {
    let whole = async {
        let session = runtime.exec(container, request).await?;
        session.output.try_collect::<Vec<Output>>().await
    };
    let pieces = tokio::time::timeout(patience, whole).await.map_err(|_| {
        let program = request.command.first().map_or("a program", String::as_str);
        Error::new(
            ErrorKind::Timeout,
            format!(
                "{program} in {container} did not finish within {} s",
                patience.as_secs()
            ),
        )
    })??;
    let bytes: Vec<u8> = pieces
        .into_iter()
        .flat_map(|piece| match piece {
            Output::Stdout(bytes) | Output::Stderr(bytes) => bytes,
        })
        .collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
