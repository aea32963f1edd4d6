//! Exports a directory that deploys a cluster on machines over SSH: the configuration of every node, a hardened
//! systemd service, kernel settings, firewall rules, and one script that installs all of it.
//!
//! The nodes and their slots come from the topology. They are spread over the hosts so that no replica runs on the host
//! of its master. The script forms the cluster with commands and not with a prepared `nodes.conf`: the packages of the
//! hosts determine the server version, and the format of `nodes.conf` depends on that version.

pub mod firewall;
pub mod placement;
pub mod service;

use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::export::bare_metal::placement::{BareMetal, on_machines};
use crate::export::secret_files::certificate_documents;
use crate::server::conf::document::Document;
use crate::server::conf::redis_conf::settled_redis_conf;
use crate::server::conf::tls::is_of_tls;
use crate::spec::security::Secrets;
use crate::spec::server::Engine;
use crate::topology::layout::{Node, Role, Topology};

/// The deploy script. It is the same for every cluster and reads its settings from `cluster.env`.
const DEPLOY: &str = include_str!("deploy.sh");

/// Parts of the script: the steps on a host, the creation of the cluster, and the output functions.
const PARTS: [(&str, &str); 3] = [
    ("common/host.sh", include_str!("host.sh")),
    ("common/cluster.sh", include_str!("cluster.sh")),
    ("common/say.sh", include_str!("say.sh")),
];

/// Directives whose value on a machine differs from that in a container.
const OTHERWISE: [&str; 7] = [
    "aclfile",
    "port",
    "protected-mode",
    "dir",
    "bind",
    "logfile",
    "cluster-announce-ip",
];

/// TLS directives whose value on a machine differs from that in a container.
const OTHERWISE_OF_TLS: [&str; 4] = ["tls-port", "tls-ca-cert-file", "tls-cert-file", "tls-key-file"];

/// Renders the directory, without the secrets.
///
/// # Errors
/// [`ErrorKind::Usage`] if there are too few hosts, if a host is named twice, if the cluster has users, or if a node
/// has its own image.
pub fn bare_metal(topology: &Topology, place: &BareMetal) -> Result<Vec<Document>> {
    check(topology)?;
    refuse_images(topology)?;
    let placed = on_machines(topology, place)?;
    let engine = topology.placement.image.server.engine;
    let name = topology.name().as_str();
    let mut files = vec![
        Document::new("deploy.sh", DEPLOY.to_owned()).mode(0o755),
        Document::new("cluster.env", settings(&placed, place)),
        Document::new("common/node.service", service::unit(name, engine)),
        Document::new("common/sysctl.conf", service::SYSCTL.to_owned()),
        Document::new("common/tmpfiles.conf", service::TMPFILES.to_owned()),
        Document::new("common/firewall.service", firewall::unit(name)),
    ];
    files.extend(PARTS.map(|(path, text)| Document::new(path, text.to_owned())));
    for host in &place.hosts {
        let here: Vec<&Node> = placed.nodes.iter().filter(|node| node.ip == *host).collect();
        for node in &here {
            let path = format!("hosts/{host}/{}/redis.conf", node.port);
            files.push(Document::new(path, conf(&placed, node)));
        }
        let ports: Vec<u16> = here.iter().map(|node| node.port).collect();
        let rules = firewall::Rules::new(name, &ports, place);
        files.push(Document::new(
            format!("hosts/{host}/firewall.nft"),
            rules.nftables(),
        ));
        files.push(Document::new(format!("hosts/{host}/ufw.sh"), rules.ufw()));
        files.push(Document::new(
            format!("hosts/{host}/firewalld.sh"),
            rules.firewalld(),
        ));
    }
    Ok(files)
}

/// Refuses settings that the export does not support, instead of omitting them silently.
fn check(topology: &Topology) -> Result<()> {
    let refuse = |with: &str, reason: &str, hint: &str| {
        let message = format!("no deployment can be written for a cluster with {with}");
        Err(Error::new(ErrorKind::Usage, message)
            .because(reason.to_owned())
            .hint(hint.to_owned()))
    };
    if let Some(user) = topology.spec.users().first() {
        return refuse(
            "users",
            &format!(
                "the script brings none to the machines, and `{}` would be missing",
                user.name()
            ),
            "Leave them out (--user, [users] in rcup.toml), and add them on the machines with ACL SETUSER.",
        );
    }
    Ok(())
}

/// Refuses nodes with their own image: the server comes from the packages of the machine, one version for all its
/// nodes.
fn refuse_images(topology: &Topology) -> Result<()> {
    let own = topology.spec.overrides().iter();
    let Some((index, image)) = own
        .into_iter()
        .find_map(|(index, request)| Some((index, request.image()?)))
    else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Usage,
        format!("node {index} has image {image} of its own, and machines run the server of their packages"),
    )
    .hint("Leave out --node-image; install another version on the machine of that node, if it needs one."))
}

/// Returns `cluster.env`: shell variables, and one line for each node.
fn settings(topology: &Topology, place: &BareMetal) -> String {
    let engine = topology.placement.image.server.engine;
    let hosts: Vec<String> = place.hosts.iter().map(ToString::to_string).collect();
    let (apt, dnf, services) = match engine {
        Engine::Redis => ("redis-server redis-tools", "redis", "redis-server redis"),
        Engine::Valkey => ("valkey-server valkey-tools", "valkey", "valkey-server valkey"),
    };
    let mut text = format!(
        "# The cluster that deploy.sh brings up; written by `rcup export bare-metal`, rcup {}.\n\
         NAME='{}'\nHOSTS='{}'\n\nSERVER='{}'\nCLI='{}'\nSERVICE_USER='{}'\nAPT_PACKAGES='{apt}'\n\
         DNF_PACKAGES='{dnf}'\n# The packages' own services, which are kept from starting.\n\
         PACKAGE_SERVICES='{services}'\n\n\
         # Whether all of it speaks TLS, with what lies in certs/, or none of it.\nTLS='{}'\n\n\
         # Index, role, shard, first and last slot, host, port.\nNODES='",
        env!("CARGO_PKG_VERSION"),
        topology.name(),
        hosts.join(" "),
        engine.server(),
        engine.client(),
        engine.as_str(),
        if topology.spec.tls() { "yes" } else { "no" },
    );
    let lines: Vec<String> = topology
        .nodes
        .iter()
        .map(|node| {
            let slots = match node.role {
                Role::Master => {
                    let slots = topology.shard_of(node).slots;
                    format!("{} {}", slots.first, slots.last)
                }
                Role::Replica => "- -".to_owned(),
            };
            format!(
                "{} {} {} {slots} {} {}",
                node.index, node.role, node.shard, node.ip, node.port
            )
        })
        .collect();
    let _ = writeln!(text, "{}'", lines.join("\n"));
    text
}

/// Returns the `redis.conf` of a node: first the machine-specific lines, then the common ones.
fn conf(topology: &Topology, node: &Node) -> String {
    let name = topology.name();
    let data = format!("/var/lib/rcup-{name}/{}", node.port);
    let mut text = format!(
        "# {} in shard {} of the cluster `{name}`, on {}. Written by rcup {}.\n\n\
         # The address for clients and other nodes, and this machine itself. The bus listens on port {}.\n\
         bind {} 127.0.0.1\n{}\n\n\
         # Nobody gets in without the password, which deploy.sh puts there.\n\
         protected-mode yes\ninclude /etc/rcup-{name}/auth.conf\n\n\
         # nodes.conf, the data and nothing else; the service may write nowhere but here.\n\
         dir {data}\n\n\
         # The journal keeps the log: journalctl -u rcup-{name}@{}\n\
         daemonize no\nlogfile \"\"\n\n\
         # The address that the others are told; it survives a change of the route.\n\
         cluster-announce-ip {}\n",
        match node.role {
            Role::Master => "Master",
            Role::Replica => "Replica",
        },
        node.shard,
        node.ip,
        env!("CARGO_PKG_VERSION"),
        node.bus_port(),
        node.ip,
        if topology.spec.tls() {
            encrypted(name.as_str(), node)
        } else {
            format!("port {}", node.port)
        },
        node.port,
        node.ip,
    );
    let requests = topology.spec.directives_of(node.index);
    let requested = |directive: &str| requests.iter().any(|request| request.name() == directive);
    let mut otherwise = OTHERWISE.to_vec();
    if topology.spec.tls() {
        otherwise.extend(OTHERWISE_OF_TLS);
    }
    if !requested("loglevel") {
        // Keep the server's default log level for the journal.
        otherwise.push("loglevel");
    }
    if !topology.spec.persist() && !requested("appendonly") {
        otherwise.push("appendonly");
        text.push_str(
            "\n# A machine that starts again has its data: at most a second of writes is lost. Backups: BGSAVE.\n\
             appendonly yes\n",
        );
        if !requested("save") {
            otherwise.push("save");
            text.push_str("save \"\"\n");
        }
        if !requested("appendfsync") {
            otherwise.push("appendfsync");
            text.push_str("appendfsync everysec\n");
        }
    }
    let everywhere = settled_redis_conf(topology, node);
    for paragraph in everywhere.split("\n\n").skip(1) {
        let is_otherwise = |line: &str| {
            line.split(' ')
                .next()
                .is_some_and(|name| otherwise.contains(&name) || (!topology.spec.tls() && is_of_tls(name)))
        };
        let lines: Vec<&str> = paragraph.lines().filter(|line| !is_otherwise(line)).collect();
        if lines.iter().any(|line| !line.starts_with('#')) {
            let _ = write!(text, "\n{}\n", lines.join("\n"));
        }
    }
    text
}

/// Returns the port and TLS lines of a node that accepts TLS connections only.
fn encrypted(name: &str, node: &Node) -> String {
    format!(
        "\n# TLS and nothing else.\nport 0\ntls-port {}\n\n\
         # The only trusted certificate authority. deploy.sh brings all three, and new ones.\n\
         tls-ca-cert-file /etc/rcup-{name}/tls/ca.crt\n\
         tls-cert-file /etc/rcup-{name}/tls/node.crt\n\
         tls-key-file /etc/rcup-{name}/tls/node.key",
        node.port
    )
}

/// Returns the secret files of the directory: the certificates, and the password if one is set. `secrets` are the
/// secrets of the cluster on the machines.
pub fn bare_metal_secrets(secrets: &Secrets) -> Vec<Document> {
    let mut files: Vec<Document> = secrets
        .certificates
        .iter()
        .flat_map(certificate_documents)
        .collect();
    files.extend(secrets.password.as_ref().map(Document::password));
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::user::{Login, User};
    use crate::topology::layout::tests::{placement, topology};

    fn place(hosts: &[&str]) -> BareMetal {
        BareMetal {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            clients: vec!["10.0.0.0/8".parse().unwrap()],
        }
    }

    fn text(files: &[Document], path: &str) -> String {
        let file = files.iter().find(|file| file.path == path);
        file.unwrap_or_else(|| panic!("{path}")).contents.clone()
    }

    #[test]
    fn the_files_are_as_they_were_reviewed() {
        let hosts = place(&["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
        let files = bare_metal(&topology(3, 1, Engine::Redis, "7.0.15"), &hosts).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        insta::assert_snapshot!("paths", paths.join("\n"));
        for (name, path) in [
            ("cluster_env", "cluster.env"),
            ("node_service", "common/node.service"),
            ("firewall_nft", "hosts/10.1.0.2/firewall.nft"),
            ("ufw", "hosts/10.1.0.2/ufw.sh"),
            ("firewalld", "hosts/10.1.0.2/firewalld.sh"),
        ] {
            insta::assert_snapshot!(name, text(&files, path));
        }
        let first = files
            .iter()
            .find(|file| file.path.ends_with("redis.conf"))
            .unwrap();
        insta::assert_snapshot!("redis_conf", first.contents);
    }

    #[test]
    fn no_replica_lies_on_its_masters_host() {
        for (masters, replicas, hosts) in [
            (3, 1, &["10.1.0.1", "10.1.0.2"][..]),
            (3, 2, &["10.1.0.1", "10.1.0.2", "10.1.0.3"]),
            (5, 1, &["10.1.0.1", "10.1.0.2", "10.1.0.3"]),
            (3, 3, &["10.1.0.1", "10.1.0.2"]),
        ] {
            let made = topology(masters, replicas, Engine::Valkey, "8.1.1");
            let placed = on_machines(&made, &place(hosts)).unwrap();
            for node in placed.replicas() {
                let master = placed.master_of(placed.shard_of(node));
                assert_ne!(node.ip, master.ip, "{masters}x{replicas} node {}", node.index);
            }
            let mut addresses: Vec<_> = placed.nodes.iter().map(Node::address).collect();
            addresses.sort();
            addresses.dedup();
            assert_eq!(addresses.len(), placed.nodes.len(), "no two nodes at one address");
        }
    }

    #[test]
    fn hosts_that_cannot_hold_the_cluster_are_refused_with_a_way_out() {
        let made = topology(3, 1, Engine::Redis, "7.0.15");
        for (hosts, message) in [
            (&["10.1.0.1"][..], "on its master's"),
            (&["10.1.0.1", "10.1.0.1"], "named twice"),
            (&[], "no host"),
        ] {
            let error = bare_metal(&made, &place(hosts)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.hint_text().unwrap().contains("--hosts"));
        }
    }

    #[test]
    fn what_does_not_reach_the_machines_is_refused() {
        let user = User::new("app", "~app:* +@read", Login::Open).unwrap();
        let spec = ClusterSpec::builder().user(user).build().unwrap();
        let made = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
        let error = bare_metal(&made, &place(&["10.1.0.1", "10.1.0.2"])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("users"), "{error}");
        assert!(error.hint_text().unwrap().contains("Leave"));
    }

    #[test]
    fn nodes_with_tls_listen_for_nothing_else_and_find_their_certificates() {
        let files = |spec: crate::spec::builder::ClusterSpecBuilder| {
            let made = Topology::new(&spec.build().unwrap(), &placement(Engine::Redis, "8.0.2")).unwrap();
            bare_metal(&made, &place(&["10.1.0.1", "10.1.0.2"])).unwrap()
        };
        let plain = files(ClusterSpec::builder());
        let requested = "tls-auth-clients=no".parse().unwrap();
        let files = files(ClusterSpec::builder().tls(true).set(requested));
        assert!(text(&files, "cluster.env").contains("\nTLS='yes'\n"));
        let conf = text(&files, "hosts/10.1.0.2/6380/redis.conf");
        let directives = |name: &str| -> Vec<String> {
            let lines = conf.lines().filter_map(|line| line.split_once(' '));
            lines
                .filter(|(directive, _)| *directive == name)
                .map(|(_, value)| value.to_owned())
                .collect()
        };
        for (name, value) in [
            ("port", "0"),
            ("tls-port", "6380"),
            ("tls-cluster", "yes"),
            ("tls-replication", "yes"),
            ("tls-auth-clients", "no"),
            ("tls-ca-cert-file", "/etc/rcup-default/tls/ca.crt"),
            ("tls-cert-file", "/etc/rcup-default/tls/node.crt"),
            ("tls-key-file", "/etc/rcup-default/tls/node.key"),
        ] {
            assert_eq!(directives(name), [value], "{name} in {conf}");
        }
        assert!(text(&plain, "cluster.env").contains("\nTLS='no'\n"));
        let plain = text(&plain, "hosts/10.1.0.2/6380/redis.conf");
        assert!(
            !plain.contains("/tls/") && plain.contains("\nport 6380\n"),
            "{plain}"
        );
    }

    #[test]
    fn a_node_has_its_own_settings_but_no_server_of_its_own() {
        let request = |request| {
            let spec = crate::spec::cluster::ClusterSpec::builder().node("4".parse().unwrap(), request);
            let place = crate::topology::layout::tests::placement(Engine::Redis, "8.0.2");
            Topology::new(&spec.build().unwrap(), &place).unwrap()
        };
        let hosts = place(&["10.1.0.1", "10.1.0.2"]);
        let made = request(crate::spec::node_override::NodeOverride::default().set("hz=50".parse().unwrap()));
        let files = bare_metal(&made, &hosts).unwrap();
        let own: Vec<&Document> = files
            .iter()
            .filter(|file| file.contents.contains("\nhz 50\n"))
            .collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert!(own[0].contents.starts_with("# Replica in shard 1 "), "{own:?}");
        let made = request(crate::spec::node_override::NodeOverride::default().with_image("redis:8.2"));
        let error = bare_metal(&made, &hosts).unwrap_err();
        assert!(
            error.to_string().contains("node 4 has image redis:8.2"),
            "{error}"
        );
        for error in [
            crate::export::kubernetes::kubernetes(&made, false).unwrap_err(),
            crate::export::swarm::swarm(&made, &[]).unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("node 4 has image redis:8.2"),
                "{error}"
            );
            assert!(error.hint_text().unwrap().contains("export compose"));
        }
    }

    #[test]
    fn the_users_persistence_is_the_users() {
        let spec = crate::spec::cluster::ClusterSpec::builder()
            .set("appendonly=no".parse().unwrap())
            .set("loglevel=warning".parse().unwrap())
            .build()
            .unwrap();
        let made = Topology::new(
            &spec,
            &crate::topology::layout::tests::placement(Engine::Redis, "8.0.2"),
        )
        .unwrap();
        let files = bare_metal(&made, &place(&["10.1.0.1", "10.1.0.2"])).unwrap();
        let conf = &files
            .iter()
            .find(|file| file.path.ends_with("redis.conf"))
            .unwrap()
            .contents;
        assert_eq!(conf.matches("appendonly ").count(), 1, "{conf}");
        assert!(conf.contains("\nappendonly no\n") && conf.contains("\nloglevel warning\n"));
    }
}
