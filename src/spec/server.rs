//! The server that runs in the containers, and its version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// The server software.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Engine {
    /// Redis, by Redis Ltd.
    #[default]
    Redis,
    /// Valkey, the fork of Redis 7.2 at the Linux Foundation.
    Valkey,
}

impl Engine {
    /// Returns the lower-case name used in flags, labels and JSON.
    #[doc(hidden)]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    /// Returns the program name of the server, which is on the `PATH` of every image.
    #[doc(hidden)]
    pub fn server(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// Returns the program name of the command-line client.
    #[doc(hidden)]
    pub fn client(self) -> &'static str {
        match self {
            Self::Redis => "redis-cli",
            Self::Valkey => "valkey-cli",
        }
    }

    /// Returns the program name of the benchmark tool.
    #[doc(hidden)]
    pub fn benchmark(self) -> &'static str {
        match self {
            Self::Redis => "redis-benchmark",
            Self::Valkey => "valkey-benchmark",
        }
    }

    /// Returns the official image that rcup uses if no image is given.
    #[doc(hidden)]
    pub fn official_image(self) -> &'static str {
        match self {
            Self::Redis => "redis:8",
            Self::Valkey => "valkey/valkey:8.1",
        }
    }

    /// Returns the official repository, without a tag.
    #[doc(hidden)]
    pub fn official_repository(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey/valkey",
        }
    }

    /// Returns the repository of the images that `rcup image build` creates, without a tag.
    #[doc(hidden)]
    pub fn local_repository(self) -> &'static str {
        match self {
            Self::Redis => "rcup/redis",
            Self::Valkey => "rcup/valkey",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        })
    }
}

impl FromStr for Engine {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "redis" => Ok(Self::Redis),
            "valkey" => Ok(Self::Valkey),
            _ => Err(Error::new(ErrorKind::Usage, format!("`{text}` is not an engine"))
                .hint("Use `redis` or `valkey`.")),
        }
    }
}

/// The version of a server, such as `7.0.15`. A missing part counts as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// The major version.
    pub major: u16,
    /// The minor version.
    pub minor: u16,
    /// The patch version.
    pub patch: u16,
}

impl Version {
    /// Creates a version from its three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Parses the leading numbers and ignores the rest, as in `8.0.0-rc1` or `7.2.4-alpine`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits_end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let mut parts = text[..digits_end]
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::parse::<u16>);
        let bad = || Error::new(ErrorKind::Usage, format!("`{text}` is not a version"));
        let major = parts.next().ok_or_else(bad)?.map_err(|_| bad())?;
        let mut rest = || parts.next().transpose().map(Option::unwrap_or_default);
        let minor = rest().map_err(|_| bad())?;
        let patch = rest().map_err(|_| bad())?;
        Ok(Self::new(major, minor, patch))
    }
}

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// A requested version, such as `8`, `7.2` or `7.0.15`. A part that is left out matches any number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRequest(Vec<u16>);

impl VersionRequest {
    /// Returns whether `version` satisfies the request.
    #[doc(hidden)]
    pub fn matches(&self, version: Version) -> bool {
        let parts = [version.major, version.minor, version.patch];
        self.0.iter().zip(parts).all(|(wanted, is)| *wanted == is)
    }
}

impl fmt::Display for VersionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u16::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl FromStr for VersionRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Option<Vec<u16>> = text.split('.').map(|part| part.parse().ok()).collect();
        match parts {
            Some(parts) if (1..=3).contains(&parts.len()) => Ok(Self(parts)),
            _ => Err(
                Error::new(ErrorKind::Usage, format!("`{text}` is not a server's version"))
                    .hint("Give one, two or three numbers, such as `8`, `7.2` or `7.0.15`."),
            ),
        }
    }
}

impl TryFrom<String> for VersionRequest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<VersionRequest> for String {
    fn from(version: VersionRequest) -> Self {
        version.to_string()
    }
}

/// A server and its version. [`Capability`](crate::spec::capability::Capability) lists its features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The server software.
    pub engine: Engine,
    /// The version.
    pub version: Version,
}

impl Server {
    /// Creates a server from its software and version.
    pub const fn new(engine: Engine, version: Version) -> Self {
        Self { engine, version }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.engine, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_what_servers_and_tags_say() {
        assert_eq!("7.0.15".parse::<Version>().unwrap(), Version::new(7, 0, 15));
        assert_eq!("8".parse::<Version>().unwrap(), Version::new(8, 0, 0));
        assert_eq!("7.2.4-alpine".parse::<Version>().unwrap(), Version::new(7, 2, 4));
        assert!("latest".parse::<Version>().is_err());
        assert!("".parse::<Version>().is_err());
    }

    #[test]
    fn a_wished_version_leaves_open_what_it_does_not_name() {
        let matches = |request: &str, version: &str| {
            request
                .parse::<VersionRequest>()
                .unwrap()
                .matches(version.parse().unwrap())
        };
        assert!(matches("7", "7.0.15") && matches("7.0", "7.0.15") && matches("7.0.15", "7.0.15"));
        assert!(!matches("7.2", "7.0.15") && !matches("8", "7.0.15"));
        for bad in ["", "latest", "7.0.15.1", "7.x", "-1"] {
            assert!(bad.parse::<VersionRequest>().is_err(), "{bad}");
        }
    }
}
