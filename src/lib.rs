//! A real Redis (or Valkey) Cluster in containers on this machine, proven ready, in the time it takes to
//! start its containers.

pub mod error;
pub mod image;
pub mod spec;

pub use error::{Error, ErrorKind, Result};
