//! The target of a validation: its reachable nodes and, for rcup's clusters, the topology.

use futures_util::future::join_all;

use crate::connect::links::Links;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::server::wire::reply::Answer;
use crate::topology::layout::Topology;

/// A node of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The container name or address.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: String,
    /// The connection, or why it failed.
    pub(crate) link: Result<NodeConnection, String>,
}

/// A cluster under validation.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// The cluster's name, or the endpoint.
    pub(crate) name: String,
    /// Its nodes, in topology order if there is a topology.
    pub(crate) members: Vec<Member>,
    /// The topology, if rcup started the cluster.
    pub(crate) plan: Option<&'a Topology>,
    /// Advertised addresses at which another node responds, as evidence.
    pub(crate) astray: Vec<String>,
}

impl Target<'_> {
    /// Returns the names, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.members.iter().map(|member| member.name.as_str()).collect()
    }

    /// Returns the connections to all reachable nodes.
    pub(crate) fn links(&self) -> Links {
        Links::of(
            self.members
                .iter()
                .filter_map(|member| member.link.as_ref().ok().cloned())
                .collect(),
        )
    }

    /// Queries every node.
    pub(crate) async fn views(&self) -> Vec<Answer> {
        join_all(self.members.iter().map(|member| async {
            match &member.link {
                Ok(link) => link.view().await.map_err(|error| error.reason()),
                Err(why) => Err(why.clone()),
            }
        }))
        .await
    }
}

/// Parses the address of a member.
pub(crate) fn address_of(member: &Member) -> Option<Address> {
    let (host, port) = member.address.rsplit_once(':')?;
    Some(Address::new(host, port.parse().ok()?))
}
