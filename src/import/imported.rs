//! The result of an import, as `rcup.toml` and as a command line.

use std::fmt::Write as _;

use serde::Serialize;

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The number of masters.
    pub masters: usize,
    /// The number of replicas of each master.
    pub replicas: usize,
    /// The names of rcup's flags and their values, in the order in which they are written. A flag without a value has
    /// `true`.
    pub settings: Vec<(String, String)>,
    /// Directives for every node.
    pub directives: Vec<(String, String)>,
    /// Problems of the file and differences from rcup, in the order of the lines.
    pub notes: Vec<Note>,
}

/// A note about a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// The line, from 1.
    pub line: usize,
    /// Whether it is a problem, and not only a difference from rcup.
    pub fault: bool,
    /// The problem and its effect.
    pub text: String,
}

/// The value of a flag that takes no value.
pub(crate) const YES: &str = "true";

/// The value that disables a flag that takes no value.
pub(crate) const NO: &str = "false";

impl Imported {
    /// Returns the settings as `rcup.toml`, with the names of the `rcup up` flags.
    pub fn toml(&self, file: &str) -> String {
        let mut text = format!(
            "# Read from {file} by `rcup import compose`. The same by flags:\n#\n#   {}\n\n",
            self.command()
        );
        for (name, value) in &self.settings {
            let is_bare = value == YES || value == NO || value.parse::<u64>().is_ok();
            let _ = if is_bare {
                writeln!(text, "{name} = {value}")
            } else {
                writeln!(text, "{name} = {}", quoted(value))
            };
        }
        if !self.directives.is_empty() {
            text.push_str("\n[set]\n");
            for (name, value) in &self.directives {
                let _ = writeln!(text, "{} = {}", key(name), quoted(value));
            }
        }
        text
    }

    /// Returns the command line that starts the same cluster.
    pub fn command(&self) -> String {
        let words: Vec<String> = self.arguments().iter().map(|argument| word(argument)).collect();
        words.join(" ")
    }

    /// Returns the words of the command line.
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["rcup".to_owned(), "up".to_owned()];
        for (name, value) in &self.settings {
            match value.as_str() {
                YES => words.push(format!("--{name}")),
                NO => words.push(format!("--{name}=no")),
                _ => words.extend([format!("--{name}"), value.clone()]),
            }
        }
        for (name, value) in &self.directives {
            words.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        words
    }
}

/// Quotes a word for a shell if necessary.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes a TOML key if necessary.
fn key(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Returns a TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use toml::de::{DeTable, DeValue};

    use super::*;

    fn get<'a>(table: &DeTable<'a>, name: &str) -> DeValue<'a> {
        let found = table.iter().find(|(key, _)| key.get_ref() == name);
        found.unwrap().1.get_ref().clone()
    }

    #[test]
    fn the_settings_are_toml_and_a_command_line_whatever_they_hold() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let imported = Imported {
            masters: 3,
            replicas: 1,
            settings: vec![own("masters", "3"), own("persist", YES), own("image", "a b")],
            directives: vec![own("save", ""), own("proc-title-template", "it's \"x\"\t\\")],
            notes: Vec::new(),
        };
        let text = imported.toml("x.yml");
        let table = DeTable::parse(&text).unwrap();
        let text_of = |value: &DeValue<'_>| value.as_str().unwrap().to_owned();
        assert_eq!(get(table.get_ref(), "persist").as_bool(), Some(true));
        assert!(get(table.get_ref(), "masters").is_integer());
        let set = get(table.get_ref(), "set");
        let set = set.as_table().unwrap();
        assert_eq!(text_of(&get(set, "save")), "");
        assert_eq!(text_of(&get(set, "proc-title-template")), "it's \"x\"\t\\");
        assert_eq!(
            imported.command(),
            "rcup up --masters 3 --persist --image 'a b' --set save= --set 'proc-title-template=it'\\''s \"x\"\t\\'"
        );
    }
}
