//! The settings that all services of an exported cluster share, and those that differ.

use crate::runtime::request::ContainerRequest;
use crate::server::conf::nodes_conf::settled_nodes_conf;
use crate::spec::server::Server;
use crate::topology::layout::{Node, Topology};

/// Returns the first server whose `nodes.conf` format is not verified.
pub(crate) fn unproven(topology: &Topology) -> Option<Server> {
    topology
        .servers()
        .into_iter()
        .find(|server| !server.seeding_is_proven())
}

/// Which settings all services share. Settings that differ appear in each service.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a place in the file of its own"
)]
pub(crate) struct Common {
    /// The `nodes.conf` of the first node, without its `myself`.
    pub(crate) nodes: String,
    pub(crate) image: bool,
    pub(crate) engine: bool,
    pub(crate) memory: bool,
    pub(crate) scratch: bool,
}

impl Common {
    pub(crate) fn of(topology: &Topology, requests: &[ContainerRequest]) -> Self {
        fn alike<T: PartialEq>(all: impl Iterator<Item = T>) -> bool {
            let all: Vec<T> = all.collect();
            all.windows(2).all(|two| two[0] == two[1])
        }
        let engines = topology.nodes.iter().map(|node| topology.server(node).engine);
        Self {
            nodes: topology
                .nodes
                .first()
                .map_or_else(String::new, |node| nodes_of_all(topology, node)),
            image: alike(requests.iter().map(|request| &request.image)),
            engine: alike(engines),
            memory: alike(requests.iter().map(|request| request.memory)),
            scratch: alike(requests.iter().map(|request| &request.scratch)),
        }
    }
}

/// Returns the `nodes.conf` of a node without the flag `myself`, so that all nodes can use it.
pub(crate) fn nodes_of_all(topology: &Topology, node: &Node) -> String {
    settled_nodes_conf(topology, node).replace("myself,", "")
}

/// Returns the images as text: `image redis:8.0`, or `images redis:7.0, redis:8.0`.
pub(crate) fn images_in_words(topology: &Topology) -> String {
    let mut all: Vec<&str> = Vec::new();
    for node in &topology.nodes {
        let reference = topology.image(node).reference.as_str();
        if !all.contains(&reference) {
            all.push(reference);
        }
    }
    let what = if all.len() == 1 { "image" } else { "images" };
    format!("{what} {}", all.join(", "))
}
