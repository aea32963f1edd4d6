//! `rcup env`: the settings with which a program connects.

use std::fmt::Write as _;
use std::io::Write as _;

use rcup::cluster::{Report, State};
use rcup::redis::{Credentials, url};
use rcup::spec::Certificates;
use rcup::{Cluster, Error, ErrorKind};

use super::certs::authority_file;
use super::engine;
use crate::cli::args::{Env, EnvFormat};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, json, nodes};

pub async fn run(args: Env, terminal: &Terminal) -> Outcome {
    let attached = Cluster::attach(engine().await?, &args.name).await?;
    let report = attached.report().await;
    let name = &args.name;
    if report.nodes.iter().all(|node| node.state != "running") {
        return Err(
            Error::new(ErrorKind::Unhealthy, format!("no node of cluster {name} runs"))
                .hint(format!(
                    "See `rcup status {name}`; `rcup up {name}` starts what has stopped."
                ))
                .into(),
        );
    }
    if report.state != State::Ok {
        terminal.warn(&format!(
            "cluster {name} is {}: see `rcup validate {name}`",
            nodes::word(report.state)
        ));
    }
    let settings = settings(
        &report,
        attached.credentials().await?.as_ref(),
        attached.certificates().await?,
    )?;
    if terminal.is_json() || args.format == EnvFormat::Json {
        let map: std::collections::BTreeMap<_, _> = settings.into_iter().collect();
        json::print(terminal, &map)?;
    } else {
        let text = match args.format {
            EnvFormat::Dotenv => dotenv(&settings),
            _ => shell(&settings),
        };
        terminal.out().write_all(text.as_bytes())?;
    }
    Ok(Exit::DONE)
}

/// Names and values. The addresses are those that clients are told.
pub(super) fn settings(
    report: &Report,
    credentials: Option<&Credentials>,
    certificates: Option<&Certificates>,
) -> Result<Vec<(&'static str, String)>, Error> {
    let addresses: Vec<&str> = report.nodes.iter().map(|node| node.advertised.as_str()).collect();
    let first = addresses.first().copied().unwrap_or_default();
    let mut settings = vec![
        ("REDIS_CLUSTER_NODES", addresses.join(",")),
        (
            "REDIS_CLUSTER_URL",
            url(first, credentials, certificates.is_some()),
        ),
    ];
    if let Some(credentials) = credentials {
        settings.push(("REDIS_USERNAME", credentials.user_name().to_owned()));
        settings.push(("REDIS_PASSWORD", credentials.password.expose().to_owned()));
    }
    if let Some(certificates) = certificates {
        let path = authority_file(&report.name, certificates)?;
        settings.push(("REDIS_TLS_CA_CERT", path.display().to_string()));
    }
    Ok(settings)
}

/// Lines for a POSIX shell. Nothing is special between single quotes but they themselves.
fn shell(settings: &[(&str, String)]) -> String {
    settings.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
        text
    })
}

/// Lines for a .env file, quoted only where the many readers of such files need it.
fn dotenv(settings: &[(&str, String)]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
