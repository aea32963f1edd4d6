//! Network access to the nodes from a container on the same Docker host. The futures are boxed because tests start
//! clusters in debug builds on threads with 2 MB of stack.

use std::net::Ipv4Addr;

use futures_util::FutureExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::runtime::interface::Runtime;

/// Connects the container of this process, if any, to a cluster network.
///
/// # Errors
/// When the container engine refuses it.
pub(crate) async fn join<R: Runtime>(
    runtime: &R,
    network: &str,
    addresses: &[Ipv4Addr],
    observer: &dyn Observer,
) -> Result<()> {
    let Some(own) = runtime.own_container().boxed().await? else {
        return Ok(());
    };
    if own.networks.iter().any(|one| one == network) {
        return Ok(());
    }
    runtime.join(&own.name, network, addresses).boxed().await?;
    observer.observe(&Event::note(format!(
        "connecting rcup's container {} to network {network}, the only way to reach the nodes",
        own.name
    )));
    Ok(())
}

/// Fails if this process runs in a container that is not on this network. `otherwise` is the alternative in the
/// hint.
///
/// # Errors
/// [`ErrorKind::Host`] with the command that connects it.
pub(crate) async fn inside<R: Runtime>(runtime: &R, network: &str, otherwise: &str) -> Result<()> {
    match runtime.own_container().boxed().await? {
        Some(own) if !own.networks.iter().any(|one| one == network) => Err(Error::new(
            ErrorKind::Host,
            format!(
                "rcup runs in container {}, from which the nodes on network {network} cannot be reached",
                own.name
            ),
        )
        .hint(format!(
            "Run `docker network connect {network} {}`, or {otherwise}.",
            own.name
        ))),
        _ => Ok(()),
    }
}
