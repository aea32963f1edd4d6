//! Converts the cluster of a Compose file to settings of rcup.

use crate::error::{Error, ErrorKind, Result};
use crate::import::imported::{Imported, Note, YES};
use crate::import::member::{Look, look};
use crate::import::node::Member;
use crate::import::own_export;
use crate::import::resolve::{Finding, RESOLVED, Sources, resolve};
use crate::import::service::Contents;
use crate::import::shape::{Shape, shape};
use crate::import::tree::Tree;

/// Reads a Compose file.
///
/// # Errors
/// [`ErrorKind::Usage`] if it is not YAML, has no cluster node, or creates several clusters that cannot be
/// distinguished.
pub fn compose(text: &str, sources: &Sources<'_>) -> Result<Imported> {
    let resolved = resolve(Tree::read(text)?, sources)?;
    let tree = &resolved.tree;
    let services = tree.get("services").map(Tree::entries).unwrap_or_default();
    if let Some(imported) = own_export::read(services)? {
        return Ok(imported);
    }
    let contents = Contents { tree, sources };
    let looks: Vec<Look<'_>> = services
        .iter()
        .map(|(name, service)| look(name, service, contents))
        .collect::<Result<_>>()?;
    let mut notes = relevant(resolved.findings, &looks)?;
    let nodes: Vec<Member<'_>> = looks.iter().flat_map(|look| look.nodes.iter().cloned()).collect();
    if nodes.is_empty() {
        return Err(without_nodes(&looks, &notes));
    }
    let shape = shape(&looks, &nodes)?;
    notes.extend(shape.notes.iter().cloned());
    let nodes = nodes
        .into_iter()
        .enumerate()
        .filter(|(at, _)| shape.members.contains(at))
        .map(|(_, node)| node)
        .collect();
    let mut reading = Reading {
        source: text,
        nodes,
        notes,
    };
    let counted: usize = reading.nodes.iter().map(|node| node.copies).sum();
    let are_counted = counted == shape.masters * (shape.replicas + 1);
    for look in &looks {
        reading.service_notes(look, are_counted);
    }
    Ok(reading.finish(tree, &shape))
}

/// Returns the unresolved values in services of the cluster and outside of services. Skips those of other services.
fn relevant(findings: Vec<Finding>, looks: &[Look<'_>]) -> Result<Vec<Note>> {
    let mut notes = Vec::new();
    for finding in findings {
        let is_other = finding.service.as_ref().is_some_and(|name| {
            let look = looks.iter().find(|look| look.name == name);
            look.is_some_and(|look| {
                look.is_other() && !look.service.entries().iter().any(|(key, _)| key == "extends")
            })
        });
        if is_other {
            continue;
        }
        if finding.fatal {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("line {}: {}", finding.note.line, finding.note.text),
            )
            .hint("Set the variable in the environment or in `.env` beside the file, as for Compose."));
        }
        notes.push(finding.note);
    }
    Ok(notes)
}

fn without_nodes(looks: &[Look<'_>], notes: &[Note]) -> Error {
    let error = Error::new(
        ErrorKind::Usage,
        "no service of the file starts a node with `cluster-enabled yes`",
    );
    let unread = looks.iter().find_map(|look| Some((look, look.unread.as_ref()?)));
    if let Some((look, path)) = unread {
        return error
            .because(format!(
                "line {}: service `{}` reads {path}, which is not mounted from a file beside the Compose file",
                look.command.line, look.name
            ))
            .hint("Put the file where the Compose file expects it, or pass its settings as flags of `rcup up`.");
    }
    if let Some(note) = notes.iter().find(|note| note.text.contains(RESOLVED)) {
        return error
            .because(format!("line {}: {}", note.line, note.text))
            .hint(format!("Run `{RESOLVED}`."));
    }
    error.hint(
        "Nodes are found by their command, by a mounted redis.conf, and by Bitnami's images; pass other settings as flags of \
         `rcup up`.",
    )
}

/// The nodes of the cluster and the notes collected so far.
pub(crate) struct Reading<'a> {
    source: &'a str,
    pub(crate) nodes: Vec<Member<'a>>,
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

    fn finish(mut self, tree: &Tree, shape: &Shape) -> Imported {
        if let Some(version) = tree.get("version") {
            self.note(version.line, false, "Compose ignores `version`");
        }
        self.missing();
        let mut settings = vec![
            ("masters".to_owned(), shape.masters.to_string()),
            ("replicas".to_owned(), shape.replicas.to_string()),
        ];
        settings.extend(self.server());
        settings.extend(self.network(tree));
        settings.extend(self.published(shape.masters * (shape.replicas + 1)));
        if self.persist() {
            settings.push(("persist".to_owned(), YES.to_owned()));
        }
        settings.extend(self.guards());
        self.containers();
        let directives = self.directives(&mut settings);
        self.notes.sort();
        self.notes.dedup();
        Imported {
            masters: shape.masters,
            replicas: shape.replicas,
            settings,
            directives,
            notes: self.notes,
        }
    }

    fn service_notes(&mut self, look: &Look<'_>, are_counted: bool) {
        let (name, line) = (look.name, look.command.line);
        let does_nothing = look.creates.is_empty() && look.added.is_empty();
        if let Some(path) = &look.unread {
            self.note(
                line,
                true,
                format!(
                    "service `{name}` is left out: its settings are in {path}, which is not mounted from a file beside the Compose \
                     file, so it is unknown whether it is a node"
                ),
            );
        } else if look.is_server && look.nodes.is_empty() && does_nothing && !look.command.meets() {
            self.note(
                look.service.line,
                false,
                format!("service `{name}` is a server without `cluster-enabled yes`, so it is not a node of the cluster, and is left out"),
            );
        }
        if look.in_for && are_counted {
            self.note(
                line,
                true,
                format!("service `{name}` starts servers in a loop, which are counted as one: set `masters` and `replicas` yourself"),
            );
        }
        if !does_nothing {
            self.creation_notes(look);
        }
    }

    fn creation_notes(&mut self, look: &Look<'_>) {
        let (name, line) = (look.name, look.command.line);
        if look.nodes.is_empty() {
            self.note(
                look.service.line,
                true,
                format!(
                    "service `{name}` exits when it is done, so `docker compose up --wait` fails although the cluster was created \
                     (docker/compose#10596)"
                ),
            );
        }
        if look.command.sleeps() {
            let line = self.line_after(line, "sleep ").unwrap_or(line);
            self.note(
                line,
                true,
                "a fixed sleep is too long on a fast machine and too short on a busy one; rcup waits until every node reports \
                 `cluster_state:ok`",
            );
        }
        if look.command.text.trim_end().contains('\n')
            && !look.creates.is_empty()
            && self.is_folded(line)
            && let Some(line) = self.further_in(line)
        {
            self.note(
                line,
                true,
                "this line is indented more than the first one of its `>` block, so YAML keeps the line breaks around it: the \
                 shell runs each of these lines as a command of its own, `redis-cli --cluster create` gets no addresses, and no \
                 cluster is created",
            );
        }
    }

    /// Checks whether the key on the line has a folded block.
    fn is_folded(&self, line: usize) -> bool {
        let text = self.source.lines().nth(line - 1).unwrap_or_default();
        text.trim_end().trim_end_matches(['-', '+']).ends_with('>')
    }

    /// Returns the first line of a block with more indentation than the block's first line.
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

    fn missing(&mut self) {
        let first = &self.nodes[0];
        let (line, is_bitnami) = (first.service.line, first.is_bitnami);
        let nobody_has = |key: &str| self.nodes.iter().all(|node| node.service.get(key).is_none());
        let (no_check, no_restart) = (nobody_has("healthcheck"), nobody_has("restart"));
        let is_open = is_bitnami || first.value("protected-mode") == Some("no");
        if no_check {
            self.note(
                line,
                true,
                "no node has a health check, so nothing can wait until the cluster is ready",
            );
        }
        if no_restart {
            self.note(
                line,
                true,
                "no node has a restart policy, so none starts again after a failure or a reboot",
            );
        }
        let is_guarded = |node: &Member<'_>| node.password.is_some() || node.unread_users;
        if !self.nodes.iter().any(is_guarded) {
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

    /// Imports the text without any other files.
    fn alone(text: &str) -> Result<Imported> {
        with_files(text, &|_| None)
    }

    fn with_files(text: &str, file: &dyn Fn(&str) -> Option<String>) -> Result<Imported> {
        let sources = Sources {
            file,
            variable: &|_| None,
        };
        compose(text, &sources)
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
        assert!(notes(&imported).contains("no service creates the cluster"));
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
        let imported = with_files(text, &files).unwrap();
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
            error
                .hint_text()
                .unwrap()
                .contains("where the Compose file expects it"),
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
            persist && notes.contains("service `c` has no volume for its data"),
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
            setting(&imported, "image").is_none() && notes.contains("`redis:` is not an image"),
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
