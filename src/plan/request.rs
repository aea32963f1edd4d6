//! What the engine is asked to make, in rcup's own words.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::labels::{self, Labels};
use crate::render::{HOME, conf_path, directory, nodes_conf, redis_conf};
use crate::topology::{Formation, Node, Topology};

/// The user and group under which every node runs, and to whom its files belong. The number is the one of
/// the official images; an image need not know it by name.
pub const USER: u32 = 999;

/// A bridge network with an address plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRequest {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub subnet: Ipv4Net,
    /// The address of the bridge itself.
    pub gateway: Ipv4Addr,
    /// Its labels.
    pub labels: Labels,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// A container, created but not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Its name, which is also its host name and its DNS name on the network.
    pub name: String,
    /// The image.
    pub image: String,
    /// Program and arguments. The image's own entry point is not used.
    pub command: Vec<String>,
    /// `uid:gid`.
    pub user: String,
    /// The network's name.
    pub network: String,
    /// Its address there.
    pub ip: Ipv4Addr,
    /// The port that is published on 127.0.0.1 under the same number.
    pub port: u16,
    /// The limit of open files, soft and hard; `None` leaves it to the engine.
    pub open_files: Option<u64>,
    /// Directories of the image that get an empty memory file system, because the image declares them as
    /// volumes: an anonymous volume would carry no label and stay behind.
    pub scratch: Vec<String>,
    /// The cluster's volume.
    pub volume: String,
    /// Where it is mounted.
    pub mount: String,
    /// Its labels.
    pub labels: Labels,
}

/// A file or, without contents, a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The absolute path.
    pub path: String,
    /// The permissions.
    pub mode: u32,
    /// The text; `None` makes a directory.
    pub contents: Option<String>,
}

/// The network of a topology.
pub fn network(topology: &Topology) -> NetworkRequest {
    NetworkRequest {
        name: topology.network(),
        subnet: topology.surroundings.subnet,
        gateway: topology.gateway(),
        labels: labels::of_cluster(topology),
    }
}

/// The volume of a topology, with the files of all its nodes. One upload fills it, while files in every
/// container's own file system would cost the engine a mount and an unmount for each of them.
pub fn volume(topology: &Topology) -> VolumeRequest {
    VolumeRequest {
        name: topology.volume(),
        labels: labels::of_cluster(topology),
    }
}

/// The container of a node.
pub fn container(topology: &Topology, node: &Node) -> ContainerRequest {
    ContainerRequest {
        name: node.name.clone(),
        image: topology.image().reference.clone(),
        command: vec![topology.server().engine.server().to_owned(), conf_path(node)],
        user: format!("{USER}:{USER}"),
        network: topology.network(),
        ip: node.ip,
        port: node.port,
        open_files: topology.surroundings.open_files,
        scratch: topology.image().volumes.clone(),
        volume: topology.volume(),
        mount: HOME.to_owned(),
        labels: labels::of_node(topology, node),
    }
}

/// The files of all nodes, which lie on the cluster's volume.
pub fn files(topology: &Topology) -> Vec<File> {
    let file = |path: String, contents| File {
        path,
        mode: 0o600,
        contents: Some(contents),
    };
    let of_node = |node: &Node| {
        let home = directory(node);
        let mut files = vec![file(conf_path(node), redis_conf(topology, node))];
        if topology.formation == Formation::Seeded {
            files.push(file(format!("{home}/nodes.conf"), nodes_conf(topology, node)));
        }
        files.insert(
            0,
            File {
                path: home,
                mode: 0o700,
                contents: None,
            },
        );
        files
    };
    topology.nodes.iter().flat_map(of_node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Engine;
    use crate::topology::topology;

    #[test]
    fn a_node_is_asked_for_with_everything_it_needs() {
        let topology = topology(3, 1, Engine::Valkey, "8.1.1");
        let request = container(&topology, &topology.nodes[5]);
        assert_eq!(request.name, "rcup-default-6");
        assert_eq!(request.command, ["valkey-server", "/rcup/6/redis.conf"]);
        assert_eq!(
            (request.ip.to_string().as_str(), request.port),
            ("10.213.0.7", 7006)
        );
        assert_eq!(request.labels[labels::NODE], "6");
    }

    #[test]
    fn every_node_has_a_directory_that_nobody_else_can_read() {
        let topology = topology(1, 1, Engine::Valkey, "8.1.1");
        let files = files(&topology);
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/rcup/1",
                "/rcup/1/redis.conf",
                "/rcup/1/nodes.conf",
                "/rcup/2",
                "/rcup/2/redis.conf",
                "/rcup/2/nodes.conf"
            ]
        );
        assert!(files.iter().all(|file| file.mode % 0o100 == 0));
    }
}
