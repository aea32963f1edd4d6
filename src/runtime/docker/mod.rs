//! Docker: the only folder that knows bollard.

mod client;
mod find;
mod translate;

pub use client::Docker;
