//! A real Redis (or Valkey) Cluster in containers on this machine, proven ready, in the time it takes to
//! start its containers.

pub mod check;
pub mod cluster;
pub mod error;
pub mod event;
pub mod image;
pub mod import;
pub mod plan;
pub mod redis;
pub mod render;
pub mod runtime;
pub mod spec;
pub mod topology;

pub use cluster::{Cluster, UpOptions, blocking, testing};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Observer, Phase};
pub use runtime::Docker;
pub use spec::{ClusterName, ClusterSpec};
