//! `rcup env`: prints connection settings or client code.

pub mod forms;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use crate::checks::status::{Report, State};
use crate::cli::args::env::{Env, EnvFormat};
use crate::cli::commands::certs::authority_file;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::{Terminal, json, nodes};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::export::clients::Library;
use crate::export::clients::wiring::Wiring;
use crate::server::wire::access::{Credentials, url};
use crate::spec::security::Certificates;

/// Names and values.
type Settings = Vec<(&'static str, String)>;

pub async fn run(args: Env, terminal: &Terminal) -> Outcome {
    let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
    let report = attached.report().await;
    let name = &args.name;
    if report.nodes.iter().all(|node| node.state != "running") {
        return Err(Error::new(
            ErrorKind::Unhealthy,
            format!("no node of cluster {name} is running"),
        )
        .hint(format!(
            "Run `rcup status {name}`. `rcup up {name}` starts stopped nodes."
        ))
        .into());
    }
    if report.state != State::Ok {
        terminal.warn(&format!(
            "cluster {name} is {}: run `rcup validate {name}`",
            nodes::word(report.state)
        ));
    }
    let vantage = args.vantage();
    let wiring = Wiring::new(attached.topology(), vantage);
    if let Some(library) = args.format.library() {
        return snippet(library, &wiring, args.format, terminal);
    }
    if !wiring.nat.is_empty() {
        // `up` refuses `--announce ip` if this host cannot reach the container addresses.
        let or = if attached.topology().placement.bridge_reachable {
            ", or a cluster started with `--announce ip`"
        } else {
            ""
        };
        terminal.warn(&format!(
            "the nodes advertise {}, which is unreachable from there: the client needs an address map, as in `rcup env \
             {name} --format redis-py --from {}`{or}",
            wiring.nat[0].0, args.standing()
        ));
    }
    let settings = settings_at(
        &wiring,
        &report.name,
        args.user.credentials(&attached).await?.as_ref(),
        attached.certificates().await?,
    )?;
    let text = match args.format {
        EnvFormat::Github => {
            let file = std::env::var_os("GITHUB_ENV").filter(|path| !path.is_empty());
            let lines = forms::github(&settings);
            let masks = forms::masks(&settings);
            match &file {
                Some(path) => {
                    append(Path::new(path), &lines)?;
                    masks
                }
                None => masks + &lines,
            }
        }
        EnvFormat::Docker => forms::docker(&report.network.name, &settings) + "\n",
        EnvFormat::Dotenv => forms::dotenv(&settings),
        _ => forms::shell(&settings),
    };
    let as_map = match args.format {
        EnvFormat::Json => true,
        EnvFormat::Shell | EnvFormat::Dotenv => terminal.is_json(),
        _ => false,
    };
    if as_map {
        let map: std::collections::BTreeMap<_, _> = settings.into_iter().collect();
        json::print(terminal, &map)?;
        return Ok(Exit::DONE);
    }
    if args.format == EnvFormat::Github {
        // GitHub's runner reads the masks from plain output only.
        terminal.out().write_all(text.as_bytes())?;
        return Ok(Exit::DONE);
    }
    print(args.format, &text, terminal)
}

/// Prints a text, or a JSON object that contains it.
fn print(format: EnvFormat, text: &str, terminal: &Terminal) -> Outcome {
    if terminal.is_json() {
        json::print(terminal, &json!({ "format": format.name(), "text": text }))?;
    } else {
        terminal.out().write_all(text.as_bytes())?;
    }
    Ok(Exit::DONE)
}

fn snippet(library: Library, wiring: &Wiring, format: EnvFormat, terminal: &Terminal) -> Outcome {
    print(format, &library.snippet(wiring), terminal)
}

fn append(path: &Path, lines: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(|error| {
        Error::new(
            ErrorKind::Io,
            format!("cannot write {}, the file that GITHUB_ENV names", path.display()),
        )
        .because(error)
        .hint("Unset GITHUB_ENV to print the settings.")
        .into()
    })
}

/// Returns the settings for a client on this host, with the advertised addresses.
pub(crate) fn settings(
    report: &Report,
    credentials: Option<&Credentials>,
    certificates: Option<&Certificates>,
) -> Result<Settings, Error> {
    let addresses: Vec<String> = report.nodes.iter().map(|node| node.advertised.clone()).collect();
    of(&addresses, &report.name, credentials, certificates)
}

fn settings_at(
    wiring: &Wiring,
    name: &str,
    credentials: Option<&Credentials>,
    certificates: Option<&Certificates>,
) -> Result<Settings, Error> {
    let addresses: Vec<String> = wiring.nodes.iter().map(ToString::to_string).collect();
    of(&addresses, name, credentials, certificates)
}

fn of(
    addresses: &[String],
    name: &str,
    credentials: Option<&Credentials>,
    certificates: Option<&Certificates>,
) -> Result<Settings, Error> {
    let first = addresses.first().map(String::as_str).unwrap_or_default();
    let url = url(first, credentials, certificates.is_some());
    let mut settings = vec![
        ("REDIS_CLUSTER_NODES", addresses.join(",")),
        ("REDIS_CLUSTER_URL", url),
    ];
    if let Some(credentials) = credentials {
        settings.push(("REDIS_USERNAME", credentials.user_name().to_owned()));
        settings.push(("REDIS_PASSWORD", credentials.password.expose().to_owned()));
    }
    if let Some(certificates) = certificates {
        let path = authority_file(name, certificates)?;
        settings.push(("REDIS_TLS_CA_CERT", path.display().to_string()));
    }
    Ok(settings)
}
