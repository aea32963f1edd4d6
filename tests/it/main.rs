//! The one test binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adoption;
mod architecture;
mod cli;
mod decisions;
mod docker;
mod retry;
mod rollback;
mod scene;
