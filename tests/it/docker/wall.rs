//! The case of Docker Desktop: the addresses of the nodes are not reachable, the published ports are. On a separate
//! container engine, a firewall blocks one group of users from the bridges. The measured reachability must take
//! precedence over the local addresses, because the gateway of the bridge is an address of this host. Some VPNs behave
//! the same way.
//!
//! These tests have the requirements of `own_engine.rs`.

use std::net::SocketAddrV4;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::own_engine::{ONE, OwnEngine, run, told};
use super::wiring::{IN_PYTHON, IN_RUST, compiled};
use super::{images, python};

/// The blocked group. The user with the same number belongs to it.
const OUT: &str = "65534";

/// The number of keys of redis-cli.
const KEYS: usize = 2000;

/// Connects within a second, or prints why the connection failed.
const KNOCK: &str = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)";

struct Wall {
    engine: OwnEngine,
}

impl Wall {
    fn build(image: &str) -> Self {
        let engine = OwnEngine::start("wall", 1200, image);
        let rule = [
            "-A",
            "OUTPUT",
            "-d",
            "10.213.0.0/16",
            "-m",
            "owner",
            "--gid-owner",
            OUT,
            "-j",
            "DROP",
        ];
        engine.enter("iptables", &rule);
        run("chmod", &["666", &engine.path("d.sock")]);
        let place = engine.path("");
        run("chmod", &["777", &place, engine.run_dir().to_str().unwrap()]);
        Self { engine }
    }

    /// Returns a program that runs as the blocked group. The user stays root, so the program may be in a private
    /// directory.
    fn behind(&self, program: &str) -> Command {
        let mut command = self.engine.inside("setpriv");
        command.args(["--regid", OUT, "--clear-groups", program]);
        command
    }

    /// Runs rcup as a user of the blocked group without other groups.
    fn rcup(&self, arguments: &[&str]) -> Output {
        let mut command = self.engine.inside("setpriv");
        command
            .args(["--reuid", OUT, "--regid", OUT, "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_rcup"))
            .args(arguments)
            .env("DOCKER_HOST", self.engine.endpoint())
            .env("XDG_RUNTIME_DIR", self.engine.run_dir())
            .output()
            .unwrap()
    }

    fn rcup_ok(&self, arguments: &[&str]) -> String {
        let output = self.rcup(arguments);
        assert!(
            output.status.success(),
            "rcup {}: {}",
            arguments.join(" "),
            told(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn knock(mut command: Command, at: SocketAddrV4) -> Output {
        command.args(["-c", KNOCK, &at.ip().to_string(), &at.port().to_string()]);
        command.output().unwrap()
    }

    /// Checks that the firewall blocks only that group, and does not block the published ports.
    fn is_real(&self, bridge: SocketAddrV4, published: SocketAddrV4) {
        let python = python();
        let python = python.to_str().unwrap();
        let stopped = Self::knock(self.behind(python), bridge);
        let why = String::from_utf8_lossy(&stopped.stderr);
        assert!(
            !stopped.status.success() && why.contains("timed out"),
            "{}",
            told(&stopped)
        );
        for open in [
            Self::knock(self.engine.inside(python), bridge),
            Self::knock(self.behind(python), published),
        ] {
            assert!(open.status.success(), "{}", told(&open));
        }
    }

    /// Runs `redis-cli -c` from the image, in a directory with the file system of the image.
    fn redis_cli(&self, image: &str, server: &str, at: SocketAddrV4) {
        let root = self.engine.path("root");
        let endpoint = self.engine.endpoint();
        let id = run("docker", &["-H", &endpoint, "create", image]);
        let script = format!(
            "mkdir {root} && docker -H {endpoint} export {id} | tar -x -C {root} && docker -H {endpoint} rm {id}",
            id = id.trim()
        );
        run("sh", &["-c", &script]);
        let client = if server == "valkey" {
            "valkey-cli"
        } else {
            "redis-cli"
        };
        for (word, answers) in [("SET", false), ("GET", true)] {
            let commands = self.engine.path("commands");
            let lines: String = (0..KEYS)
                .map(|n| {
                    if answers {
                        format!("{word} cli:{n}\n")
                    } else {
                        format!("{word} cli:{n} {n}\n")
                    }
                })
                .collect();
            std::fs::write(&commands, lines).unwrap();
            let output = self
                .behind("chroot")
                .args([
                    &root,
                    client,
                    "-c",
                    "-h",
                    &at.ip().to_string(),
                    "-p",
                    &at.port().to_string(),
                ])
                .stdin(Stdio::from(std::fs::File::open(&commands).unwrap()))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let said: Vec<&str> = text.lines().filter(|line| !line.starts_with("-> ")).collect();
            let expected: Vec<String> = (0..KEYS)
                .map(|n| if answers { n.to_string() } else { "OK".to_owned() })
                .collect();
            assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
        }
        run("rm", &["-rf", &root]);
    }

    /// Runs a program that prints `done` and then waits for the end of its input.
    fn works(mut command: Command, settings: &Value) {
        for (name, value) in settings.as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success() && output.stdout == b"done\n",
            "{}",
            told(&output)
        );
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn address(node: &Value, field: &str) -> SocketAddrV4 {
    node[field].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and an engine of its own: `make test` runs it"]
async fn a_user_who_cannot_reach_the_bridge_is_sent_to_the_published_ports() {
    let _one = ONE.lock().await;
    let images = images().await;
    let wall = Wall::build(&images[0]);
    for (image, decided) in images.iter().zip(["hostname", "hostname", "client-ipv4"]) {
        if *image != images[0] {
            wall.engine.load(image);
        }
        let output = wall.rcup(&["up", "--image", image]);
        assert!(output.status.success(), "{}", told(&output));
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = format!("nodes advertise 127.0.0.1 by {decided}, because this host does not reach");
        assert!(notes.contains(&line), "{notes}");
        assert_eq!(
            notes.contains("clients on this host that use CLUSTER NODES ("),
            decided == "hostname",
            "{notes}"
        );
        let report = json(&wall.rcup_ok(&["status", "--output", "json"]));
        assert_eq!(report["announce"], decided);
        let nodes = report["nodes"].as_array().unwrap();
        for node in nodes {
            assert_eq!(node["advertised"], node["host_address"]);
            assert!(node["advertised"].as_str().unwrap().starts_with("127.0.0.1:"));
        }
        let published = address(&nodes[0], "host_address");
        wall.is_real(address(&nodes[0], "address"), published);
        wall.rcup_ok(&["verify", "--from", "host"]);
        wall.rcup_ok(&["validate"]);
        let settings = json(&wall.rcup_ok(&["env", "--format", "json"]));
        let mut in_python = wall.behind(python().to_str().unwrap());
        in_python.args([
            "-c",
            &(wall.rcup_ok(&["env", "--format", "redis-py"]) + IN_PYTHON),
        ]);
        Wall::works(in_python, &settings);
        let home = tempfile::tempdir().unwrap();
        let program = compiled(
            &(wall.rcup_ok(&["env", "--format", "redis-rs"]) + IN_RUST),
            home.path(),
        );
        Wall::works(wall.behind(program.to_str().unwrap()), &settings);
        wall.redis_cli(image, report["engine"].as_str().unwrap(), published);
        wall.rcup_ok(&["down"]);
    }
    // With an explicit `--announce`, the start fails because the addresses do not answer, and removes its objects.
    let insisted = wall.rcup(&[
        "up",
        "--image",
        &images[1],
        "--announce",
        "ip",
        "--timeout",
        "30s",
        "--output",
        "json",
    ]);
    assert_eq!(insisted.status.code(), Some(3), "{}", told(&insisted));
    let stderr = String::from_utf8(insisted.stderr).unwrap();
    let error = json(stderr.lines().last().unwrap());
    assert_eq!(error["error"]["kind"], "address", "{error}");
    assert!(
        error["error"]["hint"].as_str().unwrap().contains("--announce"),
        "{error}"
    );
    assert_eq!(wall.engine.remains(), "");
}
