//! Nodes that do not answer: stopped, cut off, refusing, out of reach.

use crate::checks::diagnose::finding::{Action, Finding};
use crate::checks::diagnose::observed::{ContainerFound, Inside, NodeFound, Observations};
use crate::checks::diagnose::server::moment;
use crate::runtime::observed::Activity;

/// One finding for each cause, with all nodes it keeps silent.
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

/// Why the container keeps the node from answering.
fn stopped(all: &Observations, node: &NodeFound, container: &ContainerFound) -> Option<Finding> {
    let (name, cluster) = (&node.name, &all.cluster);
    let log = node
        .log
        .last()
        .map(|line| format!("{name}, last in its log: {line}"));
    Some(match &container.activity {
        None => gone(all).seen([format!("{name}: the engine has no such container")]),
        Some(Activity::Running) if !container.connected => Finding::new(
            "node-cut-off",
            "the container is not plugged into the cluster's network",
            "It runs, but nobody reaches it, neither the other nodes nor clients.",
        )
        .seen([format!(
            "{name}: the engine tells no address of it on the cluster's network"
        )])
        .mended_by([format!(
            "docker network connect --ip {} NETWORK {name}, on the network that `rcup status {cluster}` names",
            node.ip
        )])
        .or_by([Action::Connect { node: name.clone() }]),
        Some(Activity::Running) => return None,
        Some(Activity::Paused) => Finding::new(
            "node-paused",
            "the container is paused",
            "Its connections stand, but nothing answers; the others take it for dead after the node timeout.",
        )
        .seen([format!("{name}: the engine calls it paused")])
        .mended_by([format!("docker unpause {name}")])
        .or_by([Action::Resume { node: name.clone() }]),
        Some(other) => {
            let why = if container.out_of_memory {
                "The kernel has killed it for want of memory: raise --memory, or set a lower maxmemory."
            } else if node.logged(&["CONFIG FILE ERROR"]).is_some() {
                "The server rejects its configuration."
            } else if node.logged(&["No space left on device"]).is_some() {
                "The disk is full."
            } else if container.exit_code == 0 {
                "It was stopped in an orderly way."
            } else {
                "It died, or was killed."
            };
            Finding::new("node-stopped", "the server does not run", why)
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

/// A container that somebody has removed. What it had is on its volume, or nowhere.
fn gone(all: &Observations) -> Finding {
    let (what, cluster) = ("the container is gone", &all.cluster);
    if all.persists {
        return Finding::new(
            "node-gone",
            what,
            "Somebody has removed it; its data lies on its volume.",
        )
        .mended_by([format!("rcup start {cluster}")]);
    }
    Finding::new(
        "node-gone",
        what,
        "Somebody has removed it, and its data with it: without --persist that lies in the container alone.",
    )
    .mended_by([
        format!("Save what you need from the others: rcup cli {cluster}"),
        format!(
            "Then make it anew, with the flags it was started with: rcup down {cluster} && rcup up {cluster}"
        ),
    ])
}

/// Whether any of the words stands in the text, in whatever case.
fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Why a server that seems to run lets nobody in.
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

/// What the words of the refusal say by themselves.
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
            "no TLS connection comes about",
            "One side speaks TLS and the other does not, or neither trusts the other's authority.",
        )
        .mended_by([
            "Give --tls, and the authority that has signed the nodes' certificates with --tls-ca FILE; or leave \
             both out where the nodes speak plain text.",
        ])
    } else if has(&["cluster support disabled"]) {
        Finding::new(
            "no-cluster",
            "the server runs alone",
            "It is no node of a cluster: cluster-enabled is no.",
        )
        .mended_by(["In redis.conf: cluster-enabled yes, then restart it."])
    } else if has(&["noperm"]) {
        Finding::new(
            "no-permission",
            "the user may not ask about the cluster",
            "An ACL forbids the commands that a diagnosis needs.",
        )
        .mended_by([
            "ACL SETUSER NAME +cluster +info +config|get +ping, or give another user with --username.",
        ])
    } else {
        return None;
    })
}

/// What a client inside its container has found.
fn from_inside(all: &Observations, node: &NodeFound, inside: &Inside) -> Finding {
    let published = node
        .container
        .as_ref()
        .is_none_or(|container| container.published);
    match &inside.bind {
        _ if !inside.listens => Finding::new(
            "not-listening",
            "nobody listens on the client port",
            "The server is still starting or loading, listens on another port, or hangs.",
        )
        .mended_by([format!("rcup logs {} --tail 50", all.cluster)]),
        Some(bind) if !listens_outside(bind, &node.ip) => bound(all, node, bind),
        _ if !published => Finding::new(
            "port-not-published",
            "the port is not published on this host",
            "The server answers inside its container, and this host has no way to it.",
        )
        .mended_by([format!(
            "Publish it: -p 127.0.0.1:{0}:{0}; a cluster of rcup is made anew with `rcup up`.",
            node.port
        )]),
        _ => Finding::new(
            "port-filtered",
            "the server answers inside its container and not from this host",
            "A firewall stands between, or the way to the container's network is missing.",
        )
        .mended_by([format!(
            "Let TCP {} through, and its bus port {}.",
            node.port,
            bus(node)
        )]),
    }
}

/// What can be said of a server on a machine that cannot be looked into.
fn from_outside(node: &NodeFound, why: &str) -> Finding {
    if says(why, &["refused"]) {
        return Finding::new(
            "connection-refused",
            "the connection is refused",
            "The machine answers and the port does not: the server does not run, listens on 127.0.0.1 alone \
             (bind), or listens on another port.",
        )
        .mended_by([
            "Is it running: systemctl status redis; where does it listen: ss -ltnp | grep redis".to_owned(),
            format!("In redis.conf: bind {} (or 0.0.0.0), then restart it.", node.ip),
            "With a password, or on a private network alone: protected-mode no.".to_owned(),
        ]);
    }
    let (port, bus) = (node.port, bus(node));
    Finding::new(
        "unreachable",
        "nothing answers",
        "The machine is off, a firewall drops what is sent, or the address is only known inside the cluster.",
    )
    .mended_by([
        format!("Let TCP {port} and {bus} through: sudo ufw allow {port}/tcp; sudo ufw allow {bus}/tcp"),
        format!(
            "Or: sudo firewall-cmd --permanent --add-port={port}/tcp --add-port={bus}/tcp && sudo firewall-cmd --reload"
        ),
    ])
}

/// The bus port as it is unless `cluster-port` says otherwise.
fn bus(node: &NodeFound) -> u32 {
    u32::from(node.port) + u32::from(crate::spec::cluster::BUS_OFFSET)
}

/// Whether a `bind` takes connections that come to this address. A `-` before an address makes it optional.
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
        format!("the server listens on {bind} alone"),
        "Connection refused: its bind leaves out the address by which others know it.",
    )
    .seen([format!(
        "{}: bind {bind}, and it is known as {}",
        node.name, node.ip
    )])
    .mended_by([
        all.command(node, "CONFIG SET bind '* -::*'"),
        format!(
            "For good, in redis.conf: bind {} 127.0.0.1, or bind 0.0.0.0",
            node.ip
        ),
    ])
}

fn protected(all: &Observations, node: &NodeFound) -> Finding {
    Finding::new(
        "protected-mode",
        "protected mode keeps everybody out but the node's own machine",
        "A server without a password, with no bind of its own, serves 127.0.0.1 alone.",
    )
    .mended_by([
        all.command(node, "CONFIG SET protected-mode no"),
        "For good, in redis.conf: protected-mode no, on a private network; or a requirepass.".to_owned(),
    ])
}

fn password(all: &Observations) -> Finding {
    let answering = all.nodes.iter().any(|node| node.answer.is_ok());
    let why = if answering {
        "It asks for another password than its fellows, so that neither clients nor replicas get in everywhere."
    } else {
        "It asks for a password that was not given, or for another one."
    };
    let remedy = if all.own {
        vec![
            "Give it the password of the others: requirepass and masterauth in its redis.conf, then restart it."
                .to_owned(),
            format!("rcup restart {}", all.cluster),
        ]
    } else if answering {
        vec!["CONFIG SET requirepass and masterauth to those of the others, then CONFIG REWRITE.".to_owned()]
    } else {
        vec!["Give the password with --password-env VARIABLE, and the user with --username.".to_owned()]
    };
    Finding::new("wrong-password", "the password is refused", why).mended_by(remedy)
}

fn certificate(all: &Observations, node: &NodeFound) -> Finding {
    let ends = node
        .certificate_ends
        .map(|ends| format!("{}: its certificate is valid until {}", node.name, moment(ends)));
    Finding::new(
        "certificate-expired",
        "the certificate has expired",
        "Clients refuse it, and so do the other nodes as soon as a bus link has to be made anew.",
    )
    .seen(ends)
    .mended_by([
        "Put a new certificate in its place, signed by the same authority, on every node; then, without a \
         restart: CONFIG SET tls-cert-file PATH"
            .to_owned(),
        if all.own {
            format!("rcup down {0} && rcup up {0} --tls makes new ones", all.cluster)
        } else {
            format!(
                "See what is served: openssl s_client -connect {} </dev/null | openssl x509 -noout -dates",
                node.address()
            )
        },
    ])
}
