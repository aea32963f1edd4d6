//! Docker: the only folder that knows bollard.

mod client;
mod connect;
mod details;
mod faults;
mod files;
mod find;
mod own_container;
mod probe;
mod ssh;
mod translate;

pub use client::Docker;
