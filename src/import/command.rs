//! What a service's command says about a node.

use std::path::Path;

use crate::import::tree::Tree;

/// What ends a command in a shell.
const ENDS: [&str; 6] = ["&&", "||", ";", "|", "&", ">"];

/// A service's command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Command {
    /// As one text, line breaks kept.
    pub(crate) text: String,
    /// The words, quotes and line breaks taken away.
    words: Vec<String>,
}

impl Command {
    /// Of `entrypoint` and `command` together.
    pub(crate) fn of(service: &Tree) -> Self {
        let mut text = String::new();
        let mut words = Vec::new();
        for part in ["entrypoint", "command"]
            .iter()
            .filter_map(|key| service.get(key))
        {
            // A text, or a list of words, of which one may be a whole script.
            for item in part.items() {
                text.push_str(item.text());
                text.push(' ');
                words.extend(split(item.text()));
            }
        }
        Self { text, words }
    }

    /// What the server gets: the words after its name, as far as a shell would give them. The images' own entry point
    /// starts the server where the first word is an option or a file of settings.
    fn arguments(&self) -> &[String] {
        let is_server = |word: &String| word.ends_with("redis-server") || word.ends_with("valkey-server");
        let from = self.words.iter().position(is_server).map_or(0, |at| at + 1);
        let rest = &self.words[from..];
        let end = rest.iter().position(|word| ENDS.contains(&word.as_str()));
        &rest[..end.unwrap_or(rest.len())]
    }

    /// Whether it names a server's program.
    pub(crate) fn is_server(&self) -> bool {
        let is_server = |word: &String| word.ends_with("redis-server") || word.ends_with("valkey-server");
        self.words.iter().any(is_server) || self.file().is_some()
    }

    /// The file of settings that the server is started with.
    pub(crate) fn file(&self) -> Option<&str> {
        self.arguments()
            .first()
            .filter(|word| Path::new(word).extension().is_some_and(|end| end == "conf"))
            .map(String::as_str)
    }

    /// The directives that a server is started with: `--name value…`.
    pub(crate) fn directives(&self) -> Vec<(String, String)> {
        let mut directives: Vec<(String, Vec<String>)> = Vec::new();
        for word in self.arguments() {
            if let Some(name) = word.strip_prefix("--") {
                directives.push((name.to_ascii_lowercase(), Vec::new()));
            } else if let Some((_, values)) = directives.last_mut() {
                values.push(word.clone());
            }
        }
        directives
            .into_iter()
            .map(|(name, values)| (name, values.join(" ")))
            .collect()
    }

    /// Whether it makes a cluster of nodes.
    pub(crate) fn is_creation(&self) -> bool {
        self.words
            .windows(2)
            .any(|pair| pair[0] == "--cluster" && pair[1] == "create")
    }

    /// The word after `name`.
    pub(crate) fn after(&self, name: &str) -> Option<&str> {
        let at = self.words.iter().position(|word| word == name)?;
        self.words.get(at + 1).map(String::as_str)
    }
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        if ENDS.contains(&word) {
            words.push(word.to_owned());
            continue;
        }
        let bare = word.trim_matches(['"', '\'', ';', '&']);
        if !bare.is_empty() {
            words.push(bare.to_owned());
        }
        if word.ends_with(';') {
            words.push(";".to_owned());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command {
        Command::of(&Tree::read(text).unwrap())
    }

    #[test]
    fn a_servers_options_end_where_its_command_does() {
        let shell =
            command("command: sh -c \"redis-server /c/redis.conf --port 7000 --save 60 1; echo done\"\n");
        assert_eq!(shell.file(), Some("/c/redis.conf"));
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(shell.directives(), [own("port", "7000"), own("save", "60 1")]);
        let entry = command("command: [/etc/redis.conf, --appendonly, 'yes']\n");
        assert_eq!((entry.is_server(), entry.file()), (true, Some("/etc/redis.conf")));
        assert!(!command("command: nginx -g x\n").is_server());
    }
}
