//! A YAML tree with the line of every value.

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use crate::error::{Error, ErrorKind, Result};

/// The maximum indentation of a line. Every level of a block needs recursion, here and in the parser.
const DEEPEST: usize = 400;

/// A value and the line where it begins, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A YAML value. Numbers are kept as text, as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads the first document, and resolves its aliases and merge keys.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let is_deep = |line: &str| {
            let text = line.trim_start_matches([' ', '-', '?', '\t']);
            line.len() - text.len() > DEEPEST && !text.is_empty()
        };
        if let Some(at) = text.lines().position(is_deep) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("line {} is indented by more than {DEEPEST} characters", at + 1),
            )
            .hint("Compose files need a few levels only."));
        }
        let documents = MarkedYaml::load_from_str(text).map_err(|error| {
            let line = error.marker().line();
            Error::new(
                ErrorKind::Usage,
                format!("line {line} is not YAML: {}", error.info()),
            )
            .hint("`docker compose config -q` shows more.")
        })?;
        let source: Vec<char> = text.chars().collect();
        documents
            .first()
            .map(|document| Self::of(document, document.span.start.line(), &source))
            .ok_or_else(|| {
                Error::new(ErrorKind::Usage, "the file is empty")
                    .hint("Name a Compose file that has services.")
            })
    }

    /// Converts a node. `line` is the line of the key, because the span of a block begins at its first value.
    fn of(node: &MarkedYaml, line: usize, source: &[char]) -> Self {
        let value = match &node.data {
            YamlData::Sequence(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::of(item, item.span.start.line(), source))
                    .collect(),
            ),
            YamlData::Mapping(entries) => {
                let mut map: Vec<(String, Self)> = Vec::new();
                let mut merged: Vec<(String, Self)> = Vec::new();
                for (key, value) in entries {
                    let (name, line) = (scalar(key, source), key.span.start.line());
                    let value = Self::of(value, line, source);
                    if name == "<<" {
                        merged.extend(value.merged());
                    } else {
                        map.push((name, value));
                    }
                }
                merged.retain(|(name, _)| map.iter().all(|(own, _)| own != name));
                map.extend(merged);
                Value::Map(map)
            }
            YamlData::Tagged(_, inner) => return Self::of(inner, line, source),
            YamlData::Value(Scalar::Null) => Value::Null,
            _ => Value::Text(scalar(node, source)),
        };
        Self { line, value }
    }

    fn merged(self) -> Vec<(String, Self)> {
        match self.value {
            Value::Map(map) => map,
            Value::List(list) => list.into_iter().flat_map(Self::merged).collect(),
            Value::Text(_) | Value::Null => Vec::new(),
        }
    }

    /// Returns a text value with its line.
    pub(crate) fn new(line: usize, text: impl Into<String>) -> Self {
        Self {
            line,
            value: Value::Text(text.into()),
        }
    }

    /// Returns the value of the key `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Returns the entries of a map. Other values have none.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(map) => map,
            _ => &[],
        }
    }

    /// Returns the items of a list. A text counts as a list with one item.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(list) => list,
            Value::Text(_) => std::slice::from_ref(self),
            Value::Map(_) | Value::Null => &[],
        }
    }

    /// Returns the text, or an empty string.
    pub(crate) fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            _ => "",
        }
    }
}

fn scalar(node: &MarkedYaml, source: &[char]) -> String {
    let span = node.span.start.index()..node.span.end.index();
    // YAML parses `7.0` as the number 7, but Compose keeps the text. The span of an alias is its own, not its anchor's.
    let written = || source.get(span).map(|chars| chars.iter().collect::<String>());
    match &node.data {
        YamlData::Value(Scalar::Boolean(value)) => value.to_string(),
        YamlData::Value(Scalar::Integer(value)) => written()
            .filter(|text| text.parse() == Ok(*value))
            .unwrap_or_else(|| value.to_string()),
        YamlData::Value(Scalar::FloatingPoint(value)) => written()
            .filter(|text| text.parse() == Ok(value.into_inner()))
            .unwrap_or_else(|| value.to_string()),
        YamlData::Value(Scalar::String(value)) => value.to_string(),
        YamlData::Representation(text, ..) => text.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_knows_its_line_and_what_it_was_merged_with() {
        let text = "x: &x\n  a: 1\n  b: two\ny:\n  <<: *x\n  b: three\n  list:\n    - p\n    - q\n";
        let tree = Tree::read(text).unwrap();
        let y = tree.get("y").unwrap();
        assert_eq!((y.line, y.get("b").unwrap().text()), (4, "three"));
        assert_eq!(y.get("a").unwrap().text(), "1");
        let list = y.get("list").unwrap();
        assert_eq!(
            (list.line, list.items()[1].line, list.items()[1].text()),
            (7, 9, "q")
        );
    }

    #[test]
    fn numbers_are_text_as_written() {
        let tree = Tree::read("a: 7.0\nb: 007\nc: '1'\nd:\ne: 10\n").unwrap();
        let all: Vec<&str> = tree.entries().iter().map(|(_, value)| value.text()).collect();
        assert_eq!(all, ["7.0", "007", "1", "", "10"]);
        assert_eq!(tree.get("d").unwrap().value, Value::Null);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let error = Tree::read("a: 1\nb: [\n").unwrap_err();
        assert!(error.to_string().starts_with("line "), "{error}");
        assert!(Tree::read("").is_err());
        let levels: Vec<String> = (0..5000).map(|level| " ".repeat(level) + "a:").collect();
        let deep = levels.join("\n");
        for text in [deep, "- ".repeat(5000) + "a", "[".repeat(100_000)] {
            let error = Tree::read(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        }
    }
}
