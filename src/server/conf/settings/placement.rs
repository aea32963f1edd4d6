//! Directives that depend on a node's placement in the cluster.

use crate::server::conf::paths::directory;
use crate::server::conf::secrets::users_path;
use crate::server::conf::setting::Setting;
use crate::server::conf::tls::tls;
use crate::spec::cluster::ClusterSpec;
use crate::spec::profile::Profile;
use crate::topology::layout::{Announce, Node, Topology};

/// Returns the directives for ports, addresses and the cluster.
pub(crate) fn place(topology: &Topology, node: &Node) -> Vec<Setting> {
    let spec = &topology.spec;
    let mut settings = vec![
        Setting::new(
            "port",
            if spec.tls() { 0 } else { node.port }.to_string(),
            if spec.tls() {
                "Plaintext is disabled: see `tls-port`."
            } else {
                "The same port in the container, on the host, and in announcements."
            },
        )
        .fitted()
        .requested("port"),
        protected_mode(spec),
        Setting::new(
            "dir",
            directory(node),
            "The server replaces nodes.conf by renaming a new file, so each node needs its own directory.",
        )
        .fitted(),
        Setting::new("cluster-enabled", "yes", "Cluster mode."),
        Setting::new("cluster-config-file", "nodes.conf", "Maintained by the server."),
        node_timeout(spec.node_timeout().as_millis(), spec.profile()),
        Setting::new(
            "cluster-require-full-coverage",
            "yes",
            "Refuse commands while any slot is uncovered.",
        ),
        Setting::new(
            "cluster-replica-validity-factor",
            "10",
            "A replica that lost contact with its master for ten node timeouts does not start a failover.",
        ),
        Setting::new(
            "cluster-migration-barrier",
            "1",
            "Number of replicas that a master keeps when it gives one to a master without replicas.",
        ),
        Setting::new("cluster-replica-no-failover", "no", "Allow automatic failover."),
        Setting::new(
            "cluster-announce-ip",
            node.ip.to_string(),
            "The node's fixed address, which survives a restart.",
        )
        .fitted(),
    ];
    settings.extend(announced(topology.announce, node));
    settings.extend(tls(spec, node));
    if spec.guards() {
        let setting = Setting::new(
            "aclfile",
            users_path(node),
            "Users, with SHA-256 hashes of their passwords. `CONFIG REWRITE` does not change this file.",
        );
        settings.push(if spec.password().is_some() {
            setting.fitted().requested("password")
        } else if spec.users().is_empty() {
            setting.of_profile()
        } else {
            setting.fitted().requested("user")
        });
    }
    settings
}

/// Returns `protected-mode`. It has an effect only without a password, and then also refuses the other nodes.
fn protected_mode(spec: &ClusterSpec) -> Setting {
    if spec.profile() != Profile::Dev && spec.password().is_some() {
        let why = "Refuse remote clients if the password is removed at run time.";
        return Setting::new("protected-mode", "yes", why).of_profile();
    }
    Setting::new(
        "protected-mode",
        "no",
        if spec.published().is_loopback() {
            "Only 127.0.0.1 is published, and the other nodes connect without a password."
        } else {
            "Clients on other machines and the other nodes must be able to connect."
        },
    )
}

fn node_timeout(ms: u128, profile: Profile) -> Setting {
    let setting = Setting::new(
        "cluster-node-timeout",
        ms.to_string(),
        "Milliseconds without an answer before a node is marked PFAIL. Set once the cluster is formed.",
    )
    .requested("node-timeout");
    if ms == profile.node_timeout().as_millis() {
        setting.of_profile()
    } else {
        setting
    }
}

fn announced(announce: Announce, node: &Node) -> Vec<Setting> {
    let published = node.host_address().ip().to_string();
    let all = match announce {
        Announce::Ip => Vec::new(),
        Announce::Hostname => vec![
            Setting::new(
                "cluster-announce-hostname",
                published,
                "Redirects clients to the published port, because the host cannot reach the bridge network.",
            ),
            Setting::new(
                "cluster-preferred-endpoint-type",
                "hostname",
                "Redirections carry the announced host name.",
            ),
        ],
        Announce::ClientIpv4 => vec![Setting::new(
            "cluster-announce-client-ipv4",
            published,
            "Redirects clients to the published port. The cluster bus and replication use the bridge network.",
        )],
    };
    all.into_iter()
        .map(|setting| setting.fitted().requested("announce"))
        .collect()
}
