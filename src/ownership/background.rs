//! Runs async cleanup from synchronous code.

use std::future::Future;

/// Runs `work` to completion on its own thread with its own executor, because the current executor,
/// if any, may be shutting down.
pub(crate) fn aside(what: &str, work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
        executor.map(|executor| executor.block_on(work))
    });
    match thread.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "no executor to {what} with"),
        Err(_) => tracing::warn!("the attempt to {what} panicked"),
    }
}
