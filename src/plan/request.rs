//! Requests for the network, the volumes and the containers of a topology.

use crate::runtime::labels;
use crate::runtime::request::{
    ContainerRequest, File, FilesRequest, NetworkRequest, USER, VolumeFiles, VolumeRequest,
};
use crate::server::conf::nodes_conf::nodes_conf;
use crate::server::conf::paths::{HOME, conf_path, directory};
use crate::server::conf::redis_conf::redis_conf;
use crate::server::conf::secrets::{secret_lines, secrets_path, users_acl, users_path};
use crate::server::conf::tls::certificate_files;
use crate::spec::security::Secrets;
use crate::topology::address::range_behind;
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
        subnet: topology.placement.subnet,
        gateway: topology.gateway(),
        others: range_behind(
            topology.placement.subnet,
            topology.nodes.iter().map(|node| node.ip),
        ),
        guests: topology.guests(),
        labels: labels::of_cluster(topology),
    }
}

/// A node's volume and its mount point. With persistence, every node has its own volume,
/// named like its container; otherwise all nodes share one. Either way the node's files are in a directory below
/// the volume's root, see [`Placement::volumes_at_home`](crate::topology::layout::Placement).
fn volume_of(topology: &Topology, node: &Node) -> (VolumeRequest, String) {
    if topology.spec.persist() {
        let (name, labels) = (node.name.clone(), labels::of_data(topology, node));
        let mount = if topology.placement.volumes_at_home {
            HOME.to_owned()
        } else {
            directory(node)
        };
        (VolumeRequest { name, labels }, mount)
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
        image: topology.placement.image.reference.clone(),
        volumes: deliveries(topology, secrets),
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
        open_files: topology.placement.open_files,
        memory: topology
            .placement
            .machine
            .memory(&topology.spec, node.index)
            .and_then(|memory| memory.container),
        sysctls: SYSCTLS
            .iter()
            .filter(|_| topology.placement.own_sysctls)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        scratch: topology.image(node).volumes.clone(),
        volume,
        mount,
        labels: labels::of_node(topology, node),
    }
}

/// The volumes of a topology, each with the files of its nodes.
fn deliveries(topology: &Topology, secrets: &Secrets) -> Vec<VolumeFiles> {
    let nodes: Vec<&[Node]> = if topology.spec.persist() {
        topology.nodes.chunks(1).collect()
    } else {
        vec![&topology.nodes]
    };
    let volumes = volumes(topology).into_iter().zip(nodes);
    volumes
        .map(|((volume, _), nodes)| VolumeFiles {
            volume,
            files: files(topology, nodes, secrets),
        })
        .collect()
}

/// The files of these nodes, with paths below [`HOME`].
fn files(topology: &Topology, nodes: &[Node], secrets: &Secrets) -> Vec<File> {
    let file = |path: String, contents| File {
        path: below_home(&path),
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
                path: below_home(&home),
                mode: 0o700,
                contents: None,
            },
        );
        files
    };
    nodes.iter().flat_map(of_node).collect()
}

fn below_home(path: &str) -> String {
    path.strip_prefix(HOME).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{mixed, placement, topology};

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
        let deliveries = deliveries(&topology, &Secrets::default());
        assert_eq!(deliveries.len(), 1);
        let files = &deliveries[0].files;
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/1",
                "/1/redis.conf",
                "/1/nodes.conf",
                "/2",
                "/2/redis.conf",
                "/2/nodes.conf"
            ]
        );
        assert!(files.iter().all(|file| file.mode % 0o100 == 0));
    }

    #[test]
    fn data_volume_holds_a_directory_of_its_node() {
        let spec = ClusterSpec::builder().masters(1).persist(true).build().unwrap();
        let mut place = placement(Engine::Redis, "8.0.2");
        let topology = Topology::new(&spec, &place).unwrap();
        let deliveries = deliveries(&topology, &Secrets::default());
        assert_eq!(deliveries.len(), topology.nodes.len());
        assert_eq!(deliveries[0].volume.name, "rcup-default-1");
        assert_eq!(deliveries[0].files[0].path, "/1");
        assert!(
            deliveries[0].files[0].contents.is_none(),
            "the directory comes first"
        );
        assert_eq!(container(&topology, &topology.nodes[0]).mount, "/rcup");
        // A volume created by an older version has the files in its root directory.
        place.volumes_at_home = false;
        let topology = Topology::new(&spec, &place).unwrap();
        assert_eq!(container(&topology, &topology.nodes[0]).mount, "/rcup/1");
    }
}
