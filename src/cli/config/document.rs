//! The parsed file: keys and values with their positions.

use toml::de::{DeTable, DeValue};

use crate::cli::args::security::BARE;
use crate::cli::config::entry::{Entry, Wrong, scalar};
use crate::cli::config::nodes;
use crate::error::{Error, ErrorKind};
use crate::spec::secret::Secret;
use crate::spec::user::hashed;

/// List keys that a `[cluster.NAME]` table extends instead of replacing.
pub const JOINED: [&str; 5] = ["set", "user", "node-image", "node-memory", "node-set"];

/// The file's settings.
#[derive(Debug, Default)]
pub struct Said {
    /// Settings of the requested cluster; later ones win.
    pub own: Vec<Entry>,
    /// Settings of other clusters, which are only validated.
    pub others: Vec<Entry>,
}

/// Reads the settings of cluster `name`: the top-level keys, then those of `[cluster.NAME]`. Later keys win.
pub fn entries(text: &str, name: &str) -> Result<Said, Wrong> {
    let table = DeTable::parse(text).map_err(|error| Wrong {
        message: error.message().to_owned(),
        hint: "`rcup config init` writes a valid example.".to_owned(),
        at: error.span().map_or(0, |span| span.start),
        shown: None,
    })?;
    let mut said = Said::default();
    let mut own = Vec::new();
    for (key, value) in table.get_ref() {
        if key.get_ref() != "cluster" {
            said.own.extend(entries_of(key, value)?);
            continue;
        }
        let DeValue::Table(clusters) = value.get_ref() else {
            return Err(Wrong {
                message: "`cluster` is not a table".to_owned(),
                hint: "Use one table per cluster, such as `[cluster.orders]`.".to_owned(),
                at: key.span().start,
                shown: None,
            });
        };
        for (cluster, keys) in clusters {
            let DeValue::Table(keys) = keys.get_ref() else {
                return Err(Wrong {
                    message: format!("`cluster.{}` is not a table", cluster.get_ref()),
                    hint: "Write `[cluster.NAME]` and the keys below it.".to_owned(),
                    at: cluster.span().start,
                    shown: None,
                });
            };
            let mine = cluster.get_ref() == name;
            let into = if mine { &mut own } else { &mut said.others };
            for (key, value) in keys {
                into.extend(entries_of(key, value)?);
            }
        }
    }
    // A cluster's key replaces the common one; lists of named entries are joined.
    said.own.retain(|common: &Entry| {
        JOINED.contains(&common.key.as_str()) || !own.iter().any(|entry| entry.key == common.key)
    });
    said.own.extend(own);
    Ok(said)
}

/// A key or a value with its position.
type Key<'a> = toml::Spanned<std::borrow::Cow<'a, str>>;
type Value<'a> = toml::Spanned<DeValue<'a>>;

/// Returns the entries of a key: one, or one for each directive, user or node in its table.
fn entries_of(key: &Key<'_>, value: &Value<'_>) -> Result<Vec<Entry>, Wrong> {
    match (key.get_ref().as_ref(), value.get_ref()) {
        ("users", users) => users_of(key.span().start, users),
        ("node", nodes) => nodes::entries(key.span().start, nodes),
        ("set", DeValue::Table(directives)) => {
            let each = directives.iter();
            each.map(|(name, value)| directive(name, value)).collect()
        }
        _ => entry(key, value).map(|entry| vec![entry]),
    }
}

/// Returns the entry for a directive of a table, with its position.
fn directive(name: &Key<'_>, value: &Value<'_>) -> Result<Entry, Wrong> {
    let at = name.span().start;
    let text = scalar(value.get_ref()).ok_or_else(|| Wrong {
        message: format!("invalid value for directive `{}`", name.get_ref()),
        hint: "Use a string, a number, `true` or `false`.".to_owned(),
        at,
        shown: None,
    })?;
    Ok(Entry {
        key: "set".to_owned(),
        values: vec![format!("{}={text}", name.get_ref())],
        at,
        end: value.span().end,
    })
}

/// Returns the entries for the users of a table. The table contains rules and passwords, so it is never
/// printed.
fn users_of(at: usize, users: &DeValue<'_>) -> Result<Vec<Entry>, Wrong> {
    let wrong = |message: &str, at| Wrong {
        message: message.to_owned(),
        hint: "Use one table per user, such as `[users.app]` with `rules` and `password-env`.".to_owned(),
        at,
        shown: None,
    };
    let DeValue::Table(users) = users else {
        return Err(wrong("`users` is not a table", at));
    };
    let mut all = Vec::new();
    for (name, keys) in users {
        let at = name.span().start;
        let name = name.get_ref();
        let DeValue::Table(keys) = keys.get_ref() else {
            return Err(wrong(&format!("`users.{name}` is not a table"), at));
        };
        let mut line = vec![name.to_string()];
        for (key, value) in keys {
            let place = key.span().start;
            match (key.get_ref().replace('_', "-").as_str(), value.get_ref()) {
                ("rules", DeValue::String(rules)) => line.push(rules.to_string()),
                ("rules", DeValue::Array(rules)) => {
                    for rule in rules {
                        let text = scalar(rule.get_ref());
                        line.push(text.ok_or_else(|| wrong("a rule must be a string", rule.span().start))?);
                    }
                }
                // Only its hash leaves this module.
                ("password", DeValue::String(text)) if !text.is_empty() => {
                    line.push(format!(
                        "password-hash={}",
                        hashed(&Secret::new(text.as_ref())).expose()
                    ));
                }
                (key @ ("password-env" | "password-file" | "password-hash"), DeValue::String(text)) => {
                    line.push(format!("{key}={text}"));
                }
                ("nopass", DeValue::Boolean(yes)) => line.extend(yes.then(|| "nopass".to_owned())),
                (key, _) => {
                    let message = format!("invalid key or value `{key}` for a user");
                    return Err(Wrong {
                        hint: "A user has `rules`, and one of `password-env`, `password-file`, `password-hash`, \
                               `password` or `nopass = true`."
                            .to_owned(),
                        ..wrong(&message, place)
                    });
                }
            }
        }
        all.push(Entry {
            key: "user".to_owned(),
            values: vec![line.join(" ")],
            at,
            end: at,
        });
    }
    Ok(all)
}

/// Aliases of keys, with the name of the flag. A cluster's own key replaces a common one under either name.
const ALIASES: [(&str, &str); 3] = [
    ("engine", "server"),
    ("engine-version", "server-version"),
    ("primaries", "masters"),
];

fn canonical(key: &str) -> &str {
    let dashed = key.replace('_', "-");
    let alias = ALIASES.iter().find(|(alias, _)| *alias == dashed);
    alias.map_or(key, |(_, name)| name)
}

fn entry(key: &Key<'_>, value: &Value<'_>) -> Result<Entry, Wrong> {
    let name = key.get_ref();
    let bad = |at| Wrong {
        message: format!("invalid value for `{name}`"),
        hint: "Use a string, a number, `true` or `false`; `set` is a table of directives.".to_owned(),
        at,
        shown: None,
    };
    let values = match value.get_ref() {
        DeValue::Array(items) => items
            .iter()
            .map(|item| scalar(item.get_ref()).ok_or_else(|| bad(item.span().start)))
            .collect::<Result<_, _>>()?,
        // `true` generates a password like the bare flag.
        DeValue::Boolean(yes) if name == "password" => yes.then(|| BARE.to_owned()).into_iter().collect(),
        one => vec![scalar(one).ok_or_else(|| bad(key.span().start))?],
    };
    Ok(Entry {
        key: canonical(name).to_owned(),
        values,
        at: key.span().start,
        end: value.span().end,
    })
}

/// Returns the error for a position in the file: line and column, the line itself, and a marker below it. If
/// the line may contain a secret, only its key is shown, and only if `is_key` knows it.
pub fn error(path: &str, text: &str, wrong: &Wrong, is_key: impl Fn(&str) -> bool) -> Error {
    let at = text.floor_char_boundary(wrong.at.min(text.len()));
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[start..].chars().count() + 1;
    let whole = text[start..].lines().next().unwrap_or_default();
    let shown = match wrong.shown {
        // Show the line only if it begins with the error: earlier text may be secret.
        Some(end) if text[start..at].trim().is_empty() && end > start => {
            let end = text.floor_char_boundary(end.min(start + whole.len()));
            text[start..end].to_owned()
        }
        _ => masked(whole, is_key),
    };
    let mark = (column - 1).min(shown.chars().count().saturating_sub(1));
    Error::new(
        ErrorKind::Usage,
        format!("{path}:{line}:{column}: {}", wrong.message),
    )
    .detail(format!("{line} | {shown}"))
    .detail(format!(
        "{} | {}^",
        " ".repeat(line.to_string().len()),
        " ".repeat(mark)
    ))
    .hint(wrong.hint.clone())
}

/// Returns a line without possible secrets: its key, if known. Text before another equals sign may belong to
/// a string that began on an earlier line.
fn masked(line: &str, is_key: impl Fn(&str) -> bool) -> String {
    match line.split_once('=') {
        Some((key, _)) if is_key(key.trim()) => format!("{key}= …"),
        _ if line.trim().is_empty() => String::new(),
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "masters = 5\nset = { maxmemory = \"64mb\" }\n\n[cluster.orders]\nmasters = 3\npersist = \
                        true\n\n[cluster.orders.set]\nappendfsync = \"always\"\n\n[cluster.cache]\nreplicas = 0\n";

    fn read(name: &str) -> Vec<String> {
        let entries = entries(TEXT, name).unwrap().own;
        let mut all: Vec<String> = entries
            .iter()
            .map(|entry| format!("{} {}", entry.key, entry.values.join(" ")))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_clusters_own_keys_win_and_directives_are_joined() {
        assert_eq!(read("default"), ["masters 5", "set maxmemory=64mb"]);
        assert_eq!(
            read("orders"),
            [
                "masters 3",
                "persist yes",
                "set appendfsync=always",
                "set maxmemory=64mb"
            ]
        );
    }

    fn told(text: &str, wrong: &Wrong) -> Vec<String> {
        let error = error("rcup.toml", text, wrong, |key| key == "replicas");
        let mut all = vec![error.to_string()];
        all.extend(error.detail_lines().iter().cloned());
        all
    }

    #[test]
    fn an_error_shows_the_line_and_the_column() {
        let text = "masters = 5\n  replicas = 1 # s3cret\n";
        let at = text.find("replicas").unwrap();
        let wrong = Wrong {
            message: "too few".to_owned(),
            hint: String::new(),
            at,
            shown: Some(at + "replicas = 1".len()),
        };
        let all = told(text, &wrong);
        assert_eq!(all, ["rcup.toml:2:3: too few", "2 |   replicas = 1", "  |   ^"]);
    }

    #[test]
    fn of_a_line_that_may_hold_a_secret_only_a_known_key_is_shown() {
        for (text, shown) in [
            ("masters = 5\nreplicas = = s3cret\n", "2 | replicas = …"),
            ("pasword = = \"s3cret\"\n", "1 | …"),
            ("replicas = \"\"\"\ns3cret=\nreplicas", "1 | …"),
            ("password = \"s3cret\n", "1 | …"),
            ("\"s3cret\" = \"", "1 | …"),
        ] {
            let wrong = entries(text, "x").unwrap_err();
            let all = told(text, &wrong);
            assert!(all.iter().all(|line| !line.contains("s3cret")), "{all:?}");
            if !text.starts_with("replicas") {
                assert_eq!(all[1], shown);
            }
        }
        // Text before a wrong key in the middle of a line is not shown.
        let text = "a = { s3cret = 1, b = 2 }";
        let wrong = Wrong {
            message: "bad".to_owned(),
            hint: String::new(),
            at: text.find("b =").unwrap(),
            shown: Some(text.len()),
        };
        assert_eq!(told(text, &wrong)[1], "1 | …");
    }
}
