//! Keys of the file: the flags of `rcup up`, except those that apply to a single call.

use clap::{Arg, ArgAction, Command};
use serde_json::{Value, json};

use crate::cli::config::entry::Entry;
use crate::cli::config::nodes;
use crate::spec::directives;

/// Flags that apply to one call, not to a cluster.
const OF_A_CALL: [&str; 9] = [
    "config", "dry-run", "help", "output", "owner", "quiet", "reuse", "verbose", "version",
];

/// Flags whose values hold secrets.
const SECRET: [&str; 2] = ["password", "user"];

/// Directives that hold secrets. rcup rejects them, and must not print them either.
const SECRET_DIRECTIVES: [&str; 7] = [
    "masterauth",
    "primaryauth",
    "rename-command",
    "requirepass",
    "tls-client-key-file-pass",
    "tls-key-file-pass",
    "user",
];

/// Returns whether an entry's value may be shown: the key or directive must be known and must not hold a
/// secret.
pub fn is_open(entry: &Entry) -> bool {
    if entry.key == "set" || entry.key == "node-set" {
        return entry.values.iter().all(|value| {
            let name = value.split('=').next().unwrap_or_default();
            // A per-node directive follows the selector.
            let name = name.rsplit(':').next().unwrap_or_default().trim().to_lowercase();
            directives::lookup::find(&name).is_some() && !SECRET_DIRECTIVES.contains(&name.as_str())
        });
    }
    !SECRET.contains(&entry.key.replace('_', "-").as_str())
}

/// Returns whether a word is a key of the file and so not a secret.
pub fn is_key(up: &Command, word: &str) -> bool {
    OF_TABLES.contains(&word) || flag(up, word).is_some() || directives::lookup::find(word).is_some()
}

/// Keys that are not flags.
const OF_TABLES: [&str; 8] = [
    "cluster",
    "node",
    "users",
    "rules",
    "nopass",
    "password-env",
    "password-file",
    "password-hash",
];

/// Returns the flags of a command that the file may set.
pub fn allowed(verb: &Command) -> impl Iterator<Item = &Arg> {
    verb.get_arguments()
        .filter(|arg| !arg.is_global_set())
        .filter(|arg| arg.get_long().is_some_and(|long| !OF_A_CALL.contains(&long)))
}

/// Returns the flag for a key. Dashes, underscores and flag aliases are accepted.
pub fn flag<'a>(verb: &'a Command, key: &str) -> Option<&'a Arg> {
    let key = key.replace('_', "-");
    allowed(verb).find(|arg| {
        arg.get_long() == Some(&key)
            || arg
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&key.as_str()))
    })
}

/// Returns the JSON Schema of the file.
pub fn schema(up: &Command) -> Value {
    let mut keys = serde_json::Map::new();
    for arg in allowed(up) {
        let Some(long) = arg.get_long() else { continue };
        let mut property = kind(arg);
        property["description"] = arg.get_help().map(ToString::to_string).unwrap_or_default().into();
        for alias in arg.get_all_aliases().unwrap_or_default() {
            keys.insert(alias.to_owned(), property.clone());
        }
        keys.insert(long.to_owned(), property);
    }
    keys.insert("users".to_owned(), users());
    keys.insert("node".to_owned(), nodes::schema());
    let mut top = keys.clone();
    top.insert(
        "cluster".to_owned(),
        json!({
            "type": "object",
            "description": "Settings per cluster, by name; they override the settings above",
            "additionalProperties": { "type": "object", "properties": keys, "additionalProperties": false },
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rcup.toml",
        "description": "Clusters for rcup",
        "type": "object",
        "properties": top,
        "additionalProperties": false,
    })
}

/// Returns the schema of the tables `[users.NAME]`, equivalent to the flag `--user`.
fn users() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "description": "Users by name; `default` is used when the client names no user",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "rules": {
                    "description": "Commands, keys and channels in ACL SETUSER syntax",
                    "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
                },
                "password-env": text("Environment variable that holds the password"),
                "password-file": text("File whose first line is the password"),
                "password-hash": text("SHA-256 of the password in hexadecimal"),
                "password": text("The password itself; prefer a file or a variable"),
                "nopass": { "type": "boolean", "description": "Accept any password" },
            },
            "additionalProperties": false,
        },
    })
}

fn kind(arg: &Arg) -> Value {
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let parser = arg.get_value_parser().type_id();
    let text = json!({ "type": ["string", "integer", "boolean"] });
    match arg.get_action() {
        _ if arg.get_long() == Some("set") => json!({
            "type": "object",
            "additionalProperties": { "type": ["string", "integer", "boolean"] },
        }),
        // `true` generates a password.
        _ if arg.get_long() == Some("password") => json!({ "type": ["string", "integer", "boolean"] }),
        ArgAction::SetTrue => json!({ "type": "boolean" }),
        _ if parser == std::any::TypeId::of::<bool>() => json!({ "type": "boolean" }),
        ArgAction::Append => json!({ "type": "array", "items": text }),
        _ if !values.is_empty() => json!({ "enum": values }),
        _ if parser == std::any::TypeId::of::<usize>() || parser == std::any::TypeId::of::<u16>() => {
            json!({ "type": "integer", "minimum": 0 })
        }
        _ => json!({ "type": ["string", "integer"] }),
    }
}
