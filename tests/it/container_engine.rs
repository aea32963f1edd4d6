//! How the binary finds the container engine, without using one.

#![expect(clippy::unwrap_used, reason = "what the tests share unwraps as they do")]

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

/// Returns the binary, without this user's Docker configuration.
fn rcup(home: &Path) -> Command {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command.env_clear().env("HOME", home);
    command
}

fn home(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    std::fs::write(home.path().join(".docker/config.json"), config).unwrap();
    home
}

#[test]
fn a_wrong_docker_host_exits_with_4_and_the_right_form() {
    let home = home("{}");
    for (value, right) in [
        ("/var/run/docker.sock", "DOCKER_HOST=unix:///var/run/docker.sock"),
        (
            "unix://var/run/none.sock",
            "DOCKER_HOST=unix:///var/run/none.sock",
        ),
        ("fd://", "DOCKER_HOST=unix:///var/run/docker.sock"),
    ] {
        rcup(home.path())
            .env("DOCKER_HOST", value)
            .arg("list")
            .assert()
            .code(4)
            .stdout("")
            .stderr(contains(format!("DOCKER_HOST is `{value}`")).and(contains(right)));
    }
}

#[test]
fn docker_host_without_a_scheme_is_an_address() {
    let home = home("{}");
    rcup(home.path())
        .env("DOCKER_HOST", " 127.0.0.1:1\n")
        .arg("list")
        .assert()
        .code(4)
        .stderr(contains(
            "the container engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not respond",
        ));
}

/// Works with and without a container engine: the warning appears beside its answer or the error.
#[test]
fn an_invalid_docker_configuration_is_reported() {
    for config in ["{\n  \"auths\": {},\n}\n", "\u{feff}{}"] {
        let home = home(config);
        let file = home.path().join(".docker/config.json");
        let line = if config.starts_with('{') { 3 } else { 1 };
        rcup(home.path())
            .args(["--output", "json", "list"])
            .assert()
            .stderr(contains(format!("{}:{line}: ", file.display())));
        // This command does not need a container engine.
        rcup(home.path())
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .arg("list")
            .assert()
            .code(4)
            .stderr(contains("config.json").not());
    }
}

#[test]
fn an_invalid_docker_configuration_hides_no_context() {
    let home = home("{\"currentContext\": \"lab\",}");
    rcup(home.path())
        .arg("list")
        .assert()
        .code(4)
        .stdout("")
        .stderr(contains("current Docker context `lab`").and(contains("config.json:1: ")));
}

#[test]
fn doctor_says_why_a_container_engine_is_used() {
    let home = home("{}");
    let assert = rcup(home.path())
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .args(["doctor", "--output", "json"])
        .assert()
        .code(4);
    let json: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let engines = findings
        .iter()
        .find(|finding| finding["id"] == "engines")
        .unwrap();
    assert_eq!(engines["severity"], "ok");
    let found = engines["found"].as_str().unwrap();
    assert!(
        found.starts_with("unix:///nonexistent.sock is used, selected by DOCKER_HOST"),
        "{found}"
    );
}
