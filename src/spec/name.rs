//! The name of a cluster, from which the names of its objects are derived.

use std::fmt;
use std::str::FromStr;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// Maximum length of a name: `rcup-NAME-1000` must be a valid DNS label, which has at most 63 characters.
const LONGEST: usize = 48;

/// The name of a cluster: 1 to 48 lower-case letters, digits and dashes. It starts and ends with a letter or
/// digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

impl ClusterName {
    /// Generates a unique name: the prefix, a dash and twelve random letters and digits. The prefix must be a
    /// valid name of at most 35 characters.
    pub fn generated(prefix: &str) -> Self {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut random = rand::rng();
        let suffix: String = (0..12)
            .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
            .collect();
        Self(format!("{prefix}-{suffix}"))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the cluster's network.
    #[doc(hidden)]
    pub fn network(&self) -> String {
        format!("rcup-{}", self.0)
    }

    /// Returns the name of the container that receives the nodes' files for their volumes. The container
    /// never runs.
    #[doc(hidden)]
    pub fn carrier(&self) -> String {
        format!("rcup-{}-files", self.0)
    }

    /// Returns the name of the volume for the files of all nodes. With persistence, each node has its own
    /// volume instead.
    #[doc(hidden)]
    pub fn volume(&self) -> String {
        format!("rcup-{}", self.0)
    }

    /// Returns the name of the container of node `index` (1-based).
    #[doc(hidden)]
    pub fn container(&self, index: usize) -> String {
        format!("rcup-{}-{index}", self.0)
    }
}

impl Default for ClusterName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClusterName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Err(
                Error::new(ErrorKind::Usage, format!("`{text}` is not a cluster name: {why}")).hint(format!(
                    "Use 1 to {LONGEST} lower-case letters, digits and dashes, such as `orders-test`."
                )),
            )
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > LONGEST {
            return refuse(&format!("it is longer than {LONGEST} characters"));
        }
        if let Some(bad) = text
            .chars()
            .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'))
        {
            return refuse(&format!("it contains `{bad}`"));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return refuse("it starts or ends with a dash");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ClusterName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_docker_and_dns_accept_pass() {
        for good in ["default", "a", "7", "orders-test-2"] {
            assert_eq!(good.parse::<ClusterName>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_bad_name_is_refused_with_its_reason() {
        for (bad, why) in [
            ("", "empty"),
            ("Orders", "`O`"),
            ("a_b", "`_`"),
            ("-a", "dash"),
            ("a-", "dash"),
            (&"x".repeat(49), "longer"),
        ] {
            let error = bad.parse::<ClusterName>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
