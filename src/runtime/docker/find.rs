//! Finds the container engine like the Docker CLI, then on the sockets of common products.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::context::{self, Current};
use crate::runtime::docker::endpoint::{Setting, endpoint};
use crate::runtime::docker::sockets::{
    Answer, Candidate, Directories, candidates, default_socket, none_accepts, try_connect,
};

/// A container engine's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A URL with one of the schemes unix, tcp, http, https, ssh.
    pub(crate) endpoint: String,
    /// How it was found, for messages.
    pub(crate) found_by: String,
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`, if TLS is used.
    pub(crate) certificates: Option<PathBuf>,
    /// A problem during the search that the user should know.
    pub(crate) warning: Option<String>,
}

impl Place {
    /// Returns the three files, in this order: CA, certificate, key.
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
    pub(crate) directories: Directories,
}

impl Environment {
    pub(crate) fn of_this_process() -> Self {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        // A value that is not Unicode must not count as unset, which would select another container engine.
        let text = |name: &str| value(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: value("DOCKER_CONFIG").map(PathBuf::from),
            tls_verify: text("DOCKER_TLS_VERIFY").is_some(),
            cert_path: value("DOCKER_CERT_PATH").map(PathBuf::from),
            directories: Directories::of_this_process(),
        }
    }

    fn config(&self) -> Option<PathBuf> {
        self.docker_config
            .clone()
            .or_else(|| self.directories.home.as_ref().map(|home| home.join(".docker")))
    }
}

/// Returns the endpoint to use: the user's, or the first default socket that accepts a connection. An endpoint that
/// the user selected is never replaced by another.
///
/// # Errors
/// [`ErrorKind::EngineUnavailable`] or [`ErrorKind::EnginePermission`] when nothing is selected and no socket
/// accepts a connection, or the selected endpoint or context cannot be used.
pub(crate) fn find(environment: &Environment) -> Result<Place> {
    find_among(environment, &candidates(&environment.directories))
}

fn find_among(environment: &Environment, candidates: &[Candidate]) -> Result<Place> {
    match selected(environment)? {
        Selection::Named(place) => Ok(place),
        Selection::None { problem } => first(candidates, problem.as_deref().map(ignored)),
    }
}

/// What the user selected.
enum Selection {
    Named(Place),
    /// Nothing, perhaps because `config.json` is invalid.
    None {
        problem: Option<String>,
    },
}

fn selected(environment: &Environment) -> Result<Selection> {
    let config = environment.config();
    let named = |endpoint: String, found_by: String, certificates: Option<PathBuf>| {
        Selection::Named(Place {
            endpoint,
            found_by,
            certificates,
            warning: None,
        })
    };
    let host = environment.docker_host.as_deref().map(str::trim);
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        let endpoint = endpoint(host, Setting::DockerHost, Path::exists)?;
        let over_tls =
            endpoint.starts_with("https://") || (endpoint.starts_with("tcp://") && environment.tls_verify);
        let directory = || environment.cert_path.clone().or(config).unwrap_or_default();
        let certificates = over_tls.then(directory);
        return Ok(named(endpoint, "DOCKER_HOST".to_owned(), certificates));
    }
    let (name, by) = match &environment.docker_context {
        Some(name) if name == "default" => {
            let endpoint = default_socket().endpoint();
            return Ok(named(endpoint, format!("DOCKER_CONTEXT `{name}`"), None));
        }
        Some(name) => (name.clone(), "DOCKER_CONTEXT"),
        None => match config.as_deref().map(context::current).transpose()? {
            Some(Current { name: Some(name), .. }) => (name, "the current context"),
            Some(Current { problem, .. }) => return Ok(Selection::None { problem }),
            None => return Ok(Selection::None { problem: None }),
        },
    };
    let context = context::read(config.as_deref(), &name, by)?;
    Ok(named(
        context.endpoint,
        format!("{by} `{name}`"),
        context.certificates,
    ))
}

fn ignored(problem: &str) -> String {
    format!("Docker's configuration is ignored: {problem}")
}

fn first(candidates: &[Candidate], warning: Option<String>) -> Result<Place> {
    let mut failed = Vec::new();
    for candidate in candidates {
        match try_connect(&candidate.path) {
            Answer::Accepts => {
                return Ok(Place {
                    endpoint: candidate.endpoint(),
                    found_by: candidate.product.clone(),
                    certificates: None,
                    warning,
                });
            }
            Answer::Fails(error) => failed.push((candidate.clone(), error)),
            Answer::Absent => {}
        }
    }
    let error = none_accepts(failed).unwrap_or_else(|| none_exists(candidates));
    Err(error.details(warning))
}

fn none_exists(candidates: &[Candidate]) -> Error {
    Error::new(ErrorKind::EngineUnavailable, "no container engine found")
        .details(
            candidates
                .iter()
                .map(|candidate| format!("no socket {} ({})", candidate.path.display(), candidate.product)),
        )
        .hint(
            "Install Docker and start it (`sudo systemctl start docker`), start Podman's socket \
             (`systemctl --user start podman.socket`), or set DOCKER_HOST to a running daemon.",
        )
}

/// All container engines that this process can find.
#[cfg(feature = "cli")]
#[derive(Debug)]
pub(crate) struct Survey {
    /// The one to use, or why there is none.
    pub(crate) chosen: Result<Place>,
    /// Whether the user selected it.
    pub(crate) is_selected: bool,
    /// The default sockets that exist, with their product and why they accept no connection.
    pub(crate) sockets: Vec<(Candidate, Option<String>)>,
}

/// Tries all default sockets, even if the user selected an endpoint.
#[cfg(feature = "cli")]
pub(crate) fn survey(environment: &Environment) -> Survey {
    let candidates = candidates(&environment.directories);
    let sockets = candidates.iter().filter_map(|candidate| {
        let failure = match try_connect(&candidate.path) {
            Answer::Accepts => None,
            Answer::Fails(error) => Some(error.to_string()),
            Answer::Absent => return None,
        };
        Some((candidate.clone(), failure))
    });
    Survey {
        is_selected: !matches!(selected(environment), Ok(Selection::None { .. })),
        sockets: sockets.collect(),
        chosen: find_among(environment, &candidates),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn home_with_context(current: &str, host: &str) -> (tempfile::TempDir, Environment) {
        let home = tempfile::tempdir().unwrap();
        let meta = home.path().join(".docker/contexts/meta/abc");
        std::fs::create_dir_all(&meta).unwrap();
        let config = format!(r#"{{"currentContext":"{current}"}}"#);
        std::fs::write(home.path().join(".docker/config.json"), config).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            format!(r#"{{"Name":"colima","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#),
        )
        .unwrap();
        let environment = Environment {
            directories: Directories {
                home: Some(home.path().to_owned()),
                ..Directories::default()
            },
            ..Environment::default()
        };
        (home, environment)
    }

    #[test]
    fn the_users_selection_comes_first() {
        let (_home, mut environment) = home_with_context("colima", "unix:///x.sock");
        environment.docker_host = Some(" localhost:2375 ".to_owned());
        let place = find(&environment).unwrap();
        assert_eq!(place.found_by, "DOCKER_HOST");
        assert_eq!(place.endpoint, "tcp://localhost:2375");
        for unset in [None, Some(String::new()), Some(" ".to_owned())] {
            environment.docker_host = unset;
            let place = find(&environment).unwrap();
            assert_eq!(place.endpoint, "unix:///x.sock");
            assert_eq!(place.found_by, "the current context `colima`");
        }
        environment.docker_context = Some("elsewhere".to_owned());
        let error = find(&environment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
        assert_eq!(
            error.to_string(),
            "DOCKER_CONTEXT names `elsewhere`, which does not exist"
        );
        environment.docker_context = Some("default".to_owned());
        let place = find(&environment).unwrap();
        assert_eq!(place.endpoint, "unix:///var/run/docker.sock");
        assert_eq!(place.found_by, "DOCKER_CONTEXT `default`");
    }

    #[test]
    fn tls_is_used_if_the_user_or_the_context_selects_it() {
        let (home, mut environment) = home_with_context("colima", "tcp://build.test:2376");
        let config = home.path().join(".docker");
        assert_eq!(find(&environment).unwrap().certificates, None);
        let tls = config.join("contexts/tls/abc/docker");
        std::fs::create_dir_all(&tls).unwrap();
        assert_eq!(find(&environment).unwrap().certificates, Some(tls));
        for (host, verify, path, expected) in [
            ("tcp://x:2376", true, None, Some(config.clone())),
            ("x:2376", true, None, Some(config.clone())),
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

    fn candidate(directory: &tempfile::TempDir, name: &str) -> Candidate {
        Candidate {
            path: directory.path().join(name),
            product: name.to_owned(),
        }
    }

    #[test]
    fn a_stale_default_socket_does_not_end_the_search() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        let candidates = ["absent", "stale", "running", "second"].map(|name| candidate(&home, name));
        let error = find_among(&environment, &candidates).unwrap_err();
        assert_eq!(error.to_string(), "no container engine found");
        assert_eq!(error.detail_lines().len(), 4);

        drop(UnixListener::bind(&candidates[1].path).unwrap());
        let error = find_among(&environment, &candidates).unwrap_err();
        assert!(
            error.to_string().contains("/stale (stale) does not respond"),
            "{error}"
        );

        let _running = UnixListener::bind(&candidates[2].path).unwrap();
        let _second = UnixListener::bind(&candidates[3].path).unwrap();
        assert_eq!(find_among(&environment, &candidates).unwrap().found_by, "running");
    }

    #[test]
    fn a_selected_endpoint_is_never_replaced() {
        let (home, mut environment) = home_with_context("colima", "unix:///gone.sock");
        let running = candidate(&home, "running");
        let _listener = UnixListener::bind(&running.path).unwrap();
        let candidates = [running];
        let found = |environment: &Environment| find_among(environment, &candidates).unwrap().endpoint;
        assert_eq!(found(&environment), "unix:///gone.sock");
        environment.docker_host = Some("unix:///named.sock".to_owned());
        assert_eq!(found(&environment), "unix:///named.sock");
        environment.docker_host = Some("/named.sock".to_owned());
        assert!(find_among(&environment, &candidates).is_err());
        environment.docker_host = None;
        let config = home.path().join(".docker/config.json");
        std::fs::write(&config, r#"{"currentContext":"colima",}"#).unwrap();
        assert!(find_among(&environment, &candidates).is_err());
        environment.docker_context = Some("colima".to_owned());
        assert_eq!(found(&environment), "unix:///gone.sock");
    }

    #[test]
    fn an_invalid_configuration_is_a_warning() {
        let (home, environment) = home_with_context("", "unix:///x.sock");
        let config = home.path().join(".docker/config.json");
        std::fs::write(&config, "{,}").unwrap();
        let running = candidate(&home, "running");
        let warning = format!(
            "Docker's configuration is ignored: {}:1: key must be a string",
            config.display()
        );
        let error = find_among(&environment, std::slice::from_ref(&running)).unwrap_err();
        assert_eq!(error.detail_lines().last(), Some(&warning));
        let _listener = UnixListener::bind(&running.path).unwrap();
        let place = find_among(&environment, &[running]).unwrap();
        assert_eq!(place.warning, Some(warning));
    }
}
