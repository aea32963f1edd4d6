//! What follows from a node's place in the cluster.

use crate::server::conf::paths::directory;
use crate::server::conf::secrets::users_path;
use crate::server::conf::setting::Setting;
use crate::server::conf::tls::tls;
use crate::spec::cluster::ClusterSpec;
use crate::spec::profile::Profile;
use crate::topology::layout::{Announce, Node, Topology};

/// The directives about ports, addresses and the cluster.
pub(crate) fn place(topology: &Topology, node: &Node) -> Vec<Setting> {
    let spec = &topology.spec;
    let mut settings = vec![
        Setting::new(
            "port",
            if spec.tls() { 0 } else { node.port }.to_string(),
            if spec.tls() {
                "Nothing goes over the wire in the clear: see `tls-port`."
            } else {
                "One number inside the container, published and announced."
            },
        )
        .fitted()
        .wished("port"),
        protected_mode(spec),
        Setting::new(
            "dir",
            directory(node),
            "nodes.conf is saved by renaming, so it needs a directory of its own.",
        )
        .fitted(),
        Setting::new("cluster-enabled", "yes", "Every node of rcup is a cluster node."),
        Setting::new(
            "cluster-config-file",
            "nodes.conf",
            "Written by the server alone once it runs.",
        ),
        node_timeout(spec.node_timeout().as_millis(), spec.profile()),
        Setting::new(
            "cluster-require-full-coverage",
            "yes",
            "A missing shard shall be seen, not worked around.",
        ),
        Setting::new(
            "cluster-replica-validity-factor",
            "10",
            "A replica that has not heard from its master for ten node timeouts does not take its place.",
        ),
        Setting::new(
            "cluster-migration-barrier",
            "1",
            "A master gives a replica away to one that has none only while it keeps so many.",
        ),
        Setting::new(
            "cluster-replica-no-failover",
            "no",
            "Replicas take the place of their master.",
        ),
        Setting::new(
            "cluster-announce-ip",
            node.ip.to_string(),
            "The fixed address, so that a restart changes nothing.",
        )
        .fitted(),
    ];
    settings.extend(announced(topology.announce, node));
    settings.extend(tls(spec, node));
    if spec.guards() {
        let setting = Setting::new(
            "aclfile",
            users_path(node),
            "The users, with the SHA-256 of their passwords; `CONFIG REWRITE` leaves it alone.",
        );
        settings.push(if spec.password().is_some() {
            setting.fitted().wished("password")
        } else if spec.users().is_empty() {
            setting.of_profile()
        } else {
            setting.fitted().wished("user")
        });
    }
    settings
}

/// It only keeps strangers out where there is no password, and would keep the other nodes out with them.
fn protected_mode(spec: &ClusterSpec) -> Setting {
    if spec.profile() != Profile::Dev && spec.password().is_some() {
        let why = "Nobody gets in without the password, also if that is taken away at run time.";
        return Setting::new("protected-mode", "yes", why).of_profile();
    }
    Setting::new(
        "protected-mode",
        "no",
        if spec.published().is_loopback() {
            "Only 127.0.0.1 is published; the other nodes must get in without a password."
        } else {
            "Clients come from other machines, and the other nodes must get in."
        },
    )
}

fn node_timeout(ms: u128, profile: Profile) -> Setting {
    let setting = Setting::new(
        "cluster-node-timeout",
        ms.to_string(),
        "Milliseconds without an answer until a node is suspected. It is set once the cluster is formed.",
    )
    .wished("node-timeout");
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
                "Clients are sent to the published port, since the bridge cannot be reached from the host.",
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
            "Clients are sent to the published port; bus and replication keep the bridge's addresses.",
        )],
    };
    all.into_iter()
        .map(|setting| setting.fitted().wished("announce"))
        .collect()
}
