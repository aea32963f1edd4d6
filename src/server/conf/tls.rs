//! TLS directives and certificate files of a node.

use crate::server::conf::paths::directory;
use crate::server::conf::setting::Setting;
use crate::spec::cluster::ClusterSpec;
use crate::spec::security::Certificates;
use crate::topology::layout::Node;

/// The TLS directives that rcup sets.
const OWN: [&str; 7] = [
    "tls-port",
    "tls-cluster",
    "tls-replication",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-key-file",
    "tls-auth-clients",
];

/// Returns whether a directive is one of those that rcup sets for TLS. Exports without certificates omit them.
pub(crate) fn is_of_tls(name: &str) -> bool {
    OWN.contains(&name)
}

/// Returns the path of the CA certificate in a node's directory.
pub fn authority_path(node: &Node) -> String {
    format!("{}/ca.crt", directory(node))
}

/// Returns the path of a node's certificate in its directory.
pub fn certificate_path(node: &Node) -> String {
    format!("{}/node.crt", directory(node))
}

/// Returns the paths and contents of a node's certificate files.
pub fn certificate_files(certificates: &Certificates, node: &Node) -> [(String, String); 3] {
    [
        (authority_path(node), certificates.authority.clone()),
        (certificate_path(node), certificates.node.clone()),
        (key_path(node), certificates.node_key.expose().to_owned()),
    ]
}

/// Returns the path of the key for that certificate.
fn key_path(node: &Node) -> String {
    format!("{}/node.key", directory(node))
}

/// Returns the directives with which a node accepts only TLS connections. The cluster bus always requires a
/// certificate from the peer. A client certificate is optional, and is verified if the client sends one.
pub(crate) fn tls(spec: &ClusterSpec, node: &Node) -> Vec<Setting> {
    if !spec.tls() {
        return Vec::new();
    }
    let all = [
        Setting::new(
            "tls-port",
            node.port.to_string(),
            "TLS port for clients, the same in the container, on the host, and in announcements.",
        )
        .fitted(),
        Setting::new("tls-cluster", "yes", "TLS on the cluster bus."),
        Setting::new("tls-replication", "yes", "TLS for replication."),
        Setting::new(
            "tls-ca-cert-file",
            authority_path(node),
            "The only trusted certificate authority.",
        )
        .fitted(),
        Setting::new(
            "tls-cert-file",
            certificate_path(node),
            "Lists the address and the name of every node.",
        )
        .fitted(),
        Setting::new(
            "tls-key-file",
            key_path(node),
            "Readable only by the node's user.",
        )
        .fitted(),
        Setting::new(
            "tls-auth-clients",
            "optional",
            "Client certificates are accepted, not required.",
        ),
    ];
    all.map(|setting| setting.requested("tls")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::conf::setting::Origin;
    use crate::server::conf::settings::effective::settings;
    use crate::spec::server::Engine;
    use crate::topology::layout::Topology;
    use crate::topology::layout::tests::placement;

    #[test]
    fn every_directive_of_tls_is_a_setting_with_its_origin() {
        let of = |spec: crate::spec::builder::ClusterSpecBuilder| -> Vec<(String, String, Origin)> {
            let spec = spec.tls(true).build().unwrap();
            let topology = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
            let all = settings(&topology, &topology.nodes[1]).into_iter();
            all.filter(|setting| setting.name.starts_with("tls-") || setting.name == "port")
                .map(|setting| (setting.name.into_owned(), setting.value, setting.origin))
                .collect()
        };
        let all = of(ClusterSpec::builder());
        let names: Vec<&str> = all.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names[1..], OWN);
        assert_eq!(all[0].1, "0", "nothing in the clear");
        assert_eq!(all[1], ("tls-port".to_owned(), "7002".to_owned(), Origin::Fitted));
        assert_eq!(all[5].1, "/rcup/2/node.crt");
        // The user's directive replaces rcup's.
        let set = of(ClusterSpec::builder().set("tls-auth-clients=no".parse().unwrap()));
        let last = set.last().unwrap();
        assert_eq!(
            *last,
            ("tls-auth-clients".to_owned(), "no".to_owned(), Origin::User)
        );
        assert_eq!(set.len(), all.len());
    }
}
