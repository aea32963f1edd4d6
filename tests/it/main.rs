//! Single binary of all integration tests.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adoption;
mod api;
mod architecture;
mod cli;
mod compose_files;
mod config_file;
mod container_engine;
mod decisions;
mod docker;
mod documents;
mod exports;
mod guest;
mod guide;
mod import;
mod kubernetes;
mod pins;
mod ports;
mod proofs;
mod prune;
mod retry;
mod rollback;
mod scene;
mod schemas;
mod scripts;
mod shell;
mod snippets;
mod source;
mod spans;
mod wording;
mod workflows;
