//! One directive of a node's configuration, with its origin and its reason.

use std::borrow::Cow;

use serde::Serialize;

/// Origin of a value in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// rcup sets it for every cluster.
    Default,
    /// The profile sets it.
    Profile,
    /// It depends on the host hardware, or on the node's placement in the cluster.
    Fitted,
    /// The user set it.
    User,
    /// The user set it for this node alone.
    Node,
}

/// A directive of a node with its effective value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The directive's name.
    pub name: Cow<'static, str>,
    /// Its value, as written in the file.
    pub value: String,
    /// Its origin.
    pub origin: Origin,
    /// The user's setting that determines the value if it is set, such as `node-timeout`.
    #[serde(skip)]
    pub request: Option<&'static str>,
    /// Why the directive is set.
    pub why: Cow<'static, str>,
}

impl Setting {
    /// Creates a directive that rcup sets for every cluster.
    pub(crate) fn new(name: &'static str, value: impl Into<String>, why: &'static str) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            origin: Origin::Default,
            request: None,
            why: why.into(),
        }
    }

    /// Sets the origin to the profile.
    pub(crate) fn of_profile(mut self) -> Self {
        self.origin = Origin::Profile;
        self
    }

    /// Sets the origin to the host hardware or the node's placement.
    pub(crate) fn fitted(mut self) -> Self {
        self.origin = Origin::Fitted;
        self
    }

    /// Names the user's setting that determines the value if it is set.
    pub(crate) fn requested(mut self, request: &'static str) -> Self {
        self.request = Some(request);
        self
    }
}
