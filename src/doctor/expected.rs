//! What a profile wants of a number, and how bad it is when it is not so.

use crate::doctor::finding::Severity;
use crate::spec::profile::Profile;

/// What a number must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
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
    pub(crate) fn holds(self, value: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => value == wanted,
            Self::Not(unwanted) => value != unwanted,
            Self::Least(least) => value >= least,
            Self::Most(most) => value <= most,
        }
    }

    pub(crate) fn text(self) -> String {
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
pub(crate) struct Wants {
    pub(crate) dev: (Rule, Severity),
    pub(crate) staging: (Rule, Severity),
    pub(crate) production: (Rule, Severity),
}

impl Wants {
    pub(crate) fn of(&self, profile: Profile) -> (Rule, Severity) {
        match profile {
            Profile::Dev => self.dev,
            Profile::Staging => self.staging,
            Profile::Production => self.production,
        }
    }
}

/// One of three, by profile.
pub(crate) fn by<T>(profile: Profile, dev: T, staging: T, production: T) -> T {
    match profile {
        Profile::Dev => dev,
        Profile::Staging => staging,
        Profile::Production => production,
    }
}
