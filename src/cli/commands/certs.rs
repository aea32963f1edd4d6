//! `rcup certs`: exports client certificates.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::args::CertsVerb;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, json};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::spec::security::Certificates;

pub async fn run(verb: CertsVerb, terminal: &Terminal) -> Outcome {
    let CertsVerb::Export { directory, name } = verb;
    let attached = Cluster::attach(engine(terminal).await?, &name).await?;
    let Some(certificates) = attached.certificates().await? else {
        return Err(
            Error::new(ErrorKind::NotFound, format!("cluster {name} does not use TLS"))
                .hint("`rcup up --tls` starts a cluster with TLS.")
                .into(),
        );
    };
    let files = export(certificates, &directory)
        .map_err(|error| cannot(&format!("write to {}", directory.display()), error))?;
    if terminal.is_json() {
        json::print_named(terminal, "files", &files)?;
    } else {
        for file in &files {
            writeln!(terminal.out(), "{}", file.display())?;
        }
    }
    Ok(Exit::DONE)
}

/// Writes the CA certificate and, if present, a client certificate with its key (readable only by this user).
fn export(certificates: &Certificates, directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)?;
    let mut files = vec![("ca.crt", certificates.authority.as_str(), 0o644)];
    if let Some(client) = &certificates.client {
        files.push(("client.crt", client.certificate.as_str(), 0o644));
        files.push(("client.key", client.key.expose(), 0o600));
    }
    files
        .into_iter()
        .map(|(name, text, mode)| {
            let path = directory.join(name);
            write(&path, text, mode)?;
            Ok(path)
        })
        .collect()
}

/// Replaces a file atomically; it is unreadable for others before its mode is set.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = mode;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Returns the path of a file with the cluster's CA certificate, for programs that need one. The file is in
/// this user's data directory and rewritten on every call.
pub fn authority_file(name: &str, certificates: &Certificates) -> Result<PathBuf, Error> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    let Some(data) = data else {
        return Err(
            Error::new(ErrorKind::Io, "no default directory for the CA certificate")
                .hint("Set HOME or XDG_DATA_HOME, or use `rcup certs export DIR`."),
        );
    };
    let path = data.join("rcup").join(name).join("ca.crt");
    let directory = path.parent().unwrap_or(&data);
    fs::create_dir_all(directory)
        .and_then(|()| write(&path, &certificates.authority, 0o644))
        .map_err(|error| cannot(&format!("write {}", path.display()), error))?;
    Ok(path)
}

fn cannot(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what}"))
        .because(error)
        .hint("Choose a writable directory: `rcup certs export DIR`.")
}

#[cfg(test)]
mod tests {
    use crate::spec::secret::Secret;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_key_is_for_its_user_alone_also_where_a_file_was_open_to_all() {
        use std::os::unix::fs::PermissionsExt as _;
        let certificates = Certificates {
            authority: "authority".to_owned(),
            node: "node".to_owned(),
            node_key: Secret::new("node-key"),
            client: Some(crate::spec::security::ClientCertificate {
                certificate: "client".to_owned(),
                key: Secret::new("client-key"),
            }),
        };
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("deep/er");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("client.key"), "old").unwrap();
        let files = export(&certificates, &directory).unwrap();
        assert_eq!(files.len(), 3);
        let key = fs::metadata(directory.join("client.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_to_string(directory.join("client.key")).unwrap(),
            "client-key"
        );
        assert!(!directory.join("node.key").exists());
        let brought = Certificates {
            client: None,
            ..certificates
        };
        assert_eq!(
            export(&brought, home.path()).unwrap(),
            [home.path().join("ca.crt")]
        );
    }
}
