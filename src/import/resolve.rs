//! Resolves a file as Compose does: variables, `extends` within the file, and `env_file`.
//!
//! `docker compose config` prints a fully resolved file. For anything that this module does not resolve, such as
//! `extends` from another file, a note suggests that command.

use crate::error::{Error, ErrorKind, Result};
use crate::import::imported::Note;
use crate::import::tree::{Tree, Value};
use crate::import::variables::{Fault, env_file, replaced};

/// The command that resolves a file with Compose before the import.
pub(crate) const RESOLVED: &str = "docker compose config | rcup import compose -";

/// Files and variables that a Compose file refers to.
pub struct Sources<'a> {
    /// Returns the text of a file, by the path in the Compose file.
    pub file: &'a dyn Fn(&str) -> Option<String>,
    /// Returns the value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// A file after its variables, `extends` and `env_file` are resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) tree: Tree,
    pub(crate) findings: Vec<Finding>,
}

/// A value that cannot be resolved.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The service; `None` for the rest of the file.
    pub(crate) service: Option<String>,
    pub(crate) note: Note,
    /// Whether Compose would refuse the file.
    pub(crate) fatal: bool,
}

/// Top-level keys below which variables are replaced.
const PARTS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

/// Keys whose value replaces that of the extended service, even if it is a list.
const REPLACED: [&str; 3] = ["command", "entrypoint", "test"];

/// Keys that are a map or a list of `NAME=value`.
const MAPS: [&str; 2] = ["environment", "labels"];

/// Lists whose items are identified by their mount path.
const MOUNTED: [&str; 3] = ["volumes", "configs", "secrets"];

/// Resolves the file.
///
/// # Errors
/// [`ErrorKind::Usage`] if services extend each other in a cycle, or extend a service that does not exist.
pub(crate) fn resolve(tree: Tree, sources: &Sources<'_>) -> Result<Resolved> {
    let env = (sources.file)(".env").unwrap_or_default();
    let env = env_file(&env, sources.variable);
    let lookup = |wanted: &str| {
        let beside = || env.iter().rev().find(|(name, _)| name == wanted);
        (sources.variable)(wanted).or_else(|| beside().map(|(_, value)| value.clone()))
    };
    let mut findings = Vec::new();
    if let Some(include) = tree.get("include") {
        findings.push(finding(
            None,
            include.line,
            format!("`include` is not read; `{RESOLVED}` reads the whole"),
        ));
    }
    let Value::Map(mut entries) = tree.value else {
        return Ok(Resolved { tree, findings });
    };
    for (part, value) in &mut entries {
        if !PARTS.contains(&part.as_str()) {
            continue;
        }
        let Value::Map(all) = &mut value.value else {
            continue;
        };
        for (name, value) in all {
            let service = (part == "services").then_some(name.as_str());
            fill(value, &lookup, service, &mut findings);
            if service.is_some() {
                normalize(value);
            }
        }
    }
    let services = entries.iter_mut().find(|(name, _)| name == "services");
    if let Some((_, services)) = services
        && let Value::Map(all) = &services.value
    {
        let mut extended = Vec::with_capacity(all.len());
        for (name, _) in all {
            let mut service = extend(name, all, &mut Vec::new(), &mut findings)?;
            add_env_files(name, &mut service, sources, &lookup, &mut findings);
            extended.push((name.clone(), service));
        }
        services.value = Value::Map(extended);
    }
    let tree = Tree {
        line: tree.line,
        value: Value::Map(entries),
    };
    Ok(Resolved { tree, findings })
}

fn finding(service: Option<&str>, line: usize, text: String) -> Finding {
    Finding {
        service: service.map(ToOwned::to_owned),
        note: Note {
            line,
            fault: true,
            text,
        },
        fatal: false,
    }
}

/// Replaces the variables in all values.
fn fill(
    tree: &mut Tree,
    lookup: &dyn Fn(&str) -> Option<String>,
    service: Option<&str>,
    findings: &mut Vec<Finding>,
) {
    let line = tree.line;
    match &mut tree.value {
        Value::Null => {}
        Value::List(items) => {
            for item in items {
                fill(item, lookup, service, findings);
            }
        }
        Value::Map(entries) => {
            for (_, value) in entries {
                fill(value, lookup, service, findings);
            }
        }
        Value::Text(text) => {
            let mut faults = Vec::new();
            *text = replaced(text, lookup, &mut faults);
            let place = service.map_or_else(String::new, |name| format!("service `{name}`: "));
            for fault in faults {
                let (fatal, text) = match fault {
                    Fault::Unset(name) => (
                        false,
                        format!(
                            "{place}`{name}` is set neither in the environment nor in `.env`, and has no default: Compose \
                             puts nothing in its place"
                        ),
                    ),
                    Fault::Required { name, message } => (
                        true,
                        format!("{place}`{name}` is required and not set: {message}"),
                    ),
                    Fault::Malformed => (
                        false,
                        format!("{place}a `$` begins no variable, so Compose refuses the file; write `$$`"),
                    ),
                };
                findings.push(Finding {
                    fatal,
                    ..finding(service, line, text)
                });
            }
        }
    }
}

/// Converts lists of `NAME=value` to maps, so that a service can be merged with the one that it extends.
fn normalize(service: &mut Tree) {
    let Value::Map(entries) = &mut service.value else {
        return;
    };
    for (key, value) in entries {
        if let (true, Value::List(items)) = (MAPS.contains(&key.as_str()), &value.value) {
            let pairs = items.iter().map(|item| match item.text().split_once('=') {
                Some((name, value)) => (name.to_owned(), Tree::new(item.line, value)),
                None => (
                    item.text().to_owned(),
                    Tree {
                        line: item.line,
                        value: Value::Null,
                    },
                ),
            });
            value.value = Value::Map(pairs.collect());
        }
    }
}

/// Returns the service merged with the one that it extends, which may extend another.
fn extend(
    name: &str,
    all: &[(String, Tree)],
    chain: &mut Vec<String>,
    findings: &mut Vec<Finding>,
) -> Result<Tree> {
    let service = all.iter().find(|(own, _)| own == name).map(|(_, tree)| tree);
    let Some(service) = service else {
        let by = chain.last().map_or("", String::as_str);
        return Err(Error::new(
            ErrorKind::Usage,
            format!("service `{by}` extends `{name}`, which the file does not have"),
        )
        .hint("Correct the name: `docker compose config -q` checks the file."));
    };
    let Some(extends) = service.get("extends") else {
        return Ok(service.clone());
    };
    if chain.iter().any(|earlier| earlier == name) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("line {}: service `{name}` extends itself", extends.line),
        )
        .hint("Remove one `extends` of the circle."));
    }
    if let Some(file) = extends.get("file") {
        findings.push(finding(
            Some(chain.first().map_or(name, String::as_str)),
            extends.line,
            format!(
                "service `{name}` extends a service of {}, which is not read; `{RESOLVED}` reads the whole",
                file.text()
            ),
        ));
        return Ok(service.clone());
    }
    let base = extends.get("service").unwrap_or(extends).text().to_owned();
    chain.push(name.to_owned());
    let base = extend(&base, all, chain, findings)?;
    chain.pop();
    let mut merged = merge(base, service.clone(), "");
    if let Value::Map(entries) = &mut merged.value {
        entries.retain(|(key, _)| key != "extends");
    }
    Ok(merged)
}

/// Merges `over` into `base` as Compose merges services.
fn merge(base: Tree, over: Tree, key: &str) -> Tree {
    let line = over.line;
    let value = match (base.value, over.value) {
        (Value::Map(mut entries), Value::Map(own)) => {
            for (name, value) in own {
                match entries.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => {
                        let base = std::mem::replace(known, Tree::new(line, ""));
                        *known = merge(base, value, &name);
                    }
                    None => entries.push((name, value)),
                }
            }
            Value::Map(entries)
        }
        (Value::List(base), Value::List(own)) if !REPLACED.contains(&key) => {
            let is_mounted = MOUNTED.contains(&key);
            let is_replaced = |item: &Tree| {
                own.iter().any(|other| {
                    if is_mounted {
                        target(item) == target(other)
                    } else {
                        item.value == other.value
                    }
                })
            };
            let kept: Vec<Tree> = base.into_iter().filter(|item| !is_replaced(item)).collect();
            Value::List(kept.into_iter().chain(own).collect())
        }
        (_, own) => own,
    };
    Tree { line, value }
}

/// Returns the mount path of an item of `volumes`, `configs` or `secrets`.
fn target(item: &Tree) -> &str {
    match &item.value {
        Value::Map(_) => item.get("target").map_or("", Tree::text),
        _ => item.text().split(':').nth(1).unwrap_or(item.text()),
    }
}

/// Adds the variables of `env_file` to those of the service, which have precedence, and looks up those without a value.
fn add_env_files(
    name: &str,
    service: &mut Tree,
    sources: &Sources<'_>,
    lookup: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) {
    let mut variables: Vec<(String, Tree)> = Vec::new();
    let mut add = |name: String, value: Tree| {
        variables.retain(|(known, _)| *known != name);
        variables.push((name, value));
    };
    let files = service.get("env_file").cloned();
    let items = files.as_ref().map_or(&[][..], |files| match &files.value {
        Value::Map(_) => std::slice::from_ref(files),
        _ => files.items(),
    });
    for item in items {
        let path = item.get("path").unwrap_or(item).text();
        let required = item.get("required").is_none_or(|value| value.text() != "false");
        match (sources.file)(path) {
            Some(text) => {
                for (name, value) in env_file(&text, lookup) {
                    add(name, Tree::new(item.line, value));
                }
            }
            None if required => findings.push(finding(
                Some(name),
                item.line,
                format!("service `{name}`: `env_file` {path} cannot be read, so its variables are missing"),
            )),
            None => {}
        }
    }
    let own = service.get("environment").map_or(&[][..], Tree::entries);
    for (name, value) in own {
        if value.value != Value::Null {
            add(name.clone(), value.clone());
        } else if let Some(text) = lookup(name) {
            add(name.clone(), Tree::new(value.line, text));
        }
    }
    let line = service.get("environment").map_or(service.line, |own| own.line);
    if let Value::Map(entries) = &mut service.value {
        entries.retain(|(key, _)| key != "environment");
        if !variables.is_empty() {
            let value = Value::Map(variables);
            entries.push(("environment".to_owned(), Tree { line, value }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Resolved> {
        let file = |path: &str| match path {
            ".env" => Some("A=env-file\nB=env-file\n".to_owned()),
            "one.env" => Some("X=1\nY=1\nZ=1\n".to_owned()),
            "two.env" => Some("Y=2\nZ=$A\n".to_owned()),
            _ => None,
        };
        let variable = |name: &str| (name == "A").then(|| "environment".to_owned());
        let sources = Sources {
            file: &file,
            variable: &variable,
        };
        resolve(Tree::read(text)?, &sources)
    }

    fn at<'a>(resolved: &'a Resolved, path: &[&str]) -> Option<&'a Tree> {
        path.iter().try_fold(&resolved.tree, |tree, key| tree.get(key))
    }

    fn text<'a>(resolved: &'a Resolved, path: &[&str]) -> &'a str {
        at(resolved, path).map_or("", Tree::text)
    }

    #[test]
    fn the_environment_wins_over_the_env_file() {
        let read = read("services:\n  a:\n    image: $A-${B}-${C:-default}\nx-y: $A\n").unwrap();
        assert_eq!(
            text(&read, &["services", "a", "image"]),
            "environment-env-file-default"
        );
        assert_eq!(text(&read, &["x-y"]), "$A");
        assert!(read.findings.is_empty());
    }

    #[test]
    fn unset_variables_are_found_with_service_and_line() {
        let read = read("services:\n  a:\n    image: $C\n    command: ${D:?no d}\n").unwrap();
        let found: Vec<_> = read
            .findings
            .iter()
            .map(|finding| (finding.note.line, finding.fatal, finding.note.text.as_str()))
            .collect();
        assert_eq!(
            (found[0].0, found[0].1, found[1].0, found[1].1),
            (3, false, 4, true)
        );
        assert!(found[0].2.starts_with("service `a`: `C` is set"), "{found:?}");
        assert!(found[1].2.ends_with("not set: no d"), "{found:?}");
    }

    #[test]
    fn a_service_is_merged_with_the_one_it_extends() {
        let read = read(
            "services:\n  a:\n    image: x\n    command: [one, two]\n    environment: [P=1, Q=1]\n    volumes: ['a:/data', 'c:/conf']\n  \
             b:\n    extends: { service: a }\n    command: [three]\n    environment: { Q: 2 }\n    volumes: ['b:/data']\n  \
             c:\n    extends: b\n    image: y\n",
        )
        .unwrap();
        assert_eq!(text(&read, &["services", "b", "image"]), "x");
        let items = |path: &[&str]| -> Vec<String> {
            let items = at(&read, path).unwrap().items();
            items.iter().map(|item| item.text().to_owned()).collect()
        };
        assert_eq!(items(&["services", "b", "command"]), ["three"]);
        assert_eq!(items(&["services", "b", "volumes"]), ["c:/conf", "b:/data"]);
        assert_eq!(text(&read, &["services", "c", "environment", "P"]), "1");
        assert_eq!(text(&read, &["services", "c", "environment", "Q"]), "2");
        assert_eq!(text(&read, &["services", "c", "image"]), "y");
    }

    #[test]
    fn extends_that_cannot_be_followed_is_an_error_or_a_finding() {
        let circle = "services:\n  a: { extends: b }\n  b: { extends: a }\n";
        assert!(
            read(circle)
                .unwrap_err()
                .to_string()
                .contains("`a` extends itself")
        );
        let missing = read("services:\n  a: { extends: b }\n").unwrap_err();
        assert!(
            missing.to_string().contains("`a` extends `b`, which"),
            "{missing}"
        );
        let other = read("services:\n  a: { extends: { file: common.yml, service: b } }\n").unwrap();
        assert!(other.findings[0].note.text.contains("docker compose config"));
        let include = read("include: [x.yml]\nservices: {}\n").unwrap();
        assert!(include.findings[0].note.text.contains("docker compose config"));
    }

    #[test]
    fn later_env_files_win_and_environment_wins_over_them() {
        let read = read(
            "services:\n  a:\n    env_file:\n      - one.env\n      - { path: two.env }\n      - { path: none.env, required: false }\n    \
             environment: { X: own, A: , NOT_SET: }\n  b: { env_file: none.env }\n",
        )
        .unwrap();
        let value = |name: &str| text(&read, &["services", "a", "environment", name]).to_owned();
        assert_eq!(
            [value("X"), value("Y"), value("Z"), value("A")],
            ["own", "2", "environment", "environment"]
        );
        assert!(at(&read, &["services", "a", "environment", "NOT_SET"]).is_none());
        assert_eq!(read.findings.len(), 1);
        assert!(
            read.findings[0]
                .note
                .text
                .starts_with("service `b`: `env_file` none.env")
        );
    }
}
