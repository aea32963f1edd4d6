//! The command line through the binary, without an engine.

#![expect(clippy::unwrap_used, reason = "what the tests share unwraps as they do")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

const VERBS: [&str; 12] = [
    "up",
    "down",
    "list",
    "status",
    "validate",
    "logs",
    "cli",
    "exec",
    "env",
    "image",
    "completions",
    "man",
];

/// The binary, apart from this machine's engine and settings.
fn rcup() -> Command {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command.env_clear().env("DOCKER_HOST", "unix:///nonexistent.sock");
    command
}

fn error_of(output: &[u8]) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_slice(output).unwrap();
    json["error"].clone()
}

#[test]
fn every_verb_explains_itself_with_an_example() {
    for verb in VERBS {
        rcup()
            .args([verb, "--help"])
            .assert()
            .success()
            .stdout(contains(format!("Usage: rcup {verb}")).and(contains("Examples:")))
            .stderr("");
    }
}

#[test]
fn the_help_lists_the_verbs_that_are_there_and_no_others() {
    let help = rcup().arg("--help").assert().success();
    let text = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    let (_, list) = text.split_once("Commands:\n").unwrap();
    let listed: Vec<&str> = list
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, VERBS);
}

#[test]
fn without_a_verb_the_help_is_the_error() {
    rcup().assert().code(2).stdout("").stderr(contains("Commands:"));
}

#[test]
fn the_help_of_up_is_as_it_was_reviewed() {
    let help = rcup().args(["up", "--help"]).assert().success();
    insta::assert_snapshot!(String::from_utf8(help.get_output().stdout.clone()).unwrap());
}

#[test]
fn the_version_is_that_of_the_package() {
    rcup()
        .arg("--version")
        .assert()
        .success()
        .stdout(format!("rcup {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_cannot_be_is_refused_with_a_hint_before_any_engine_is_asked() {
    for (arguments, message, hint) in [
        (
            &["up", "--masters", "0"][..],
            "at least one master",
            "--masters 3",
        ),
        (
            &["up", "--masters", "1001", "--replicas", "0"],
            "1000 nodes",
            "fewer masters",
        ),
        (&["up", "Orders"], "`Orders` is not a cluster name", "lower-case"),
        (&["down", "a_b"], "`a_b` is not a cluster name", "lower-case"),
        (
            &["up", "--subnet", "10.88/24"],
            "`10.88/24` is not an IPv4 subnet",
            "10.88.0.0/24",
        ),
        (
            &["up", "--subnet", "10.88.0.7/24"],
            "inside a subnet",
            "--subnet 10.88.0.0/24",
        ),
        (&["up", "--subnet", "10.88.0.0/30"], "room for 1 nodes", "/28"),
        (
            &["up", "--set", "maxmemory"],
            "`maxmemory` sets no directive",
            "directive=value",
        ),
        (&["up", "--set", "port=1"], "rcup sets `port` itself", "--port"),
        (
            &["up", "--node-timeout", "5 parsecs"],
            "`5 parsecs` is not a duration",
            "`5s`",
        ),
        (&["up", "--node-timeout", "1ms"], "out of range", "100ms"),
        (&["up", "--port", "60000"], "do not fit", "bus"),
        (
            &["logs", "--node", "slave:1"],
            "`slave:1` selects no node",
            "replica:N",
        ),
        (
            &["logs", "--since", "yesterday"],
            "`yesterday` is not a duration",
            "`5s`",
        ),
        (
            &["image", "build", "--from", "../x"],
            "not a source of packages",
            "bookworm-backports",
        ),
        (&["man", "fly"], "`fly` is not a verb", "rcup --help"),
    ] {
        rcup().args(arguments).assert().code(2).stdout("").stderr(
            predicate::str::starts_with("error: ")
                .and(contains(message))
                .and(contains("\nhint: "))
                .and(contains(hint)),
        );
    }
}

#[test]
fn what_cannot_be_parsed_is_refused_and_says_where_help_is() {
    for (arguments, message) in [
        (&["fly"][..], "unrecognized subcommand 'fly'"),
        (
            &["up", "--mastres", "3"],
            "a similar argument exists: '--masters'",
        ),
        (
            &["up", "--masters", "three"],
            "invalid value 'three' for '--masters <N>'",
        ),
        (&["up", "--engine", "mysql"], "[possible values: redis, valkey]"),
        (&["exec", "orders", "ls"], "unexpected argument 'ls'"),
        (&["down", "orders", "--all"], "cannot be used with '--all'"),
        (&["completions", "cobol"], "[possible values: bash"),
        (&["--quiet", "--verbose", "list"], "cannot be used with"),
    ] {
        rcup()
            .args(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(message).and(contains("try '--help'")));
    }
}

#[test]
fn settings_come_from_the_environment_and_flags_win() {
    rcup()
        .env("RCUP_MASTERS", "0")
        .arg("up")
        .assert()
        .code(2)
        .stderr(contains("at least one master"));
    rcup()
        .env("RCUP_MASTERS", "0")
        .args(["up", "--masters", "3"])
        .assert()
        .code(4);
    rcup()
        .env("RCUP_SET", "maxmemory=64mb;port=1")
        .arg("up")
        .assert()
        .code(2)
        .stderr(contains("rcup sets `port` itself"));
    rcup()
        .env("RCUP_OUTPUT", "json")
        .args(["up", "--masters", "0"])
        .assert()
        .code(2)
        .stderr(predicate::str::starts_with(r#"{"error":{"kind":"usage""#));
}

#[test]
fn an_error_in_json_is_one_object_with_all_fields() {
    for arguments in [
        &["up", "--masters", "0", "--output", "json"][..],
        &["up", "--mastres", "3", "--output=json"],
        &["--output", "ndjson", "up", "Orders"],
        &["--output", "ndjson", "list"],
    ] {
        let assert = rcup().args(arguments).assert().code(2).stdout("");
        let error = error_of(&assert.get_output().stderr);
        assert_eq!(error["kind"], "usage", "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(!error["hint"].as_str().unwrap().is_empty());
        assert!(error["causes"].is_array() && error["details"].is_array());
    }
}

#[test]
fn without_an_engine_every_verb_that_needs_one_exits_with_4_and_a_hint() {
    for arguments in [
        &["up"][..],
        &["up", "--dry-run"],
        &["down"],
        &["list"],
        &["status"],
        &["validate"],
        &["logs"],
        &["cli", "--", "PING"],
        &["exec", "--", "true"],
        &["env"],
        &["image", "list"],
        &["image", "build"],
    ] {
        rcup()
            .args(arguments)
            .assert()
            .code(4)
            .stdout("")
            .stderr(contains(
                "the engine at unix:///nonexistent.sock (DOCKER_HOST) does not answer",
            ))
            .stderr(contains("hint: Start it"));
        let assert = rcup().args(["--output", "json"]).args(arguments).assert().code(4);
        let error = error_of(&assert.get_output().stderr);
        assert_eq!(error["kind"], "engine-unavailable");
        assert!(error["hint"].as_str().unwrap().contains("DOCKER_HOST"));
    }
}

#[test]
fn an_engine_that_speaks_an_old_api_exits_with_4() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("docker.sock");
    old_engine(&socket);
    rcup()
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .arg("list")
        .assert()
        .code(4)
        .stderr(contains("speaks API 1.30, rcup needs 1.41 or newer"))
        .stderr(contains("hint: Update Docker to 20.10 or newer."));
}

/// An engine of 2017: whatever it is asked, it answers with its version.
fn old_engine(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let body = r#"{"Version":"17.06.0","ApiVersion":"1.30","MinAPIVersion":"1.12"}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    });
}

#[test]
fn a_socket_of_others_exits_with_4_and_names_the_group() {
    let home = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.path(), open).unwrap();
    let socket = home.path().join("docker.sock");
    old_engine(&socket);
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Nothing is refused to root and to the socket's owner, so root tries it as nobody.
    let binary = home.path().join("rcup");
    // By another process: were this one to hold the file open for writing, a test that forks at that moment
    // would keep it busy.
    Command::new("cp")
        .arg(assert_cmd::cargo::cargo_bin("rcup"))
        .arg(&binary)
        .assert()
        .success();
    let mut command = std::process::Command::new(binary);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    } else {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    command
        .env_clear()
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .arg("list");
    Command::from_std(command)
        .assert()
        .code(4)
        .stderr(contains("this user may not use the engine").and(contains("usermod -aG docker")));
}

#[test]
fn completions_know_the_verbs_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let assert = rcup().args(["completions", shell]).assert().success().stderr("");
        let script = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        for verb in VERBS {
            assert!(script.contains(verb), "{verb} in the script for {shell}");
        }
        assert!(script.contains("node-timeout"), "{shell}");
    }
}

#[test]
fn the_completion_for_bash_is_a_script_that_bash_accepts() {
    let assert = rcup().args(["completions", "bash"]).assert().success();
    Command::new("bash")
        .args(["-n"])
        .write_stdin(assert.get_output().stdout.clone())
        .assert()
        .success()
        .stderr("");
}

#[test]
fn the_manual_has_a_page_for_the_whole_and_one_for_each_verb() {
    rcup()
        .arg("man")
        .assert()
        .success()
        .stdout(contains(".TH rcup 1").and(contains("rcup\\-validate(1)")));
    for verb in VERBS {
        rcup()
            .args(["man", verb])
            .assert()
            .success()
            .stdout(contains(format!(".TH rcup-{verb} 1")).and(contains(".SH EXTRA")));
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let binary = assert_cmd::cargo::cargo_bin("rcup");
    let script = format!(
        "set -o pipefail; '{}' completions bash | head -n 1; echo \"code ${{PIPESTATUS[0]}}\"",
        binary.display()
    );
    Command::new("bash")
        .args(["-c", &script])
        .assert()
        .success()
        .stdout(contains("_rcup").and(contains("code 0")))
        .stderr("");
}

#[test]
fn nothing_is_coloured_in_a_pipe() {
    let assert = rcup().args(["up", "--masters", "0"]).assert().code(2);
    assert!(!assert.get_output().stderr.contains(&0x1b));
    let assert = rcup()
        .env("CLICOLOR_FORCE", "1")
        .args(["up", "--masters", "0"])
        .assert()
        .code(2);
    assert!(assert.get_output().stderr.contains(&0x1b), "unless it is forced");
}
