//! One directive of `redis.conf`, as passed to `--set`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::spec::directives;

/// A directive and its value, such as `maxmemory` and `64mb`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Directive {
    name: String,
    value: String,
}

impl Directive {
    /// Returns the lower-case name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value as given. It may be empty.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns the line of the configuration file.
    #[doc(hidden)]
    pub fn line(&self) -> String {
        if self.value.is_empty() {
            format!("{} \"\"", self.name)
        } else {
            format!("{} {}", self.name, self.value)
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl FromStr for Directive {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let directive = Self::shaped(text)?;
        directives::lookup::check(&directive.name, &directive.value)?;
        Ok(directive)
    }
}

impl Directive {
    /// Parses a directive without a lookup in the table of directives: labels of existing clusters must stay
    /// readable when the table changes.
    fn shaped(text: &str) -> Result<Self, Error> {
        let usage = |message: String| Error::new(ErrorKind::Usage, message);
        let Some((name, value)) = text.split_once('=') else {
            // The text after the first word may be a secret.
            let word = text.split_whitespace().next().unwrap_or_default();
            return Err(usage(format!("`{word}` sets no directive"))
                .hint("Write it as directive=value, such as `--set maxmemory=64mb`."));
        };
        let name = name.trim().to_ascii_lowercase();
        let well_formed = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_'));
        if !well_formed {
            return Err(usage(format!("`{name}` is not the name of a directive"))
                .hint("The names stand in redis.conf, such as `maxmemory-policy`."));
        }
        let value = value.trim();
        if value.chars().any(char::is_control) {
            return Err(
                usage(format!("the value of `{name}` contains a control character"))
                    .hint("A directive is one line of redis.conf."),
            );
        }
        let value = if value == "\"\"" { "" } else { value };
        Ok(Self {
            name,
            value: value.to_owned(),
        })
    }
}

impl TryFrom<String> for Directive {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::shaped(&text)
    }
}

impl From<Directive> for String {
    fn from(directive: Directive) -> Self {
        directive.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_becomes_one_line() {
        let line = |text: &str| text.parse::<Directive>().unwrap().line();
        assert_eq!(line("maxmemory=64mb"), "maxmemory 64mb");
        assert_eq!(line("Save=900 1 300 10"), "save 900 1 300 10");
        assert_eq!(line("save="), "save \"\"");
        assert_eq!(line("save=\"\""), "save \"\"");
    }

    #[test]
    fn what_would_break_the_file_or_the_cluster_is_refused() {
        for bad in [
            "maxmemory",
            "=1",
            "a b=1",
            "loglevel=a\nport 1",
            "port=1",
            "requirepass=x",
        ] {
            let error = bad.parse::<Directive>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
            assert!(error.hint_text().is_some(), "{bad}");
        }
    }

    #[test]
    fn a_secret_never_reaches_the_error() {
        let error = "requirepass=s3cret".parse::<Directive>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
