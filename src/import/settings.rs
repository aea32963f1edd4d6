//! Converts the configuration of the nodes to settings and directives of rcup.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use crate::import::bitnami;
use crate::import::compose::Reading;
use crate::import::imported::YES;
use crate::import::node::{Member, Place};
use crate::import::service::{Mount, mounts};
use crate::import::shell::is_unknown;
use crate::import::tree::Tree;
use crate::spec::directive::Directive;

/// Directives that rcup sets itself.
const OWN: [&str; 18] = [
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
    "primaryauth",
    "primaryuser",
    "user",
    "aclfile",
    "replica-announce-ip",
    "replica-announce-port",
];

/// Name prefixes of directives that rcup sets itself.
const OWN_PREFIXES: [&str; 2] = ["cluster-announce-", "tls-"];

/// Keys of a service that rcup does not set, or sets differently.
const NOT_IMPORTED: [&str; 13] = [
    "cap_add",
    "cpus",
    "cpuset",
    "dns",
    "extra_hosts",
    "mem_limit",
    "network_mode",
    "platform",
    "privileged",
    "profiles",
    "shm_size",
    "sysctls",
    "ulimits",
];

/// Returns the mount on which a node's files persist, and their path below it.
fn home(node: &Member<'_>) -> Option<(Mount, String)> {
    let all = mounts(node.service).into_iter();
    all.filter(|mount| !mount.is_fleeting && mount.source.is_some())
        .find_map(|mount| {
            let below = mount.below(&node.home)?.to_owned();
            Some((mount, below))
        })
}

impl Reading<'_> {
    /// Returns the image, or for Bitnami's images the server and version.
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
                "the nodes' image is built, not named: rcup runs the official image unless you set `image`",
            );
            return Vec::new();
        };
        if let Some((line, other)) = images.iter().find(|(_, image)| *image != first) {
            self.note(
                *line,
                true,
                format!("the nodes run different images: {first} is imported, {other} is not"),
            );
        }
        if self.nodes[0].is_bitnami {
            let (server, version) = bitnami::server(self.nodes[0].service);
            self.note(
                first_line,
                false,
                "Bitnami's images are configured by variables that no other image knows, and many of them were withdrawn: \
                 rcup runs the official image of the same version",
            );
            let unknown = self.nodes.iter().find_map(|node| bitnami::unknown(node.service));
            if let Some((line, names)) = unknown {
                let names = names.join(", ");
                self.note(
                    line,
                    false,
                    format!("variables of the image that are not imported: {names}"),
                );
            }
            let mut settings = vec![("server".to_owned(), server.to_owned())];
            settings.extend(version.map(|version| ("server-version".to_owned(), version)));
            return settings;
        }
        if first.is_empty() || first.ends_with([':', '@', '/']) {
            let text =
                format!("`{first}` is not an image: rcup runs the official one unless you set `image`");
            self.note(first_line, true, text);
            return Vec::new();
        }
        vec![("image".to_owned(), first)]
    }

    /// Returns the network: an existing one, or the subnet of the nodes' fixed addresses.
    pub(crate) fn network(&mut self, tree: &Tree) -> Option<(String, String)> {
        let first = &self.nodes[0];
        let named = first.networks();
        let fixed = |own: Option<&Tree>| own.is_some_and(|own| own.get("ipv4_address").is_some());
        let is_fixed = named.iter().any(|(_, own)| fixed(*own));
        let main = named.iter().find(|(_, own)| fixed(*own)).or(named.first());
        let name = main.map_or("default", |(name, _)| name).to_owned();
        if let Some((other, _)) = named.iter().find(|(other, _)| *other != name) {
            let text =
                format!("the nodes are on `{other}` too, which is not imported: rcup uses one network");
            let line = first.service.get("networks").map_or(first.line, |all| all.line);
            self.note(line, false, text);
        }
        let network = tree.get("networks")?.get(&name)?;
        let own_name = network.get("name").map(|name| name.text().to_owned());
        if let Some(external) = network
            .get("external")
            .filter(|external| external.text() != "false")
        {
            let older = external.get("name").map(|name| name.text().to_owned());
            let network = own_name.or(older).unwrap_or(name);
            self.note(
                external.line,
                false,
                format!("network {network} must exist: rcup attaches the nodes to it and never removes it"),
            );
            return Some(("network".to_owned(), network));
        }
        if !is_fixed {
            return None;
        }
        let config = network.get("ipam")?.get("config")?;
        let all: Vec<&Tree> = config
            .items()
            .iter()
            .filter_map(|item| item.get("subnet"))
            .collect();
        let valid = all.iter().find(|subnet| subnet.text().parse::<Ipv4Net>().is_ok());
        let Some(subnet) = valid else {
            let (line, text) = (all.first()?.line, all.first()?.text());
            let text = format!(
                "network `{name}`: `{text}` is not an IPv4 subnet, and is left out: rcup uses a free one"
            );
            self.note(line, true, text);
            return None;
        };
        self.note(
            subnet.line,
            false,
            "the subnet is imported; without it, rcup uses a free one, which conflicts with no other network",
        );
        Some(("subnet".to_owned(), subnet.text().to_owned()))
    }

    /// Checks whether the data persists: it does on a volume or in a directory of the host.
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
                let (line, home) = (node.line, node.home.clone());
                self.note(
                    line,
                    true,
                    format!(
                        "the node writes its data to {home}, where no volume is mounted: `docker compose down` removes the \
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
                        "service `{name}` has no volume for its data, while others do: after `docker compose down` it is \
                         unknown to them. With rcup all nodes keep their ids"
                    ),
                );
                continue;
            };
            if home.is_path() {
                self.note(
                    home.line,
                    false,
                    "the data in the host's directory is not imported: rcup creates a volume for each node",
                );
            }
            let place = format!("{}{below}", home.source.as_deref().unwrap_or_default());
            let other = seen.insert(place.clone(), name.clone());
            if let Some(other) = other.filter(|other| other != name) {
                self.note(
                    home.line,
                    true,
                    format!(
                        "services `{other}` and `{name}` both keep their files in {place}: the second finds the first \
                         one's nodes.conf locked, and does not start"
                    ),
                );
            }
        }
        true
    }

    /// Returns the settings for passwords, users and TLS. The secrets themselves are not imported.
    pub(crate) fn guards(&mut self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        if let Some((line, place)) = self.nodes.iter().find_map(|node| node.password) {
            let (fault, text) = match place {
                Place::Command => (
                    true,
                    "the password is in the command, where every process of the host can read it",
                ),
                Place::Environment => (
                    true,
                    "the password is in the environment, where `docker inspect` shows it",
                ),
                Place::File => (false, "the password is in a file of the nodes"),
            };
            self.note(
                line,
                fault,
                format!("{text}; it is not imported. `rcup up` generates one, which `rcup env` prints; set RCUP_PASSWORD to use your own"),
            );
            settings.push(("password".to_owned(), YES.to_owned()));
        }
        if let Some(node) = self.nodes.iter().find(|node| !node.users.is_empty()) {
            let (line, names) = (node.line, node.users.join("`, `"));
            self.note(
                line,
                true,
                format!("users are not imported, because their rules contain secrets: add `{names}` with `--user` or `[users.NAME]`"),
            );
        }
        if let Some(node) = self.nodes.iter().find(|node| node.unread_users) {
            let text = format!(
                "service `{}`: the ACL file cannot be read, so its users and passwords are not imported: use `--password` and `--user`",
                node.name
            );
            self.note(node.line, true, text);
        }
        if let Some(node) = self.nodes.iter().find(|node| node.tls) {
            let line = node.service.line;
            self.note(
                line,
                false,
                "rcup generates certificates; to use your own, set `tls-ca`, `tls-cert` and `tls-key`",
            );
            settings.push(("tls".to_owned(), YES.to_owned()));
        }
        settings
    }

    /// Adds one note on the container settings that rcup does not set.
    pub(crate) fn containers(&mut self) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &self.nodes {
            for (key, value) in node.service.entries() {
                if let Some(key) = NOT_IMPORTED.iter().find(|known| *known == key) {
                    seen.entry(*key).or_insert(value.line);
                }
            }
            let resources = node
                .service
                .get("deploy")
                .and_then(|deploy| deploy.get("resources"));
            if let Some(resources) = resources {
                seen.entry("deploy.resources").or_insert(resources.line);
            }
        }
        for (key, line) in seen {
            let text = match key {
                "mem_limit" | "deploy.resources" => {
                    format!("`{key}` is not imported: `memory` sets `maxmemory`, and limits the container to match")
                }
                "network_mode" => {
                    "`network_mode` is not imported: rcup creates a network and publishes the ports on 127.0.0.1".to_owned()
                }
                "profiles" => "`profiles` is not imported: the service is counted as if its profile were active".to_owned(),
                _ => format!("`{key}` is not imported: rcup has no such setting for its containers"),
            };
            self.note(line, false, text);
        }
    }

    /// Returns the directives that all nodes share. Others are reported and not imported.
    pub(crate) fn directives(&mut self, settings: &mut Vec<(String, String)>) -> Vec<(String, String)> {
        let mut all: Vec<(usize, String, String)> = Vec::new();
        for node in &self.nodes {
            for (name, value) in &node.directives {
                if !all.iter().any(|(_, known, _)| known == name) {
                    all.push((node.line, name.clone(), value.clone()));
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
            } else if is_unknown(&value) {
                self.note(
                    line,
                    true,
                    format!("`{name}` is left out: its value is only known when the node starts"),
                );
            } else if name == "cluster-node-timeout" && value.parse::<u64>().is_ok() {
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
