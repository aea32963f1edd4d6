//! Effects from where nothing can be awaited.

use std::future::Future;

/// Sees `work` to its end on a thread of its own with its own executor, because whatever executor this is
/// called on, if any, may be about to end.
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
