//! What a node wants to see before it listens.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::spec::secret::Secret;

/// How a connection proves itself to a node. Clones share the secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    credentials: Option<Arc<Credentials>>,
    authority: Option<Arc<str>>,
    patience: Option<Duration>,
}

/// Whom a connection logs in as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user; `None` is the user `default`.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// The user's name, `default` included.
    pub fn user_name(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }
}

/// What stays as it is in the user part of a URL: the characters that RFC 3986 calls unreserved.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `redis[s]://[USER:PASSWORD@]HOST:PORT`, with what is special in a URL written as it must be. It holds the
/// password in the clear.
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
    /// For nodes that ask for nothing.
    pub fn open() -> Self {
        Self::default()
    }

    /// Logs in.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }

    /// Speaks TLS, with nodes whose certificate this authority (PEM) has signed for the address that is dialled.
    #[must_use]
    pub fn with_authority(mut self, authority: &str) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Speaks TLS, with nodes whose certificate an authority has signed that this machine trusts.
    #[must_use]
    pub fn with_tls(self) -> Self {
        self.with_authority("")
    }

    /// Lets an attempt to connect take so long: a node far away, of whose first packet a network may lose one, which
    /// is sent again after a second.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// How long an attempt to connect may take, where that was said.
    pub fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// Whose certificates it trusts, none in particular when empty; `None` speaks without TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Whom it logs in as, if at all.
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
