//! Runs a future to completion on its own thread, for synchronous callers.

use std::thread;

use crate::error::{Error, ErrorKind, Result};

/// Runs a future to completion.
pub(crate) fn wait<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Io, "cannot start the executor").because(error))?
            .block_on(work)
    };
    thread::scope(|scope| match scope.spawn(run).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
