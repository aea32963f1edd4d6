//! Fault injection.

use std::net::Ipv4Addr;

use crate::error::Result;
use crate::runtime::interface::Runtime;
use crate::spec::name::ClusterName;

/// Fault injection for containers, undone by [`Runtime::start`] and [`Runtime::resume`].
pub trait Faults: Runtime {
    /// Pauses a container; succeeds if it is already paused.
    fn pause(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Stops a container (SIGKILL after `grace` seconds); succeeds if it has already exited.
    fn halt(&self, container: &str, grace: u32) -> impl Future<Output = Result<()>> + Send;

    /// Kills a container (SIGKILL); succeeds if it has already exited.
    fn kill(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Disconnects a container from a network.
    fn disconnect(&self, container: &str, network: &str) -> impl Future<Output = Result<()>> + Send;

    /// Reconnects it with the same address.
    fn connect(
        &self,
        container: &str,
        network: &str,
        address: Ipv4Addr,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Returns whether a container is connected to a network.
    fn is_connected(&self, container: &str, network: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Returns the inspect output of a container.
    fn inspect(&self, container: &str) -> impl Future<Output = Result<serde_json::Value>> + Send;

    /// Returns the recorded events of a cluster's containers and network, oldest first. Docker keeps only the last
    /// 256 events of all objects.
    fn history(
        &self,
        cluster: &ClusterName,
        network: &str,
    ) -> impl Future<Output = Result<Vec<serde_json::Value>>> + Send;
}
