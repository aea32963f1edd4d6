//! Pulls from a registry that requires a login. It listens on the loopback interface, where Docker does not require
//! TLS.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use rcup::runtime::interface::Runtime as _;
use rcup::spec::server::Engine;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Name, docker, image, turn};

const USER: &str = "rcup";

/// A password whose Base64 form differs between the standard and the URL-safe alphabet.
const PASSWORD: &str = "~~~???>>>";

/// Its bcrypt hash, the only format that the registry accepts.
const HASH: &str = "$2b$04$r0Hrw1WMcuC5qgghYHohQ..ecmiBnRCIxcAhPNapD89s/mQMLU/Ou";

/// A registry with one image. Dropping it ends the server and removes the local image.
struct Registry {
    _server: Child,
    home: TempDir,
    port: u16,
    endpoint: String,
}

impl Registry {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        // The port is free. The server fails if another program binds it in the meantime.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let at = |name: &str| home.path().join(name);
        let settings = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: \
             127.0.0.1:{port}\nauth:\n  htpasswd:\n    realm: rcup\n    path: {}\n",
            at("data").display(),
            at("htpasswd").display()
        );
        std::fs::write(at("registry.yml"), settings).unwrap();
        std::fs::write(at("htpasswd"), format!("{USER}:{HASH}\n")).unwrap();
        std::fs::create_dir(at("anonymous")).unwrap();
        let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/registry/usr/bin/docker-registry");
        let program = if unpacked.exists() {
            unpacked
        } else {
            PathBuf::from("docker-registry")
        };
        let log = std::fs::File::create(at("log")).unwrap();
        let mut server = Command::new(program)
            .arg("serve")
            .arg(at("registry.yml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("docker-registry runs; scripts/ensure-registry.sh gets it");
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = std::fs::read_to_string(at("log")).unwrap();
            assert!(server.try_wait().unwrap().is_none(), "{log}");
            assert!(tokio::time::Instant::now() < deadline, "{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            _server: server,
            home,
            port,
            endpoint: docker().describe().await.unwrap().endpoint,
        }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn image(&self) -> String {
        format!("{}/team/redis:7.0", self.host())
    }

    /// Pushes an image based on a local one, with an additional layer, so that a pull downloads it.
    async fn push(&self, local: &str) {
        let container = format!("it-registry-{}", self.port);
        let script = "docker create --name $CONTAINER $LOCAL && docker export $CONTAINER |
            docker import --change 'LABEL rcup.engine=redis rcup.engine-version=7.0.15' - $IMAGE
            docker rm -f $CONTAINER
            echo \"$PASSWORD\" | docker login --username $USER --password-stdin $HOST && docker push $IMAGE";
        let pushed = self
            .with("login", Command::new("sh").args(["-c", script]))
            .env("CONTAINER", container)
            .env("LOCAL", local)
            .env("IMAGE", self.image())
            .env("USER", USER)
            .env("PASSWORD", PASSWORD)
            .env("HOST", self.host())
            .output()
            .await
            .unwrap();
        assert!(pushed.status.success(), "{}", text(&pushed));
        self.untag();
    }

    fn untag(&self) {
        let removed = std::process::Command::new("docker")
            .args(["rmi", "-f", &self.image()])
            .env("DOCKER_HOST", &self.endpoint)
            .output();
        let done = removed.as_ref().is_ok_and(|removed| removed.status.success());
        // A second panic would abort the whole run.
        assert!(done || std::thread::panicking(), "{removed:?}");
    }

    /// Returns the directory of a configuration.
    fn config(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write_config(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.config(name)).unwrap();
        std::fs::write(self.config(name).join("config.json"), text).unwrap();
    }

    /// Sets the configuration `name` as the only source of logins for a command.
    fn with<'a>(&self, name: &str, command: &'a mut Command) -> &'a mut Command {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":");
        path.push(self.config("bin"));
        command
            .env("DOCKER_CONFIG", self.config(name))
            .env("DOCKER_HOST", &self.endpoint)
            .env("HOME", self.home.path())
            .env("PATH", path)
            .env_remove("DOCKER_AUTH_CONFIG")
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_CONFIG_HOME")
    }

    async fn rcup(&self, config: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
        let command = self.with(config, command.args(arguments));
        command.output().await.unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.untag();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_uses_the_login_of_the_docker_cli() {
    let _turn = turn().await;
    let local = image(Engine::Redis, 7, 0).await;
    let registry = Registry::start().await;
    registry.push(&local).await;
    let (host, reference) = (registry.host(), registry.image());
    let name = Name::new("registry");
    let cluster = name.0.as_str();
    let shape = ["up", cluster, "--replicas", "0"];
    let up = [&shape[..], &["--image", &reference]].concat();

    let output = registry.rcup("anonymous", &up).await;
    let expected = format!(
        "The pull was anonymous: there is no login for {host} in {}. Run `docker login {host}`.",
        registry.config("anonymous").join("config.json").display()
    );
    assert!(!output.status.success(), "{}", text(&output));
    let told = text(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&expected), "{told}");

    // Base64 of `rcup:wrong`.
    let wrong = format!(r#"{{"auths":{{"{host}":{{"auth":"cmN1cDp3cm9uZw=="}}}}}}"#);
    registry.write_config("wrong", &wrong);
    let output = registry.rcup("wrong", &up).await;
    let expected = format!(
        "The pull used the login for {host} from {}. Run `docker login {host}` to replace it",
        registry.config("wrong").join("config.json").display()
    );
    assert!(!output.status.success(), "{}", text(&output));
    let told = text(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&expected) && !told.contains("cmN1"), "{told}");
    name.assert_gone().await;

    // As `docker login` writes it.
    let output = registry
        .rcup("login", &[&up[..], &["--output", "ndjson"]].concat())
        .await;
    assert!(output.status.success(), "{}", text(&output));
    let events = text(&output);
    assert!(!events.contains(PASSWORD), "{events}");
    let bytes = |event: &serde_json::Value| {
        let of_image = event["event"] == "progress" && event["phase"] == "image";
        of_image.then(|| (event["done"].as_u64().unwrap(), event["units"].as_u64().unwrap()))
    };
    let last = events
        .lines()
        .rev()
        .find_map(|line| bytes(&serde_json::from_str(line).ok()?));
    let (done, total) = last.unwrap_or_else(|| panic!("no progress of the pull in {events}"));
    assert!(done == total && total > 1_000_000, "{done} of {total}");
    name.down().await;
    // Another pull requires the login again, although the image exists locally.
    let again = [&up[..], &["--pull", "always"]].concat();
    let output = registry.rcup("anonymous", &again).await;
    assert!(!output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("The pull was anonymous"),
        "{}",
        text(&output)
    );
    registry.untag();

    helper(&registry);
    let helper = format!(r#"{{"credHelpers":{{"{host}":"it"}}}}"#);
    registry.write_config("helper", &helper);
    let node = format!("1={reference}");
    let mixed = [&shape[..], &["--image", &local, "--node-image", &node]].concat();
    let output = registry.rcup("anonymous", &mixed).await;
    assert!(!output.status.success(), "{}", text(&output));
    let output = registry.rcup("helper", &mixed).await;
    assert!(output.status.success(), "{}", text(&output));
    name.down().await;
}

/// Writes a credential helper for the registry. Another process writes it, because a program that this process, or a
/// child forked in the meantime, has open for writing cannot be run.
fn helper(registry: &Registry) {
    let script = format!(
        "#!/bin/sh\n[ \"$1 $(cat)\" = 'get {}' ] && echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n",
        registry.host()
    );
    let plain = registry.home.path().join("helper.txt");
    std::fs::write(&plain, script).unwrap();
    let made = std::process::Command::new("install")
        .args(["-D", "-m", "755"])
        .args([plain, registry.config("bin").join("docker-credential-it")])
        .status();
    assert!(made.unwrap().success());
}
