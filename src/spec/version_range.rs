//! A range of versions of one server.

use crate::spec::server::{Engine, Version};

/// The versions of one server (Redis or Valkey) that support a feature or a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first version that supports it; `None` if every earlier version does.
    since: Option<Version>,
    /// The first version that no longer supports it.
    until: Option<Version>,
    never: bool,
}

/// Every version.
pub(crate) const ALWAYS: Span = Span {
    since: None,
    until: None,
    never: false,
};

/// No version: only the other server supports it.
pub(crate) const NEVER: Span = Span {
    never: true,
    ..ALWAYS
};

/// Returns the range from this version on.
pub(crate) const fn since(major: u16, minor: u16) -> Span {
    Span {
        since: Some(Version::new(major, minor, 0)),
        ..ALWAYS
    }
}

/// Returns the range of all versions before this one.
pub(crate) const fn until(major: u16, minor: u16) -> Span {
    Span {
        until: Some(Version::new(major, minor, 0)),
        ..ALWAYS
    }
}

/// Returns the range from `first` on, without `gone` and later.
pub(crate) const fn between(first: (u16, u16), gone: (u16, u16)) -> Span {
    Span {
        since: Some(Version::new(first.0, first.1, 0)),
        until: Some(Version::new(gone.0, gone.1, 0)),
        never: false,
    }
}

impl Span {
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn is_never(self) -> bool {
        self.never
    }

    pub(crate) fn contains(self, version: Version) -> bool {
        !self.never
            && self.since.is_none_or(|since| version >= since)
            && self.until.is_none_or(|until| version < until)
    }

    /// Describes the range in words, such as `Redis 7.0 and later`.
    pub(crate) fn describe(self, engine: Engine) -> Option<String> {
        let short = |version: Version| format!("{}.{}", version.major, version.minor);
        match (self.never, self.since, self.until) {
            (true, ..) => None,
            (_, None, None) => Some(engine.to_string()),
            (_, Some(since), None) => Some(format!("{engine} {} and later", short(since))),
            (_, None, Some(until)) => Some(format!("{engine} before {}", short(until))),
            (_, Some(since), Some(until)) => Some(format!(
                "{engine} from {} to before {}",
                short(since),
                short(until)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_says_who_is_in_it() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let span = between((8, 0), (8, 1));
        assert!(span.contains(version("8.0.9")));
        assert!(!span.contains(version("8.1.0")) && !span.contains(version("7.2.4")));
        assert!(ALWAYS.contains(version("7.0")) && !NEVER.contains(version("7.0")));
        assert!(!until(8, 0).contains(version("8.0.0")) && since(8, 0).contains(version("8.0.0")));
        assert_eq!(
            span.describe(Engine::Valkey).unwrap(),
            "Valkey from 8.0 to before 8.1"
        );
        assert_eq!(NEVER.describe(Engine::Redis), None);
    }
}
