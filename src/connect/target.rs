//! What is validated: its nodes, as far as they can be reached, and the plan, where there is one.

use futures_util::future::join_all;

use crate::connect::links::Links;
use crate::server::wire::connection::{Address, NodeConnection};
use crate::server::wire::reply::Answer;
use crate::topology::layout::Topology;

/// A node of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its name: the container's, or its address.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: String,
    /// The connection, or why there is none.
    pub(crate) link: Result<NodeConnection, String>,
}

/// A cluster under validation.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// The cluster's name, or the endpoint.
    pub(crate) name: String,
    /// Its nodes; with a plan, in the order of the plan.
    pub(crate) members: Vec<Member>,
    /// The plan of a cluster of rcup.
    pub(crate) plan: Option<&'a Topology>,
    /// Where the cluster says that a node is, and another one answers: as lines of evidence.
    pub(crate) astray: Vec<String>,
}

impl Target<'_> {
    /// The names, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.members.iter().map(|member| member.name.as_str()).collect()
    }

    /// The connections to all nodes that can be reached.
    pub(crate) fn links(&self) -> Links {
        Links::of(
            self.members
                .iter()
                .filter_map(|member| member.link.as_ref().ok().cloned())
                .collect(),
        )
    }

    /// What every node says now.
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

/// An address as the one text that a member carries.
pub(crate) fn address_of(member: &Member) -> Option<Address> {
    let (host, port) = member.address.rsplit_once(':')?;
    Some(Address::new(host, port.parse().ok()?))
}
