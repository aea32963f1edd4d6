//! `rcup export`: exports a cluster for other tools, from a running cluster or from flags.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::cli::args::export::{Export, ExportVerb};
use crate::cli::executor::{engine, wait};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::{Terminal, json};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::export;
use crate::export::bare_metal::placement::BareMetal;
use crate::lifecycle::secrets::cluster as secrets;
use crate::server::conf::document::Document;
use crate::spec::name::ClusterName;
use crate::spec::secret::Secret;
use crate::spec::security::{Certificates, ClientCertificate, Secrets};
use crate::topology::layout::Topology;
use crate::topology::offline::without_engine;

pub fn run(verb: &ExportVerb, terminal: &Terminal) -> Outcome {
    let (format, export) = (verb.format(), verb.export());
    let machines = match verb {
        ExportVerb::BareMetal { hosts, clients, .. } => Some(place(hosts, clients)),
        _ => None,
    };
    let so_far = machines.as_ref().and(certificates_in(export.out.as_deref()));
    let (topology, secrets) = source(export, machines.as_ref(), so_far.as_ref(), terminal)?;
    let authorities = [&so_far, &secrets.certificates].map(|all| all.as_ref().map(|all| &all.authority));
    if let [Some(before), Some(now)] = authorities
        && before != now
    {
        terminal.warn("the certificates have a new CA: clients need the new certs/ca.crt after deployment");
    }
    let with_keys = matches!(verb, ExportVerb::Compose(_) | ExportVerb::Conf(_));
    let refuses = matches!(verb, ExportVerb::BareMetal { .. } | ExportVerb::Swarm { .. });
    if topology.spec.tls() && !with_keys && !refuses {
        terminal.warn(&format!(
            "`{format}` does not include certificates: set the `tls-…` directives before using it"
        ));
    }
    if !with_keys
        && (!topology.spec.users().is_empty() || !topology.spec.profile().disabled_commands().is_empty())
    {
        let clients = if topology.spec.password().is_some() {
            "clients share one password"
        } else {
            "clients need no password"
        };
        terminal.warn(&format!(
            "`{format}` does not include ACL users: {clients} and may run every command"
        ));
    }
    let mut documents = match &verb {
        ExportVerb::Compose(_) => vec![export::compose::compose(&topology)?],
        ExportVerb::Conf(_) => crate::server::conf::files::conf(&topology, &secrets),
        ExportVerb::Kubernetes { service_monitor, .. } => {
            export::kubernetes::kubernetes(&topology, *service_monitor)?
        }
        ExportVerb::Swarm { machines, .. } => vec![export::swarm::swarm(&topology, machines)?],
        ExportVerb::BareMetal { hosts, clients, .. } => {
            export::bare_metal::bare_metal(&topology, &place(hosts, clients))?
        }
    };
    match (&verb, &export.out) {
        (ExportVerb::BareMetal { .. }, Some(_)) => {
            documents.extend(export::bare_metal::bare_metal_secrets(&secrets));
        }
        (ExportVerb::Compose(_), Some(_)) => {
            documents.extend(export::secret_files::beside(&topology, &secrets));
        }
        (ExportVerb::Kubernetes { service_monitor, .. }, Some(_)) => {
            documents.extend(export::kubernetes::kubernetes_secrets(&secrets, *service_monitor));
        }
        (_, Some(_)) => documents.extend(secrets.password.as_ref().map(Document::password)),
        (ExportVerb::Compose(_) | ExportVerb::Conf(_), None) if secrets.is_empty() => {}
        (_, None) if with_keys || secrets.password.is_some() => terminal.warn(
            "secrets are not printed; nodes read them from files, which `-o \
             PATH` writes",
        ),
        _ => {}
    }
    match (&export.out, documents.as_slice()) {
        (Some(out), documents) => write(format, documents, out, export.force, terminal),
        (None, _) if terminal.is_json() => {
            json::print(terminal, &Printed::new(format, &documents))?;
            Ok(Exit::DONE)
        }
        (None, [document]) => {
            terminal.out().write_all(document.contents.as_bytes())?;
            Ok(Exit::DONE)
        }
        (None, _) => Err(Error::new(
            ErrorKind::Usage,
            format!(
                "`{format}` exports {} files, which do not fit on standard output",
                documents.len()
            ),
        )
        .hint("Choose a directory with `-o DIR`.")
        .into()),
    }
}

/// Returns topology and secrets: of the running cluster if only a name is given, otherwise of the flags. A
/// cluster on machines has other addresses than in containers and therefore another certificate; `so_far` is
/// the certificate of the previous export.
fn source(
    export: &Export,
    machines: Option<&BareMetal>,
    so_far: Option<&Certificates>,
    terminal: &Terminal,
) -> Result<(Topology, Secrets), Failure> {
    match &export.name {
        Some(name) if !export.wanted.given => {
            let mut found = None;
            wait(async {
                found = Some(running(name, terminal).await?);
                Ok(Exit::DONE)
            })?;
            let (topology, mut secrets) = found.ok_or(Failure::ReaderGone)?;
            let Some(machines) = machines else {
                return Ok((topology, secrets));
            };
            let topology = export::bare_metal::placement::on_machines(&topology, machines)?;
            secrets.certificates = secrets::make_for_machines(&topology, so_far)?.certificates;
            Ok((topology, secrets))
        }
        name => {
            let spec = export
                .wanted
                .spec
                .clone()
                .build(name.clone().unwrap_or_default())?;
            // On macOS and Windows, container addresses are inside Docker's VM.
            let place = without_engine(&spec, cfg!(target_os = "linux"))?;
            place.check(&spec)?;
            let topology = Topology::new(&spec, &place)?;
            let Some(machines) = machines else {
                let secrets = secrets::make(&topology)?;
                return Ok((topology, secrets));
            };
            let topology = export::bare_metal::placement::on_machines(&topology, machines)?;
            let secrets = secrets::make_for_machines(&topology, so_far)?;
            Ok((topology, secrets))
        }
    }
}

fn place(hosts: &[Ipv4Addr], clients: &[Ipv4Net]) -> BareMetal {
    BareMetal {
        hosts: hosts.to_vec(),
        clients: clients.to_vec(),
    }
}

/// Reads the certificates of an earlier export.
fn certificates_in(out: Option<&Path>) -> Option<Certificates> {
    let read = |name: &str| fs::read_to_string(out?.join("certs").join(name)).ok();
    Some(Certificates {
        authority: read("ca.crt")?,
        node: read("node.crt")?,
        node_key: Secret::new(read("node.key")?),
        client: read("client.crt")
            .zip(read("client.key"))
            .map(|(certificate, key)| ClientCertificate {
                certificate,
                key: Secret::new(key),
            }),
    })
}

async fn running(name: &ClusterName, terminal: &Terminal) -> Result<(Topology, Secrets), Failure> {
    let engine = engine(terminal).await?;
    let attached = Cluster::attach(engine, name).await.map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            error.hint(format!(
                "Run `rcup list`, or pass flags such as `--masters 3` to export without a container engine. \
                 `rcup up {name}` starts it."
            ))
        } else {
            error
        }
    })?;
    let secrets = attached.secrets().await?.clone();
    Ok((attached.topology().clone(), secrets))
}

/// JSON output.
#[derive(Serialize)]
struct Printed<'a> {
    format: &'a str,
    files: Vec<PrintedFile<'a>>,
}

#[derive(Serialize)]
struct PrintedFile<'a> {
    path: String,
    mode: String,
    secret: bool,
    /// Omitted for files written to disk, and for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<&'a str>,
}

impl<'a> Printed<'a> {
    fn new(format: &'a str, documents: &'a [Document]) -> Self {
        let file = |document: &'a Document| PrintedFile {
            path: document.path.clone(),
            mode: format!("{:04o}", document.mode),
            secret: document.secret,
            contents: (!document.secret).then_some(document.contents.as_str()),
        };
        Self {
            format,
            files: documents.iter().map(file).collect(),
        }
    }
}

/// Writes the files and lists them.
fn write(
    format: &'static str,
    documents: &[Document],
    out: &Path,
    force: bool,
    terminal: &Terminal,
) -> Outcome {
    let places = save(documents, out, force)?;
    if terminal.is_json() {
        let files = documents
            .iter()
            .zip(&places)
            .map(|(document, place)| PrintedFile {
                path: place.display().to_string(),
                mode: format!("{:04o}", document.mode),
                secret: document.secret,
                contents: None,
            });
        let printed = Printed {
            format,
            files: files.collect(),
        };
        json::print(terminal, &printed)?;
    } else if !terminal.quiet {
        let mut out = terminal.out();
        for place in &places {
            writeln!(out, "{}", place.display())?;
        }
    }
    Ok(Exit::DONE)
}

/// Writes all files and returns their paths; writes none if one exists and must not be replaced.
pub fn save(documents: &[Document], out: &Path, force: bool) -> Result<Vec<PathBuf>, Failure> {
    let open = documents.iter().filter(|document| !document.secret).count();
    let single = open == 1 && !out.is_dir() && !out.as_os_str().to_string_lossy().ends_with('/');
    let place = |document: &Document| {
        if single && document.secret {
            out.with_file_name(&document.path)
        } else if single {
            out.to_owned()
        } else {
            out.join(&document.path)
        }
    };
    let places: Vec<PathBuf> = documents.iter().map(place).collect();
    if let Some(taken) = places.iter().find(|place| place.exists() && !force) {
        return Err(
            Error::new(ErrorKind::Usage, format!("{} exists already", taken.display()))
                .hint("Replace it with --force, or choose another path with -o.")
                .into(),
        );
    }
    for (document, place) in documents.iter().zip(&places) {
        refuse_open_directory(document, place)?;
    }
    for (document, place) in documents.iter().zip(&places) {
        put(document, place).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot write {}", place.display())).because(error)
        })?;
    }
    Ok(places)
}

/// Rejects a directory that other users can access. A secret file that the nodes' user must read is protected
/// only by its directory. An existing directory may be shared on purpose, so its mode is checked but never
/// changed.
fn refuse_open_directory(document: &Document, place: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    if let Some(directory) = place.parent()
        && document.secret
        && document.mode & 0o077 != 0
        && let Ok(seen) = fs::metadata(directory)
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&seen.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "{} is for secrets, but mode {mode:04o} lets other users in",
                    directory.display()
                ),
            )
            .hint(format!(
                "Run `chmod 700 {}`, or choose another path with -o.",
                directory.display()
            ))
            .into());
        }
    }
    Ok(())
}

/// Writes one file atomically (temporary file and rename).
fn put(document: &Document, place: &Path) -> io::Result<()> {
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory {
        make(directory, document.secret)?;
    }
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = place.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, document.mode);
    let written = options
        .open(&beside)
        .and_then(|mut file| {
            // The nodes' user must be able to read it, regardless of the umask.
            #[cfg(unix)]
            if document.secret {
                file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(document.mode))?;
            }
            file.write_all(document.contents.as_bytes())
        })
        .and_then(|()| fs::rename(&beside, place));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Creates a directory and its parents. If it is for secrets, it is created with private mode.
fn make(directory: &Path, secret: bool) -> io::Result<()> {
    if let Some(above) = directory.parent() {
        fs::create_dir_all(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    builder.create(directory)
}
