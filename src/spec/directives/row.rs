//! Description of a directive: name, kind of value and supporting servers.

use crate::spec::server::{Engine, Server};
use crate::spec::version_range::{ALWAYS, Span};

/// Kind of value of a directive. The server checks whether a number is in range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A whole number.
    Number,
    /// A size, such as `64mb`.
    Memory,
    /// A size, or a percentage of `maxmemory`, such as `5%`.
    MemoryOrPercent,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One or more of these words.
    Choices(&'static [&'static str]),
    /// Any text.
    Text,
}

impl Kind {
    /// Returns a description of valid values if `value` is invalid.
    pub fn objection(self, value: &str) -> Option<String> {
        let value = value.trim_matches('"').to_ascii_lowercase();
        let (good, wanted) = match self {
            Self::Text => return None,
            Self::Bool => (matches!(value.as_str(), "yes" | "no"), "`yes` or `no`".to_owned()),
            Self::Number => (value.parse::<i64>().is_ok(), "a whole number".to_owned()),
            Self::Memory => (is_memory(&value), "a size, such as `64mb`".to_owned()),
            Self::MemoryOrPercent => (
                is_memory(&value) || value.strip_suffix('%').is_some_and(|n| n.parse::<u32>().is_ok()),
                "a size, such as `64mb`, or a share, such as `5%`".to_owned(),
            ),
            Self::Choice(words) => (words.contains(&value.as_str()), one_of(words)),
            Self::Choices(words) => (
                value.split_whitespace().all(|word| words.contains(&word)) && !value.is_empty(),
                format!("some of {}", one_of(words)),
            ),
        };
        (!good).then_some(wanted)
    }
}

/// Returns whether a value is digits and a unit, as Redis reads them: `k` is 1000 bytes, `kb` is 1024.
fn is_memory(value: &str) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &value[digits.len()..];
    digits.parse::<u64>().is_ok() && matches!(unit, "" | "b" | "k" | "kb" | "m" | "mb" | "g" | "gb")
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// One name of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    name: &'static str,
    kind: Kind,
    redis: Span,
    valkey: Span,
    same_as: Option<&'static str>,
    owned: Option<&'static str>,
    instead: Option<&'static str>,
}

impl Row {
    /// Creates a directive that every version of both servers supports.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            redis: ALWAYS,
            valkey: ALWAYS,
            same_as: None,
            owned: None,
            instead: None,
        }
    }

    pub(crate) const fn redis(mut self, span: Span) -> Self {
        self.redis = span;
        self
    }

    pub(crate) const fn valkey(mut self, span: Span) -> Self {
        self.valkey = span;
        self
    }

    pub(crate) const fn same_as(mut self, name: &'static str) -> Self {
        self.same_as = Some(name);
        self
    }

    pub(crate) const fn owned(mut self, hint: &'static str) -> Self {
        self.owned = Some(hint);
        self
    }

    pub(crate) const fn instead(mut self, hint: &'static str) -> Self {
        self.instead = Some(hint);
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the canonical name of the directive.
    pub fn canonical(&self) -> &'static str {
        self.same_as.unwrap_or(self.name)
    }

    /// Returns the kind of value.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what to use instead if rcup sets the directive itself.
    pub fn owner_hint(&self) -> Option<&'static str> {
        self.owned
    }

    /// Returns the replacement if the directive was removed.
    pub fn replacement(&self) -> Option<&'static str> {
        self.instead
    }

    /// Returns whether a server supports this name.
    pub fn is_known_to(&self, server: Server) -> bool {
        self.span(server.engine).contains(server.version)
    }

    /// Returns whether any version of `engine` supports this name.
    #[cfg(any(test, feature = "test-util"))]
    pub fn is_of(&self, engine: Engine) -> bool {
        !self.span(engine).is_never()
    }

    /// Describes the servers that support this name, such as `Redis before 8.0, Valkey before 8.1`.
    pub fn known_by(&self) -> String {
        [Engine::Redis, Engine::Valkey]
            .into_iter()
            .filter_map(|engine| self.span(engine).describe(engine))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn span(&self, engine: Engine) -> Span {
        match engine {
            Engine::Redis => self.redis,
            Engine::Valkey => self.valkey,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::version_range::{NEVER, since, until};

    use super::*;

    #[test]
    fn a_row_says_who_knows_it() {
        let row = Row::new("x", Kind::Bool).redis(until(8, 0)).valkey(since(8, 0));
        assert_eq!(row.known_by(), "Redis before 8.0, Valkey 8.0 and later");
        let row = Row::new("x", Kind::Bool).valkey(NEVER);
        assert_eq!(row.known_by(), "Redis");
        assert!(row.is_of(Engine::Redis) && !row.is_of(Engine::Valkey));
    }

    #[test]
    fn values_are_judged_by_their_kind() {
        for (kind, good, bad) in [
            (Kind::Bool, &["yes", "NO"][..], &["true", ""][..]),
            (Kind::Number, &["0", "-1", "10000"], &["5s", "1.5", ""]),
            (
                Kind::Memory,
                &["0", "64mb", "1G", "100k"],
                &["64 mb", "64mib", "-1", "mb"],
            ),
            (Kind::MemoryOrPercent, &["5%", "1gb"], &["%", "5 %"]),
            (Kind::Choice(&["a", "b"]), &["a", "\"b\""], &["c", "a b"]),
            (Kind::Choices(&["a", "b"]), &["a b", "a"], &["a c", ""]),
        ] {
            for value in good {
                assert_eq!(kind.objection(value), None, "{kind:?} {value}");
            }
            for value in bad {
                assert!(kind.objection(value).is_some(), "{kind:?} {value}");
            }
        }
    }
}
