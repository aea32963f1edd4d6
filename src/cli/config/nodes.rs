//! The tables `[node.SELECTOR]`, equivalent to the flags `--node-image`, `--node-memory` and `--node-set`.

use clap::ArgMatches;
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use crate::cli::config::entry::Source;
use crate::cli::config::entry::{Entry, Wrong, scalar};
use crate::spec::selector::Selector;

/// Keys of a node's table.
const KEYS: &str = "A node has `image`, `memory` and a table `set` of directives.";

/// The per-node flags. Each is repeatable, and a `[cluster.NAME]` table extends them.
pub const NODE_FLAGS: [&str; 3] = ["node-image", "node-memory", "node-set"];

/// Returns the entries of the tables, less specific selectors first, because later ones win.
pub fn entries(at: usize, value: &DeValue<'_>) -> Result<Vec<Entry>, Wrong> {
    let wrong = |message: String, at| Wrong {
        message,
        hint: "Use one table per selector, such as `[node.4]`, `[node.replicas]` or `[node.\"master:2\"]`."
            .to_owned(),
        at,
        shown: None,
    };
    let DeValue::Table(nodes) = value else {
        return Err(wrong("`node` is not a table".to_owned(), at));
    };
    let mut tables = Vec::new();
    for (name, keys) in nodes {
        let (at, name) = (name.span().start, name.get_ref());
        let selector: Selector = name
            .parse()
            .map_err(|error: crate::error::Error| wrong(error.to_string(), at))?;
        let DeValue::Table(keys) = keys.get_ref() else {
            return Err(wrong(format!("`node.{name}` is not a table"), at));
        };
        tables.push((selector, keys));
    }
    tables.sort_by_key(|(selector, _)| exactness(*selector));
    let mut all = Vec::new();
    for (selector, keys) in tables {
        all.extend(of_table(selector, keys)?);
    }
    Ok(all)
}

fn exactness(selector: Selector) -> u8 {
    match selector {
        Selector::All => 0,
        Selector::Masters | Selector::Replicas => 1,
        _ => 2,
    }
}

fn of_table(selector: Selector, keys: &DeTable<'_>) -> Result<Vec<Entry>, Wrong> {
    let mut all = Vec::new();
    for (key, value) in keys {
        let (at, end) = (key.span().start, value.span().end);
        let wrong = |message: String, at| Wrong {
            message,
            hint: KEYS.to_owned(),
            at,
            shown: None,
        };
        let mut add = |flag: &str, value, at, end| {
            all.push(Entry {
                key: flag.to_owned(),
                values: vec![value],
                at,
                end,
            });
        };
        match (key.get_ref().as_ref(), value.get_ref()) {
            (key @ ("image" | "memory"), value) => {
                let text = scalar(value).ok_or_else(|| wrong(format!("invalid value for `{key}`"), at))?;
                add(&format!("node-{key}"), format!("{selector}={text}"), at, end);
            }
            ("set", DeValue::Table(directives)) => {
                for (name, value) in directives {
                    let (at, end, name) = (name.span().start, value.span().end, name.get_ref());
                    let text = scalar(value.get_ref())
                        .ok_or_else(|| wrong(format!("invalid value for `{name}`"), at))?;
                    add("node-set", format!("{selector}:{name}={text}"), at, end);
                }
            }
            ("set", _) => return Err(wrong("`set` is not a table".to_owned(), at)),
            (key, _) => return Err(wrong(format!("unknown key `{key}` for a node"), at)),
        }
    }
    Ok(all)
}

/// Returns the JSON Schema of the tables.
pub fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "description": "Per-node overrides; the more specific selector wins",
        "patternProperties": {
            "^(all|masters|primaries|replicas|((master|primary|replica):)?[1-9][0-9]*)$": {
                "type": "object",
                "properties": {
                    "image": text("Image to run"),
                    "memory": {
                        "type": ["string", "integer"],
                        "description": "maxmemory of the node",
                    },
                    "set": {
                        "type": "object",
                        "description": "Directives for the node's redis.conf",
                        "additionalProperties": { "type": ["string", "integer", "boolean"] },
                    },
                },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

/// Origins of per-node overrides; later ones win.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// From the file.
    filed: Vec<Said>,
    /// From the command line or the environment.
    called: Vec<(Said, Source)>,
}

/// Selector and setting: `image`, `maxmemory` or another directive.
#[derive(Clone, Debug)]
struct Said {
    nodes: Selector,
    what: String,
}

impl Said {
    /// Parses the value of a flag. Invalid values are reported elsewhere.
    fn read(flag: &str, value: &str) -> Option<Self> {
        let (name, _) = value.split_once('=')?;
        let (nodes, what) = match flag {
            "node-image" => (name, "image"),
            "node-memory" => (name, "maxmemory"),
            _ => name.rsplit_once(':')?,
        };
        Some(Self {
            nodes: nodes.trim().parse().ok()?,
            what: what.trim().to_lowercase(),
        })
    }
}

impl Given {
    /// Records the overrides from the command line or the environment.
    pub fn call(&mut self, flag: &str, value: &str, source: Source) {
        self.called
            .extend(Said::read(flag, value).map(|said| (said, source)));
    }

    /// Records the overrides from the file.
    pub fn file(&mut self, entry: &Entry) {
        let values = entry.values.iter();
        self.filed
            .extend(values.filter_map(|value| Said::read(&entry.key, value)));
    }

    /// Returns the origin of a node's setting, if set; `nodes` lists all nodes and whether they are masters.
    pub fn source(&self, index: usize, what: &str, nodes: &[(usize, bool)]) -> Option<Source> {
        let means = |said: &Said| {
            said.what == what
                && said
                    .nodes
                    .choose(nodes)
                    .is_ok_and(|chosen| chosen.contains(&index))
        };
        let called = self.called.iter().rev().find(|(said, _)| means(said));
        called
            .map(|(_, source)| *source)
            .or_else(|| self.filed.iter().any(means).then_some(Source::File))
    }
}

/// Rejects a table for nodes that the cluster `name` does not have, with its position. `own` contains all
/// arguments of the command.
pub fn check(text: &str, name: &str, own: &ArgMatches) -> Result<(), Wrong> {
    let number = |id| own.try_get_one::<usize>(id).ok().flatten().copied();
    let (Some(masters), Some(replicas)) = (number("masters"), number("replicas")) else {
        return Ok(());
    };
    let total = replicas.checked_add(1).and_then(|each| each.checked_mul(masters));
    let Some(total) = total.filter(|total| (1..=crate::spec::cluster::MOST_NODES).contains(total)) else {
        // The error is reported elsewhere.
        return Ok(());
    };
    let nodes: Vec<(usize, bool)> = (1..=total).map(|index| (index, index <= masters)).collect();
    for (selector, at) in named(text, name) {
        selector.choose(&nodes).map_err(|error| Wrong {
            message: error.to_string(),
            hint: error.hint_text().unwrap_or_default().to_owned(),
            at,
            shown: None,
        })?;
    }
    Ok(())
}

/// Returns the selectors of the file's tables, with their positions.
fn named(text: &str, cluster: &str) -> Vec<(Selector, usize)> {
    let Ok(document) = DeTable::parse(text) else {
        return Vec::new();
    };
    let top = document.get_ref();
    let own = table(top, "cluster").and_then(|all| table(all, cluster));
    let tables = [table(top, "node"), own.and_then(|own| table(own, "node"))];
    let mut all = Vec::new();
    for nodes in tables.into_iter().flatten() {
        for name in nodes.keys() {
            all.extend(
                name.get_ref()
                    .parse()
                    .ok()
                    .map(|selector| (selector, name.span().start)),
            );
        }
    }
    all
}

fn table<'a, 'b>(of: &'a DeTable<'b>, key: &str) -> Option<&'a DeTable<'b>> {
    match of.get(key)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}
