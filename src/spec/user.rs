//! ACL users and their rules, in the syntax of `ACL SETUSER`.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::spec::secret::Secret;

/// Reserved prefix of the service users' names.
const OWN: &str = "rcup";

/// Name of the user for clients that give no user name.
pub const DEFAULT_USER: &str = "default";

/// The ACL command categories of all servers, including those of the Redis 8 modules.
const CATEGORIES: [&str; 32] = [
    "admin",
    "all",
    "bitmap",
    "blocking",
    "bloom",
    "cms",
    "connection",
    "cuckoo",
    "dangerous",
    "fast",
    "geo",
    "hash",
    "hyperloglog",
    "json",
    "keyspace",
    "list",
    "pubsub",
    "read",
    "scripting",
    "search",
    "set",
    "slow",
    "sortedset",
    "stream",
    "string",
    "tdigest",
    "timeseries",
    "topk",
    "transaction",
    "write",
    "array",
    "vectorset",
];

/// How a user authenticates.
///
/// The serialized form contains only whether a password is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Shown", into = "Shown")]
#[non_exhaustive]
pub enum Login {
    /// With a password. Only its SHA-256 is stored, in 64 hexadecimal digits.
    Hash(Secret),
    /// With a password that is not known, because the user was read from a label.
    Hidden,
    /// With any password (`nopass`).
    Open,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shown {
    Hidden,
    Open,
}

impl From<Shown> for Login {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Hidden => Self::Hidden,
            Shown::Open => Self::Open,
        }
    }
}

impl From<Login> for Shown {
    fn from(login: Login) -> Self {
        match login {
            Login::Hash(_) | Login::Hidden => Self::Hidden,
            Login::Open => Self::Open,
        }
    }
}

impl Login {
    /// Creates a login from a password. The password itself is not stored.
    pub fn with(password: &Secret) -> Self {
        Self::Hash(hashed(password))
    }
}

/// Returns the SHA-256 of a password in hexadecimal digits, as servers store it.
pub fn hashed(password: &Secret) -> Secret {
    let digest = Sha256::digest(password.expose().as_bytes());
    let text = digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Secret::new(text)
}

/// An ACL user of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    name: String,
    rules: String,
    login: Login,
}

impl User {
    /// Creates a user that clients log in as.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the name, rule or hash that no server accepts. The error never contains a
    /// password.
    #[doc(hidden)]
    pub fn new(name: &str, rules: &str, login: Login) -> Result<Self> {
        check_name(name)?;
        let rules = split_rules(rules);
        rules.iter().try_for_each(|rule| check_rule(name, rule))?;
        if let Login::Hash(hash) = &login {
            check_hash(name, hash)?;
        }
        Ok(Self {
            name: name.to_owned(),
            rules: rules.join(" "),
            login,
        })
    }

    /// Creates the user `default`, for clients that give no user name. It authenticates with the cluster's
    /// password.
    ///
    /// # Errors
    /// The errors of [`User::new`].
    #[doc(hidden)]
    pub fn default_user(rules: &str) -> Result<Self> {
        Self::new(DEFAULT_USER, rules, Login::Open)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rules, separated by spaces.
    #[doc(hidden)]
    pub fn rules(&self) -> &str {
        &self.rules
    }

    /// Returns how the user authenticates.
    #[doc(hidden)]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// Returns whether this is the user `default`, for clients that give no user name.
    #[doc(hidden)]
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_USER
    }
}

impl FromStr for User {
    type Err = Error;

    /// Parses `NAME password-hash=HASH RULE…`, or `nopass` instead of the hash.
    fn from_str(line: &str) -> Result<Self> {
        let all = split_rules(line);
        let Some((name, rest)) = all.split_first() else {
            return Err(
                usage("a user has no name").hint("Write `--user 'NAME password-env=VARIABLE RULES'`.")
            );
        };
        check_name(name)?;
        let (mut login, mut rules) = (None, Vec::new());
        for word in rest {
            if let Some(hash) = word.strip_prefix("password-hash=") {
                login = Some(Login::Hash(Secret::new(hash)));
            } else if word == "nopass" {
                login = Some(Login::Open);
            } else {
                rules.push(word.as_str());
            }
        }
        rules.iter().try_for_each(|rule| check_rule(name, rule))?;
        if name == DEFAULT_USER {
            return match login {
                None => Self::default_user(&rules.join(" ")),
                Some(_) => Err(usage("the user `default` has the cluster's own password")
                    .hint("Give that with --password or --password-file.")),
            };
        }
        let login = login.ok_or_else(|| {
            usage(format!("the user `{name}` has no password")).hint(
                "Name where it is with `password-env` or `password-file`, or its SHA-256 with `password-hash`; \
                 `nopass` lets everybody in.",
            )
        })?;
        Self::new(name, &rules.join(" "), login)
    }
}

impl fmt::Display for User {
    /// Writes the name and the rules.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.rules)
    }
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(usage("a user's name cannot be read")
            .hint("Use up to 64 letters, digits, dots, dashes, underscores and `@`."));
    }
    if name == OWN || name.strip_prefix(OWN).is_some_and(|rest| rest.starts_with('-')) {
        return Err(usage(format!("the user name `{name}` is rcup's own"))
            .hint("Names that begin with `rcup-` are taken: choose another."));
    }
    Ok(())
}

fn check_hash(name: &str, hash: &Secret) -> Result<()> {
    let text = hash.expose();
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(usage(format!("the password hash of `{name}` is not a SHA-256"))
        .hint("It has 64 digits of 0-9 and a-f: `printf %s PASSWORD | sha256sum`."))
}

/// Rejects a rule that would store a secret in a label, or that no server accepts.
fn check_rule(name: &str, rule: &str) -> Result<()> {
    if rule.starts_with(['>', '<', '#', '!']) || rule.starts_with("password") {
        return Err(usage(format!("the rules of `{name}` hold a password"))
            .hint("Give it with `password-env`, `password-file` or `password-hash` instead."));
    }
    let refused = |hint: String| Err(usage(format!("`{rule}` is no rule for the user `{name}`")).hint(hint));
    // A word that does not look like a rule may be a misplaced password, so the error does not contain it.
    let unlike =
        |hint: &str| Err(usage(format!("a word is no rule for the user `{name}`")).hint(hint.to_owned()));
    if let Some(inner) = rule.strip_prefix('(') {
        let Some(inner) = inner.strip_suffix(')') else {
            return unlike("A selector ends with a bracket, such as `(~logs:* +get)`.");
        };
        return split_rules(inner)
            .iter()
            .try_for_each(|rule| check_rule(name, rule));
    }
    if let Some(category) = rule.strip_prefix("+@").or_else(|| rule.strip_prefix("-@")) {
        if CATEGORIES.contains(&category) {
            return Ok(());
        }
        let nearest = CATEGORIES
            .iter()
            .map(|known| (strsim::jaro_winkler(known, category), known))
            .max_by(|one, other| one.0.total_cmp(&other.0));
        return refused(nearest.map_or_else(String::new, |(_, known)| {
            format!("There is no such category of commands. Did you mean `@{known}`?")
        }));
    }
    if let Some(command) = rule.strip_prefix(['+', '-']) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-|".contains(c);
        if !command.is_empty() && command.chars().all(fits) {
            return Ok(());
        }
        return refused(
            "A command is written as in `+get`, one below another as in `+config|get`.".to_owned(),
        );
    }
    let pattern = ["~", "&", "%R~", "%W~", "%RW~"];
    if pattern
        .iter()
        .any(|start| rule.len() > start.len() && rule.starts_with(start))
    {
        return Ok(());
    }
    match rule {
        "on"
        | "off"
        | "allkeys"
        | "resetkeys"
        | "allchannels"
        | "resetchannels"
        | "allcommands"
        | "nocommands"
        | "sanitize-payload"
        | "skip-sanitize-payload"
        | "clearselectors" => Ok(()),
        _ => unlike(
            "Rules are commands (`+get`, `-@dangerous`), keys (`~app:*`, `%R~logs:*`), channels (`&news:*`), \
             selectors in brackets, `on` and `off`.",
        ),
    }
}

/// Splits rules at spaces. A selector in parentheses is one rule.
pub fn split_rules(rules: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut depth = 0;
    for word in rules.split_whitespace() {
        match all.last_mut() {
            Some(last) if depth > 0 => {
                last.push(' ');
                last.push_str(word);
            }
            _ => all.push(word.to_owned()),
        }
        depth += usize::from(word.starts_with('('));
        depth -= usize::from(word.ends_with(')')).min(depth);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_the_servers_own() {
        let hash = hashed(&Secret::new("s3cret"));
        let line = format!(
            "app  password-hash={}  ~app:* +@read (~logs:* +get)",
            hash.expose()
        );
        let user: User = line.parse().unwrap();
        assert_eq!(user.name(), "app");
        assert_eq!(user.rules(), "~app:* +@read (~logs:* +get)");
        assert_eq!(*user.login(), Login::Hash(hash));
        assert_eq!(
            "all nopass ~* +@all".parse::<User>().unwrap().login(),
            &Login::Open
        );
    }

    #[test]
    fn a_selector_is_one_rule() {
        assert_eq!(
            split_rules("on #ab ~x -@all +get (~y +set -@all) (%R~z)"),
            ["on", "#ab", "~x", "-@all", "+get", "(~y +set -@all)", "(%R~z)"]
        );
    }

    #[test]
    fn the_hash_is_the_one_that_servers_compute() {
        assert_eq!(
            hashed(&Secret::new("foobared")).expose(),
            "1b58ee375b42e41f0e48ef2ff27d10a5b1f6924a9acdcdba7cae868e7adce6bf"
        );
    }

    #[test]
    fn the_label_does_not_tell_the_hash() {
        let user = User::new("app", "+@all", Login::with(&Secret::new("x"))).unwrap();
        let json = serde_json::to_string(&user).unwrap();
        assert_eq!(json, r#"{"name":"app","rules":"+@all","login":"hidden"}"#);
        assert_eq!(
            serde_json::from_str::<User>(&json).unwrap().login(),
            &Login::Hidden
        );
    }

    #[test]
    fn what_no_server_takes_is_refused_and_a_password_is_not_repeated() {
        let hint = |line: &str| {
            let error = line.parse::<User>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            let told = format!("{error} {}", error.hint_text().unwrap_or_default());
            assert!(!told.contains("s3cret"), "{told}");
            told
        };
        assert!(hint("").contains("no name"));
        assert!(hint("app +@all").contains("has no password"));
        assert!(hint("app >s3cret +@all").contains("hold a password"));
        assert!(hint("app password=s3cret +@all").contains("hold a password"));
        assert!(hint("app password-hash=s3cret +@all").contains("not a SHA-256"));
        assert!(hint("rcup-operator nopass +@all").contains("rcup's own"));
        assert!(hint("a/b nopass").contains("cannot be read"));
        assert!(hint("app nopass +@reed").contains("`@read`"));
        assert!(hint("app nopass get").contains("is no rule"));
        assert!(hint("app nopass s3cret").contains("is no rule"));
        assert!(hint("app pasword=s3cret +@all").contains("is no rule"));
        assert!(hint("app nopass (~x s3cret").contains("ends with a bracket"));
        assert!(hint("app nopass (~x +get").contains("ends with a bracket"));
        assert!(hint("default nopass +@all").contains("--password"));
        assert!("rcupper nopass +@all".parse::<User>().is_ok());
    }
}
