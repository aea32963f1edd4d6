//! The error type: what failed, why, and what to try.
//!
//! `Display` is a lower-case fragment that never repeats its source, so that a printer can join the chain
//! with colons. The hint is one or two sentences for the user. The details are lines of evidence (a node's
//! last log lines, for example) that are printed below the message.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

/// Category of an error, for callers that handle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Invalid input: a bad name, zero masters, a malformed directive.
    Usage,
    /// No container engine responds.
    EngineUnavailable,
    /// This user has no permission to use the container engine.
    EnginePermission,
    /// The container engine's API is too old.
    EngineTooOld,
    /// The container engine refused or failed a request.
    Engine,
    /// The image is missing, cannot be pulled, or contains no server.
    Image,
    /// The subnet overlaps a network or a route, or no subnet is free.
    Subnet,
    /// A port is in use, or no block of ports is free.
    Port,
    /// The host does not meet the requirements.
    Host,
    /// The container engine cannot set a resource limit.
    Limit,
    /// The container engine cannot set a sysctl for a container.
    Sysctl,
    /// The name is used by an object that rcup did not create.
    NameTaken,
    /// The cluster already exists with different settings.
    Different,
    /// No cluster has that name.
    NotFound,
    /// The cluster has lost a node, its network or its data.
    Damaged,
    /// A node rejected its configuration or exited.
    NodeFailed,
    /// The cluster responds but is not ready.
    Unhealthy,
    /// An advertised address does not respond from this host.
    Address,
    /// A command failed or timed out.
    Redis,
    /// Authentication failed: wrong password, user or certificate.
    Refused,
    /// The deadline passed.
    Timeout,
    /// The user or a signal interrupted the operation.
    Interrupted,
    /// The local machine failed: a file, a process, a socket.
    Io,
}

impl ErrorKind {
    /// Returns the stable name used in JSON output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::EngineUnavailable => "engine-unavailable",
            Self::EnginePermission => "engine-permission",
            Self::EngineTooOld => "engine-too-old",
            Self::Engine => "engine",
            Self::Image => "image",
            Self::Subnet => "subnet",
            Self::Port => "port",
            Self::Host => "host",
            Self::Limit => "limit",
            Self::Sysctl => "sysctl",
            Self::NameTaken => "name-taken",
            Self::Different => "different",
            Self::NotFound => "not-found",
            Self::Damaged => "damaged",
            Self::NodeFailed => "node-failed",
            Self::Unhealthy => "unhealthy",
            Self::Address => "address",
            Self::Redis => "redis",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Io => "io",
        }
    }
}

/// An error of rcup. Create one with [`Error::new`] and extend it with [`Error::hint`], [`Error::because`]
/// and [`Error::detail`].
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hint: Option<String>,
    details: Vec<String>,
}

/// Result of fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error of `kind`; the lower-case message says what failed.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                source: None,
                hint: None,
                details: Vec::new(),
            }),
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Adds a hint of one or two full sentences.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Adds one line of evidence.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.inner.details.push(line.into());
        self
    }

    /// Adds several lines of evidence.
    #[must_use]
    pub fn details<I, S>(mut self, lines: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.inner.details.extend(lines.into_iter().map(Into::into));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the hint, if any.
    pub fn hint_text(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// Returns the lines of evidence.
    pub fn detail_lines(&self) -> &[String] {
        &self.inner.details
    }

    /// Returns the messages of the sources, outermost first, without this error's own message.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut source = self.source();
        while let Some(error) = source {
            causes.push(error.to_string());
            source = error.source();
        }
        causes
    }

    /// Returns the causes in one line, or the message if there are none.
    pub fn reason(&self) -> String {
        let causes = self.causes();
        if causes.is_empty() {
            self.to_string()
        } else {
            causes.join(": ")
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_told_once_from_the_outside_in() {
        let inner = Error::new(ErrorKind::Engine, "address already in use");
        let outer = Error::new(ErrorKind::Port, "cannot publish port 7001")
            .because(inner)
            .hint("Choose another block with --port.");
        assert_eq!(outer.to_string(), "cannot publish port 7001");
        assert_eq!(outer.causes(), ["address already in use"]);
        assert_eq!(outer.hint_text(), Some("Choose another block with --port."));
    }

    #[test]
    fn the_name_of_a_kind_is_the_one_in_json() {
        for kind in [ErrorKind::EngineTooOld, ErrorKind::NameTaken, ErrorKind::Io] {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json.trim_matches('"'), kind.as_str());
        }
    }
}
