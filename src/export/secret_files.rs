//! What is secret about an exported cluster, in files beside the export. Nobody else can enter their directories; the
//! files themselves are open, because Compose shows them to the nodes' user as they are.

use crate::server::conf::document::Document;
use crate::server::conf::secrets::{secret_lines, users_acl};
use crate::spec::security::{Certificates, Secrets};
use crate::spec::service_user::OwnUser;
use crate::topology::layout::Topology;

/// The files by which a node of the export gets what is secret: where they lie beside it, under which name the node
/// sees them, and what it calls them itself. None where there is nothing to hide.
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

/// A file that a node takes over.
pub(crate) struct Handed {
    /// Where it lies beside the export.
    pub(crate) path: &'static str,
    /// What the node calls its copy, if it makes one.
    pub(crate) as_file: Option<&'static str>,
}

impl Handed {
    /// The name under which the node sees it.
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// The certificates as files, for the nodes and for a client.
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

/// The files themselves, and those that clients need.
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
        let monitor = secrets.own.get(&OwnUser::Monitor);
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
