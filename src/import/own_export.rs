//! Imports files that `rcup export compose` wrote: the labels of their services contain the specification.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::import::imported::{Imported, NO, Note, YES};
use crate::import::tree::Tree;
use crate::spec::cluster::ClusterSpec;
use crate::spec::modes::{AnnounceChoice, FormationChoice};
use crate::spec::profile::Profile;
use crate::spec::server::Engine;

/// The label with the specification.
const SPEC: &str = "rcup.spec";

/// Returns the settings of an exported cluster, or `None` if the file is not an export.
///
/// # Errors
/// [`ErrorKind::Usage`] if the labels cannot be read.
pub(crate) fn read(services: &[(String, Tree)]) -> Result<Option<Imported>> {
    let labels: Vec<&Tree> = services
        .iter()
        .filter_map(|(_, service)| service.get("labels")?.get(SPEC))
        .collect();
    let Some(first) = labels.first() else {
        return Ok(None);
    };
    let spec: ClusterSpec = serde_json::from_str(first.text()).map_err(|error| {
        Error::new(
            ErrorKind::Usage,
            format!("line {}: the label `{SPEC}` cannot be read", first.line),
        )
        .because(error)
        .hint("Another version of rcup wrote the file: export it again with this one.")
    })?;
    let mut notes = Vec::new();
    let mut note = |line, fault, text: String| notes.push(Note { line, fault, text });
    let kinds: BTreeSet<&str> = labels.iter().map(|label| label.text()).collect();
    if kinds.len() > 1 {
        note(
            first.line,
            true,
            format!(
                "the file has {} clusters of rcup: `{}` is imported",
                kinds.len(),
                spec.name()
            ),
        );
    }
    let count = labels.iter().filter(|label| label.text() == first.text()).count();
    if count != spec.nodes() {
        note(
            first.line,
            true,
            format!(
                "the file has {count} nodes of cluster `{}`, which was exported with {}: {} are imported",
                spec.name(),
                spec.nodes(),
                spec.nodes()
            ),
        );
    }
    note(
        first.line,
        false,
        "`rcup export compose` wrote the file: settings are read from its labels, so changes to the file are not imported".to_owned(),
    );
    if !spec.users.is_empty() {
        let names: Vec<&str> = spec.users.iter().map(crate::spec::user::User::name).collect();
        note(
            first.line,
            true,
            format!(
                "users are not imported: add `{}` with `--user` or `[users.NAME]`",
                names.join("`, `")
            ),
        );
    }
    if !spec.overrides.is_empty() {
        note(
            first.line,
            true,
            "settings of single nodes are not imported: add them with `[node.N]`".to_owned(),
        );
    }
    Ok(Some(Imported {
        masters: spec.masters(),
        replicas: spec.replicas(),
        settings: settings(&spec),
        directives: spec
            .directives
            .iter()
            .map(|directive| (directive.name().to_owned(), directive.value().to_owned()))
            .collect(),
        notes,
    }))
}

fn settings(spec: &ClusterSpec) -> Vec<(String, String)> {
    let is_valkey = spec.engine == Engine::Valkey;
    let announce = match spec.announce {
        AnnounceChoice::Auto => None,
        AnnounceChoice::Ip => Some("ip"),
        AnnounceChoice::Hostname => Some("hostname"),
        AnnounceChoice::ClientIpv4 => Some("client-ipv4"),
    };
    let formation = match spec.formation {
        FormationChoice::Auto => None,
        FormationChoice::Seeded => Some("seeded"),
        FormationChoice::Commands => Some("commands"),
    };
    let yes = |is_set: bool| is_set.then(|| YES.to_owned());
    let persist = if spec.persist {
        yes(true)
    } else {
        spec.profile.persists().then(|| NO.to_owned())
    };
    let text = |value: &dyn std::fmt::Display| value.to_string();
    let all = [
        ("masters", Some(spec.masters.to_string())),
        ("replicas", Some(spec.replicas.to_string())),
        ("server", is_valkey.then(|| "valkey".to_owned())),
        (
            "server-version",
            spec.engine_version.as_ref().map(|version| text(version)),
        ),
        ("image", spec.image.clone()),
        (
            "profile",
            (spec.profile != Profile::default()).then(|| spec.profile.to_string()),
        ),
        ("memory", spec.memory.map(|memory| memory.to_string())),
        ("subnet", spec.subnet.map(|subnet| subnet.to_string())),
        ("network", spec.network.clone()),
        ("publish", spec.publish.map(|address| address.to_string())),
        ("port", spec.port.map(|port| port.to_string())),
        ("persist", persist),
        ("announce", announce.map(ToOwned::to_owned)),
        ("formation", formation.map(ToOwned::to_owned)),
        ("node-timeout", Some(format!("{}ms", spec.node_timeout_ms))),
        ("password", yes(spec.password.is_some())),
        ("tls", yes(spec.tls)),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
