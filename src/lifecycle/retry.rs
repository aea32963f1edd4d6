//! Retry constraints: what the next attempt of a failed start avoids, and which errors allow a retry.

use std::net::Ipv4Addr;

use crate::error::{Error, ErrorKind};
use crate::spec::cluster::ClusterSpec;
use crate::spec::modes::AnnounceChoice;
use crate::topology::address::{TakenPort, TakenSubnet};
use crate::topology::layout::Topology;

/// What failed in an earlier attempt of the same start and is avoided in the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryConstraints {
    /// Subnets that the container engine refused.
    pub(crate) subnets: Vec<TakenSubnet>,
    /// Ports that the container engine could not publish.
    pub(crate) ports: Vec<TakenPort>,
    /// Addresses on the user's network that the container engine did not assign.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The bridge cannot be reached.
    pub(crate) bridge_unreachable: bool,
    /// The container engine could not set the limit of open files.
    pub(crate) open_files_refused: bool,
    /// The container engine could not set a node's sysctls.
    pub(crate) sysctls_refused: bool,
}

impl RetryConstraints {
    /// Adds the measured reachability.
    pub(crate) fn and(&self, reachable: bool) -> Self {
        Self {
            bridge_unreachable: self.bridge_unreachable || !reachable,
            ..self.clone()
        }
    }
}

/// Returns the constraint for the next attempt after this error, if the user left the choice to rcup.
pub(crate) fn constraint(
    spec: &ClusterSpec,
    topology: &Topology,
    error: &Error,
) -> Option<impl FnOnce(&mut RetryConstraints) + use<>> {
    let place = &topology.placement;
    let by = "an object that only the container engine sees".to_owned();
    let kind = error.kind();
    let open = match kind {
        ErrorKind::Subnet => spec.subnet().is_none(),
        ErrorKind::Port => spec.port().is_none(),
        ErrorKind::Limit | ErrorKind::Sysctl => true,
        // A requested `--announce ip` that does not work is an error.
        ErrorKind::Address => spec.announce() != AnnounceChoice::Ip,
        _ => false,
    };
    let addresses = place.shared.as_ref().map(|shared| shared.addresses.clone());
    let subnet = TakenSubnet {
        subnet: place.subnet,
        by: by.clone(),
    };
    let ports: Vec<TakenPort> = topology
        .nodes
        .iter()
        .map(|node| TakenPort {
            port: node.port,
            by: by.clone(),
        })
        .collect();
    open.then_some(move |constraints: &mut RetryConstraints| match kind {
        ErrorKind::Subnet => match addresses {
            Some(addresses) => constraints.addresses.extend(addresses),
            None => constraints.subnets.push(subnet),
        },
        ErrorKind::Port => constraints.ports.extend(ports),
        ErrorKind::Limit => constraints.open_files_refused = true,
        ErrorKind::Sysctl => constraints.sysctls_refused = true,
        _ => constraints.bridge_unreachable = true,
    })
}

/// Describes what the next attempt uses after an error of this kind.
pub(crate) fn another(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Subnet => "other addresses",
        ErrorKind::Port => "other ports",
        ErrorKind::Limit => "the default limit of open files",
        ErrorKind::Sysctl => "the default sysctls",
        _ => "published addresses",
    }
}
