//! Flags for authentication and TLS.

use std::convert::Infallible;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::connect::attached::Attached;
use crate::error::{Error, ErrorKind};
use crate::runtime::interface::Runtime;
use crate::server::wire::access::Credentials;
use crate::spec::secret::Secret;
use crate::spec::security::{Certificates, Password};
use crate::spec::service_user::ServiceUser;
use crate::spec::user::{User, hashed, split_rules};

/// Placeholder for a bare `--password`. No argument and no variable can contain this character, so that no
/// real value equals it.
pub const BARE: &str = "\0";

/// Authentication and TLS.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Security")]
pub struct Security {
    /// Require a password (generated if omitted; `rcup env` prints it)
    ///
    /// Other users of this host can read command line arguments. To set your own password, use `RCUP_PASSWORD` or
    /// --password-file.
    #[arg(long, value_name = "PASSWORD", num_args = 0..=1, require_equals = true, default_missing_value = BARE, value_parser = hidden, env = "RCUP_PASSWORD", hide_env_values = true)]
    pub password: Option<Secret>,
    /// Require the password in this file (`-` reads standard input); overrides --password
    #[arg(long, value_name = "FILE", env = "RCUP_PASSWORD_FILE", hide_env_values = true)]
    pub password_file: Option<PathBuf>,
    /// Enable TLS for clients, replication and the bus; disable plaintext. Certificates are generated (see `rcup certs`)
    #[arg(long, value_parser = FalseyValueParser::new(), env = "RCUP_TLS", hide_env_values = true)]
    pub tls: bool,
    /// CA certificate (PEM) for TLS with your own certificates; needs --tls-cert and --tls-key
    #[arg(long, value_name = "FILE", env = "RCUP_TLS_CA", hide_env_values = true)]
    pub tls_ca: Option<PathBuf>,
    /// Node certificate (PEM); must list the address and name of every node, 127.0.0.1 and the --publish address
    ///
    /// A certificate that does not match is refused before anything is created; the error prints the required
    /// subjectAltName. Use --subnet to know the addresses in advance.
    #[arg(long, value_name = "FILE", env = "RCUP_TLS_CERT", hide_env_values = true)]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the node certificate, unencrypted; copied only to the nodes' own files
    #[arg(long, value_name = "FILE", env = "RCUP_TLS_KEY", hide_env_values = true)]
    pub tls_key: Option<PathBuf>,
    /// Add a user with these rules (repeatable; in `RCUP_USER`, separated by `;`): `app password-env=APP_PASSWORD ~app:*
    /// +@read`
    ///
    /// Give a name, a password source (`password-env`, `password-file`, the SHA-256 as `password-hash`, or `nopass`), and
    /// rules in ACL SETUSER syntax. In rcup.toml, use a table `[users.NAME]`. The user `default` has the cluster's
    /// password, and the rules of the profile unless you give others.
    #[arg(long = "user", value_name = "USER", value_parser = hidden, env = "RCUP_USER", hide_env_values = true)]
    pub users: Vec<Secret>,
}

/// User to log in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LoginAs {
    /// User `default`, as clients use
    Default,
    /// rcup's admin user, which forms and repairs the cluster
    Operator,
    /// User that runs the checks
    Validator,
    /// User that can only read metrics, for a metrics exporter
    Monitor,
}

impl LoginAs {
    /// Returns the credentials of the user. An unrestricted cluster has only the user `default`.
    pub async fn credentials<R: Runtime>(self, attached: &Attached<R>) -> Result<Option<Credentials>, Error> {
        let own = match self {
            Self::Default => None,
            Self::Operator => Some(ServiceUser::Operator),
            Self::Validator => Some(ServiceUser::Validator),
            Self::Monitor => Some(ServiceUser::Monitor),
        };
        match own {
            None => attached.credentials().await,
            Some(user) => match attached.credentials_of(user).await? {
                None => attached.credentials().await,
                known => Ok(known),
            },
        }
    }
}

/// Accepts any text: clap would print an invalid value, which may be a secret. It is validated later.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap wants")]
fn hidden(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

impl Security {
    /// Returns the requested password, from any source.
    pub fn password(&self) -> Result<Option<Password>, Error> {
        // An empty path overrides a file named in the environment.
        let file = self.password_file.as_ref();
        if let Some(path) = file.filter(|path| path.as_os_str() != BARE) {
            return read(path).map(|text| Some(Password::Given(text)));
        }
        Ok(self.password.as_ref().map(|secret| match secret.expose() {
            BARE => Password::Any,
            _ => Password::Given(secret.clone()),
        }))
    }

    /// Returns the user's certificates, if any.
    pub fn certificates(&self) -> Result<Option<Certificates>, Error> {
        match (&self.tls_ca, &self.tls_cert, &self.tls_key) {
            (None, None, None) => Ok(None),
            (Some(authority), Some(node), Some(key)) => Ok(Some(Certificates {
                authority: pem(authority)?.expose().to_owned(),
                node: pem(node)?.expose().to_owned(),
                node_key: pem(key)?,
                client: None,
            })),
            _ => Err(Error::new(
                ErrorKind::Usage,
                "--tls-ca, --tls-cert and --tls-key must be given together",
            )
            .hint("With --tls alone, rcup generates certificates.")),
        }
    }

    /// Returns the requested users.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        self.users.iter().map(|line| user(line.expose())).collect()
    }
}

/// Parses a user from words and reads its password from the named source.
pub fn user(line: &str) -> Result<User, Error> {
    let read = split_rules(line).into_iter().map(|word| {
        let secret = if let Some(path) = word.strip_prefix("password-file=") {
            read(Path::new(path))?
        } else if let Some(name) = word.strip_prefix("password-env=") {
            variable(name)?
        } else {
            return Ok(word);
        };
        if secret.expose().is_empty() {
            return Err(Error::new(ErrorKind::Usage, "a user's password is empty")
                .because(format!("it was read from {word}"))
                .hint("Set a password, or use `nopass` to accept any password."));
        }
        Ok(format!("password-hash={}", hashed(&secret).expose()))
    });
    let words = read.collect::<Result<Vec<String>, Error>>()?;
    words.join(" ").parse()
}

/// Checks the words of a user without reading its password.
pub fn check_user(line: &str) -> Result<(), Error> {
    let elsewhere = |word: &String| word.starts_with("password-file=") || word.starts_with("password-env=");
    let words = split_rules(line).into_iter();
    let words = words.map(|word| {
        if elsewhere(&word) {
            "nopass".to_owned()
        } else {
            word
        }
    });
    let line: Vec<String> = words.collect();
    line.join(" ").parse::<User>().map(drop)
}

fn variable(name: &str) -> Result<Secret, Error> {
    std::env::var(name).map(Secret::new).map_err(|error| {
        Error::new(
            ErrorKind::Usage,
            format!("cannot read a password from the variable {name}"),
        )
        .because(match error {
            std::env::VarError::NotPresent => "it is not set",
            std::env::VarError::NotUnicode(_) => "it is not text",
        })
        .hint(format!("Set it in rcup's environment: `{name}=… rcup up`."))
    })
}

fn pem(path: &Path) -> Result<Secret, Error> {
    std::fs::read_to_string(path).map(Secret::new).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("cannot read {}", path.display()))
            .because(error)
            .hint("Pass a PEM file that this user can read.")
    })
}

/// Returns the first line of a file: editors and `echo` append a newline.
fn read(path: &Path) -> Result<Secret, Error> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|error| {
        Error::new(
            ErrorKind::Usage,
            format!("cannot read the password from {}", path.display()),
        )
        .because(error)
        .hint("Pass a file with the password on its first line.")
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Verb};

    fn password(arguments: &[&str]) -> Result<Option<Password>, Error> {
        let cli = Cli::try_parse_from([&["rcup", "up"], arguments].concat()).unwrap();
        assert!(!format!("{cli:?}").contains("s3cret"));
        let Verb::Up(up) = cli.verb else { panic!("not up") };
        let spec = up.spec.build(up.name)?;
        Ok(spec.password().cloned())
    }

    #[test]
    fn a_bare_flag_asks_for_any_and_a_value_for_this_one() {
        let given = |text| Some(Password::Given(Secret::new(text)));
        assert_eq!(password(&[]).unwrap(), None);
        assert_eq!(password(&["--password"]).unwrap(), Some(Password::Any));
        assert_eq!(password(&["--password", "orders"]).unwrap(), Some(Password::Any));
        assert_eq!(password(&["--password=s3cret"]).unwrap(), given("s3cret"));
        assert_eq!(password(&["--password="]).unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn a_users_password_is_read_from_where_its_line_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app");
        std::fs::write(&path, "s3cret\n").unwrap();
        let app = user(&format!("app password-file={} ~app:* +@read", path.display())).unwrap();
        assert_eq!((app.name(), app.rules()), ("app", "~app:* +@read"));
        assert_eq!(
            *app.login(),
            crate::spec::user::Login::with(&Secret::new("s3cret"))
        );
        let error = user("app password-env=RCUP_TEST_NOT_SET +@read").unwrap_err();
        assert!(error.to_string().contains("RCUP_TEST_NOT_SET"), "{error}");
        std::fs::write(&path, "\n").unwrap();
        let empty = user(&format!("app password-file={}", path.display())).unwrap_err();
        assert!(empty.to_string().contains("empty"), "{empty}");
    }

    #[test]
    fn a_file_holds_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let flag = format!("--password-file={}", path.display());
        for text in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                password(&[&flag, "--password=other"]).unwrap(),
                Some(Password::Given(Secret::new("s3cret")))
            );
        }
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(password(&[&flag]).unwrap_err().kind(), ErrorKind::Usage);
        std::fs::remove_file(&path).unwrap();
        assert!(
            password(&[&flag])
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
    }
}
