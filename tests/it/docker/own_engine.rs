//! Tests that need a separate container engine: restarts and crashes of the engine, a full disk; and in `wall.rs`, a
//! user that cannot reach the bridge. The engine runs in its own network namespace and on a small tmpfs, so the tests
//! do not affect the engine or the firewall of the machine.
//!
//! This needs root, `dockerd`, `nsenter` and `ip`. `make test` runs these tests with `sudo` if necessary.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::any_image;

/// Allows one such engine at a time: several would compete for the same subnets.
pub static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A container engine that is removed with all its objects on drop.
pub struct OwnEngine {
    name: String,
    dir: PathBuf,
    daemon: Option<Child>,
}

/// Returns a command with a timeout. An engine that was killed, or whose disk is full, may never answer a request, and
/// neither Docker's client nor a test has a timeout.
pub fn patient(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=20", "180", program]);
    command
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = patient(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_mins(1), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl OwnEngine {
    /// Starts an engine with `image` on a disk of `megabytes`.
    pub fn start(name: &str, megabytes: usize, image: &str) -> Self {
        let name = format!("rcup-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir_all(dir.with_extension("run")).unwrap();
        let path = dir.to_str().unwrap();
        run(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs", path],
        );
        run("ip", &["netns", "add", &name]);
        fs::write(dir.join("daemon.json"), "{}").unwrap();
        let mut engine = Self {
            name,
            dir,
            daemon: None,
        };
        engine.enter("ip", &["link", "set", "lo", "up"]);
        engine.boot();
        engine.load(image);
        engine
    }

    /// Loads another image into the engine.
    pub fn load(&self, image: &str) {
        let archive = self.path("image.tar");
        run("docker", &["save", "-o", &archive, image]);
        run("docker", &["-H", &self.endpoint(), "load", "-q", "-i", &archive]);
        fs::remove_file(archive).unwrap();
    }

    pub fn path(&self, file: &str) -> String {
        self.dir.join(file).to_str().unwrap().to_owned()
    }

    /// Returns a directory for rcup's locks that is not on the disk of the engine.
    pub fn run_dir(&self) -> PathBuf {
        self.dir.with_extension("run")
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.path("d.sock"))
    }

    fn network(&self) -> String {
        format!("--net=/var/run/netns/{}", self.name)
    }

    /// Returns a program that runs in the network namespace of the engine.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = patient("nsenter");
        command.args([&self.network(), program]);
        command
    }

    pub fn enter(&self, program: &str, arguments: &[&str]) {
        let output = self.inside(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts the engine. After a kill, it may wait forever for a containerd that does not answer. It is then
    /// restarted.
    fn boot(&mut self) {
        for _ in 0..3 {
            self.spawn();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(40) {
                if self.answers() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            self.end("KILL");
        }
        panic!("the engine does not answer, however often it is started");
    }

    fn answers(&self) -> bool {
        Command::new("timeout")
            .args(["20", "docker", "-H", &self.endpoint(), "version"])
            .output()
            .is_ok_and(|output| output.status.success())
    }

    fn spawn(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        // The storage driver of the machine's engine works here too; the default may not.
        let driver = run("docker", &["info", "--format", "{{.Driver}}"]);
        let mut command = Command::new("nsenter");
        command
            .args([&self.network(), "dockerd"])
            .args([
                "--config-file",
                &self.path("daemon.json"),
                "--data-root",
                &self.path("data"),
            ])
            .args([
                "--exec-root",
                &self.path("exec"),
                "--pidfile",
                &self.path("pid"),
                "-H",
                &self.endpoint(),
            ])
            .args(["--containerd-namespace", &self.name])
            .args([
                "--containerd-plugins-namespace",
                &format!("{}-plugins", self.name),
            ])
            .args(["--storage-driver", driver.trim()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.daemon = Some(command.spawn().unwrap());
    }

    /// Stops the daemon with a signal.
    fn end(&mut self, signal: &str) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        let pid = fs::read_to_string(self.path("pid")).unwrap_or_else(|_| daemon.id().to_string());
        let _ = Command::new("kill")
            .args([&format!("-{signal}"), pid.trim()])
            .status();
        // A daemon that has lost its containerd waits for it forever.
        let begun = Instant::now();
        while daemon.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(40) {
                let _ = daemon.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_file(self.path("pid"));
        // A killed daemon leaves its containerd running, and a new daemon would wait for it until its timeout.
        let containerd = self.path("exec/containerd/containerd.pid");
        if let Ok(pid) = fs::read_to_string(&containerd) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
            let _ = fs::remove_file(containerd);
        }
    }

    /// Returns rcup with this engine, in its network namespace.
    fn rcup(&self, arguments: &[&str]) -> Command {
        let mut command = self.inside(env!("CARGO_BIN_EXE_rcup"));
        command
            .args(arguments)
            .env("DOCKER_HOST", self.endpoint())
            .env("XDG_RUNTIME_DIR", self.run_dir());
        command
    }

    pub fn rcup_ok(&self, arguments: &[&str]) -> String {
        let output = self.rcup(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "rcup {}: {}",
            arguments.join(" "),
            told(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the output lines of rcup with this input.
    fn fed(&self, arguments: &[&str], input: &[String]) -> Vec<String> {
        use std::io::Write as _;
        let mut child = self
            .rcup(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all((input.join("\n") + "\n").as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        // redis-cli reports every redirection.
        let answers = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        let answers = answers.lines().filter(|line| !line.starts_with("-> Redirected"));
        answers.map(str::to_owned).collect()
    }

    /// Returns the names of rcup's objects on the engine.
    pub fn remains(&self) -> String {
        let list = |what: &[&str]| {
            let endpoint = self.endpoint();
            let mut arguments = vec!["-H", endpoint.as_str()];
            arguments.extend(what);
            arguments.extend(["-q", "--filter", "label=rcup.cluster"]);
            run("docker", &arguments)
        };
        [
            list(&["ps", "-a"]),
            list(&["network", "ls"]),
            list(&["volume", "ls"]),
        ]
        .concat()
    }
}

impl Drop for OwnEngine {
    #[expect(clippy::print_stderr, reason = "a failed test shows the engine's own log")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.path("log")).unwrap_or_default());
        }
        if self.daemon.is_some() {
            let endpoint = self.endpoint();
            let ids = patient("docker").args(["-H", &endpoint, "ps", "-aq"]).output();
            let ids = ids
                .map(|ids| String::from_utf8_lossy(&ids.stdout).into_owned())
                .unwrap_or_default();
            for id in ids.split_whitespace() {
                let _ = patient("docker").args(["-H", &endpoint, "rm", "-f", id]).output();
            }
        }
        self.end("TERM");
        // The killed engine may have left shims and their servers running.
        let shims = Command::new("pgrep")
            .args(["-f", &format!("containerd-shim.*-namespace {} ", self.name)])
            .output();
        let shims = shims
            .map(|shims| String::from_utf8_lossy(&shims.stdout).into_owned())
            .unwrap_or_default();
        for shim in shims.split_whitespace() {
            let _ = Command::new("pkill").args(["-KILL", "-P", shim]).status();
            let _ = Command::new("kill").args(["-KILL", shim]).status();
        }
        let _ = Command::new("umount")
            .args(["-l", self.dir.to_str().unwrap()])
            .status();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        let _ = fs::remove_dir(&self.dir);
        let _ = fs::remove_dir_all(self.run_dir());
    }
}

pub fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and an engine of its own: `make test` runs it"]
async fn a_cluster_survives_a_restart_of_the_engine() {
    let _one = ONE.lock().await;
    let image = any_image().await;
    let mut engine = OwnEngine::start("restart", 900, &image);
    let up = [
        "up",
        "phoenix",
        "--image",
        &image,
        "--persist",
        "--output",
        "json",
    ];
    let shape = |text: &str| -> Vec<String> {
        let report: serde_json::Value = serde_json::from_str(text).unwrap();
        let nodes = report["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| format!("{} {} {}", node["id"], node["role"], node["slots"]))
            .collect()
    };
    let before = shape(&engine.rcup_ok(&up));
    assert_eq!(before.len(), 6);
    let keys: Vec<String> = (0..100).map(|nth| format!("SET key:{nth} {nth}")).collect();
    assert_eq!(engine.fed(&["cli", "phoenix"], &keys), vec!["OK"; 100]);
    engine.end("TERM");
    let output = engine.rcup(&["status", "phoenix"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    engine.boot();
    // The engine restarts the nodes, and the nodes reconnect to each other.
    eventually("the cluster is back by itself", || {
        engine
            .rcup(&["status", "phoenix"])
            .output()
            .unwrap()
            .status
            .success()
    });
    let there = engine.rcup_ok(&["status", "phoenix", "--output", "json"]);
    assert_eq!(shape(&there), before);
    let gets: Vec<String> = (0..100).map(|nth| format!("GET key:{nth}")).collect();
    let values: Vec<String> = (0..100).map(|nth: usize| nth.to_string()).collect();
    assert_eq!(engine.fed(&["cli", "phoenix"], &gets), values);
    assert_eq!(shape(&engine.rcup_ok(&up)), before);
    engine.rcup_ok(&["validate", "phoenix"]);
    engine.rcup_ok(&["down", "phoenix", "--volumes"]);
    assert_eq!(engine.remains(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and an engine of its own: `make test` runs it"]
async fn an_engine_that_dies_during_a_start_is_told_and_what_is_left_can_be_removed() {
    let _one = ONE.lock().await;
    let image = any_image().await;
    let mut engine = OwnEngine::start("dies", 600, &image);
    // Kills at reported progress, because after a fixed time a fast machine has finished the start. The number of
    // finished steps at the start of a phase varies, because phases overlap.
    for moment in [
        r#""phase-started","phase":"network""#,
        r#""progress","phase":"create","done":"#,
        r#""progress","phase":"start","done":"#,
    ] {
        let mut start = engine
            .rcup(&["up", "--image", &image, "--timeout", "30s", "--output", "ndjson"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told_so_far = BufReader::new(start.stdout.take().unwrap()).lines();
        let come = told_so_far.any(|line| line.unwrap().contains(moment));
        engine.end("KILL");
        let output = start.wait_with_output().unwrap();
        assert!(come, "never: {moment}: {}", told(&output));
        assert_eq!(output.status.code(), Some(4), "at {moment}: {}", told(&output));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("\"hint\":"), "at {moment}: {text}");
        engine.boot();
        engine.rcup_ok(&["down"]);
        assert_eq!(engine.remains(), "", "at {moment}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and an engine of its own: `make test` runs it"]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let _one = ONE.lock().await;
    let image = any_image().await;
    let engine = OwnEngine::start("full", 300, &image);
    // With no free space, and with a little free space that runs out during the start.
    for spare in [0, 40, 120] {
        let filler = engine.path("filler");
        let _ = Command::new("dd")
            .args(["if=/dev/zero", &format!("of={filler}"), "bs=64k"])
            .output();
        let size = fs::metadata(&filler).unwrap().len();
        fs::File::options()
            .write(true)
            .open(&filler)
            .unwrap()
            .set_len(size - spare * 1024)
            .unwrap();
        let output = engine
            .rcup(&["up", "--image", &image, "--timeout", "30s"])
            .output()
            .unwrap();
        fs::remove_file(&filler).unwrap();
        assert_eq!(output.status.code(), Some(1), "{spare} KiB: {}", told(&output));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("no space left on device"), "{spare} KiB: {text}");
        assert!(text.contains("disk is full"), "{spare} KiB: {text}");
        engine.rcup_ok(&["down"]);
        assert_eq!(engine.remains(), "", "{spare} KiB");
    }
    engine.rcup_ok(&["up", "--image", &image]);
    engine.rcup_ok(&["down"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and an engine of its own: `make test` runs it"]
async fn a_user_without_the_right_to_the_socket_is_told_how_to_get_it() {
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            env!("CARGO_BIN_EXE_rcup"),
        ])
        .args(["up", "--output", "json"])
        .env_remove("DOCKER_HOST")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "engine-permission");
    assert!(error["error"]["hint"].as_str().unwrap().contains("docker"));
}
