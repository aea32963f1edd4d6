//! The result of an image build: an archive and its import options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::spec::server::{Engine, Server};

/// The `PATH` of the image. A container engine sets no default on import.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A built image before its import: the root file system and its metadata.
#[derive(Debug)]
pub struct Artifact {
    /// The server in the image, as reported by its `--version`.
    pub server: Server,
    /// The image's name, such as `rcup/redis:7.0.15`.
    pub reference: String,
    /// The labels by which rcup recognizes the image.
    pub labels: BTreeMap<String, String>,
    /// The root file system.
    pub archive: Archive,
    /// The source of the server, in one line.
    pub origin: String,
    /// The processor architecture, in the notation of container engines (`amd64`, `arm64`). A container engine on a
    /// host with another architecture cannot run the image.
    pub architecture: String,
    /// The size of the archive in bytes.
    pub bytes: u64,
}

/// An uncompressed tar file, which is deleted when this value is dropped.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    _guard: TempDir,
}

impl Archive {
    pub(crate) fn new(guard: TempDir, path: PathBuf) -> Self {
        Self { path, _guard: guard }
    }

    /// Returns the path of the tar file. It is valid as long as this value exists.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Artifact {
    pub(crate) fn new(server: Server, origin: String, archive: Archive, bytes: u64) -> Self {
        let reference = reference(server);
        let labels = labels(server, &reference, &origin);
        Self {
            server,
            reference,
            labels,
            archive,
            origin,
            architecture: architecture().to_owned(),
            bytes,
        }
    }

    /// Returns the part of the reference before the colon.
    #[cfg(any(test, feature = "test-util"))]
    pub fn repository(&self) -> &str {
        self.reference
            .split_once(':')
            .map_or(&*self.reference, |(repository, _)| repository)
    }

    /// Returns the part of the reference after the colon.
    #[cfg(any(test, feature = "test-util"))]
    pub fn tag(&self) -> &str {
        self.reference.split_once(':').map_or("latest", |(_, tag)| tag)
    }

    /// Returns the Dockerfile instructions to apply on import.
    ///
    /// They set no entrypoint, user or exposed port. The command that runs the image sets these.
    pub fn changes(&self) -> Vec<String> {
        changes(self.server.engine, &self.labels)
    }
}

fn reference(server: Server) -> String {
    format!("{}:{}", server.engine.local_repository(), server.version)
}

fn labels(server: Server, reference: &str, origin: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("rcup.image".to_owned(), reference.to_owned()),
        ("rcup.engine".to_owned(), server.engine.as_str().to_owned()),
        ("rcup.engine-version".to_owned(), server.version.to_string()),
        ("rcup.image.origin".to_owned(), origin.to_owned()),
    ])
}

fn changes(engine: Engine, labels: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = vec![
        format!("ENV PATH={PATH}"),
        "WORKDIR /data".to_owned(),
        format!("CMD [\"{}\"]", engine.server()),
    ];
    lines.extend(
        labels
            .iter()
            .map(|(key, value)| format!("LABEL {}={}", quoted(key), quoted(value))),
    );
    lines
}

/// Quotes a word for a Dockerfile: in double quotes, without expansions, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' | '$' => {
                quoted.push('\\');
                quoted.push(character);
            }
            control if control.is_control() => quoted.push(' '),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Version;

    #[test]
    fn a_label_survives_the_dockerfile() {
        assert_eq!(quoted("Debian bookworm"), r#""Debian bookworm""#);
        assert_eq!(quoted(r#"a "b" $HOME \n"#), r#""a \"b\" \$HOME \\n""#);
        assert_eq!(quoted("two\nlines"), r#""two lines""#);
    }

    #[test]
    fn the_import_says_all_that_an_engine_must_know_and_no_more() {
        let server = Server::new(Engine::Valkey, Version::new(8, 1, 1));
        let reference = reference(server);
        assert_eq!(reference, "rcup/valkey:8.1.1");
        let labels = labels(server, &reference, "this host's /usr/bin/valkey-server");
        assert_eq!(
            changes(server.engine, &labels),
            [
                "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "WORKDIR /data",
                r#"CMD ["valkey-server"]"#,
                r#"LABEL "rcup.engine"="valkey""#,
                r#"LABEL "rcup.engine-version"="8.1.1""#,
                r#"LABEL "rcup.image"="rcup/valkey:8.1.1""#,
                r#"LABEL "rcup.image.origin"="this host's /usr/bin/valkey-server""#,
            ]
        );
    }
}
