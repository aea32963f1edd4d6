//! A real Redis or Valkey Cluster in containers on this machine, verified ready, for tests and development.
//!
//! # A cluster for one test
//!
//! [`Cluster::builder`] starts a cluster with a generated name and free ports. When `up` returns, every node reports
//! `cluster_state:ok`, and every advertised address has answered from this process. The cluster is removed when the
//! handle is dropped; if the process is killed first, the next start on this machine removes it.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = rcup::Cluster::builder().masters(3).replicas(1).up().await?;
//! let mut client = cluster.client().await?;
//! let () = redis::cmd("SET").arg("greeting").arg("hello").query_async(&mut client).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # One cluster for many tests
//!
//! [`testing::shared`] starts a cluster once and shares it with every test process that asks for it. Tests that stop
//! nodes or delete all keys take it alone, with [`testing::exclusive`], which resets it afterwards.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = rcup::testing::shared().await?;
//! let urls = cluster.urls();
//! assert_eq!(urls.len(), 6);
//! # Ok(())
//! # }
//! ```
//!
//! # Break a node, then reset
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = rcup::Cluster::builder().up().await?;
//! cluster.node(1)?.kill().await?;
//! // The keys are deleted; roles, slots, settings and users return to their initial state.
//! cluster.reset().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Describe what to start
//!
//! [`ClusterSpec::builder`] has every setting of `rcup up`, and is validated without a container engine:
//!
//! ```
//! use rcup::{ClusterSpec, Engine};
//!
//! let spec = ClusterSpec::builder().masters(3).replicas(0).engine(Engine::Valkey).build()?;
//! assert_eq!(spec.nodes(), 3);
//! let error = ClusterSpec::builder().masters(2).build().and_then(|_| ClusterSpec::builder().masters(0).build());
//! assert!(error.is_err(), "a cluster needs a master");
//! # Ok::<(), rcup::Error>(())
//! ```
//!
//! # Cargo features
//!
//! - `cli` (default): the `rcup` program: its commands, exports, reports and the image builder. Library users turn it
//!   off with `default-features = false`.
//! - `blocking`: the [`blocking`] module, for tests without `async`.
//! - `remote`: container engines behind `ssh://` and TLS. Part of `cli`.
#![cfg_attr(
    not(feature = "cli"),
    expect(dead_code, reason = "some functions are used by the command line only")
)]

#[cfg(not(feature = "test-util"))]
mod checks;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod checks;
#[cfg(all(feature = "cli", not(feature = "test-util")))]
mod cli;
#[cfg(all(feature = "cli", feature = "test-util"))]
#[doc(hidden)]
pub mod cli;
#[cfg(not(feature = "test-util"))]
mod cluster;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod cluster;
#[cfg(not(feature = "test-util"))]
mod connect;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod connect;
#[cfg(not(feature = "test-util"))]
mod doctor;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod doctor;
#[cfg(not(feature = "test-util"))]
mod error;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod error;
#[cfg(not(feature = "test-util"))]
mod event;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod event;
#[cfg(all(feature = "cli", not(feature = "test-util")))]
mod export;
#[cfg(all(feature = "cli", feature = "test-util"))]
#[doc(hidden)]
pub mod export;
#[cfg(not(feature = "test-util"))]
mod image;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod image;
#[cfg(all(feature = "cli", not(feature = "test-util")))]
mod import;
#[cfg(all(feature = "cli", feature = "test-util"))]
#[doc(hidden)]
pub mod import;
#[cfg(not(feature = "test-util"))]
mod lifecycle;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod lifecycle;
#[cfg(not(feature = "test-util"))]
mod ownership;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod ownership;
#[cfg(not(feature = "test-util"))]
mod plan;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod plan;
#[cfg(all(feature = "cli", not(feature = "test-util")))]
mod report;
#[cfg(all(feature = "cli", feature = "test-util"))]
#[doc(hidden)]
pub mod report;
#[cfg(not(feature = "test-util"))]
mod runtime;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod runtime;
#[cfg(not(feature = "test-util"))]
mod server;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod server;
#[cfg(not(feature = "test-util"))]
mod spec;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod spec;
#[cfg(not(feature = "test-util"))]
mod topology;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod topology;
#[cfg(not(feature = "test-util"))]
mod wait;
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub mod wait;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub use crate::cli::run as main;

#[cfg(feature = "blocking")]
pub mod blocking {
    //! Clusters without `async`, for plain `#[test]` functions.
    pub use crate::cluster::blocking::Cluster;
    pub use crate::cluster::testing::{exclusive_blocking as exclusive, shared_blocking as shared};
}

pub mod testing {
    //! One cluster for all tests of a run, across threads and processes.
    pub use crate::cluster::testing::{Exclusive, Shared, exclusive, exclusive_of, shared, shared_of};
}

pub use crate::checks::status::{NetworkReport, NodeReport, Report, State};
pub use crate::cluster::builder::Builder;
pub use crate::cluster::handle::{Cluster, down};
pub use crate::cluster::node::NodeHandle;
pub use crate::connect::attached::Attached;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::event::{Event, Observer, Phase, Timings};
pub use crate::lifecycle::options::UpOptions;
pub use crate::lifecycle::reset::run::Reset;
pub use crate::ownership::rollback::Removed;
pub use crate::runtime::docker::client::Docker;
pub use crate::server::wire::access::Credentials;
pub use crate::spec::builder::ClusterSpecBuilder;
pub use crate::spec::cluster::ClusterSpec;
pub use crate::spec::directive::Directive;
pub use crate::spec::expiry::Owner;
pub use crate::spec::modes::{AnnounceChoice, FormationChoice, Pull};
pub use crate::spec::name::ClusterName;
pub use crate::spec::node_override::NodeOverride;
pub use crate::spec::profile::Profile;
pub use crate::spec::secret::Secret;
pub use crate::spec::security::{Certificates, ClientCertificate, Password};
pub use crate::spec::selector::Selector;
pub use crate::spec::server::{Engine, VersionRequest};
pub use crate::spec::user::User;
