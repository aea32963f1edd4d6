//! Passwords and certificates of a cluster.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::spec::secret::Secret;
use crate::spec::service_user::ServiceUser;

/// Maximum length of a password in a server's configuration file, in bytes (`CONFIG_AUTHPASS_MAX_LEN` in the
/// Redis source).
const LONGEST_PASSWORD: usize = 512;

/// The requested password of a cluster.
///
/// The serialized form contains only that a password is set, so a specification that is read from a label has
/// [`Password::Any`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Hidden", into = "Hidden")]
#[non_exhaustive]
pub enum Password {
    /// A generated password for a new cluster; the current password of an existing cluster.
    Any,
    /// This password.
    Given(Secret),
}

/// Serialized form of a password.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Hidden {
    Hidden,
}

impl From<Hidden> for Password {
    fn from(_: Hidden) -> Self {
        Self::Any
    }
}

impl From<Password> for Hidden {
    fn from(_: Password) -> Self {
        Self::Hidden
    }
}

impl Password {
    /// Rejects a password that no server accepts. The error does not contain the password.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the password is empty, too long, or not one line of text, or if it contains a
    /// double quote or a backslash.
    pub(crate) fn check(&self) -> Result<()> {
        let Self::Given(secret) = self else { return Ok(()) };
        let refuse = |message: &str, hint: &str| {
            Err(Error::new(ErrorKind::Usage, format!("the password {message}")).hint(hint.to_owned()))
        };
        let text = secret.expose();
        if text.is_empty() {
            return refuse(
                "is empty",
                "Give one, or a bare `--password` for a generated one; without a password, leave the flag \
                 out and RCUP_PASSWORD unset.",
            );
        }
        if text.len() > LONGEST_PASSWORD {
            return refuse(
                &format!("is longer than {LONGEST_PASSWORD} bytes"),
                "Redis takes no longer one; 32 random letters cannot be guessed either.",
            );
        }
        // Valkey 8.1 escapes neither character in `CONFIG REWRITE`, and then fails to start with the written
        // file.
        if text.contains(['"', '\\']) {
            return refuse(
                "contains a double quote or a backslash",
                "Some servers cannot start again with such a password; any other printable character will do.",
            );
        }
        if text.chars().any(char::is_control) {
            return refuse(
                "contains a control character",
                "It is one line of text, such as `openssl rand -hex 16` prints.",
            );
        }
        Ok(())
    }
}

/// All secrets of one cluster. They are stored in the nodes' own files, readable only by the nodes' user, and
/// are read back from there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The password of the user `default`.
    pub password: Option<Secret>,
    /// The certificates of the nodes.
    pub certificates: Option<Certificates>,
    /// The passwords of the service users. A cluster without access restrictions has none.
    pub own: BTreeMap<ServiceUser, Secret>,
    /// The SHA-256 of the passwords of the requested users, by user name.
    pub users: BTreeMap<String, Secret>,
}

/// The certificates of one cluster and their keys, all as PEM. The CA key is not included: the key of a CA
/// that rcup generates signs twice and is discarded, so no other certificate that the cluster trusts can be
/// issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The CA certificate, which clients trust. It is not a secret.
    pub authority: String,
    /// The certificate of the nodes, for all their names and addresses.
    pub node: String,
    /// The private key of the certificate.
    pub node_key: Secret,
    /// The certificate for clients. `None` if the user provided the other certificates.
    pub client: Option<ClientCertificate>,
}

/// A certificate that a client can authenticate with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: String,
    /// The private key of the certificate.
    pub key: Secret,
}

impl Secrets {
    /// Returns whether there are no secrets.
    #[doc(hidden)]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the contents of the secrets file, unencrypted.
    #[doc(hidden)]
    pub fn to_file(&self) -> String {
        let file = File {
            password: self.password.as_ref().map(|secret| secret.expose().to_owned()),
            certificates: self.certificates.as_ref().map(|all| CertificatesFile {
                authority: all.authority.clone(),
                node: all.node.clone(),
                node_key: all.node_key.expose().to_owned(),
                client: all.client.as_ref().map(|client| client.certificate.clone()),
                client_key: all.client.as_ref().map(|client| client.key.expose().to_owned()),
            }),
            own: exposed(&self.own),
            users: exposed(&self.users),
        };
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// Parses the contents of the secrets file.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] if the text is not a secrets file. The error does not contain the text.
    #[doc(hidden)]
    pub fn from_file(text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text).map_err(|error| {
            Error::new(
                ErrorKind::Damaged,
                "the file with the cluster's secrets cannot be read",
            )
            .because(format!("{:?} error in line {}", error.classify(), error.line()))
        })?;
        Ok(Self {
            password: file.password.map(Secret::new),
            certificates: file.certificates.map(|all| Certificates {
                authority: all.authority,
                node: all.node,
                node_key: Secret::new(all.node_key),
                client: all
                    .client
                    .zip(all.client_key)
                    .map(|(certificate, key)| ClientCertificate {
                        certificate,
                        key: Secret::new(key),
                    }),
            }),
            own: hidden(file.own),
            users: hidden(file.users),
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Format of the secrets file.
#[derive(Serialize, Deserialize)]
struct File {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificates: Option<CertificatesFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    own: BTreeMap<ServiceUser, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    users: BTreeMap<String, String>,
}

fn exposed<K: Clone + Ord>(all: &BTreeMap<K, Secret>) -> BTreeMap<K, String> {
    let each = all.iter();
    each.map(|(key, secret)| (key.clone(), secret.expose().to_owned()))
        .collect()
}

fn hidden<K: Ord>(all: BTreeMap<K, String>) -> BTreeMap<K, Secret> {
    all.into_iter()
        .map(|(key, text)| (key, Secret::new(text)))
        .collect()
}

#[derive(Serialize, Deserialize)]
struct CertificatesFile {
    authority: String,
    node: String,
    node_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Password {
        Password::Given(Secret::new(text))
    }

    #[test]
    fn the_serialized_form_says_only_that_there_is_one() {
        let json = serde_json::to_string(&given("s3cret")).unwrap();
        assert_eq!(json, "\"hidden\"");
        assert_eq!(serde_json::from_str::<Password>(&json).unwrap(), Password::Any);
    }

    #[test]
    fn what_no_server_takes_is_refused_and_not_repeated() {
        for bad in ["", "s3cret\nport 1", &"s3cret".repeat(100)] {
            let error = given(bad).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            let told = format!("{error} {error:?} {:?}", error.hint_text());
            assert!(!told.contains("s3cret"), "{told}");
        }
        given("with space, 'quotes' and é").check().unwrap();
        assert!(given("a\"b").check().is_err() && given("a\\b").check().is_err());
    }

    #[test]
    fn secrets_come_back_from_their_file_and_do_not_show() {
        let secrets = Secrets {
            password: Some(Secret::new("s3\"cret")),
            certificates: Some(Certificates {
                authority: "a".to_owned(),
                node: "b".to_owned(),
                node_key: Secret::new("s3-key"),
                client: Some(ClientCertificate {
                    certificate: "c".to_owned(),
                    key: Secret::new("s3-other"),
                }),
            }),
            own: BTreeMap::from([(ServiceUser::Monitor, Secret::new("s3-monitor"))]),
            users: BTreeMap::from([("app".to_owned(), Secret::new("s3-hash"))]),
        };
        assert_eq!(Secrets::from_file(&secrets.to_file()).unwrap(), secrets);
        assert!(!format!("{secrets:?}").contains("s3"));
        let mut without = secrets.clone();
        without.certificates.as_mut().unwrap().client = None;
        assert_eq!(Secrets::from_file(&without.to_file()).unwrap(), without);
        let error = Secrets::from_file("{\"password\": \"s3cret").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
