//! Tests the scripts with stubs of the programs that they call.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A directory of stubs, which precedes the real programs in `PATH`.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        stage.program("sudo", "exec \"$@\"");
        stage
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn ensure_docker(&self, settings: &[(&str, &str)]) -> Output {
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/ensure-docker.sh"))
            .env_remove("DOCKER_HOST")
            .env_remove("RCUP_RESTART_STUCK_ENGINE")
            .env("PATH", format!("{}:/usr/bin:/bin", self.path().display()))
            .env("STAGE", self.path())
            .env("RCUP_DOCKER_PATIENCE", "1")
            .env("RCUP_DOCKER_DEADLINE", "20")
            .env("RCUP_DOCKERD_LOG", self.path().join("log"))
            .env("RCUP_DOCKER_PID_FILE", self.path().join("pid"))
            .env("RCUP_SYSTEMD_MARK", self.path().join("no-systemd"))
            .env("RCUP_INIT_SCRIPT", self.path().join("no-service"))
            .envs(settings.iter().copied())
            .output()
            .unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_engine_that_answers_is_left_alone() {
    let stage = Stage::new();
    stage.program("docker", "exit 0");
    stage.program("dockerd", "touch \"$STAGE/started\"");
    let output = stage.ensure_docker(&[]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("nothing to do"), "{}", told(&output));
    assert!(!stage.path().join("started").exists());
}

#[test]
fn a_stuck_engine_is_told_of_and_not_waited_for() {
    let stage = Stage::new();
    stage.program("docker", "exec sleep 100");
    stage.program("dockerd", "touch \"$STAGE/started\"");
    let output = stage.ensure_docker(&[]);
    assert!(!output.status.success());
    let text = told(&output);
    assert!(
        text.contains("it is stuck") && text.contains("RCUP_RESTART_STUCK_ENGINE=1"),
        "{text}"
    );
    assert!(!stage.path().join("started").exists(), "{text}");
}

#[test]
fn a_stuck_engine_is_restarted_where_that_is_allowed() {
    let stage = Stage::new();
    let mut stuck = Command::new("sleep").arg("100").spawn().unwrap();
    fs::write(stage.path().join("pid"), stuck.id().to_string()).unwrap();
    stage.program("docker", "[ -e \"$STAGE/started\" ] || exec sleep 100");
    stage.program("dockerd", "touch \"$STAGE/started\"");
    // A process that has exited remains a zombie until its parent, this test, waits for it.
    let waiter = std::thread::spawn(move || stuck.wait().unwrap());
    let output = stage.ensure_docker(&[("RCUP_RESTART_STUCK_ENGINE", "1")]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("answers again"), "{}", told(&output));
    assert!(!waiter.join().unwrap().success());
}

#[test]
fn a_missing_engine_is_started() {
    let stage = Stage::new();
    stage.program("docker", "[ -e \"$STAGE/started\" ]");
    stage.program("dockerd", "touch \"$STAGE/started\"");
    let output = stage.ensure_docker(&[]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("starting dockerd"), "{}", told(&output));
}
