//! A cluster that rcup did not start: its nodes are those that one of them knows.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::suite::{SuiteOptions, run};
use super::target::{Member, Target};
use crate::check::{NodeLine, Validation};
use crate::cluster::diagnose::greeted;
use crate::error::{Error, ErrorKind, Result};
use crate::redis::{Access, Address, NodeConnection};
use crate::runtime::Docker;
use crate::topology::NodeId;

/// A cluster of somebody else, entered at one of its nodes.
#[derive(Debug)]
pub struct Endpoint {
    target: Target<'static>,
    at: Vec<Address>,
    access: Access,
}

impl Endpoint {
    /// Enters a cluster at `address` and finds its other nodes. Each is dialled where it tells clients to
    /// find it, and by its address on the bus where nobody answers there.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when nothing answers there, the node refuses `access`, or is no cluster node.
    pub async fn enter(address: &Address, access: &Access) -> Result<Self> {
        let seed = NodeConnection::open(address, access).await?;
        let members = neighbours(&seed)
            .await
            .map_err(|error| refused(address, &error))?;
        Ok(Self::of(vec![address.clone()], access, members))
    }

    /// Looks at nodes, and at those that they know, whatever comes of it: a node that does not answer, or that knows
    /// nobody, is one of the things to find out.
    pub async fn look_at(addresses: &[Address], access: &Access) -> Self {
        let looks = addresses.iter().map(|address| async move {
            let looked = async { neighbours(&NodeConnection::open(address, access).await?).await };
            match looked.await {
                Ok(members) => members,
                Err(error) => {
                    let member = Member {
                        name: address.to_string(),
                        address: address.to_string(),
                        link: Err(greeted(address, &error).await),
                    };
                    vec![(false, member)]
                }
            }
        });
        let mut all: Vec<(bool, Member)> = Vec::new();
        for (replica, member) in join_all(looks).await.into_iter().flatten() {
            match all.iter_mut().find(|(_, known)| known.address == member.address) {
                None => all.push((replica, member)),
                Some((_, known)) if known.link.is_err() => *known = member,
                Some(_) => {}
            }
        }
        Self::of(addresses.to_vec(), access, all)
    }

    /// The same, looked at anew.
    pub(in crate::cluster) async fn again(&self) -> Self {
        Self::look_at(&self.at, &self.access).await
    }

    /// What is looked at.
    pub(in crate::cluster) fn target(&self) -> &Target<'static> {
        &self.target
    }

    /// With what it is looked at.
    pub(in crate::cluster) fn access(&self) -> &Access {
        &self.access
    }

    fn of(at: Vec<Address>, access: &Access, mut members: Vec<(bool, Member)>) -> Self {
        members.sort_by(|(replica, member), (other_replica, other)| {
            (replica, &member.name).cmp(&(other_replica, &other.name))
        });
        let names: Vec<String> = at.iter().map(ToString::to_string).collect();
        Self {
            target: Target {
                name: names.join(", "),
                members: members.into_iter().map(|(_, member)| member).collect(),
                plan: None,
            },
            at,
            access: access.clone(),
        }
    }

    /// Makes the checks. Nothing is written unless the options say so.
    pub async fn validate(&self, options: &SuiteOptions) -> Validation {
        run(&self.target, options, None::<&Docker>).await
    }
}

/// The nodes that this one knows, itself included, each with whether it is a replica.
async fn neighbours(seed: &NodeConnection) -> Result<Vec<(bool, Member)>> {
    let lines = seed.cluster_nodes().await?;
    let told: BTreeMap<NodeId, Address> = seed
        .cluster_slots()
        .await
        .unwrap_or_default()
        .into_iter()
        .flat_map(|owner| owner.endpoints)
        .filter(|endpoint| !endpoint.host.is_empty())
        .map(|endpoint| (endpoint.id, Address::new(endpoint.host, endpoint.port)))
        .collect();
    let known = lines
        .iter()
        .filter(|line| !line.has("noaddr") && !line.has("handshake"));
    Ok(join_all(known.map(|line| async {
        let member = member(seed, line, told.get(&line.id)).await;
        (!line.is_master(), member)
    }))
    .await)
}

fn refused(address: &Address, error: &Error) -> Error {
    let why = error.reason();
    let hint = if why.starts_with("NOAUTH") || why.starts_with("NOPERM") || why.starts_with("WRONGPASS") {
        "Give the password with --password-env VARIABLE, and the user with --username."
    } else if why.contains("cluster support disabled") {
        "This server runs alone (cluster-enabled no): only clusters can be validated."
    } else {
        "Give the client port of any node of the cluster."
    };
    Error::new(ErrorKind::Redis, format!("{address} does not tell its cluster"))
        .because(why)
        .hint(hint)
}

/// Dials a node where it may be found, until the right one answers.
async fn member(seed: &NodeConnection, line: &NodeLine, told: Option<&Address>) -> Member {
    let bus = (!line.ip.is_empty()).then(|| Address::new(&line.ip, line.port));
    let named = line.hostname.as_ref().map(|name| Address::new(name, line.port));
    if line.has("myself") {
        let at = bus.unwrap_or_else(|| seed.address().clone());
        return Member {
            name: at.to_string(),
            address: at.to_string(),
            link: Ok(seed.clone()),
        };
    }
    let shown = bus.clone().or_else(|| told.cloned());
    let shown = shown.map_or_else(|| line.id.to_string(), |address| address.to_string());
    let mut why = "its address is not known".to_owned();
    let mut link = None;
    // The same host as the one that was given comes last: there a published port may lead to the node.
    let beside = Address::new(&seed.address().host, line.port);
    for address in [told.cloned(), named, bus, Some(beside)].into_iter().flatten() {
        match right(seed, &address, &line.id).await {
            Ok(found) => {
                link = Some(found);
                break;
            }
            Err(reason) => why = format!("{address}: {reason}"),
        }
    }
    Member {
        name: shown.clone(),
        address: shown,
        link: link.ok_or(why),
    }
}

/// The connection to an address, if the node behind it is the right one.
async fn right(seed: &NodeConnection, address: &Address, id: &NodeId) -> Result<NodeConnection, String> {
    let told = |error: Error| error.reason();
    let link = seed.elsewhere(address).await.map_err(told)?;
    let is = link.my_id().await.map_err(told)?;
    if is == *id {
        Ok(link)
    } else {
        Err(format!("another node answers there: {is}"))
    }
}
