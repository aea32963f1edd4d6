//! What a profile wants of a number, and how bad it is when it is not so.

use super::finding::Severity;
use crate::spec::Profile;

/// What a number must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Whatever it is.
    Any,
    /// This.
    Is(u64),
    /// Anything but this.
    Not(u64),
    /// This or more.
    Least(u64),
    /// This or less.
    Most(u64),
}

impl Rule {
    pub(super) fn holds(self, value: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => value == wanted,
            Self::Not(unwanted) => value != unwanted,
            Self::Least(least) => value >= least,
            Self::Most(most) => value <= most,
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Is(wanted) => wanted.to_string(),
            Self::Not(unwanted) => format!("not {unwanted}"),
            Self::Least(least) => format!("at least {least}"),
            Self::Most(most) => format!("at most {most}"),
        }
    }
}

/// A rule for each profile, with what breaking it comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants {
    pub(super) dev: (Rule, Severity),
    pub(super) staging: (Rule, Severity),
    pub(super) production: (Rule, Severity),
}

impl Wants {
    pub(super) fn of(&self, profile: Profile) -> (Rule, Severity) {
        match profile {
            Profile::Dev => self.dev,
            Profile::Staging => self.staging,
            Profile::Production => self.production,
        }
    }
}

/// One of three, by profile.
pub(super) fn by<T>(profile: Profile, dev: T, staging: T, production: T) -> T {
    match profile {
        Profile::Dev => dev,
        Profile::Staging => staging,
        Profile::Production => production,
    }
}
