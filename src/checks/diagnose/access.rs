//! Nodes that do not answer: stopped, disconnected, refusing connections, or unreachable.

use crate::checks::diagnose::finding::{Action, Finding};
use crate::checks::diagnose::observed::{ContainerFound, Inside, NodeFound, Observations};
use crate::checks::diagnose::server::moment;
use crate::runtime::observed::Activity;

/// Returns one finding for each cause, with all nodes that do not answer because of it.
pub(crate) fn silent(all: &Observations) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for node in all.silent() {
        let finding = cause(all, node);
        match findings.iter_mut().find(|known| known.id == finding.id) {
            None => findings.push(finding),
            Some(known) => {
                known.nodes.extend(finding.nodes);
                known.evidence.extend(finding.evidence);
                known.actions.extend(finding.actions);
                for line in finding.remedy {
                    if !known.remedy.contains(&line) {
                        known.remedy.push(line);
                    }
                }
            }
        }
    }
    for finding in &mut findings {
        if let [_, _, ..] = finding.nodes.as_slice() {
            finding.what = format!("{} nodes: {}", finding.nodes.len(), finding.what);
        }
    }
    findings
}

fn cause(all: &Observations, node: &NodeFound) -> Finding {
    let found = node
        .container
        .as_ref()
        .and_then(|container| stopped(all, node, container))
        .unwrap_or_else(|| refused(all, node));
    found.on([&node.name])
}

/// Returns the finding for a container whose state prevents the node from answering.
fn stopped(all: &Observations, node: &NodeFound, container: &ContainerFound) -> Option<Finding> {
    let (name, cluster) = (&node.name, &all.cluster);
    let log = node
        .log
        .last()
        .map(|line| format!("{name}, last in its log: {line}"));
    Some(match &container.activity {
        None => gone(all).seen([format!("{name}: no such container")]),
        Some(Activity::Running) if !container.connected => Finding::new(
            "node-cut-off",
            "the container is not connected to the cluster's network",
            "It is running, but neither the other nodes nor clients can reach it.",
        )
        .seen([format!("{name}: has no IP address on the cluster's network")])
        .mended_by([format!(
            "docker network connect --ip {} NETWORK {name}, with the network that `rcup status {cluster}` \
             shows",
            node.ip
        )])
        .or_by([Action::Connect { node: name.clone() }]),
        Some(Activity::Running) => return None,
        Some(Activity::Paused) => Finding::new(
            "node-paused",
            "the container is paused",
            "Its connections stay open but nothing answers; the other nodes mark it as failed after the \
             node timeout.",
        )
        .seen([format!("{name}: the container is paused")])
        .mended_by([format!("docker unpause {name}")])
        .or_by([Action::Resume { node: name.clone() }]),
        Some(other) => {
            let why = if container.out_of_memory {
                "The kernel killed it because it ran out of memory (OOM). Raise --memory or lower maxmemory."
            } else if node.logged(&["CONFIG FILE ERROR"]).is_some() {
                "The server rejects its configuration."
            } else if node.logged(&["No space left on device"]).is_some() {
                "The disk is full."
            } else if container.exit_code == 0 {
                "It was shut down normally."
            } else {
                "It crashed or was killed."
            };
            Finding::new("node-stopped", "the server is not running", why)
                .seen([format!(
                    "{name}: the container is {}, exit code {}",
                    other.as_str(),
                    container.exit_code
                )])
                .seen(log)
                .mended_by([format!("rcup start {cluster}"), format!("rcup logs {cluster}")])
                .or_by([Action::Start { node: name.clone() }])
        }
    })
}

/// Returns the finding for a container that was removed. The data remains only if it is on a volume.
fn gone(all: &Observations) -> Finding {
    let (what, cluster) = ("the container is gone", &all.cluster);
    if all.persists {
        return Finding::new(
            "node-gone",
            what,
            "The container was removed; its data is still on its volume.",
        )
        .mended_by([format!("rcup start {cluster}")]);
    }
    Finding::new(
        "node-gone",
        what,
        "The container was removed, and its data with it: without --persist, data exists only in the \
         container.",
    )
    .mended_by([
        format!("Save what you need from the others: rcup cli {cluster}"),
        format!(
            "Then recreate the cluster with its original flags: rcup down {cluster} && rcup up {cluster}"
        ),
    ])
}

/// Returns whether the text contains any of the words, case-insensitively.
fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Returns the finding for a running server that refuses connections.
fn refused(all: &Observations, node: &NodeFound) -> Finding {
    let why = node.silence();
    let here = format!("{} from this host: {why}", node.name);
    let within = |inside: &Inside| format!("{} from inside its container: {}", node.name, inside.said);
    let last = |line: &String| format!("{}, last in its log: {line}", node.name);
    by_words(all, node, why)
        .or_else(|| Some(from_inside(all, node, node.inside.as_ref()?)))
        .unwrap_or_else(|| from_outside(node, why))
        .seen([here])
        .seen(node.inside.as_ref().map(within))
        .seen(node.log.last().map(last))
}

/// Returns the finding that the error message alone identifies.
fn by_words(all: &Observations, node: &NodeFound, why: &str) -> Option<Finding> {
    let has = |words: &[&str]| says(why, words);
    Some(if has(&["expired"]) {
        certificate(all, node)
    } else if has(&["protected mode"]) {
        protected(all, node)
    } else if has(&["wrongpass", "noauth", "username-password", "refuses the user"]) {
        password(all)
    } else if has(&["certificate", "contenttype", "corrupt message", "handshake"]) {
        Finding::new(
            "tls-mismatch",
            "the TLS handshake fails",
            "Only one side uses TLS, or one side does not trust the other's CA.",
        )
        .mended_by([
            "Pass --tls, and the CA that signed the nodes' certificates with --tls-ca FILE; omit both if \
             the nodes do not use TLS.",
        ])
    } else if has(&["cluster support disabled"]) {
        Finding::new(
            "no-cluster",
            "the server is not in cluster mode",
            "cluster-enabled is `no`.",
        )
        .mended_by(["Set cluster-enabled yes in redis.conf, then restart it."])
    } else if has(&["noperm"]) {
        Finding::new(
            "no-permission",
            "the user lacks permission to inspect the cluster",
            "The user's ACL denies commands that diagnose needs.",
        )
        .mended_by([
            "ACL SETUSER NAME +cluster +info +config|get +ping, or pass another user with --username.",
        ])
    } else {
        return None;
    })
}

/// Returns the finding from the answer to a client inside the node's container.
fn from_inside(all: &Observations, node: &NodeFound, inside: &Inside) -> Finding {
    let published = node
        .container
        .as_ref()
        .is_none_or(|container| container.published);
    match &inside.bind {
        _ if !inside.listens => Finding::new(
            "not-listening",
            "nothing is listening on the client port",
            "The server is still starting or loading, listens on another port, or is hung.",
        )
        .mended_by([format!("rcup logs {} --tail 50", all.cluster)]),
        Some(bind) if !listens_outside(bind, &node.ip) => bound(all, node, bind),
        _ if !published => Finding::new(
            "port-not-published",
            "the port is not published on this host",
            "The server answers inside its container but is not reachable from this host.",
        )
        .mended_by([format!(
            "Publish it with -p 127.0.0.1:{0}:{0}; recreate an rcup cluster with `rcup up`.",
            node.port
        )]),
        _ => Finding::new(
            "port-filtered",
            "the server answers inside its container but not from this host",
            "A firewall blocks the connection, or there is no route to the container's network.",
        )
        .mended_by([format!(
            "Allow TCP port {} and its bus port {}.",
            node.port,
            bus(node)
        )]),
    }
}

/// Returns the finding for a server on a host to which rcup has no access.
fn from_outside(node: &NodeFound, why: &str) -> Finding {
    if says(why, &["refused"]) {
        return Finding::new(
            "connection-refused",
            "connection refused",
            "The machine answers and the port does not: the server is not running, listens on 127.0.0.1 \
             alone \
             (bind), or listens on another port.",
        )
        .mended_by([
            "Check that it is running (systemctl status redis) and where it listens (ss -ltnp | grep \
             redis)."
                .to_owned(),
            format!(
                "Set bind {} (or 0.0.0.0) in redis.conf, then restart it.",
                node.ip
            ),
            "If a password is set or the network is private: protected-mode no.".to_owned(),
        ]);
    }
    let (port, bus) = (node.port, bus(node));
    Finding::new(
        "unreachable",
        "no response",
        "The host is down, a firewall drops the packets, or the address is valid only inside the cluster's \
         network.",
    )
    .mended_by([
        format!("Allow TCP ports {port} and {bus}: sudo ufw allow {port}/tcp; sudo ufw allow {bus}/tcp"),
        format!(
            "Or: sudo firewall-cmd --permanent --add-port={port}/tcp --add-port={bus}/tcp && sudo \
             firewall-cmd --reload"
        ),
    ])
}

/// Returns the default bus port. `cluster-port` can override it.
fn bus(node: &NodeFound) -> u32 {
    u32::from(node.port) + u32::from(crate::spec::cluster::BUS_OFFSET)
}

/// Returns whether a `bind` value accepts connections to this address. A `-` before an address makes it
/// optional.
fn listens_outside(bind: &str, ip: &str) -> bool {
    let own = bind.split_whitespace().map(|word| word.trim_start_matches('-'));
    bind.trim().is_empty()
        || own
            .into_iter()
            .any(|word| matches!(word, "*" | "0.0.0.0" | "::*" | "::") || word == ip)
}

fn bound(all: &Observations, node: &NodeFound, bind: &str) -> Finding {
    Finding::new(
        "bind",
        format!("the server listens only on {bind}"),
        "Connection refused: bind does not include the address that other nodes use.",
    )
    .seen([format!(
        "{}: bind {bind}, known to other nodes as {}",
        node.name, node.ip
    )])
    .mended_by([
        all.command(node, "CONFIG SET bind '* -::*'"),
        format!(
            "To make it permanent, in redis.conf: bind {} 127.0.0.1, or bind 0.0.0.0",
            node.ip
        ),
    ])
}

fn protected(all: &Observations, node: &NodeFound) -> Finding {
    Finding::new(
        "protected-mode",
        "protected mode accepts only connections from localhost",
        "A server with no password and no explicit bind accepts only local connections.",
    )
    .mended_by([
        all.command(node, "CONFIG SET protected-mode no"),
        "To make it permanent, in redis.conf: protected-mode no (on a private network), or set \
         requirepass."
            .to_owned(),
    ])
}

fn password(all: &Observations) -> Finding {
    let answering = all.nodes.iter().any(|node| node.answer.is_ok());
    let why = if answering {
        "Its password differs from the other nodes', so clients and replicas cannot authenticate everywhere."
    } else {
        "It requires a password that was not given, or a different one."
    };
    let remedy = if all.own {
        vec![
            "Set requirepass and masterauth in its redis.conf to the other nodes' password, then restart it."
                .to_owned(),
            format!("rcup restart {}", all.cluster),
        ]
    } else if answering {
        vec![
            "CONFIG SET requirepass and masterauth to the other nodes' values, then CONFIG \
            REWRITE."
                .to_owned(),
        ]
    } else {
        vec!["Pass the password with --password-env VARIABLE and the user with --username.".to_owned()]
    };
    Finding::new("wrong-password", "authentication failed", why).mended_by(remedy)
}

fn certificate(all: &Observations, node: &NodeFound) -> Finding {
    let ends = node
        .certificate_ends
        .map(|ends| format!("{}: certificate valid until {}", node.name, moment(ends)));
    Finding::new(
        "certificate-expired",
        "the certificate has expired",
        "Clients reject it, and so do the other nodes as soon as a bus link has to reconnect.",
    )
    .seen(ends)
    .mended_by([
        "Replace the certificate on every node with one signed by the same CA; then, without a restart: \
         CONFIG SET tls-cert-file PATH"
            .to_owned(),
        if all.own {
            format!(
                "Or generate new certificates: rcup down {0} && rcup up {0} --tls",
                all.cluster
            )
        } else {
            format!(
                "Show the served certificate: openssl s_client -connect {} </dev/null | openssl x509 \
                 -noout -dates",
                node.address()
            )
        },
    ])
}
