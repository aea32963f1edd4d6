//! What was found in a file, and the `rcup.toml` that says the same.

use std::fmt::Write as _;

use serde::Serialize;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// How many masters.
    pub masters: usize,
    /// How many replicas each of them has.
    pub replicas: usize,
    /// Names of rcup's flags and their values, in the order in which they are written. A flag that takes no value has
    /// `true`.
    pub settings: Vec<(String, String)>,
    /// Directives for every node.
    pub directives: Vec<(String, String)>,
    /// Problems of the file, and differences to rcup, in the order of the lines.
    pub notes: Vec<Note>,
}

/// Something about a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// The line, from 1.
    pub line: usize,
    /// Whether it is a problem, or only a difference to rcup.
    pub fault: bool,
    /// The problem and its effect.
    pub text: String,
}

/// The value of a flag that takes none.
pub(crate) const YES: &str = "true";

/// The value that switches off a flag which takes none otherwise.
pub(crate) const NO: &str = "false";

impl Imported {
    /// The settings as `rcup.toml` has them: the flags of `rcup up` by their names.
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

    /// The command line that starts the same cluster.
    pub fn command(&self) -> String {
        let words: Vec<String> = self.arguments().iter().map(|argument| word(argument)).collect();
        words.join(" ")
    }

    /// The words of the command line.
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

/// A word of a shell's command line.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A key of TOML.
fn key(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A basic string of TOML.
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
