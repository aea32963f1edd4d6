//! The login for a registry, as `docker login` and `podman login` stored it.
//!
//! The daemon has no logins. The client reads them for each pull and sends the one for the registry:
//! `credHelpers`, `credsStore` and `auths` of Docker's `config.json`, then Podman's `auth.json`, which has the same
//! format.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::spec::secret::Secret;

/// Docker Hub's key in Docker's configuration, since the first version of its registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Docker Hub's host in image references, and its key in Podman's file.
const DOCKER_IO: &str = "docker.io";

/// The user name by which a credential helper marks its secret as an identity token.
const TOKEN_USER: &str = "<token>";

/// Timeout of a credential helper. Those of cloud providers request a token over the network.
const HELPER_DEADLINE: Duration = Duration::from_secs(10);

/// The repository of an image, without tag and digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// Parses an image reference by Docker's rules: the first part is a host if it contains a dot, a port or an upper
    /// case letter, or is `localhost`. Everything else is on Docker Hub.
    pub(crate) fn of(reference: &str) -> Self {
        let name = reference.split('@').next().unwrap_or(reference);
        let name = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => name,
        };
        let is_host = |part: &str| {
            part.contains(['.', ':'])
                || part == "localhost"
                || part.contains(|c: char| c.is_ascii_uppercase())
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path),
            _ => (DOCKER_IO, name),
        };
        if host != DOCKER_IO && host != "index.docker.io" {
            return Self {
                host: host.to_owned(),
                path: path.to_owned(),
            };
        }
        let official = if path.contains('/') { "" } else { "library/" };
        Self {
            host: DOCKER_IO.to_owned(),
            path: format!("{official}{path}"),
        }
    }

    /// Returns the command that logs in to the registry.
    pub(crate) fn login_command(&self) -> String {
        match self.host.as_str() {
            DOCKER_IO => "docker login".to_owned(),
            host => format!("docker login {host}"),
        }
    }

    /// Returns the registry's name for messages.
    pub(crate) fn registry(&self) -> &str {
        match self.host.as_str() {
            DOCKER_IO => "Docker Hub",
            host => host,
        }
    }

    /// Returns the registry's key in Docker's configuration, which credential helpers also receive.
    fn server(&self) -> &str {
        match self.host.as_str() {
            DOCKER_IO => DOCKER_HUB,
            host => host,
        }
    }

    /// Returns the keys in `auths`, the most specific first. Podman allows a login for a part of a registry:
    /// `HOST/PATH`.
    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut path = self.path.as_str();
        loop {
            keys.push(format!("{}/{path}", self.host));
            let Some((parent, _)) = path.rsplit_once('/') else {
                break;
            };
            path = parent;
        }
        keys.push(self.server().to_owned());
        if self.host == DOCKER_IO {
            keys.push(DOCKER_IO.to_owned());
        }
        keys
    }
}

/// A login and its source. It has no `Debug`, because `DockerCredentials` would show the password.
pub(crate) struct Login {
    pub(crate) credentials: DockerCredentials,
    /// A file, a variable or a credential helper.
    pub(crate) from: String,
}

/// The result of a search.
#[derive(Default)]
pub(crate) struct Lookup {
    pub(crate) login: Option<Login>,
    /// Sources that could not be read. Without a login, one of these may be the reason.
    pub(crate) problems: Vec<String>,
}

/// Sources of logins.
#[derive(Default)]
pub(crate) struct Sources {
    /// `DOCKER_AUTH_CONFIG`: the content of a file, for CI jobs.
    inline: Option<Secret>,
    /// The files, in the order in which they are read; Docker's is the first.
    files: Vec<PathBuf>,
    /// Search path of credential helpers, if it is not this process's.
    helper_path: Option<OsString>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigFile {
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Output of a credential helper.
#[derive(Deserialize)]
struct HelperOutput {
    #[serde(rename = "Username", default)]
    user: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

impl Sources {
    pub(crate) fn of_this_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self::new(&variable, std::env::home_dir().as_deref())
    }

    fn new(variable: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Self {
        let directory = |name: &str, in_home: &str| {
            let named = variable(name).map(PathBuf::from);
            named.or_else(|| Some(home?.join(in_home)))
        };
        let docker = directory("DOCKER_CONFIG", ".docker").map(|docker| docker.join("config.json"));
        let podman = match variable("REGISTRY_AUTH_FILE") {
            Some(file) => vec![PathBuf::from(file)],
            None => [
                variable("XDG_RUNTIME_DIR").map(PathBuf::from),
                directory("XDG_CONFIG_HOME", ".config"),
            ]
            .into_iter()
            .flatten()
            .map(|directory| directory.join("containers/auth.json"))
            .collect(),
        };
        Self {
            inline: variable("DOCKER_AUTH_CONFIG")
                .and_then(|text| text.into_string().ok())
                .map(Secret::new),
            files: docker.into_iter().chain(podman).collect(),
            helper_path: None,
        }
    }

    /// Returns the path of Docker's file, for messages.
    pub(crate) fn docker_file(&self) -> Option<String> {
        Some(self.files.first()?.display().to_string())
    }

    /// Searches for the login of a registry. As in the Docker CLI, a source that cannot be read counts as no login:
    /// many pulls need none.
    pub(crate) async fn login(&self, repository: &Repository) -> Lookup {
        let mut lookup = Lookup::default();
        if let Some(text) = &self.inline {
            self.search("DOCKER_AUTH_CONFIG", text.expose(), repository, &mut lookup)
                .await;
        }
        for file in &self.files {
            if lookup.login.is_some() {
                break;
            }
            let from = file.display().to_string();
            match std::fs::read_to_string(file) {
                Ok(text) => self.search(&from, &text, repository, &mut lookup).await,
                Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => {}
                Err(error) => lookup.problems.push(format!("cannot read {from}: {error}")),
            }
        }
        lookup
    }

    /// Searches one file. A helper comes first, as in Docker.
    async fn search(&self, from: &str, text: &str, repository: &Repository, lookup: &mut Lookup) {
        let config = match ConfigFile::parse(text) {
            Ok(config) => config,
            Err(problem) => return lookup.problems.push(format!("{from} {problem}")),
        };
        if let Some((helper, server)) = config.helper(repository) {
            match self.ask(helper, server).await {
                Ok(Some(credentials)) => {
                    lookup.login = Some(Login {
                        credentials,
                        from: format!("docker-credential-{helper}, named in {from}"),
                    });
                    return;
                }
                Ok(None) => {}
                Err(problem) => lookup.problems.push(problem),
            }
        }
        match config
            .entry(repository)
            .map(|entry| entry.credentials(repository))
        {
            Some(Ok(Some(credentials))) => {
                lookup.login = Some(Login {
                    credentials,
                    from: from.to_owned(),
                });
            }
            Some(Err(())) => lookup.problems.push(format!(
                "the `auth` of {} in {from} is not the base64 of USER:PASSWORD",
                repository.registry()
            )),
            Some(Ok(None)) | None => {}
        }
    }

    /// Runs `docker-credential-NAME get` with the server on standard input. Its output is never shown, because it
    /// contains the secret.
    async fn ask(&self, name: &str, server: &str) -> Result<Option<DockerCredentials>, String> {
        let program = format!("docker-credential-{name}");
        let mut command = Command::new(&program);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(path) = &self.helper_path {
            command.env("PATH", path);
        }
        let failed = |error: std::io::Error| format!("cannot run {program}: {error}");
        let mut child = command.spawn().map_err(failed)?;
        let input = child.stdin.take();
        let exchange = async {
            if let Some(mut input) = input {
                // A helper may respond without reading its input; only its response counts.
                let _ = input.write_all(server.as_bytes()).await;
            }
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(HELPER_DEADLINE, exchange)
            .await
            .map_err(|_| format!("{program} did not respond within {} s", HELPER_DEADLINE.as_secs()))?
            .map_err(failed)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            // The protocol reports a missing login by this text.
            return if said.trim() == "credentials not found in native keychain" {
                Ok(None)
            } else {
                Err(format!("{program} failed ({})", output.status))
            };
        }
        let output: HelperOutput =
            serde_json::from_slice(&output.stdout).map_err(|_| format!("{program} printed no valid JSON"))?;
        Ok(output.credentials(server))
    }
}

impl ConfigFile {
    /// Parses a configuration file. The error contains the position only: the text around it may be a secret.
    fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| {
            format!(
                "is not a valid configuration (line {}, column {})",
                error.line(),
                error.column()
            )
        })
    }

    /// Returns the credential helper for a registry, and the server name to pass to it.
    fn helper<'a>(&'a self, repository: &'a Repository) -> Option<(&'a str, &'a str)> {
        let helpers = self.helpers.iter().flatten();
        let of_registry = helpers
            .map(|(server, helper)| (helper.as_str(), server.as_str()))
            .find(|(_, server)| *server == repository.server() || *server == repository.host);
        let store = self.store.as_deref().map(|store| (store, repository.server()));
        of_registry.or(store).filter(|(helper, _)| !helper.is_empty())
    }

    /// Returns the entry of the most specific key. Docker also accepts a URL of the host, as old versions wrote it.
    fn entry(&self, repository: &Repository) -> Option<&Entry> {
        let auths = self.auths.as_ref()?;
        let exact = repository.keys().into_iter().find_map(|key| auths.get(&key));
        exact.or_else(|| {
            let (_, entry) = auths.iter().find(|(key, _)| {
                let bare = key.trim_start_matches("https://").trim_start_matches("http://");
                bare.split('/').next() == Some(&repository.host)
            })?;
            Some(entry)
        })
    }
}

impl Entry {
    fn credentials(&self, repository: &Repository) -> Result<Option<DockerCredentials>, ()> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (username, password) = match given(&self.auth) {
            Some(auth) => decode(&auth).ok_or(())?,
            None => (given(&self.username), given(&self.password)),
        };
        let credentials = DockerCredentials {
            username,
            password,
            identitytoken: given(&self.identitytoken),
            registrytoken: given(&self.registrytoken),
            serveraddress: Some(repository.server().to_owned()),
            ..DockerCredentials::default()
        };
        let secrets = [
            &credentials.password,
            &credentials.identitytoken,
            &credentials.registrytoken,
        ];
        // With a credential store, Docker writes an entry without a secret.
        let usable = secrets.into_iter().any(Option::is_some);
        Ok(usable.then_some(credentials))
    }
}

/// Decodes the user and the password of an `auth`. With an identity token, the password is empty.
fn decode(auth: &str) -> Option<(Option<String>, Option<String>)> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker trims them too: old versions padded the password.
    let password = password.trim_matches('\0');
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some((given(user), given(password)))
}

impl HelperOutput {
    fn credentials(self, server: &str) -> Option<DockerCredentials> {
        if self.secret.is_empty() {
            return None;
        }
        let mut credentials = DockerCredentials {
            serveraddress: Some(server.to_owned()),
            ..DockerCredentials::default()
        };
        if self.user == TOKEN_USER {
            credentials.identitytoken = Some(self.secret);
        } else {
            credentials.username = Some(self.user);
            credentials.password = Some(self.secret);
        }
        Some(credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "registry.test:5000";

    fn repository() -> Repository {
        Repository::of("registry.test:5000/team/redis:7")
    }

    /// Returns the sources in a temporary directory: its `config.json`, its `auth.json`, and its helpers.
    fn sources(directory: &Path) -> Sources {
        let path = std::env::join_paths([directory, Path::new("/usr/bin"), Path::new("/bin")]);
        Sources {
            inline: None,
            files: vec![directory.join("config.json"), directory.join("auth.json")],
            helper_path: Some(path.unwrap()),
        }
    }

    fn directory(config: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        directory
    }

    /// Creates a helper that records its input and then runs `answer`. Another process writes the file: a program
    /// cannot be run while this process, or a child that it forks meanwhile, has it open for writing.
    fn helper(directory: &Path, name: &str, answer: &str) {
        let file = directory.join(format!("docker-credential-{name}"));
        let script = format!(
            "#!/bin/sh\n{{ echo \"$@\"; cat; }} > '{}.asked'\n{answer}\n",
            file.display()
        );
        let plain = directory.join(format!("{name}.txt"));
        std::fs::write(&plain, script).unwrap();
        let made = std::process::Command::new("install")
            .args(["-m", "755"])
            .args([&plain, &file])
            .status();
        assert!(made.unwrap().success());
    }

    fn asked(directory: &Path, name: &str) -> String {
        std::fs::read_to_string(directory.join(format!("docker-credential-{name}.asked"))).unwrap()
    }

    fn password(lookup: &Lookup) -> Option<(&str, &str)> {
        let credentials = &lookup.login.as_ref()?.credentials;
        Some((credentials.username.as_deref()?, credentials.password.as_deref()?))
    }

    fn auth(user: &str, password: &str) -> String {
        STANDARD.encode(format!("{user}:{password}"))
    }

    #[test]
    fn reference_yields_its_registry() {
        for (reference, host, path) in [
            ("redis", "docker.io", "library/redis"),
            ("redis:8-alpine", "docker.io", "library/redis"),
            ("bitnami/redis:7", "docker.io", "bitnami/redis"),
            ("docker.io/redis@sha256:ab", "docker.io", "library/redis"),
            ("index.docker.io/valkey/valkey:8", "docker.io", "valkey/valkey"),
            ("registry.test/team/redis:7", "registry.test", "team/redis"),
            ("localhost/redis", "localhost", "redis"),
            ("localhost:5000/redis", "localhost:5000", "redis"),
            ("127.0.0.1:5000/a/b:7@sha256:ab", "127.0.0.1:5000", "a/b"),
            ("[fd00::1]:5000/redis:7", "[fd00::1]:5000", "redis"),
            // Without a slash, the part after the colon is a tag.
            ("localhost:5000", "docker.io", "library/localhost"),
        ] {
            let expected = Repository {
                host: host.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(Repository::of(reference), expected, "{reference}");
        }
    }

    #[test]
    fn docker_hub_has_its_own_key_and_command() {
        let hub = Repository::of("redis:8");
        assert_eq!(hub.server(), "https://index.docker.io/v1/");
        assert_eq!(hub.login_command(), "docker login");
        let other = Repository::of("registry.test/redis:8");
        assert_eq!(other.server(), "registry.test");
        assert_eq!(other.login_command(), "docker login registry.test");
    }

    #[test]
    fn files_follow_the_variables_of_docker_and_podman() {
        let files = |variables: &[(&str, &str)]| {
            let variables: BTreeMap<_, _> = variables.iter().copied().collect();
            let variable = |name: &str| variables.get(name).map(OsString::from);
            Sources::new(&variable, Some(Path::new("/home/me"))).files
        };
        assert_eq!(
            files(&[("XDG_RUNTIME_DIR", "/run/user/7")]),
            [
                "/home/me/.docker/config.json",
                "/run/user/7/containers/auth.json",
                "/home/me/.config/containers/auth.json"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(
            files(&[
                ("DOCKER_CONFIG", "/etc/docker-ci"),
                ("REGISTRY_AUTH_FILE", "/a.json"),
                ("XDG_RUNTIME_DIR", "/run/user/7")
            ]),
            ["/etc/docker-ci/config.json", "/a.json"].map(PathBuf::from)
        );
    }

    #[tokio::test]
    async fn auths_are_found_by_every_form_of_key() {
        let one = auth("me", "s3cret:with:colons");
        for (key, reference, found) in [
            (HOST, "registry.test:5000/team/redis:7", true),
            (
                "https://registry.test:5000/v2/",
                "registry.test:5000/team/redis:7",
                true,
            ),
            ("registry.test:5000/team", "registry.test:5000/team/redis:7", true),
            ("registry.test", "registry.test:5000/team/redis:7", false),
            ("https://index.docker.io/v1/", "redis:8", true),
            ("docker.io", "redis:8", true),
            // Part of Docker's own login, not a password.
            ("https://index.docker.io/v1/access-token", "redis:8", false),
            ("https://index.docker.io/v1/", "registry.test/redis:8", false),
        ] {
            let directory = directory(&format!(r#"{{"auths":{{"{key}":{{"auth":"{one}"}}}}}}"#));
            let lookup = sources(directory.path()).login(&Repository::of(reference)).await;
            let expected = found.then_some(("me", "s3cret:with:colons"));
            assert_eq!(password(&lookup), expected, "{key} {reference}");
            if let Some(login) = lookup.login {
                assert!(login.from.ends_with("/config.json"), "{}", login.from);
            }
        }
    }

    #[tokio::test]
    async fn most_specific_key_wins() {
        let (of_host, of_team) = (auth("host", "1"), auth("team", "2"));
        let directory = directory(&format!(
            r#"{{"auths":{{"{HOST}":{{"auth":"{of_host}"}},"{HOST}/team":{{"auth":"{of_team}"}}}}}}"#
        ));
        let lookup = sources(directory.path()).login(&repository()).await;
        assert_eq!(password(&lookup), Some(("team", "2")));
        let other = Repository::of("registry.test:5000/redis:7");
        let lookup = sources(directory.path()).login(&other).await;
        assert_eq!(password(&lookup), Some(("host", "1")));
    }

    #[tokio::test]
    async fn identity_token_is_sent_as_such() {
        let user = auth("me", "");
        let directory = directory(&format!(
            r#"{{"auths":{{"{HOST}":{{"auth":"{user}","identitytoken":"t0ken"}}}}}}"#
        ));
        let login = sources(directory.path())
            .login(&repository())
            .await
            .login
            .unwrap();
        let expected = DockerCredentials {
            username: Some("me".to_owned()),
            identitytoken: Some("t0ken".to_owned()),
            serveraddress: Some(HOST.to_owned()),
            ..DockerCredentials::default()
        };
        assert_eq!(login.credentials, expected);
    }

    #[tokio::test]
    async fn helper_of_the_registry_comes_before_the_store() {
        let directory = directory(&format!(
            r#"{{"credsStore":"all","credHelpers":{{"{HOST}":"one"}},"auths":{{"{HOST}":{{}}}}}}"#
        ));
        let answer = |user: &str| format!(r#"echo '{{"ServerURL":"x","Username":"{user}","Secret":"s"}}'"#);
        helper(directory.path(), "one", &answer("of-one"));
        helper(directory.path(), "all", &answer("of-all"));
        let sources = sources(directory.path());
        let lookup = sources.login(&repository()).await;
        assert_eq!(password(&lookup), Some(("of-one", "s")), "{:?}", lookup.problems);
        assert_eq!(asked(directory.path(), "one"), format!("get\n{HOST}"));
        let from = lookup.login.unwrap().from;
        assert!(from.starts_with("docker-credential-one, named in /"), "{from}");
        let lookup = sources.login(&Repository::of("redis:8")).await;
        assert_eq!(password(&lookup), Some(("of-all", "s")), "{:?}", lookup.problems);
        assert_eq!(asked(directory.path(), "all"), format!("get\n{DOCKER_HUB}"));
    }

    #[tokio::test]
    async fn token_of_a_helper_is_an_identity_token() {
        let directory = directory(r#"{"credsStore":"all"}"#);
        helper(
            directory.path(),
            "all",
            r#"echo '{"Username":"<token>","Secret":"t0ken"}'"#,
        );
        let login = sources(directory.path())
            .login(&repository())
            .await
            .login
            .unwrap();
        assert_eq!(login.credentials.identitytoken.as_deref(), Some("t0ken"));
        assert_eq!(login.credentials.username, None);
    }

    #[tokio::test]
    async fn failed_helper_is_reported_without_its_output() {
        for (answer, expected) in [
            (
                "echo s3cret; exit 3",
                "docker-credential-all failed (exit status: 3)",
            ),
            ("echo s3cret", "docker-credential-all printed no valid JSON"),
        ] {
            let directory = directory(r#"{"credsStore":"all"}"#);
            helper(directory.path(), "all", answer);
            let lookup = sources(directory.path()).login(&repository()).await;
            assert!(lookup.login.is_none());
            assert_eq!(lookup.problems, [expected]);
        }
        let directory = directory(r#"{"credsStore":"nowhere"}"#);
        let lookup = sources(directory.path()).login(&repository()).await;
        let [problem] = &lookup.problems[..] else {
            panic!("{:?}", lookup.problems);
        };
        assert!(
            problem.starts_with("cannot run docker-credential-nowhere: "),
            "{problem}"
        );
    }

    #[tokio::test]
    async fn helper_without_a_login_leaves_the_file() {
        let one = auth("me", "s3cret");
        let directory = directory(&format!(
            r#"{{"credsStore":"all","auths":{{"{HOST}":{{"auth":"{one}"}}}}}}"#
        ));
        helper(
            directory.path(),
            "all",
            "echo credentials not found in native keychain; exit 1",
        );
        let lookup = sources(directory.path()).login(&repository()).await;
        assert_eq!(password(&lookup), Some(("me", "s3cret")));
        assert!(lookup.problems.is_empty(), "{:?}", lookup.problems);
    }

    #[tokio::test]
    async fn silent_helper_ends_at_the_deadline() {
        let directory = directory(r#"{"credsStore":"all"}"#);
        helper(directory.path(), "all", "exec sleep 60");
        let sources = sources(directory.path());
        // The paused clock advances to the deadline only when no other work is left.
        tokio::time::pause();
        let lookup = sources.login(&repository()).await;
        assert_eq!(
            lookup.problems,
            ["docker-credential-all did not respond within 10 s"]
        );
    }

    #[tokio::test]
    async fn podman_login_is_the_fallback() {
        let one = auth("me", "s3cret");
        let directory = directory(r#"{"auths":{}}"#);
        let text = format!(r#"{{"auths":{{"{HOST}/team":{{"auth":"{one}"}}}}}}"#);
        std::fs::write(directory.path().join("auth.json"), text).unwrap();
        let lookup = sources(directory.path()).login(&repository()).await;
        assert_eq!(password(&lookup), Some(("me", "s3cret")));
        assert!(lookup.login.unwrap().from.ends_with("/auth.json"));
    }

    #[tokio::test]
    async fn variable_comes_before_the_files() {
        let (inline, of_file) = (auth("inline", "1"), auth("file", "2"));
        let text = |auth: &str| format!(r#"{{"auths":{{"{HOST}":{{"auth":"{auth}"}}}}}}"#);
        let directory = directory(&text(&of_file));
        let mut sources = sources(directory.path());
        sources.inline = Some(Secret::new(text(&inline)));
        let lookup = sources.login(&repository()).await;
        assert_eq!(password(&lookup), Some(("inline", "1")));
        assert_eq!(lookup.login.unwrap().from, "DOCKER_AUTH_CONFIG");
    }

    #[tokio::test]
    async fn invalid_file_is_reported_without_its_text() {
        for (config, expected) in [
            (
                "{\"auths\": \"s3cret\"}",
                "is not a valid configuration (line 1, column ",
            ),
            ("s3cret", "is not a valid configuration (line 1, column 1)"),
            (
                r#"{"auths":{"registry.test:5000":{"auth":"s3cret!"}}}"#,
                "is not the base64 of USER:PASSWORD",
            ),
        ] {
            let directory = directory(config);
            let lookup = sources(directory.path()).login(&repository()).await;
            assert!(lookup.login.is_none());
            let [problem] = &lookup.problems[..] else {
                panic!("{config}: {:?}", lookup.problems);
            };
            assert!(problem.contains(expected), "{problem}");
            assert!(
                problem.contains("/config.json") && !problem.contains("s3cret"),
                "{problem}"
            );
        }
    }

    #[tokio::test]
    async fn missing_files_mean_no_login() {
        let directory = tempfile::tempdir().unwrap();
        let lookup = sources(directory.path()).login(&repository()).await;
        assert!(lookup.login.is_none() && lookup.problems.is_empty());
    }
}
