//! A real Redis (or Valkey) Cluster in containers on this machine, proven ready, in the time it takes to
//! start its containers.

pub mod checks;
#[doc(hidden)]
pub mod cli;
pub mod cluster;
pub mod connect;
pub mod doctor;
pub mod error;
pub mod event;
pub mod export;
pub mod image;
pub mod import;
pub mod lifecycle;
pub mod ownership;
pub mod plan;
pub mod report;
pub mod runtime;
pub mod server;
pub mod spec;
pub mod topology;
pub mod wait;

pub use crate::cluster::handle::Cluster;
pub use crate::cluster::{blocking, testing};
pub use crate::lifecycle::options::UpOptions;

pub use crate::error::{Error, ErrorKind, Result};

pub use crate::event::{Event, Observer, Phase};

pub use crate::runtime::docker::client::Docker;

pub use crate::spec::cluster::ClusterSpec;
pub use crate::spec::name::ClusterName;
