//! What the engine is asked to make, in rcup's own words.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::runtime::labels;
use crate::runtime::labels::Labels;
use crate::server::conf::nodes_conf::nodes_conf;
use crate::server::conf::redis_conf::{HOME, conf_path, directory, redis_conf};
use crate::server::conf::secrets::{secret_lines, secrets_path, users_acl, users_path};
use crate::server::conf::tls::certificate_files;
use crate::spec::security::Secrets;
use crate::topology::layout::{Formation, Node, Topology};

/// The user and group under which every node runs, and to whom its files belong. The number is the one of
/// the official images; an image need not know it by name.
pub const USER: u32 = 999;

/// Kernel settings of a node's own network namespace: how many connections may wait to be accepted, and how many
/// to be established. Linux gives every namespace its defaults (4096 since Linux 5.4, 128 before, less than the
/// `tcp-backlog` of 511 that Redis asks for), whatever the host has set; the values are the guide's for the host.
pub const SYSCTLS: [(&str, &str); 2] = [
    ("net.core.somaxconn", "65535"),
    ("net.ipv4.tcp_max_syn_backlog", "65535"),
];

/// A bridge network with an address plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRequest {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub subnet: Ipv4Net,
    /// The address of the bridge itself.
    pub gateway: Ipv4Addr,
    /// Addresses for the container in which rcup runs, where it runs in one.
    pub guests: Vec<Ipv4Addr>,
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
    /// The port that is published under the same number.
    pub port: u16,
    /// The address of the engine's machine on which it is.
    pub published: Ipv4Addr,
    /// The limit of open files, soft and hard; `None` leaves it to the engine.
    pub open_files: Option<u64>,
    /// What it may take of the machine's memory in bytes, without swap; `None` for no limit.
    pub memory: Option<u64>,
    /// Kernel settings of its network namespace, by name.
    pub sysctls: Vec<(String, String)>,
    /// Directories of the image that get an empty memory file system, because the image declares them as
    /// volumes: an anonymous volume would carry no label and stay behind.
    pub scratch: Vec<String>,
    /// The volume with the node's files.
    pub volume: VolumeRequest,
    /// Where it is mounted.
    pub mount: String,
    /// Its labels.
    pub labels: Labels,
}

/// A file or, without contents, a directory.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// The absolute path.
    pub path: String,
    /// The permissions.
    pub mode: u32,
    /// The text; `None` makes a directory.
    pub contents: Option<String>,
}

impl std::fmt::Debug for File {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &format_args!("{:o}", self.mode))
            .field("bytes", &self.contents.as_ref().map(String::len))
            .finish()
    }
}

/// A container in which something is tried for a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// Program and arguments. The image's own entry point is not used.
    pub command: Vec<String>,
    /// The network it is on; `None` for none at all.
    pub network: Option<String>,
    /// Files for its own file system.
    pub files: Vec<File>,
    /// Its labels.
    pub labels: Labels,
}

/// The network of a topology.
pub fn network(topology: &Topology) -> NetworkRequest {
    NetworkRequest {
        name: topology.network(),
        subnet: topology.surroundings.subnet,
        gateway: topology.gateway(),
        guests: topology.guests(),
        labels: labels::of_cluster(topology),
    }
}

/// Files for volumes. They go through one container that has all volumes mounted and never runs: one upload,
/// while files in every container's own file system would cost the engine a mount and an unmount each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesRequest {
    /// The name of the container.
    pub name: String,
    /// Its image, of which nothing is used.
    pub image: String,
    /// The volumes, and where each is mounted.
    pub volumes: Vec<(VolumeRequest, String)>,
    /// The files.
    pub files: Vec<File>,
    /// The container's labels.
    pub labels: Labels,
}

/// The volume of a node and where it is mounted. Where the data shall last, every node has a volume of its
/// own, under its container's name; else one is enough for all.
fn volume_of(topology: &Topology, node: &Node) -> (VolumeRequest, String) {
    if topology.spec.persist() {
        let (name, labels) = (node.name.clone(), labels::of_data(topology, node));
        (VolumeRequest { name, labels }, directory(node))
    } else {
        let (name, labels) = (topology.name().volume(), labels::of_cluster(topology));
        (VolumeRequest { name, labels }, HOME.to_owned())
    }
}

/// The volumes of a topology, and where they are mounted.
pub fn volumes(topology: &Topology) -> Vec<(VolumeRequest, String)> {
    let nodes = if topology.spec.persist() {
        &topology.nodes[..]
    } else {
        &topology.nodes[..1]
    };
    nodes.iter().map(|node| volume_of(topology, node)).collect()
}

/// The files of all nodes on their way to the volumes.
pub fn delivery(topology: &Topology, secrets: &Secrets) -> FilesRequest {
    FilesRequest {
        name: topology.name().carrier(),
        image: topology.surroundings.image.reference.clone(),
        volumes: volumes(topology),
        files: files(topology, secrets),
        labels: labels::of_cluster(topology),
    }
}

/// The container of a node.
pub fn container(topology: &Topology, node: &Node) -> ContainerRequest {
    let (volume, mount) = volume_of(topology, node);
    ContainerRequest {
        name: node.name.clone(),
        image: topology.image(node).reference.clone(),
        command: vec![topology.server(node).engine.server().to_owned(), conf_path(node)],
        user: format!("{USER}:{USER}"),
        network: topology.network(),
        ip: node.ip,
        port: node.port,
        published: node.published,
        open_files: topology.surroundings.open_files,
        memory: topology
            .surroundings
            .machine
            .memory(&topology.spec, node.index)
            .and_then(|memory| memory.container),
        sysctls: SYSCTLS
            .iter()
            .filter(|_| topology.surroundings.own_sysctls)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        scratch: topology.image(node).volumes.clone(),
        volume,
        mount,
        labels: labels::of_node(topology, node),
    }
}

/// The files of all nodes.
fn files(topology: &Topology, secrets: &Secrets) -> Vec<File> {
    let file = |path: String, contents| File {
        path,
        mode: 0o600,
        contents: Some(contents),
    };
    let of_node = |node: &Node| {
        let home = directory(node);
        let conf = redis_conf(topology, node) + &secret_lines(secrets);
        let mut files = vec![file(conf_path(node), conf)];
        if !secrets.is_empty() {
            files.push(file(secrets_path(node), secrets.to_file()));
        }
        if topology.spec.guards() {
            files.push(file(
                users_path(node),
                users_acl(topology, &[topology.server(node)], secrets),
            ));
        }
        if let Some(certificates) = &secrets.certificates {
            files.extend(certificate_files(certificates, node).map(|(path, text)| file(path, text)));
        }
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
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{mixed, topology};

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
        // One port, on this machine alone; the bus port is published nowhere.
        assert_eq!(request.published, Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn a_node_with_an_image_of_its_own_runs_its_own_server() {
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &[(4, Engine::Valkey, "8.1.1")]);
        let topology = Topology::new(&spec, &place).unwrap();
        let (first, fourth) = (
            container(&topology, &topology.nodes[0]),
            container(&topology, &topology.nodes[3]),
        );
        assert_eq!(
            (first.image.as_str(), fourth.image.as_str()),
            ("test:1", "own/valkey:8.1.1")
        );
        assert_eq!(
            (first.command[0].as_str(), fourth.command[0].as_str()),
            ("redis-server", "valkey-server")
        );
    }

    #[test]
    fn every_node_has_a_directory_that_nobody_else_can_read() {
        let topology = topology(1, 1, Engine::Valkey, "8.1.1");
        let files = files(&topology, &Secrets::default());
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
