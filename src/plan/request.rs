//! Requests for the network, the volumes and the containers of a topology.

use crate::runtime::labels;
use crate::runtime::request::{ContainerRequest, File, FilesRequest, NetworkRequest, USER, VolumeRequest};
use crate::server::conf::nodes_conf::nodes_conf;
use crate::server::conf::paths::{HOME, conf_path, directory};
use crate::server::conf::redis_conf::redis_conf;
use crate::server::conf::secrets::{secret_lines, secrets_path, users_acl, users_path};
use crate::server::conf::tls::certificate_files;
use crate::spec::security::Secrets;
use crate::topology::layout::{Formation, Node, Topology};

/// Sysctls in a node's network namespace: the accept backlog (`somaxconn`) and the backlog of connections being
/// established. Every new namespace has the kernel's defaults (4096 since Linux 5.4, 128 before, less than the
/// `tcp-backlog` of 511 that Redis uses), whatever the host's values are.
pub const SYSCTLS: [(&str, &str); 2] = [
    ("net.core.somaxconn", "65535"),
    ("net.ipv4.tcp_max_syn_backlog", "65535"),
];

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

/// A node's volume and its mount point. With persistence, every node has its own volume,
/// named like its container; otherwise all nodes share one.
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

/// The request that copies all nodes' files to the volumes.
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
        // One published port; the bus port is never published.
        assert_eq!(request.published, std::net::Ipv4Addr::LOCALHOST);
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
