//! A Compose file's cluster as settings of rcup.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::import::bitnami;
use crate::import::command::Command;
use crate::import::imported::{Imported, Note, YES};
use crate::import::member::{Found, look};
use crate::import::node::Member;
use crate::import::service::ports;
use crate::import::tree::Tree;

/// Reads a Compose file. `files` gives the text of a file that it names, by the path that stands there: a node's
/// settings may lie in one.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is no YAML, or has no node of a cluster.
pub fn compose(text: &str, files: &dyn Fn(&str) -> Option<String>) -> Result<Imported> {
    let tree = Tree::read(text)?;
    let services = tree.get("services").map(Tree::entries).unwrap_or_default();
    let mut reading = Reading {
        source: text,
        nodes: Vec::new(),
        creation: None,
        notes: Vec::new(),
    };
    let mut unread = None;
    for (name, service) in services {
        match look(name, service, files) {
            Found::Node(member) => reading.nodes.push(*member),
            Found::Creation(command) => reading.creation = Some((name, service, command)),
            Found::Unread { line, path } => {
                reading.note(
                    line,
                    true,
                    format!(
                        "service `{name}` is left out: its settings are in {path}, which is not mounted from a file beside \
                         this one, so nobody can tell whether it is a node"
                    ),
                );
                unread = Some(path);
            }
            Found::Server => reading.note(
                service.line,
                false,
                format!("service `{name}` is a server without `cluster-enabled yes`, so no node of the cluster: it is left out"),
            ),
            Found::Other => {}
        }
    }
    if reading.nodes.is_empty() {
        let error = Error::new(
            ErrorKind::Usage,
            "no service of the file starts a node with `cluster-enabled yes`",
        );
        return Err(match unread {
            Some(path) => error
                .because(format!("{path} is not mounted from a file beside the Compose file"))
                .hint("Put it where the file says, or give its settings as flags of `rcup up`."),
            None => error.hint(
                "Nodes are found by their command, by a redis.conf that is mounted, and by Bitnami's images; give other \
                 settings as flags of `rcup up`.",
            ),
        });
    }
    Ok(reading.finish(&tree))
}

pub(crate) struct Reading<'a> {
    source: &'a str,
    pub(crate) nodes: Vec<Member<'a>>,
    creation: Option<(&'a String, &'a Tree, Command)>,
    notes: Vec<Note>,
}

impl Reading<'_> {
    pub(crate) fn note(&mut self, line: usize, fault: bool, text: impl Into<String>) {
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
        settings.extend(self.server());
        if let Some(subnet) = self.subnet(tree) {
            settings.push(("subnet".to_owned(), subnet));
        }
        if self.persist() {
            settings.push(("persist".to_owned(), YES.to_owned()));
        }
        settings.extend(self.guards());
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
        let nodes: usize = self.nodes.iter().map(|node| node.copies).sum();
        let by_a_node = self.nodes.iter().find_map(|node| bitnami::creation(node.service));
        let said = by_a_node.or_else(|| {
            let (_, service, command) = self.creation.as_ref()?;
            let replicas = command.after("--cluster-replicas")?.parse::<usize>().ok()?;
            Some((service.line, replicas))
        });
        let Some((line, replicas)) = said else {
            if self.creation.is_none() {
                let line = self.nodes[0].service.line;
                self.note(
                    line,
                    true,
                    "nothing in the file joins the nodes: run \
                     `redis-cli --cluster create`. The number of replicas is unknown; none are assumed",
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
        for node in &self.nodes {
            let bus = node.value("cluster-port").and_then(|port| port.parse().ok());
            let bus = bus.unwrap_or(node.port().saturating_add(10_000));
            for port in ports(node.service) {
                let mut say = |kind, text: String| {
                    first.entry(kind).or_insert((port.line, text));
                };
                let inside = port.inside;
                if inside == bus {
                    say(
                        "bus",
                        format!(
                            "{inside} is the cluster bus, which no client needs: it is better not published"
                        ),
                    );
                } else if port.published != Some(inside) && node.value("cluster-announce-port").is_none() {
                    let published = port
                        .published
                        .map_or_else(|| "any free port".to_owned(), |port| port.to_string());
                    say(
                        "number",
                        format!(
                            "port {inside} is published as {published}, but the node announces {inside}: a client that \
                             is redirected from this host ends at another node or nowhere. rcup uses one number \
                             everywhere"
                        ),
                    );
                }
                if port.host.is_none() {
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
        let first = &self.nodes[0];
        let (line, is_bitnami) = (first.service.line, first.is_bitnami);
        let without = |key: &str| first.service.get(key).is_none();
        let (no_check, no_restart) = (without("healthcheck"), without("restart"));
        let is_open = is_bitnami || first.value("protected-mode") == Some("no");
        if no_check {
            self.note(
                line,
                true,
                "no node has a health check, so nobody can wait until the cluster serves",
            );
        }
        if no_restart {
            self.note(
                line,
                true,
                "no node is restarted when it fails or the machine starts again",
            );
        }
        if self.nodes.iter().all(|node| node.password.is_none()) {
            let text = if is_open {
                "there is no password, and protected mode is off: anyone who reaches a node controls it"
            } else {
                "there is no password: `rcup up` publishes on 127.0.0.1 only"
            };
            self.note(line, is_open, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = include_str!("usual.yml");

    /// Nothing lies beside the file.
    fn alone(text: &str) -> Result<Imported> {
        compose(text, &|_| None)
    }

    fn notes(imported: &Imported) -> String {
        imported.notes.iter().fold(String::new(), |text, note| {
            let mark = if note.fault { "!" } else { "" };
            format!("{text}{}{mark} {}\n", note.line, note.text)
        })
    }

    fn setting<'a>(imported: &'a Imported, name: &str) -> Option<&'a str> {
        let found = imported.settings.iter().find(|(own, _)| own == name)?;
        Some(&found.1)
    }

    #[test]
    fn the_usual_example_is_read_and_its_faults_are_told() {
        let imported = alone(USUAL).unwrap();
        assert_eq!((imported.masters, imported.replicas), (3, 1));
        let notes = notes(&imported);
        insta::assert_snapshot!(format!("{}\n{notes}", imported.toml("docker-compose.yml")));
    }

    #[test]
    fn bitnamis_variables_say_the_shape_the_server_and_what_is_kept() {
        let imported = alone(include_str!("bitnami.yml")).unwrap();
        let notes = notes(&imported);
        assert!(!format!("{imported:?}{}", imported.toml("x")).contains("bitnami-s3cret"));
        insta::assert_snapshot!(format!("{}\n{notes}", imported.toml("docker-compose.yml")));
    }

    #[test]
    fn a_list_of_words_and_an_anchor_are_read_too() {
        let text = "x-node: &node\n  image: valkey/valkey:8.1\n  command: [valkey-server, --cluster-enabled, 'yes', --maxmemory, 64mb]\n\
                    services:\n  a: { <<: *node }\n  b: { <<: *node }\n  c: { <<: *node }\n";
        let imported = alone(text).unwrap();
        assert_eq!((imported.masters, imported.replicas), (3, 0));
        assert_eq!(imported.directives, [("maxmemory".to_owned(), "64mb".to_owned())]);
        assert!(notes(&imported).contains("nothing in the file joins the nodes"));
        assert!(
            imported
                .command()
                .starts_with("rcup up --masters 3 --replicas 0 --image valkey/valkey:8.1")
        );
    }

    #[test]
    fn settings_are_read_from_a_file_beside_it_and_what_is_not_there_is_told() {
        let text = "x-node: &node\n  image: redis:8\n  command: redis-server /usr/local/etc/redis/redis.conf --save 60 1 --save 30 9\n\
                    services:\n  a:\n    <<: *node\n    volumes: ['./redis.conf:/usr/local/etc/redis/redis.conf:ro', 'a:/data']\n  \
                    b:\n    <<: *node\n    volumes: ['./conf:/usr/local/etc/redis:ro', 'b:/data']\n  \
                    c:\n    <<: *node\n  cache: { image: 'redis:8' }\n  web: { image: nginx }\n";
        let files = |path: &str| {
            let is_there = ["./redis.conf", "./conf/redis.conf"].contains(&path);
            is_there.then(|| {
                "cluster-enabled yes\nsave 900 1\nappendonly yes\nrequirepass file-s3cret\n".to_owned()
            })
        };
        let imported = compose(text, &files).unwrap();
        assert_eq!(imported.masters, 2);
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            imported.directives,
            [own("save", "900 1 60 1 30 9"), own("appendonly", "yes")]
        );
        assert_eq!(setting(&imported, "persist"), Some(YES));
        assert_eq!(setting(&imported, "password"), Some(YES));
        let notes = notes(&imported);
        assert!(notes.contains("service `c` is left out"), "{notes}");
        assert!(notes.contains("service `cache` is a server without"), "{notes}");
        assert!(!notes.contains("web") && !notes.contains("s3cret"), "{notes}");
        let error = alone(text).unwrap_err();
        assert!(
            error.hint_text().unwrap().contains("where the file says"),
            "{error}"
        );
    }

    #[test]
    fn data_is_kept_where_a_volume_holds_it() {
        let node = |volumes: &str| {
            format!(
                "    image: redis:8\n    command: redis-server --cluster-enabled yes --appendonly yes\n    volumes: [{volumes}]\n"
            )
        };
        let file = |volumes: &[&str]| {
            let each = volumes.iter().zip("abc".chars());
            let services = each.map(|(volumes, name)| format!("  {name}:\n{}", node(volumes)));
            format!("services:\n{}", services.collect::<String>())
        };
        let read = |volumes: &[&str]| {
            let imported = alone(&file(volumes)).unwrap();
            (setting(&imported, "persist").is_some(), notes(&imported))
        };
        assert!(read(&["a:/data", "./b:/data", "{type: volume, source: c, target: /data}"]).0);
        let (persist, notes) = read(&["", "/data", "{type: tmpfs, target: /data}"]);
        assert!(
            !persist && notes.contains("where no volume is mounted"),
            "{notes}"
        );
        let (persist, notes) = read(&["a:/data", "b:/data", "c:/elsewhere"]);
        assert!(
            persist && notes.contains("service `c` keeps its data on no volume"),
            "{notes}"
        );
        let (_, notes) = read(&["a:/data", "a:/data", "c:/data"]);
        assert!(notes.contains("services `a` and `b` both keep"), "{notes}");
    }

    #[test]
    fn ports_in_the_long_form_are_judged_too() {
        let text = "services:\n  a:\n    image: redis:8\n    command: redis-server --cluster-enabled yes --port 17001\n    ports:\n      \
                    - target: 17001\n        published: 7001\n      - { target: 27001, published: 27001, host_ip: 127.0.0.1 }\n";
        let notes = notes(&alone(text).unwrap());
        assert!(notes.contains("6! port 17001 is published as 7001"), "{notes}");
        assert!(notes.contains("6! without an address"), "{notes}");
        assert!(notes.contains("8! 27001 is the cluster bus"), "{notes}");
    }

    #[test]
    fn what_some_nodes_lack_or_rcup_refuses_is_told_and_left_out() {
        let text = "services:\n  a:\n    image: 'redis:${TAG}'\n    command: redis-server --cluster-enabled yes --include /x --hz 10\n  \
                    b:\n    image: 'redis:${TAG}'\n    command: redis-server --cluster-enabled yes --include /x --loglevel debug\n    \
                    scale: 2\n";
        let imported = alone(text).unwrap();
        let notes = notes(&imported);
        assert_eq!((imported.masters, imported.directives.len()), (3, 0));
        assert!(
            notes.contains("`include` is left out: `include` cannot be set by hand"),
            "{notes}"
        );
        assert!(
            notes.contains("`hz` is not the same") && notes.contains("`loglevel` is not the same"),
            "{notes}"
        );
        assert!(
            setting(&imported, "image").is_none() && notes.contains("holds a variable"),
            "{notes}"
        );
    }

    #[test]
    fn a_password_is_never_copied_and_the_cluster_has_one_all_the_same() {
        let text = "services:\n  a:\n    image: redis:8\n    command: redis-server --cluster-enabled yes --requirepass s3cret\n";
        let imported = alone(text).unwrap();
        let all = format!("{}{:?}", imported.toml("x"), imported);
        assert!(!all.contains("s3cret"), "{all}");
        assert!(all.contains("\npassword = true\n"), "{all}");
    }

    #[test]
    fn a_file_without_nodes_is_refused_with_a_reason() {
        for text in [
            "services: {}\n",
            "services:\n  web:\n    image: nginx\n",
            "a: 1\n",
        ] {
            let error = alone(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().is_some());
        }
    }
}
