//! Finds the container engine like the Docker CLI, then on the sockets of common products.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// A candidate endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A URL with one of the schemes unix, tcp, http, https, ssh.
    pub(crate) endpoint: String,
    /// How it was found, for messages.
    pub(crate) found_by: String,
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`, if TLS is used.
    pub(crate) certificates: Option<PathBuf>,
}

impl Place {
    /// The three files, in this order: CA, certificate, key.
    ///
    /// # Errors
    /// [`ErrorKind::EngineUnavailable`] names the one that cannot be read.
    pub(crate) fn tls_files(directory: &Path) -> Result<[PathBuf; 3]> {
        let files = ["ca.pem", "cert.pem", "key.pem"].map(|name| directory.join(name));
        for file in &files {
            std::fs::File::open(file).map_err(|error| {
                Error::new(
                    ErrorKind::EngineUnavailable,
                    format!("cannot read {}, required for TLS to the container engine", file.display()),
                )
                .because(error)
                .hint(
                    "DOCKER_CERT_PATH or the Docker context must name a directory with ca.pem, cert.pem and key.pem.",
                )
            })?;
        }
        Ok(files)
    }
}

/// Inputs of the search, for tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) docker_host: Option<String>,
    pub(crate) docker_context: Option<String>,
    pub(crate) docker_config: Option<PathBuf>,
    pub(crate) tls_verify: bool,
    pub(crate) cert_path: Option<PathBuf>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) runtime_dir: Option<PathBuf>,
}

impl Environment {
    pub(crate) fn of_this_process() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: text("DOCKER_CONFIG").map(PathBuf::from),
            tls_verify: text("DOCKER_TLS_VERIFY").is_some(),
            cert_path: text("DOCKER_CERT_PATH").map(PathBuf::from),
            home: std::env::home_dir(),
            runtime_dir: text("XDG_RUNTIME_DIR").map(PathBuf::from),
        }
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct ContextFile {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<ContextEndpoint>,
}

#[derive(Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host")]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_verify: bool,
}

/// The endpoint to use: the user's, or the first socket that exists.
///
/// # Errors
/// [`ErrorKind::EngineUnavailable`] when nothing is named and no socket exists, or the named context does
/// not exist.
pub(crate) fn find(environment: &Environment) -> Result<Place> {
    let config = environment
        .docker_config
        .clone()
        .or_else(|| environment.home.as_ref().map(|home| home.join(".docker")));
    if let Some(endpoint) = &environment.docker_host {
        let over_tls =
            endpoint.starts_with("https://") || (endpoint.starts_with("tcp://") && environment.tls_verify);
        let directory = || {
            environment
                .cert_path
                .clone()
                .or_else(|| config.clone())
                .unwrap_or_default()
        };
        return Ok(Place {
            endpoint: endpoint.clone(),
            found_by: "DOCKER_HOST".to_owned(),
            certificates: over_tls.then(directory),
        });
    }
    let named = match &environment.docker_context {
        Some(name) => Some((name.clone(), "DOCKER_CONTEXT")),
        None => config
            .as_deref()
            .and_then(current_context)
            .map(|name| (name, "the current context")),
    };
    if let Some((name, by)) = named.filter(|(name, _)| name != "default") {
        return context(config.as_deref(), &name, by);
    }
    let candidates = sockets(environment);
    candidates
        .iter()
        .find(|(path, _)| path.exists())
        .map(|(path, what)| Place {
            endpoint: format!("unix://{}", path.display()),
            found_by: (*what).to_owned(),
            certificates: None,
        })
        .ok_or_else(|| {
            Error::new(ErrorKind::EngineUnavailable, "no container engine found")
                .details(
                    candidates
                        .iter()
                        .map(|(path, what)| format!("no socket {} ({what})", path.display())),
                )
                .hint(
                    "Install Docker and start it (`sudo systemctl start docker`), or set DOCKER_HOST to a running \
                     daemon.",
                )
        })
}

fn sockets(environment: &Environment) -> Vec<(PathBuf, &'static str)> {
    let mut all = vec![(PathBuf::from("/var/run/docker.sock"), "the default socket")];
    if let Some(dir) = &environment.runtime_dir {
        all.push((dir.join("docker.sock"), "rootless Docker"));
    }
    if let Some(home) = &environment.home {
        all.extend([
            (home.join(".docker/run/docker.sock"), "Docker Desktop"),
            (home.join(".colima/default/docker.sock"), "Colima"),
            (home.join(".orbstack/run/docker.sock"), "OrbStack"),
            (home.join(".rd/docker.sock"), "Rancher Desktop"),
        ]);
    }
    if let Some(dir) = &environment.runtime_dir {
        all.push((dir.join("podman/podman.sock"), "rootless Podman"));
    }
    all.push((PathBuf::from("/run/podman/podman.sock"), "Podman"));
    all
}

fn current_context(config: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config.join("config.json")).ok()?;
    serde_json::from_str::<ConfigFile>(&text)
        .ok()?
        .current_context
        .filter(|name| !name.is_empty())
}

fn context(config: Option<&Path>, wanted: &str, by: &str) -> Result<Place> {
    let metas = config
        .map(|config| config.join("contexts/meta"))
        .and_then(|dir| std::fs::read_dir(dir).ok());
    let found = metas
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .find_map(|entry| {
            let text = std::fs::read_to_string(entry.path().join("meta.json")).ok()?;
            let context: ContextFile = serde_json::from_str(&text).ok()?;
            // The certificates are in a sibling directory of the same name.
            let tls = config?
                .join("contexts/tls")
                .join(entry.file_name())
                .join("docker");
            (context.name == wanted).then_some((context.endpoints.docker?, tls))
        });
    let Some((endpoint, tls)) = found else {
        return Err(Error::new(
            ErrorKind::EngineUnavailable,
            format!("{by} names `{wanted}`, which does not exist"),
        )
        .hint("Run `docker context ls`, and select one with `docker context use` or DOCKER_CONTEXT."));
    };
    if endpoint.skip_verify {
        return Err(Error::new(
            ErrorKind::EngineUnavailable,
            format!("context `{wanted}` skips TLS verification, which rcup does not support"),
        )
        .hint("Add the daemon's CA to the context: `docker context update --docker host=…,ca=ca.pem,…`."));
    }
    let remote = ["tcp://", "https://"]
        .iter()
        .any(|scheme| endpoint.host.starts_with(scheme));
    Ok(Place {
        certificates: (remote && tls.is_dir()).then_some(tls),
        endpoint: endpoint.host,
        found_by: format!("{by} `{wanted}`"),
    })
}

/// The scheme of an endpoint that is reached through `ssh`.
pub(crate) const SCHEME: &str = "ssh://";

/// Command for each connection.
pub(crate) fn ssh_command(endpoint: &str) -> Vec<String> {
    let authority = endpoint.trim_start_matches(SCHEME).trim_end_matches('/');
    // The port follows the brackets of an IPv6 address; ssh takes the address without them.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
        _ => (authority, None),
    };
    let mut words = vec!["ssh".to_owned()];
    words.extend(
        port.into_iter()
            .flat_map(|port| ["-p".to_owned(), port.to_owned()]),
    );
    // A host may begin with a dash.
    words.extend(["--".to_owned(), host.replace(['[', ']'], "")]);
    words.extend(["docker", "system", "dial-stdio"].map(str::to_owned));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with_context(current: &str, host: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let meta = home.path().join(".docker/contexts/meta/abc");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            home.path().join(".docker/config.json"),
            format!(r#"{{"currentContext":"{current}"}}"#),
        )
        .unwrap();
        std::fs::write(
            meta.join("meta.json"),
            format!(r#"{{"Name":"colima","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#),
        )
        .unwrap();
        home
    }

    #[test]
    fn what_the_user_names_comes_first() {
        let home = home_with_context("colima", "unix:///x.sock");
        let mut environment = Environment {
            home: Some(home.path().to_owned()),
            docker_host: Some("tcp://localhost:2375".to_owned()),
            ..Environment::default()
        };
        assert_eq!(find(&environment).unwrap().found_by, "DOCKER_HOST");
        environment.docker_host = None;
        let place = find(&environment).unwrap();
        assert_eq!(place.endpoint, "unix:///x.sock");
        assert_eq!(place.found_by, "the current context `colima`");
        environment.docker_context = Some("elsewhere".to_owned());
        let error = find(&environment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
        assert_eq!(
            error.to_string(),
            "DOCKER_CONTEXT names `elsewhere`, which does not exist"
        );
    }

    #[test]
    fn tls_is_spoken_where_the_user_or_the_context_says_so() {
        let home = home_with_context("colima", "tcp://build.test:2376");
        let config = home.path().join(".docker");
        let mut environment = Environment {
            home: Some(home.path().to_owned()),
            ..Environment::default()
        };
        assert_eq!(find(&environment).unwrap().certificates, None);
        let tls = config.join("contexts/tls/abc/docker");
        std::fs::create_dir_all(&tls).unwrap();
        assert_eq!(find(&environment).unwrap().certificates, Some(tls));
        for (host, verify, path, expected) in [
            ("tcp://x:2376", true, None, Some(config.clone())),
            ("tcp://x:2376", true, Some("/certs"), Some("/certs".into())),
            ("tcp://x:2376", false, Some("/certs"), None),
            ("https://x:2376", false, Some("/certs"), Some("/certs".into())),
            ("unix:///x.sock", true, Some("/certs"), None),
        ] {
            environment.docker_host = Some(host.to_owned());
            environment.tls_verify = verify;
            environment.cert_path = path.map(PathBuf::from);
            assert_eq!(
                find(&environment).unwrap().certificates,
                expected,
                "{host} {verify}"
            );
        }
        let error = Place::tls_files(&config).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
        let meta = config.join("contexts/meta/abc/meta.json");
        let text = std::fs::read_to_string(&meta).unwrap();
        std::fs::write(
            &meta,
            text.replace("\"SkipTLSVerify\":false", "\"SkipTLSVerify\":true"),
        )
        .unwrap();
        environment.docker_host = None;
        assert!(
            find(&environment)
                .unwrap_err()
                .to_string()
                .contains("skips TLS verification")
        );
    }

    #[test]
    fn the_sockets_of_products_are_tried_in_their_order() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment {
            home: Some(home.path().to_owned()),
            runtime_dir: Some(home.path().join("run")),
            ..Environment::default()
        };
        let paths: Vec<PathBuf> = sockets(&environment).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths[0], Path::new("/var/run/docker.sock"));
        assert_eq!(
            paths.last().map(PathBuf::as_path),
            Some(Path::new("/run/podman/podman.sock"))
        );
        assert_eq!(paths.len(), 8);
    }
}
