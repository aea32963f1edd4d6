//! What image is wanted, and where its programs shall come from.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::spec::server::Engine;

/// What [`build`](super::build) shall make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The server software.
    pub engine: Engine,
    /// Where its programs come from.
    pub source: Source,
}

/// Where the programs of an image come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The server that is installed on this machine. It needs no network.
    Host,
    /// The packages of a suite of Debian or Ubuntu, such as `bookworm-backports`. It needs a mirror, and
    /// leaves the machine's own packages alone.
    Suite(String),
    /// The host where the server is installed, else the nearest suite that offers a version new enough.
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

    /// Reads `host`, `auto`, or the name of a suite. The name ends up in a file for apt, so nothing but the
    /// characters of real suites gets through.
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
