//! Reaching the nodes from a container of the same engine. The futures are boxed: tests of the library run starts on threads
//! with 2 MB of stack, in debug builds.

use std::net::Ipv4Addr;

use futures_util::FutureExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::runtime::interface::Runtime;

/// Has the container of this process, if it runs in one of the engine's, join a network of rcup's.
///
/// # Errors
/// What the engine refused.
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
        "rcup runs in container {}, which joins network {network}, because it reaches the nodes no other way",
        own.name
    )));
    Ok(())
}

/// Fails where this process runs in a container of the engine that is not on this network. `otherwise` is what else can be
/// done than putting it there.
///
/// # Errors
/// [`ErrorKind::Host`] with the command that puts it there.
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
            "Put it there: docker network connect {network} {}. Or {otherwise}.",
            own.name
        ))),
        _ => Ok(()),
    }
}
