//! What of a node's files is secret: the lines of its `redis.conf` that hold a password, and the file from
//! which rcup reads the secrets back.

use std::fmt::Write as _;

use super::redis_conf::directory;
use crate::spec::{Secret, Secrets};
use crate::topology::Node;

/// The file from which a later run of rcup reads the cluster's secrets. No server reads or writes it, so it
/// stays as it is when `CONFIG REWRITE` gives `redis.conf` another form.
pub fn secrets_path(node: &Node) -> String {
    format!("{}/secrets.json", directory(node))
}

/// The lines that the node's `redis.conf` has beyond what everybody may see.
pub fn secret_lines(secrets: &Secrets) -> String {
    let mut text = String::new();
    if let Some(password) = &secrets.password {
        let password = quoted(password);
        let _ = write!(
            text,
            "\n# What a client must give to be let in.\nrequirepass {password}\n\n# A replica logs in to its \
             master with the same, and any node may become either.\nmasterauth {password}\n"
        );
    }
    text
}

/// In the quotes of a configuration file, where a backslash escapes (`sdssplitargs` in Redis's sources).
fn quoted(secret: &Secret) -> String {
    let escaped = secret.expose().replace('\\', r"\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_quoted_for_the_file() {
        let secrets = Secrets {
            password: Some(Secret::new("a \"b\" \\c #d")),
            ..Secrets::default()
        };
        let text = secret_lines(&secrets);
        assert!(
            text.contains("\nrequirepass \"a \\\"b\\\" \\\\c #d\"\n"),
            "{text}"
        );
        assert_eq!(text.matches("masterauth ").count(), 1);
        assert_eq!(secret_lines(&Secrets::default()), "");
    }
}
