//! What a service's command says about a node.

use super::tree::Tree;

/// A service's command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Command {
    /// As one text, line breaks kept.
    pub(super) text: String,
    /// The words, quotes and line breaks taken away.
    words: Vec<String>,
}

impl Command {
    /// Of `entrypoint` and `command` together.
    pub(super) fn of(service: &Tree) -> Self {
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

    /// The directives that a server is started with: `--name value…`.
    pub(super) fn directives(&self) -> Vec<(String, String)> {
        let mut directives: Vec<(String, Vec<String>)> = Vec::new();
        let is_server = |word: &String| word.ends_with("redis-server") || word.ends_with("valkey-server");
        let from = self.words.iter().position(is_server).map_or(0, |at| at + 1);
        for word in &self.words[from..] {
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

    /// Whether it starts a node of a cluster.
    pub(super) fn is_node(&self) -> bool {
        self.directives()
            .iter()
            .any(|(name, value)| name == "cluster-enabled" && value == "yes")
    }

    /// Whether it makes a cluster of nodes.
    pub(super) fn is_creation(&self) -> bool {
        self.words
            .windows(2)
            .any(|pair| pair[0] == "--cluster" && pair[1] == "create")
    }

    /// The word after `name`.
    pub(super) fn after(&self, name: &str) -> Option<&str> {
        let at = self.words.iter().position(|word| word == name)?;
        self.words.get(at + 1).map(String::as_str)
    }
}

fn split(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(['"', '\'', ';', '&']).to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}
