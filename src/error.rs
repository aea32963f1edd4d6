//! The one error type: what failed, on what, why, and what to try.
//!
//! `Display` is a lower-case fragment that never repeats its source, so that a printer can join the chain
//! with colons. The hint is one sentence for a person; the details are lines of evidence (a node's last
//! log lines, for example) that belong under the message rather than into it.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

/// What went wrong, in the terms in which a caller would react to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for cannot be: a bad name, zero masters, a malformed directive.
    Usage,
    /// No container engine answers.
    EngineUnavailable,
    /// An engine is there, but this user may not talk to it.
    EnginePermission,
    /// The engine speaks an API older than rcup needs.
    EngineTooOld,
    /// The engine refused or failed a request.
    Engine,
    /// The container image is missing, cannot be had, or holds no server.
    Image,
    /// The subnet clashes with a network or a route, or none is free.
    Subnet,
    /// A port is taken, or no block of ports is free.
    Port,
    /// The machine is not fit for what was asked.
    Host,
    /// The engine cannot grant a resource limit.
    Limit,
    /// The engine cannot grant a container a kernel setting of its own.
    Sysctl,
    /// A name is taken by an object that is not rcup's.
    NameTaken,
    /// The cluster exists with another specification.
    Different,
    /// There is no cluster of that name.
    NotFound,
    /// The cluster has lost a node, its network or its data.
    Damaged,
    /// A node rejected its configuration or died.
    NodeFailed,
    /// The cluster answers, but does not fulfil the readiness contract.
    Unhealthy,
    /// An address that clients are told does not answer from here.
    Address,
    /// A server answered a command with an error, or not at all.
    Redis,
    /// A server does not let us in: the password, the user or the certificate is not what it wants.
    Refused,
    /// The deadline passed.
    Timeout,
    /// The user or a signal asked to stop.
    Interrupted,
    /// The local machine failed: a file, a process, a socket.
    Io,
}

impl ErrorKind {
    /// The stable, machine-readable name, as it stands in JSON output.
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

/// An error of rcup. Build one with [`Error::new`] and enrich it with [`Error::hint`], [`Error::because`]
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

/// The result of everything in rcup that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with a lower-case message that names what failed and on what.
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

    /// Adds why it failed.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Adds what to try, as one or two full sentences.
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

    /// The kind, for a caller that wants to react.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What to try, where something is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The lines of evidence.
    pub fn detail_lines(&self) -> &[String] {
        &self.inner.details
    }

    /// The messages of the sources, outermost first, without this error's own.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut source = self.source();
        while let Some(error) = source {
            causes.push(error.to_string());
            source = error.source();
        }
        causes
    }

    /// Why, in one line: the causes, or where there is none the error itself.
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
