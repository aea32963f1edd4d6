//! A Compose file's cluster as settings of rcup.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::command::Command;
use super::tree::Tree;
use crate::error::{Error, ErrorKind, Result};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// How many masters.
    pub masters: usize,
    /// How many replicas each of them has.
    pub replicas: usize,
    /// Names of rcup's flags and their values, in the order in which they are written.
    pub settings: Vec<(String, String)>,
    /// Directives for every node.
    pub directives: Vec<(String, String)>,
    /// What is wrong, or is otherwise with rcup, in the order of the lines.
    pub notes: Vec<Note>,
}

/// Something about a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// The line, from 1.
    pub line: usize,
    /// Whether it is a fault, or only something that is otherwise with rcup.
    pub fault: bool,
    /// What it is and what it does.
    pub text: String,
}

/// Directives that rcup decides itself; they are part of every cluster.
const OWN: [&str; 8] = [
    "cluster-enabled",
    "cluster-config-file",
    "port",
    "bind",
    "dir",
    "protected-mode",
    "cluster-announce-ip",
    "cluster-announce-port",
];

/// Reads a Compose file.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is no YAML, or has no node of a cluster.
pub fn compose(text: &str) -> Result<Imported> {
    let tree = Tree::read(text)?;
    let services = tree.get("services").map(Tree::entries).unwrap_or_default();
    let mut reading = Reading {
        source: text,
        nodes: Vec::new(),
        creation: None,
        notes: Vec::new(),
    };
    for (name, service) in services {
        let command = Command::of(service);
        if command.is_creation() {
            reading.creation = Some((name, service, command));
        } else if command.is_node() {
            reading.nodes.push((name, service, command));
        }
    }
    if reading.nodes.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            "no service of the file starts a node with `--cluster-enabled yes`",
        )
        .hint("Settings in a mounted redis.conf or in an image's own variables are not read; give them as flags of `rcup up`."));
    }
    Ok(reading.finish(&tree))
}

struct Reading<'a> {
    source: &'a str,
    nodes: Vec<(&'a String, &'a Tree, Command)>,
    creation: Option<(&'a String, &'a Tree, Command)>,
    notes: Vec<Note>,
}

impl Reading<'_> {
    fn note(&mut self, line: usize, fault: bool, text: impl Into<String>) {
        self.notes.push(Note {
            line,
            fault,
            text: text.into(),
        });
    }

    fn finish(mut self, tree: &Tree) -> Imported {
        let (masters, replicas) = self.shape();
        if let Some(version) = tree.get("version") {
            self.note(version.line, false, "`version` means nothing to Compose any more");
        }
        self.creation_notes();
        self.ports();
        self.missing();
        let mut settings = vec![
            ("masters".to_owned(), masters.to_string()),
            ("replicas".to_owned(), replicas.to_string()),
        ];
        if let Some(image) = self.common_image() {
            settings.push(("image".to_owned(), image));
        }
        if let Some(subnet) = self.subnet(tree) {
            settings.push(("subnet".to_owned(), subnet));
        }
        let directives = self.directives(&mut settings);
        self.notes.sort();
        self.notes.dedup();
        Imported {
            masters,
            replicas,
            settings,
            directives,
            notes: self.notes,
        }
    }

    /// Masters and replicas. Who creates the cluster says how many replicas; without it, none are assumed.
    fn shape(&mut self) -> (usize, usize) {
        let nodes = self.nodes.len();
        let said = self.creation.as_ref().and_then(|(_, service, command)| {
            let replicas = command.after("--cluster-replicas")?.parse::<usize>().ok()?;
            Some((service.line, replicas))
        });
        let Some((line, replicas)) = said else {
            if self.creation.is_none() {
                let line = self.nodes[0].1.line;
                self.note(
                    line,
                    true,
                    "nothing in the file makes a cluster of the nodes: they stay strangers until somebody runs \
                     `redis-cli --cluster create`; how many replicas there shall be is unknown, none are assumed",
                );
            }
            return (nodes, 0);
        };
        if !nodes.is_multiple_of(replicas + 1) {
            self.note(
                line,
                true,
                format!(
                    "{nodes} nodes cannot be masters with {replicas} replicas each; the rest is left out"
                ),
            );
        }
        ((nodes / (replicas + 1)).max(1), replicas)
    }

    fn creation_notes(&mut self) {
        let Some((name, service, command)) = self.creation.clone() else {
            return;
        };
        let at = service
            .get("command")
            .map_or(service.line, |command| command.line);
        self.note(
            service.line,
            true,
            format!(
                "service `{name}` ends when it is done, so `docker compose up --wait` fails although all went well \
                 (docker/compose#10596)"
            ),
        );
        if let Some(line) = self.line_after(at, "sleep ") {
            self.note(
                line,
                true,
                "a sleep is too long on a quick machine and too short on a busy one; rcup waits until every node \
                 calls the cluster ok",
            );
        }
        if command.text.trim_end().contains('\n')
            && let Some(line) = self.further_in(at)
        {
            self.note(
                line,
                true,
                "this line stands further in than the first one of its `>` block, so YAML keeps the line breaks \
                 around it: the shell takes each of these lines for a command of its own, \
                 `redis-cli --cluster create` gets no addresses, and the cluster is never made",
            );
        }
    }

    /// The first line of a block that is indented more than the block's first line.
    fn further_in(&self, key: usize) -> Option<usize> {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut lines = (key + 1..).zip(self.source.lines().skip(key));
        let (_, first) = lines.find(|(_, line)| !line.trim().is_empty())?;
        lines
            .filter(|(_, line)| !line.trim().is_empty())
            .take_while(|(_, line)| indent(line) >= indent(first))
            .find(|(_, line)| indent(line) > indent(first))
            .map(|(number, _)| number)
    }

    fn line_after(&self, from: usize, what: &str) -> Option<usize> {
        let lines = (from..).zip(self.source.lines().skip(from - 1));
        lines
            .take(40)
            .find(|(_, line)| line.contains(what))
            .map(|(number, _)| number)
    }

    /// One note for each kind of fault, at the first line that has it.
    fn ports(&mut self) {
        let mut first: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        for (_, service, _) in &self.nodes {
            for port in service.get("ports").map(Tree::items).unwrap_or_default() {
                let parts: Vec<&str> = port.text().split(':').collect();
                let (host, published, inside) = match parts.as_slice() {
                    [host, published, inside] => (Some(*host), *published, *inside),
                    [published, inside] => (None, *published, *inside),
                    _ => continue,
                };
                let number = |text: &str| text.parse::<u32>().unwrap_or_default();
                let mut say = |kind, text: String| {
                    first.entry(kind).or_insert((port.line, text));
                };
                if number(inside) > 10_000 {
                    say(
                        "bus",
                        format!(
                            "{inside} is the cluster bus, which no client needs: it is better not published"
                        ),
                    );
                } else if published != inside {
                    say(
                        "number",
                        format!(
                            "port {inside} is published as {published}, but the node tells clients {inside}: whoever \
                             is redirected from this host ends at another node or nowhere. rcup uses one number \
                             everywhere"
                        ),
                    );
                }
                if host.is_none() {
                    say(
                        "everywhere",
                        "without an address before it, the port is open to the whole network, past the host's \
                         firewall; rcup publishes on 127.0.0.1"
                            .to_owned(),
                    );
                }
            }
        }
        for (line, text) in first.into_values() {
            self.note(line, true, text);
        }
    }

    fn missing(&mut self) {
        let (_, first, command) = self.nodes[0].clone();
        let line = first.line;
        if first.get("healthcheck").is_none() {
            self.note(
                line,
                true,
                "no node has a health check, so nobody can wait until the cluster serves",
            );
        }
        if first.get("restart").is_none() {
            self.note(
                line,
                true,
                "no node is restarted when it fails or the machine starts again",
            );
        }
        let directives = command.directives();
        if !directives.iter().any(|(name, _)| name == "requirepass") {
            let nodes_are_open = directives
                .iter()
                .any(|(name, value)| name == "protected-mode" && value == "no");
            let text = if nodes_are_open {
                "there is no password, and protected mode is off: whoever reaches a node owns it"
            } else {
                "there is no password: `rcup up` publishes on 127.0.0.1 only"
            };
            self.note(line, nodes_are_open, text);
        }
    }

    fn common_image(&mut self) -> Option<String> {
        let images: Vec<(usize, String)> = self
            .nodes
            .iter()
            .filter_map(|(_, service, _)| service.get("image"))
            .map(|image| (image.line, image.text().to_owned()))
            .collect();
        let (_, first) = images.first()?.clone();
        if let Some((line, other)) = images.iter().find(|(_, image)| *image != first) {
            self.note(
                *line,
                true,
                format!("the nodes run different images: {first} is taken, {other} is not"),
            );
        }
        Some(first)
    }

    fn subnet(&mut self, tree: &Tree) -> Option<String> {
        let networks = tree.get("networks")?.entries();
        let config = networks
            .iter()
            .find_map(|(_, network)| network.get("ipam")?.get("config"))?;
        let subnet = config.items().iter().find_map(|item| item.get("subnet"))?;
        let fixed = self.nodes.iter().any(|(_, service, _)| {
            service
                .entries()
                .iter()
                .any(|(key, value)| key == "networks" && !value.entries().is_empty())
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

    /// What all nodes are started with. What only some have is told and left out.
    fn directives(&mut self, settings: &mut Vec<(String, String)>) -> Vec<(String, String)> {
        let all: Vec<Vec<(String, String)>> = self
            .nodes
            .iter()
            .map(|(_, _, command)| command.directives())
            .collect();
        let line = self.nodes[0]
            .1
            .get("command")
            .map_or(self.nodes[0].1.line, |command| command.line);
        let mut kept = Vec::new();
        let first = all.first().cloned().unwrap_or_default();
        for (name, value) in first
            .into_iter()
            .filter(|(name, _)| !OWN.contains(&name.as_str()))
        {
            let on_all = all.iter().all(|own| own.contains(&(name.clone(), value.clone())));
            match name.as_str() {
                _ if !on_all => self.note(
                    line,
                    false,
                    format!("`{name}` is not the same on all nodes, and is left out"),
                ),
                "cluster-node-timeout" => settings.push(("node-timeout".to_owned(), format!("{value}ms"))),
                "requirepass" | "masterauth" => {
                    self.note(
                        line,
                        true,
                        format!("`{name}` stands in the command, where every process of the machine can read it; it is not copied"),
                    );
                }
                _ => kept.push((name, value)),
            }
        }
        kept
    }
}

impl Imported {
    /// The settings as `rcup.toml` has them: the flags of `rcup up` by their names.
    pub fn toml(&self, file: &str) -> String {
        let mut text = format!(
            "# Read from {file} by `rcup import compose`. The same by flags:\n#\n#   {}\n\n",
            self.command()
        );
        for (name, value) in &self.settings {
            let is_number = value.parse::<u64>().is_ok();
            let _ = if is_number {
                writeln!(text, "{name} = {value}")
            } else {
                writeln!(text, "{name} = {}", quoted(value))
            };
        }
        if !self.directives.is_empty() {
            text.push_str("set = [\n");
            for (name, value) in &self.directives {
                let _ = writeln!(text, "    {},", quoted(&format!("{name}={value}")));
            }
            text.push_str("]\n");
        }
        text
    }

    /// The command line that starts the same cluster.
    pub fn command(&self) -> String {
        let mut text = "rcup up".to_owned();
        for (name, value) in &self.settings {
            let _ = write!(text, " --{name} {value}");
        }
        for (name, value) in &self.directives {
            let _ = write!(text, " --set '{name}={}'", value.replace('\'', r"'\''"));
        }
        text
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = include_str!("usual.yml");

    #[test]
    fn the_usual_example_is_read_and_its_faults_are_told() {
        let imported = compose(USUAL).unwrap();
        assert_eq!((imported.masters, imported.replicas), (3, 1));
        let notes = imported.notes.iter().fold(String::new(), |mut text, note| {
            let _ = writeln!(
                text,
                "{}{} {}",
                note.line,
                if note.fault { "!" } else { "" },
                note.text
            );
            text
        });
        insta::assert_snapshot!(format!("{}\n{notes}", imported.toml("docker-compose.yml")));
    }

    #[test]
    fn a_list_of_words_and_an_anchor_are_read_too() {
        let text = "x-node: &node\n  image: valkey/valkey:8.1\n  command: [valkey-server, --cluster-enabled, 'yes', --maxmemory, 64mb]\n\
                    services:\n  a: { <<: *node }\n  b: { <<: *node }\n  c: { <<: *node }\n";
        let imported = compose(text).unwrap();
        assert_eq!((imported.masters, imported.replicas), (3, 0));
        assert_eq!(imported.directives, [("maxmemory".to_owned(), "64mb".to_owned())]);
        assert!(
            imported
                .notes
                .iter()
                .any(|note| note.text.contains("stay strangers"))
        );
        assert!(
            imported
                .command()
                .starts_with("rcup up --masters 3 --replicas 0 --image valkey/valkey:8.1")
        );
    }

    #[test]
    fn a_password_is_never_copied() {
        let text = "services:\n  a:\n    image: redis:8\n    command: redis-server --cluster-enabled yes --requirepass s3cret\n";
        let imported = compose(text).unwrap();
        let all = format!("{}{:?}", imported.toml("x"), imported);
        assert!(!all.contains("s3cret"), "{all}");
    }

    #[test]
    fn a_file_without_nodes_is_refused_with_a_reason() {
        for text in [
            "services: {}\n",
            "services:\n  web:\n    image: nginx\n",
            "a: 1\n",
        ] {
            let error = compose(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().is_some());
        }
    }
}
