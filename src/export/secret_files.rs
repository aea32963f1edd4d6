//! The secrets of an exported cluster, in files next to the export. Only the owner can enter their directories. The
//! files themselves are world-readable, because Compose mounts them with their mode, and the user of the nodes reads
//! them.

use crate::server::conf::document::Document;
use crate::server::conf::secrets::{secret_lines, users_acl};
use crate::spec::security::{Certificates, Secrets};
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::Topology;

/// Returns the secret files that each node of the export reads: the path next to the export, and the name of the copy
/// in the node's directory. Empty for a cluster without secrets.
pub(crate) fn handed(topology: &Topology) -> Vec<Handed> {
    let spec = &topology.spec;
    let mut all = Vec::new();
    let mut hand = |path, as_file| all.push(Handed { path, as_file });
    if spec.guards() {
        hand("secrets/users.acl", Some("users.acl"));
        hand("secrets/replication.conf", None);
        hand("secrets/monitor", None);
    }
    if spec.tls() {
        hand("certs/ca.crt", Some("ca.crt"));
        hand("certs/node.crt", Some("node.crt"));
        hand("certs/node.key", Some("node.key"));
    }
    if spec.has_secrets() {
        hand("secrets/rcup.json", Some("secrets.json"));
    }
    all
}

/// A secret file that a node reads.
pub(crate) struct Handed {
    /// The path relative to the export.
    pub(crate) path: &'static str,
    /// The name of the node's copy, if the node makes one.
    pub(crate) as_file: Option<&'static str>,
}

impl Handed {
    /// Returns the name of the file below `/run/secrets`.
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// Returns the certificates as files for the nodes and for clients.
pub(crate) fn certificate_documents(all: &Certificates) -> Vec<Document> {
    let nodes = [
        ("certs/ca.crt", all.authority.clone()),
        ("certs/node.crt", all.node.clone()),
        ("certs/node.key", all.node_key.expose().to_owned()),
    ];
    let client = all.client.iter().flat_map(|client| {
        [
            ("certs/client.crt", client.certificate.clone()),
            ("certs/client.key", client.key.expose().to_owned()),
        ]
    });
    nodes
        .into_iter()
        .chain(client)
        .map(|(path, contents)| Document {
            secret: true,
            ..Document::new(path, contents)
        })
        .collect()
}

/// Returns the secret files, including those for clients.
pub fn beside(topology: &Topology, secrets: &Secrets) -> Vec<Document> {
    let secret = |path: &str, contents: String| Document {
        secret: true,
        ..Document::new(path, contents)
    };
    let mut files = Vec::new();
    if topology.spec.guards() {
        files.push(secret(
            "secrets/users.acl",
            users_acl(topology, &topology.servers(), secrets),
        ));
        let lines = secret_lines(secrets).trim_start().to_owned();
        files.push(secret("secrets/replication.conf", lines));
        let monitor = secrets.own.get(&ServiceUser::Monitor);
        let monitor = monitor.map_or_else(String::new, |password| format!("{}\n", password.expose()));
        files.push(secret("secrets/monitor", monitor));
    }
    files.extend(secrets.certificates.iter().flat_map(certificate_documents));
    if let Some(password) = &secrets.password {
        files.push(Document::password(password));
    }
    if topology.spec.has_secrets() {
        files.push(secret("secrets/rcup.json", secrets.to_file()));
    }
    files
}
