//! Expected numbers per profile, and the severity of a deviation.

use crate::doctor::finding::Severity;
use crate::spec::profile::Profile;

/// Condition on a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Any value.
    Any,
    /// Exactly this value.
    Is(u64),
    /// Any other value.
    Not(u64),
    /// This value or more.
    Least(u64),
    /// This value or less.
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

/// Rule for each profile, with the severity if the rule is broken.
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

/// Returns the value for the profile.
pub(crate) fn by<T>(profile: Profile, dev: T, staging: T, production: T) -> T {
    match profile {
        Profile::Dev => dev,
        Profile::Staging => staging,
        Profile::Production => production,
    }
}
