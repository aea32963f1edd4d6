//! Exit codes and early exits.

use std::io;
use std::process::ExitCode;

use crate::error::{Error, ErrorKind};

/// Exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// Success.
    pub const DONE: Self = Self(0);
    /// Something failed.
    pub const FAILED: Self = Self(1);
    /// Invalid usage.
    pub const USAGE: Self = Self(2);
    /// The cluster is unhealthy, or a validation failed.
    pub const UNHEALTHY: Self = Self(3);
    /// The host or the container engine is not ready.
    pub const NOT_READY: Self = Self(4);

    /// Returns the code for an error.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Usage => Self::USAGE,
            ErrorKind::Unhealthy | ErrorKind::Damaged | ErrorKind::Address => Self::UNHEALTHY,
            ErrorKind::Host
            | ErrorKind::EngineUnavailable
            | ErrorKind::EnginePermission
            | ErrorKind::EngineTooOld => Self::NOT_READY,
            _ => Self::FAILED,
        }
    }

    /// Returns the code of a program that ran in a container.
    pub fn passed_on(code: i64) -> Self {
        u8::try_from(code).map_or(Self::FAILED, Self)
    }

    /// Returns success if the host is `fit`, otherwise not ready.
    pub fn ready(fit: bool) -> Self {
        if fit { Self::DONE } else { Self::NOT_READY }
    }

    /// Returns success if `good`, otherwise unhealthy.
    pub fn healthy(good: bool) -> Self {
        if good { Self::DONE } else { Self::UNHEALTHY }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// An error to print.
    Error(Error),
    /// The reader closed the pipe.
    ReaderGone,
}

/// Result of a command.
pub type Outcome = Result<Exit, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::Error(Error::new(ErrorKind::Io, "cannot write the output").because(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_the_code_that_is_documented() {
        for (kind, code) in [
            (ErrorKind::Usage, 2),
            (ErrorKind::Unhealthy, 3),
            (ErrorKind::Damaged, 3),
            (ErrorKind::Address, 3),
            (ErrorKind::Host, 4),
            (ErrorKind::EngineUnavailable, 4),
            (ErrorKind::EnginePermission, 4),
            (ErrorKind::EngineTooOld, 4),
            (ErrorKind::NotFound, 1),
            (ErrorKind::Different, 1),
            (ErrorKind::Interrupted, 1),
        ] {
            assert_eq!(Exit::of(&Error::new(kind, "")), Exit(code), "{kind:?}");
        }
    }

    #[test]
    fn a_code_outside_of_a_byte_is_a_failure() {
        assert_eq!(Exit::passed_on(127), Exit(127));
        assert_eq!(Exit::passed_on(-1), Exit::FAILED);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from(closed), Failure::ReaderGone));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Failure::from(full), Failure::Error(_)));
    }
}
