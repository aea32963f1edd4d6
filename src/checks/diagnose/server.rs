//! Findings about single servers: certificates, memory, disk, replication, and replicas of the wrong node.

use std::collections::BTreeMap;

use crate::checks::diagnose::finding::{Action, Finding};
use crate::checks::diagnose::observed::{NodeFound, Observations};
use crate::server::wire::reply::{NodeLine, ServerFacts};
use crate::topology::layout::Role;

fn servers(all: &Observations) -> impl Iterator<Item = (&NodeFound, &ServerFacts)> {
    all.nodes
        .iter()
        .filter_map(|node| Some((node, node.server.as_ref()?)))
}

/// Seconds before its expiry from which a certificate is reported: two weeks leave time to renew it.
const SOON: u64 = 14 * 24 * 3600;

/// Returns nodes whose certificate expires soon. A node with an expired certificate does not answer and has
/// its own finding.
pub(crate) fn certificates(all: &Observations) -> Vec<Finding> {
    let ending = all.nodes.iter().filter_map(|node| {
        let ends = node.certificate_ends.filter(|_| node.answer.is_ok())?;
        let left = ends.saturating_sub(all.looked_at);
        (left < SOON).then(|| (node, moment(ends), left / (24 * 3600)))
    });
    let ending: Vec<(&NodeFound, String, u64)> = ending.collect();
    let Some(days) = ending.iter().map(|(_, _, days)| *days).min() else {
        return Vec::new();
    };
    let what = match ending.as_slice() {
        [(node, ..)] => format!(
            "the certificate of {} expires within {} days",
            node.name,
            days + 1
        ),
        several => format!(
            "certificates of {} nodes expire within {} days",
            several.len(),
            days + 1
        ),
    };
    vec![
        Finding::new(
            "certificate-ends",
            what,
            "After that, clients reject them, and so do other nodes as soon as a bus link has to reconnect.",
        )
        .warning()
        .on(ending.iter().map(|(node, _, _)| &node.name))
        .seen(
            ending
                .iter()
                .map(|(node, until, _)| format!("{}: its certificate is valid until {until}", node.name)),
        )
        .mended_by([
            "Replace the certificate on every node with one signed by the same CA; then, without a \
             restart: CONFIG SET tls-cert-file PATH",
        ]),
    ]
}

/// Formats seconds since the Unix epoch for display.
pub(crate) fn moment(seconds: u64) -> String {
    let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds));
    at.map_or_else(
        || "an unrepresentable date".to_owned(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

/// Returns nodes that have reached `maxmemory`.
pub(crate) fn memory(all: &Observations) -> Vec<Finding> {
    let full = servers(all).filter_map(|(node, server)| {
        let (used, limit) = (server.number("used_memory")?, server.number("maxmemory")?);
        let policy = server.field("maxmemory_policy");
        (limit > 0 && used >= limit && policy == "noeviction").then(|| {
            Finding::new(
                "maxmemory",
                format!("{} has reached maxmemory and rejects writes", node.name),
                "Writes fail with OOM while used_memory exceeds maxmemory and the policy is noeviction.",
            )
            .on([&node.name])
            .seen([format!(
                "{}: used_memory:{used}, maxmemory:{limit}, maxmemory_policy:noeviction",
                node.name
            )])
            .mended_by([
                all.command(node, &format!("CONFIG SET maxmemory {}", used.saturating_mul(2))),
                "Or evict old keys: CONFIG SET maxmemory-policy allkeys-lru; or add masters and move slots \
                 to them."
                    .to_owned(),
            ])
        })
    });
    full.collect()
}

/// Returns nodes that cannot persist their data, and the commands that they refuse because of it.
pub(crate) fn disk(all: &Observations) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (node, server) in servers(all) {
        let snapshot = server.field("rdb_last_bgsave_status") == "err";
        let log = server.field("aof_last_write_status") == "err"
            || server.field("aof_last_bgrewrite_status") == "err";
        if !snapshot && !log {
            continue;
        }
        let failed: Vec<String> = [
            "rdb_last_bgsave_status",
            "aof_last_write_status",
            "aof_last_bgrewrite_status",
        ]
        .into_iter()
        .filter(|field| server.field(field) == "err")
        .map(|field| format!("{}: {field}:err", node.name))
        .collect();
        let dir = server
            .setting("dir")
            .unwrap_or("its working directory")
            .to_owned();
        let refuses = (snapshot && server.setting("stop-writes-on-bgsave-error") != Some("no"))
            || server.field("aof_last_write_status") == "err";
        let logged = node.logged(&[
            "No space left",
            "Permission denied",
            "Read-only file system",
            "Can't save",
            "error trying to save",
            "Failed opening",
            "Error moving",
        ]);
        let effect = if refuses {
            "Writes fail with MISCONF until then."
        } else {
            "Writes continue, but are lost if the server stops."
        };
        let save = all.command(node, "BGSAVE");
        let finding = if node.logged(&["No space left"]).is_some() {
            Finding::new(
                "disk-full",
                format!("the disk of {} is full", node.name),
                format!("It cannot write its data to {dir}. {effect}"),
            )
            .mended_by([format!("Free disk space for {dir} (df -h), then: {save}")])
        } else if node
            .logged(&["Permission denied", "Read-only file system"])
            .is_some()
        {
            Finding::new(
                "misconf",
                format!("{} has no permission to write its data", node.name),
                format!("The server's user has no write permission on {dir}. {effect}"),
            )
            .mended_by([format!(
                "Make {dir} writable for the server's user (chown, chmod u+w), then: {save}"
            )])
        } else {
            Finding::new(
                "misconf",
                format!("{} cannot save its data", node.name),
                format!("The last write to {dir} failed; see its log for the reason. {effect}"),
            )
            .mended_by([format!("Fix the error shown in its log, then: {save}")])
        };
        findings.push(
            finding
                .on([&node.name])
                .seen(failed)
                .seen(logged.map(|line| format!("{}, in its log: {line}", node.name)))
                .mended_by((snapshot && refuses).then(|| {
                    format!(
                        "To accept writes that may be lost until then: {}",
                        all.command(node, "CONFIG SET stop-writes-on-bgsave-error no")
                    )
                })),
        );
    }
    findings
}

/// Returns replicas that cannot authenticate to their master, and others whose link is down.
pub(crate) fn replication(all: &Observations) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (node, view) in all.seen() {
        if !view.replication.replica || view.replication.link_up {
            continue;
        }
        let master = view
            .myself()
            .and_then(|line| line.master.as_ref())
            .and_then(|id| all.by_id(id));
        let Some(master) = master else { continue };
        let refusal = node.logged(&[
            "WRONGPASS",
            "NOAUTH",
            "Unable to AUTH",
            "invalid username-password",
            "invalid password",
        ]);
        let setting = |of: &NodeFound, name: &str| {
            let server = of.server.as_ref();
            server.and_then(|server| server.setting(name)).map(str::to_owned)
        };
        let differs = match (setting(node, "masterauth"), setting(master, "requirepass")) {
            (Some(own), Some(wanted)) => own != wanted,
            _ => false,
        };
        let down = format!(
            "{}: master_link_status:down, its master is {}",
            node.name, master.name
        );
        let finding = if refusal.is_some() || differs {
            Finding::new(
                "auth-mismatch",
                format!(
                    "{} cannot authenticate with its master {}",
                    node.name, master.name
                ),
                "The replica's masterauth or masteruser does not match the master, so it does not \
                 replicate and a failover would lose keys.",
            )
            .seen(differs.then(|| {
                format!(
                    "masterauth of {} differs from requirepass of {}",
                    node.name, master.name
                )
            }))
            .mended_by([
                all.command(node, "CONFIG SET masterauth PASSWORD-OF-THE-MASTER"),
                all.command(node, "CONFIG SET masteruser ''"),
                "Set the same on every node, including requirepass; then CONFIG REWRITE.".to_owned(),
            ])
        } else {
            Finding::new(
                "replica-link",
                format!("{} is not connected to its master {}", node.name, master.name),
                "Replication has not started, the master's client port is unreachable, or the received \
                 data cannot be loaded.",
            )
            .mended_by([format!(
                "Check its log and whether it can reach {}.",
                master.address()
            )])
        };
        let said = refusal.or_else(|| node.logged(&["MASTER", "master", "SYNC"]));
        findings.push(
            finding
                .on([&node.name, &master.name])
                .seen([down])
                .seen(said.map(|line| format!("{}, in its log: {line}", node.name))),
        );
    }
    findings
}

/// Returns planned nodes that replicate a master of another shard or a node that no longer exists, or that
/// are masters without slots.
pub(crate) fn elsewhere(all: &Observations) -> Vec<Finding> {
    // The master that serves each shard.
    let mut serving: BTreeMap<usize, &NodeFound> = BTreeMap::new();
    for node in &all.nodes {
        let Some(place) = &node.place else { continue };
        let slots = node
            .myself()
            .filter(|line| line.is_master())
            .map_or(0, |line| line.slots.len());
        if slots > 0 {
            serving.insert(place.shard, node);
        }
    }
    let mut findings = Vec::new();
    for node in &all.nodes {
        let (Some(place), Some(myself)) = (&node.place, node.myself()) else {
            continue;
        };
        let Some(master) = serving
            .get(&place.shard)
            .filter(|master| master.name != node.name)
        else {
            continue;
        };
        let copies = myself.master.as_ref().and_then(|id| all.by_id(id));
        let is = if !myself.is_master() {
            match copies {
                Some(other) if other.name == master.name => continue,
                // The servers fix a replication chain within the shard themselves.
                Some(other)
                    if other
                        .place
                        .as_ref()
                        .is_some_and(|other| other.shard == place.shard) =>
                {
                    continue;
                }
                Some(other) => format!("replicates {}", other.name),
                None => "replicates a node that no longer exists".to_owned(),
            }
        } else if myself.slots.is_empty() && place.role == Role::Replica
            || myself.slots.is_empty() && lost(all, myself)
        {
            "is a master without slots".to_owned()
        } else {
            continue;
        };
        findings.push(
            Finding::new(
                "replica-astray",
                format!("{} {is} but belongs to {}", node.name, master.name),
                format!("Shard {} has one replica fewer than planned.", place.shard),
            )
            .on([&node.name, &master.name])
            .seen([format!(
                "{}: {is}; planned for shard {}, which {} serves",
                node.name, place.shard, master.name
            )])
            .mended_by([all.command(
                node,
                &format!("CLUSTER REPLICATE {}", master.id().map_or("", |id| id.0.as_str())),
            )])
            .or_by([Action::Follow {
                node: node.name.clone(),
                master: master.name.clone(),
            }]),
        );
    }
    findings
}

/// Returns whether a master without slots is known to all other nodes: it has restarted and serves nothing.
fn lost(all: &Observations, line: &NodeLine) -> bool {
    all.seen()
        .iter()
        .all(|(_, view)| view.nodes.iter().any(|known| known.id == line.id))
}
