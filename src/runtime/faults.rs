//! What can be done to a node on purpose.

use std::net::Ipv4Addr;

use crate::error::Result;
use crate::runtime::interface::Runtime;
use crate::spec::name::ClusterName;

/// An engine that can trouble its containers. [`Runtime::start`] and [`Runtime::resume`] heal.
pub trait Faults: Runtime {
    /// Holds a container's processes where they are. Holding what is held is success.
    fn pause(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Asks a container's process to end, and kills it after so many seconds. Stopping what has ended is success.
    fn halt(&self, container: &str, grace: u32) -> impl Future<Output = Result<()>> + Send;

    /// Kills a container's process as a power cut would. Killing what has ended is success.
    fn kill(&self, container: &str) -> impl Future<Output = Result<()>> + Send;

    /// Pulls a container's cable out of a network.
    fn disconnect(&self, container: &str, network: &str) -> impl Future<Output = Result<()>> + Send;

    /// Plugs it in again, under the same address.
    fn connect(
        &self,
        container: &str,
        network: &str,
        address: Ipv4Addr,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Whether a container is plugged into a network.
    fn is_connected(&self, container: &str, network: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Everything the engine knows of a container, in the engine's own words.
    fn inspect(&self, container: &str) -> impl Future<Output = Result<serde_json::Value>> + Send;

    /// What the engine remembers to have happened to a cluster's containers and to its network until now, oldest
    /// first, in the engine's own words. It remembers little: Docker the last 256 events of all that it did.
    fn history(
        &self,
        cluster: &ClusterName,
        network: &str,
    ) -> impl Future<Output = Result<Vec<serde_json::Value>>> + Send;
}
