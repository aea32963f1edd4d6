//! Access options of a connection: credentials and TLS.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::spec::secret::Secret;

/// Access options of a connection to a node. Clones share the secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    credentials: Option<Arc<Credentials>>,
    authority: Option<Arc<str>>,
    patience: Option<Duration>,
}

/// User name and password of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user; `None` for the user `default`.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// Returns the user name, which may be `default`.
    pub fn user_name(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }
}

/// Characters that need no encoding in the user part of a URL: the unreserved characters of RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns `redis[s]://[USER:PASSWORD@]HOST:PORT`, with special characters percent-encoded. It contains the
/// password in plain text.
pub fn url(address: &str, credentials: Option<&Credentials>, tls: bool) -> String {
    let scheme = if tls { "rediss" } else { "redis" };
    match credentials {
        None => format!("{scheme}://{address}"),
        Some(credentials) => {
            let encoded = |text| utf8_percent_encode(text, UNRESERVED);
            format!(
                "{scheme}://{}:{}@{address}",
                encoded(credentials.user_name()),
                encoded(credentials.password.expose())
            )
        }
    }
}

impl Access {
    /// Creates options for nodes without authentication and TLS.
    pub fn open() -> Self {
        Self::default()
    }

    /// Sets the credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// Enables TLS. The node's certificate must be signed by this authority (PEM) and valid for the address.
    #[must_use]
    pub fn with_authority(mut self, authority: &str) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Enables TLS. The node's certificate must be signed by an authority that this machine trusts.
    #[must_use]
    pub fn with_tls(self) -> Self {
        self.with_authority("")
    }

    /// Sets the connect timeout of an attempt, for remote nodes: if the network loses the first packet, it is
    /// retransmitted after a second.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Returns the connect timeout of an attempt, if it is set.
    pub fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// Returns the trusted authority; empty for those that this machine trusts, `None` without TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Returns the credentials, if any.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_holds_any_password() {
        let credentials = Credentials {
            user: None,
            password: Secret::new("a@b:c/d?e#f%g h~é"),
        };
        let url = url("10.0.0.2:7001", Some(&credentials), false);
        assert_eq!(
            url,
            "redis://default:a%40b%3Ac%2Fd%3Fe%23f%25g%20h~%C3%A9@10.0.0.2:7001"
        );
        let read = ::redis::IntoConnectionInfo::into_connection_info(url).unwrap();
        assert_eq!(
            read.redis_settings().password(),
            Some(credentials.password.expose())
        );
    }

    #[test]
    fn an_access_does_not_show_its_password() {
        let access = Access::open().with_credentials(Credentials {
            user: Some("app".to_owned()),
            password: Secret::new("s3cret"),
        });
        assert!(!format!("{access:?}").contains("s3cret"));
    }
}
