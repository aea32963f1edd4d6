//! What of a node's files is there for TLS.

use super::redis_conf::directory;
use crate::spec::Certificates;
use crate::topology::{Node, Topology};

/// The authority's certificate in a node's directory.
pub fn authority_path(node: &Node) -> String {
    format!("{}/ca.crt", directory(node))
}

/// A node's own certificate in its directory.
pub fn certificate_path(node: &Node) -> String {
    format!("{}/node.crt", directory(node))
}

/// A node's certificate files: paths and contents.
pub fn certificate_files(certificates: &Certificates, node: &Node) -> [(String, String); 3] {
    let home = directory(node);
    [
        (authority_path(node), certificates.authority.clone()),
        (certificate_path(node), certificates.node.clone()),
        (
            format!("{home}/node.key"),
            certificates.node_key.expose().to_owned(),
        ),
    ]
}

/// The lines of a node's `redis.conf` that have it speak TLS, and nothing else. The cluster bus always demands a
/// certificate of the peer; of a client, one is looked at when it brings one.
pub fn tls_lines(topology: &Topology, node: &Node) -> String {
    if !topology.spec.tls() {
        return String::new();
    }
    let home = directory(node);
    format!(
        "\n# Clients, replicas and the cluster bus speak TLS.\ntls-port {}\ntls-cluster yes\ntls-replication \
         yes\n\n# Made for this cluster. The key of the authority was forgotten when it had signed.\ntls-ca-cert-file \
         {}\ntls-cert-file {}\ntls-key-file {home}/node.key\n\n# A client may prove itself with a \
         certificate, and need not.\ntls-auth-clients optional\n",
        node.port,
        authority_path(node),
        certificate_path(node),
    )
}
