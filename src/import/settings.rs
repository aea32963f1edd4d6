//! What the nodes of a Compose file have, as flags and directives of rcup.

use std::collections::BTreeMap;

use crate::import::bitnami;
use crate::import::compose::Reading;
use crate::import::imported::YES;
use crate::import::node::{Member, Place};
use crate::import::service::{Mount, mounts};
use crate::import::tree::Tree;
use crate::spec::directive::Directive;

/// Directives that rcup decides itself, in the place of which it has something as good.
const OWN: [&str; 14] = [
    "cluster-enabled",
    "cluster-config-file",
    "cluster-port",
    "port",
    "bind",
    "dir",
    "daemonize",
    "pidfile",
    "protected-mode",
    "requirepass",
    "masterauth",
    "masteruser",
    "replica-announce-ip",
    "replica-announce-port",
];

/// Beginnings of the names of such directives.
const OWN_PREFIXES: [&str; 2] = ["cluster-announce-", "tls-"];

/// The mount on which a node's files outlive its container, and where they lie on it.
fn home(node: &Member<'_>) -> Option<(Mount, String)> {
    let all = mounts(node.service).into_iter();
    all.filter(|mount| !mount.is_fleeting && mount.source.is_some())
        .find_map(|mount| {
            let below = mount.below(&node.home)?.to_owned();
            Some((mount, below))
        })
}

impl Reading<'_> {
    /// The image, or for Bitnami's the server that is in it.
    pub(crate) fn server(&mut self) -> Vec<(String, String)> {
        let images: Vec<(usize, String)> = self
            .nodes
            .iter()
            .filter_map(|node| node.service.get("image"))
            .map(|image| (image.line, image.text().to_owned()))
            .collect();
        let Some((first_line, first)) = images.first().cloned() else {
            let line = self.nodes[0].service.line;
            self.note(
                line,
                false,
                "the nodes' image is built, not named: rcup takes the official one unless `image` says otherwise",
            );
            return Vec::new();
        };
        if let Some((line, other)) = images.iter().find(|(_, image)| *image != first) {
            self.note(
                *line,
                true,
                format!("the nodes run different images: {first} is taken, {other} is not"),
            );
        }
        if self.nodes[0].is_bitnami {
            let (engine, version) = bitnami::server(self.nodes[0].service);
            self.note(
                first_line,
                false,
                "Bitnami's images are set up by variables that no other image knows, and many of them were withdrawn: \
                 rcup runs the official image of the same version",
            );
            let mut settings = vec![("engine".to_owned(), engine.to_owned())];
            settings.extend(version.map(|version| ("engine-version".to_owned(), version)));
            return settings;
        }
        if first.contains('$') {
            self.note(
                first_line,
                false,
                format!("{first} holds a variable, which only Compose knows: rcup takes the official image unless `image` says otherwise"),
            );
            return Vec::new();
        }
        vec![("image".to_owned(), first)]
    }

    pub(crate) fn subnet(&mut self, tree: &Tree) -> Option<String> {
        let networks = tree.get("networks")?.entries();
        let config = networks
            .iter()
            .find_map(|(_, network)| network.get("ipam")?.get("config"))?;
        let subnet = config.items().iter().find_map(|item| item.get("subnet"))?;
        let fixed = self.nodes.iter().any(|node| {
            node.service
                .get("networks")
                .is_some_and(|networks| !networks.entries().is_empty())
        });
        if !fixed {
            return None;
        }
        self.note(
            subnet.line,
            false,
            "the subnet is kept; without it, rcup takes a small one that is free, which clashes with nothing",
        );
        Some(subnet.text().to_owned())
    }

    /// Whether the nodes' data outlives their containers: it does where it lies on a volume or in a directory of the host.
    pub(crate) fn persist(&mut self) -> bool {
        let homes: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.name.to_owned(), node.service.line, home(node)))
            .collect();
        let kept = homes.iter().filter(|(_, _, home)| home.is_some()).count();
        if kept == 0 {
            let writes = self.nodes.iter().find(|node| {
                node.value("appendonly") == Some("yes")
                    || node.value("save").is_some_and(|save| !save.is_empty())
            });
            if let Some(node) = writes {
                let (line, home) = (node.command_line(), node.home.clone());
                self.note(
                    line,
                    true,
                    format!(
                        "the node writes its data to {home}, where no volume is mounted: `docker compose down` takes the \
                         data with the container; `persist = true` keeps it"
                    ),
                );
            }
            return false;
        }
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (name, line, home) in &homes {
            let Some((home, below)) = home else {
                self.note(
                    *line,
                    true,
                    format!(
                        "service `{name}` keeps its data on no volume, while others do: after `docker compose down` it is \
                         unknown to them. With rcup all nodes keep their ids"
                    ),
                );
                continue;
            };
            if home.is_path() {
                self.note(
                    home.line,
                    false,
                    "the data in the host's directory is not taken over: with rcup it lies on volumes of the nodes' own",
                );
            }
            let place = format!("{}{below}", home.source.as_deref().unwrap_or_default());
            if let Some(other) = seen.insert(place.clone(), name.clone()) {
                self.note(
                    home.line,
                    true,
                    format!(
                        "services `{other}` and `{name}` both keep their files on {place}: the second finds the first \
                         one's nodes.conf locked, and does not start"
                    ),
                );
            }
        }
        true
    }

    /// A password and TLS, which rcup makes anew.
    pub(crate) fn guards(&mut self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        let password = self.nodes.iter().find_map(|node| node.password);
        if let Some((line, place)) = password {
            let (fault, text) = match place {
                Place::Command => (
                    true,
                    "the password stands in the command, where every process of the machine can read it",
                ),
                Place::Environment => (
                    true,
                    "the password stands in the environment, where `docker inspect` shows it",
                ),
                Place::File => (false, "the password stands in the nodes' redis.conf"),
            };
            self.note(
                line,
                fault,
                format!("{text}; it is not copied. `rcup up` generates one, which `rcup env` prints; set RCUP_PASSWORD to use your own"),
            );
            settings.push(("password".to_owned(), YES.to_owned()));
        }
        if let Some(node) = self.nodes.iter().find(|node| node.tls) {
            let line = node.service.line;
            self.note(
                line,
                false,
                "rcup makes the certificates itself; your own are not taken over",
            );
            settings.push(("tls".to_owned(), YES.to_owned()));
        }
        settings
    }

    /// What all nodes are started with. What only some have, or rcup does not take, is told and left out.
    pub(crate) fn directives(&mut self, settings: &mut Vec<(String, String)>) -> Vec<(String, String)> {
        let mut all: Vec<(usize, String, String)> = Vec::new();
        for node in &self.nodes {
            for (name, value) in &node.directives {
                if !all.iter().any(|(_, known, _)| known == name) {
                    all.push((node.command_line(), name.clone(), value.clone()));
                }
            }
        }
        let mut kept = Vec::new();
        for (line, name, value) in all {
            let is_own =
                OWN.contains(&name.as_str()) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if is_own {
                continue;
            }
            if !self
                .nodes
                .iter()
                .all(|node| node.value(&name) == Some(value.as_str()))
            {
                self.note(
                    line,
                    false,
                    format!("`{name}` is not the same on all nodes, and is left out"),
                );
            } else if name == "cluster-node-timeout" {
                settings.push(("node-timeout".to_owned(), format!("{value}ms")));
            } else if let Err(error) = format!("{name}={value}").parse::<Directive>() {
                let hint = error.hint_text().unwrap_or_default();
                self.note(line, false, format!("`{name}` is left out: {error}. {hint}"));
            } else {
                kept.push((name, value));
            }
        }
        kept
    }
}
