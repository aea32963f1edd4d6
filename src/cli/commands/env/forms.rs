//! Formats of the settings, as pure functions.

use std::fmt::Write as _;

/// Settings that contain a secret.
const SECRET: [&str; 2] = ["REDIS_CLUSTER_URL", "REDIS_PASSWORD"];

/// Returns lines for a POSIX shell.
pub fn shell(settings: &[(&str, String)]) -> String {
    settings.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "export {name}={}", quoted(value));
        text
    })
}

/// Quotes a value for the shell. Between single quotes, only the single quote is special.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Returns lines for a .env file, quoted only if parsers require it.
pub fn dotenv(settings: &[(&str, String)]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:/@+-".contains(c);
    settings.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = if value.chars().all(plain) {
            writeln!(text, "{name}={value}")
        } else {
            let escaped = value
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('$', r"\$")
                .replace('\n', r"\n");
            writeln!(text, "{name}=\"{escaped}\"")
        };
        text
    })
}

/// Returns lines for the file in `GITHUB_ENV`. A multi-line value ends with a delimiter line that it does not
/// contain.
pub fn github(settings: &[(&str, String)]) -> String {
    settings.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = if value.contains('\n') {
            let mut end = "EOF".to_owned();
            while value.lines().any(|line| line == end) {
                end.push('_');
            }
            writeln!(text, "{name}<<{end}\n{value}\n{end}")
        } else {
            writeln!(text, "{name}={value}")
        };
        text
    })
}

/// Returns `::add-mask::` commands that make GitHub's runner mask the secrets; empty if there are none. A URL
/// contains the percent-encoded password, which is masked too.
pub fn masks(settings: &[(&str, String)]) -> String {
    if settings.iter().all(|(name, _)| *name != "REDIS_PASSWORD") {
        return String::new();
    }
    let secrets = settings.iter().filter(|(name, _)| SECRET.contains(name));
    let encoded = settings.iter().filter_map(|(name, value)| {
        let (login, _) = value.split_once("://")?.1.rsplit_once('@')?;
        (*name == "REDIS_CLUSTER_URL").then(|| login.split_once(':').map(|(_, password)| password))?
    });
    let mut masked: Vec<&str> = secrets.map(|(_, value)| value.as_str()).chain(encoded).collect();
    masked.sort_unstable();
    masked.dedup();
    masked.into_iter().fold(String::new(), |mut text, value| {
        let value = value
            .replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A");
        let _ = writeln!(text, "::add-mask::{value}");
        text
    })
}

/// Path of the CA certificate in the container.
const AUTHORITY: &str = "/run/rcup/ca.crt";

/// Returns flags of `docker run`, on one line. Secrets come from the environment of `docker`, which passes
/// through a variable without a value.
pub fn docker(network: &str, settings: &[(&str, String)]) -> String {
    let locked = settings.iter().any(|(name, _)| *name == "REDIS_PASSWORD");
    let mut words = vec!["--network".to_owned(), network.to_owned()];
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:/=@+-".contains(c);
    let word = |text: String| {
        if text.chars().all(plain) {
            text
        } else {
            quoted(&text)
        }
    };
    for (name, value) in settings {
        match *name {
            "REDIS_PASSWORD" => words.extend(["-e".to_owned(), "REDIS_PASSWORD".to_owned()]),
            // The URL would contain the password.
            "REDIS_CLUSTER_URL" if locked => {}
            "REDIS_TLS_CA_CERT" => words.extend([
                "-v".to_owned(),
                word(format!("{value}:{AUTHORITY}:ro")),
                "-e".to_owned(),
                format!("{name}={AUTHORITY}"),
            ]),
            _ => words.extend(["-e".to_owned(), word(format!("{name}={value}"))]),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(password: Option<&str>) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("REDIS_CLUSTER_NODES", "10.0.0.2:7001,10.0.0.3:7002".to_owned()),
            ("REDIS_CLUSTER_URL", "redis://10.0.0.2:7001".to_owned()),
        ];
        if let Some(password) = password {
            all[1].1 = format!("rediss://default:{password}@10.0.0.2:7001");
            all.push(("REDIS_USERNAME", "default".to_owned()));
            all.push(("REDIS_PASSWORD", password.to_owned()));
            all.push(("REDIS_TLS_CA_CERT", "/home/me/my ca.crt".to_owned()));
        }
        all
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let odd = "it's $HOME \"x\" `id` \\ é";
        let script = format!("{}printf %s \"$ODD\"", shell(&[("ODD", odd.to_owned())]));
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), odd);
    }

    #[test]
    fn a_dotenv_file_is_quoted_where_it_must_be() {
        let plain = ("NODES", "10.0.0.2:7001,10.0.0.3:7002".to_owned());
        let odd = ("PASSWORD", "a\"b$c\\d".to_owned());
        assert_eq!(
            dotenv(&[plain, odd]),
            "NODES=10.0.0.2:7001,10.0.0.3:7002\nPASSWORD=\"a\\\"b\\$c\\\\d\"\n"
        );
    }

    #[test]
    fn the_lines_for_github_keep_every_value_and_mask_what_is_secret() {
        let several = ("TEXT", "a\nEOF\nb".to_owned());
        assert_eq!(github(&[several]), "TEXT<<EOF_\na\nEOF\nb\nEOF_\n");
        assert_eq!(masks(&settings(None)), "");
        let locked = settings(Some("s3%cret"));
        assert_eq!(
            masks(&locked),
            "::add-mask::rediss://default:s3%25cret@10.0.0.2:7001\n::add-mask::s3%25cret\n"
        );
        assert!(github(&locked).contains("\nREDIS_PASSWORD=s3%cret\n"));
        let mut encoded = settings(Some("o'd d%"));
        encoded[1].1 = "redis://default:o%27d%20d%25@10.0.0.2:7001".to_owned();
        let masks = masks(&encoded);
        let is_masked = |line: &str| masks.lines().any(|masked| masked == line);
        assert!(is_masked("::add-mask::o%2527d%2520d%2525"), "{masks}");
        assert_eq!(masks.lines().count(), 3);
    }

    #[test]
    fn the_flags_for_docker_hold_no_password() {
        assert_eq!(
            docker("rcup-a", &settings(None)),
            "--network rcup-a -e REDIS_CLUSTER_NODES=10.0.0.2:7001,10.0.0.3:7002 -e REDIS_CLUSTER_URL=redis://10.0.0.2:7001"
        );
        assert_eq!(
            docker("rcup-a", &settings(Some("s3cret"))),
            "--network rcup-a -e REDIS_CLUSTER_NODES=10.0.0.2:7001,10.0.0.3:7002 -e REDIS_USERNAME=default -e REDIS_PASSWORD -v \
             '/home/me/my ca.crt:/run/rcup/ca.crt:ro' -e REDIS_TLS_CA_CERT=/run/rcup/ca.crt"
        );
    }
}
