//! The server of an image, and the source of its programs.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::spec::server::Engine;

/// The input of [`build`](super::build).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The server software.
    pub engine: Engine,
    /// The source of its programs.
    pub source: Source,
}

/// The source of an image's programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The server that is installed on this machine. Needs no network.
    Host,
    /// The packages of a suite of Debian or Ubuntu, such as `bookworm-backports`. Needs a mirror, and does not change
    /// the machine's own packages.
    Suite(String),
    /// The server of the host if it is installed, or the first suite that offers a supported version.
    #[default]
    Auto,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Suite(suite) => suite,
            Self::Auto => "auto",
        })
    }
}

impl FromStr for Source {
    type Err = Error;

    /// Parses `host`, `auto`, or the name of a suite. The name is written to a file for apt, so only the characters of
    /// real suites are accepted.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "host" => Ok(Self::Host),
            "auto" => Ok(Self::Auto),
            suite if is_suite(suite) => Ok(Self::Suite(suite.to_owned())),
            _ => Err(
                Error::new(ErrorKind::Usage, format!("`{text}` is not a source of packages")).hint(
                    "Use `auto`, `host`, or a suite such as `bookworm-backports`, `trixie` or `noble`.",
                ),
            ),
        }
    }
}

fn is_suite(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_back_what_it_prints() {
        for text in ["host", "auto", "bookworm", "bookworm-backports", "sid"] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        assert_eq!(
            "trixie".parse::<Source>().unwrap(),
            Source::Suite("trixie".to_owned())
        );
    }

    #[test]
    fn nothing_that_apt_could_misread_is_a_suite() {
        for text in ["", "-o", "sid main", "Sid", "../x", "a\nb", "[trusted=yes]"] {
            let error = text.parse::<Source>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text:?}");
        }
    }
}
