//! One line of a node's configuration, with where it comes from and why it is there.

use std::borrow::Cow;

use serde::Serialize;

/// Where a value comes from, as far as the specification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// rcup sets it for every cluster.
    Default,
    /// The profile sets it.
    Profile,
    /// It follows from the machine, or from the node's place in the cluster.
    Fitted,
    /// The user set it.
    User,
    /// The user set it for this node alone.
    Node,
}

/// A directive of a node, once everything is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The directive's name.
    pub name: Cow<'static, str>,
    /// Its value, as it stands in the file.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The wish of the user from which it follows where one is given, such as `node-timeout`.
    #[serde(skip)]
    pub wish: Option<&'static str>,
    /// Why it is there.
    pub why: Cow<'static, str>,
}

impl Setting {
    /// One that every cluster has.
    pub(crate) fn new(name: &'static str, value: impl Into<String>, why: &'static str) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            origin: Origin::Default,
            wish: None,
            why: why.into(),
        }
    }

    /// The same, from the profile.
    pub(crate) fn of_profile(mut self) -> Self {
        self.origin = Origin::Profile;
        self
    }

    /// The same, because of the machine or the place.
    pub(crate) fn fitted(mut self) -> Self {
        self.origin = Origin::Fitted;
        self
    }

    /// The same, following a wish where the user has it.
    pub(crate) fn wished(mut self, wish: &'static str) -> Self {
        self.wish = Some(wish);
        self
    }
}
