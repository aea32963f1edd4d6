//! The file as it was read: keys and values with the places where they stand.

use rcup::spec::{Secret, hashed};
use rcup::{Error, ErrorKind};
use toml::de::{DeTable, DeValue};

/// A key of the file with its values, as the flag of that name takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// A value for each time the flag is given.
    pub values: Vec<String>,
    /// Where the key begins in the text, in bytes.
    pub at: usize,
}

/// Keys that a cluster of its own adds to, and does not replace.
pub const JOINED: [&str; 2] = ["set", "user"];

/// What is wrong at a place of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What.
    pub message: String,
    /// What to try.
    pub hint: String,
    /// Where, in bytes.
    pub at: usize,
}

/// Reads what the file says about the cluster `name`: the keys at its top, then those of `[cluster.NAME]`,
/// which come later and therefore win.
pub fn entries(text: &str, name: &str) -> Result<Vec<Entry>, Wrong> {
    let table = DeTable::parse(text).map_err(|error| Wrong {
        message: error.message().to_owned(),
        hint: "See `rcup config init` for a file that is right.".to_owned(),
        at: error.span().map_or(0, |span| span.start),
    })?;
    let mut all = Vec::new();
    let mut own = Vec::new();
    for (key, value) in table.get_ref() {
        if key.get_ref() == "cluster" {
            let DeValue::Table(clusters) = value.get_ref() else {
                return Err(Wrong {
                    message: "`cluster` is not a table".to_owned(),
                    hint: "Give each cluster a table of its own, such as `[cluster.orders]`.".to_owned(),
                    at: key.span().start,
                });
            };
            for (cluster, keys) in clusters {
                let DeValue::Table(keys) = keys.get_ref() else {
                    return Err(Wrong {
                        message: format!("`cluster.{}` is not a table", cluster.get_ref()),
                        hint: "Write `[cluster.NAME]` and the keys below it.".to_owned(),
                        at: cluster.span().start,
                    });
                };
                for (key, value) in keys {
                    let entries = entries_of(key.get_ref(), key.span().start, value.get_ref())?;
                    if cluster.get_ref() == name {
                        own.extend(entries);
                    }
                }
            }
        } else {
            all.extend(entries_of(key.get_ref(), key.span().start, value.get_ref())?);
        }
    }
    // A key of the cluster's own takes the place of the common one; what is a list of named things is joined.
    all.retain(|common: &Entry| {
        JOINED.contains(&common.key.as_str()) || !own.iter().any(|entry| entry.key == common.key)
    });
    all.extend(own);
    Ok(all)
}

/// What a key of the file says: one entry, or one for each user in its table.
fn entries_of(key: &str, at: usize, value: &DeValue<'_>) -> Result<Vec<Entry>, Wrong> {
    if key != "users" {
        return entry(key, at, value).map(|entry| vec![entry]);
    }
    let wrong = |message: &str, at| Wrong {
        message: message.to_owned(),
        hint: "Give each user a table of its own, such as `[users.app]` with `rules` and `password-env`."
            .to_owned(),
        at,
    };
    let DeValue::Table(users) = value else {
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
                        line.push(text.ok_or_else(|| wrong("a rule is a text", rule.span().start))?);
                    }
                }
                // Only its hash goes further than this file.
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
                    let message = format!("`{key}` of a user cannot be read");
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
        });
    }
    Ok(all)
}

fn entry(key: &str, at: usize, value: &DeValue<'_>) -> Result<Entry, Wrong> {
    let bad = |at| Wrong {
        message: format!("the value of `{key}` cannot be read"),
        hint: "Give a text, a number, `true` or `false`; `set` is a table of directives.".to_owned(),
        at,
    };
    let values = match value {
        DeValue::Array(items) => items
            .iter()
            .map(|item| scalar(item.get_ref()).ok_or_else(|| bad(item.span().start)))
            .collect::<Result<_, _>>()?,
        DeValue::Table(pairs) => pairs
            .iter()
            .map(|(name, value)| {
                let text = scalar(value.get_ref()).ok_or_else(|| bad(name.span().start))?;
                Ok(format!("{}={text}", name.get_ref()))
            })
            .collect::<Result<_, _>>()?,
        one => vec![scalar(one).ok_or_else(|| bad(at))?],
    };
    Ok(Entry {
        key: key.to_owned(),
        values,
        at,
    })
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        _ => None,
    }
}

/// The error for a place of the file: line and column, the line itself, and a mark below it.
pub fn error(path: &str, text: &str, wrong: &Wrong) -> Error {
    let at = wrong.at.min(text.len());
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[start..].chars().count() + 1;
    let shown = text[start..].lines().next().unwrap_or_default();
    Error::new(
        ErrorKind::Usage,
        format!("{path}:{line}:{column}: {}", wrong.message),
    )
    .detail(format!("{line} | {shown}"))
    .detail(format!(
        "{} | {}^",
        " ".repeat(line.to_string().len()),
        " ".repeat(column - 1)
    ))
    .hint(wrong.hint.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "masters = 5\nset = { maxmemory = \"64mb\" }\n\n[cluster.orders]\nmasters = 3\npersist = \
                        true\n\n[cluster.orders.set]\nappendfsync = \"always\"\n\n[cluster.cache]\nreplicas = 0\n";

    fn read(name: &str) -> Vec<String> {
        let entries = entries(TEXT, name).unwrap();
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

    #[test]
    fn an_error_shows_the_line_and_the_column() {
        let text = "masters = 5\nreplicas = = 1\n";
        let wrong = entries(text, "x").unwrap_err();
        let error = error("rcup.toml", text, &wrong);
        assert!(error.to_string().starts_with("rcup.toml:2:12: "), "{error}");
        assert_eq!(error.detail_lines()[0], "2 | replicas = = 1");
        assert_eq!(error.detail_lines()[1], "  |            ^");
    }
}
