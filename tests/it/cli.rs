//! The command line through the binary, without a container engine.

#![expect(clippy::unwrap_used, reason = "what the tests share unwraps as they do")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

const VERBS: [&str; 25] = [
    "up",
    "down",
    "stop",
    "start",
    "restart",
    "reset",
    "run",
    "prune",
    "list",
    "status",
    "validate",
    "verify",
    "diagnose",
    "doctor",
    "config",
    "logs",
    "cli",
    "exec",
    "env",
    "certs",
    "export",
    "import",
    "image",
    "completions",
    "man",
];

/// Returns the binary, isolated from the container engine and the settings of this machine.
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
fn help_lists_every_command_in_groups() {
    let help = rcup().arg("--help").assert().success();
    let text = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    let (list, _) = text.split_once("\nOptions:\n").unwrap();
    let mut listed: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    let mut all = VERBS;
    listed.sort_unstable();
    all.sort_unstable();
    assert_eq!(listed, all);
    for heading in ["Cluster", "Use", "Check", "Change", "Take along", "Set up"] {
        assert!(text.contains(&format!("\n{heading}:\n")), "{heading}\n{text}");
    }
}

#[test]
fn without_a_verb_the_help_is_the_error() {
    rcup().assert().code(2).stdout("").stderr(contains("Cluster:"));
}

#[test]
fn help_of_up_matches_snapshot() {
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
fn a_validation_that_cannot_be_is_refused_with_a_hint_before_anything_is_asked() {
    for (arguments, message, hint) in [
        (
            &["validate", "--only", "latencies"][..],
            "unknown check `latencies`",
            "node-count",
        ),
        (
            &["validate", "--only", "ask", "--skip", "ask"],
            "no checks selected",
            "--skip",
        ),
        (
            &["validate", "--latency-threshold", "p42=1ms"],
            "`p42` is not a measured percentile",
            "p99.9",
        ),
        (
            &["validate", "--endpoint", "localhost"],
            "`localhost` is not an address",
            "--endpoint 10.0.0.7:6379",
        ),
        (
            &[
                "validate",
                "--endpoint",
                "localhost:1",
                "--password-env",
                "RCUP_NO_SUCH",
            ],
            "the environment variable RCUP_NO_SUCH is not set",
            "--password-env",
        ),
        (
            &["validate", "--suite", "full"],
            "need confirmation",
            "--skip failover",
        ),
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
            &["up", "--subnet", "fd00::/64"],
            "`fd00::/64` is an IPv6 subnet; nodes only have IPv4 addresses",
            "10.88.0.0/24",
        ),
        (
            &["up", "--publish", "::1"],
            "`::1` is an IPv6 address; nodes can only be published on IPv4 addresses",
            "--publish 192.168.1.10",
        ),
        (
            &["up", "--publish", "0.0.0.0"],
            "cannot be announced to clients",
            "--publish 192.168.1.10",
        ),
        (
            &["up", "--network", "host"],
            "nodes need addresses that stay, which network host cannot give",
            "docker network create",
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
        (
            &["up", "--set", "port=1"],
            "`port` cannot be set by hand",
            "--port",
        ),
        (
            &["up", "--set", "maxmemmory=1mb"],
            "no version of Redis or Valkey knows the directive `maxmemmory`",
            "Did you mean `maxmemory`",
        ),
        (
            &["up", "--set", "appendfsync=sometimes"],
            "the value of `appendfsync` does not fit",
            "`everysec`",
        ),
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
        (&["man", "fly"], "`fly` is not an rcup command", "rcup --help"),
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
        (&["up", "--server", "mysql"], "[possible values: redis, valkey]"),
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
        .stderr(contains("`port` cannot be set by hand"));
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
                "the container engine at unix:///nonexistent.sock (DOCKER_HOST) does not respond",
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
        .stderr(contains("has API 1.30; rcup needs 1.41 or later"))
        .stderr(contains("hint: Update Docker to 20.10 or later."));
}

/// Runs a container engine of 2017 that answers every request with its version.
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
    // Permission checks do not apply to root and the owner of the socket, so root runs the test as user `nobody`.
    let binary = home.path().join("rcup");
    // Another process copies the file. If this process had it open for writing, a child forked by another test would
    // keep it busy.
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
        .stderr(contains("permission denied for the container engine").and(contains("usermod -aG docker")));
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

/// Runs `rcup export` with these arguments in a separate directory.
fn export(home: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = rcup();
    command.current_dir(home).arg("export").args(arguments);
    command.assert()
}

#[test]
fn an_export_from_flags_asks_no_engine() {
    let home = tempfile::tempdir().unwrap();
    export(home.path(), &["compose"])
        .success()
        .stdout(contains(
            "3 masters with 1 replica each, Redis 8.0.0 in image redis:8.",
        ))
        .stderr("");
    export(home.path(), &["compose", "orders", "--masters", "5"])
        .success()
        .stdout(contains("Redis Cluster `orders`: 5 masters"));
    export(home.path(), &["compose", "orders"])
        .code(4)
        .stderr(contains("does not respond"));
    let assert = export(home.path(), &["compose", "--output", "json"]).success();
    let printed: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(printed["format"], "compose");
    assert_eq!(printed["files"][0]["path"], "docker-compose.yml");
    assert!(
        printed["files"][0]["contents"]
            .as_str()
            .unwrap()
            .contains("\nservices:\n")
    );
}

#[test]
fn an_export_replaces_nothing_unless_it_is_told_to() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yml");
    export(home.path(), &["compose", "-o", "a.yml"])
        .success()
        .stdout("a.yml\n");
    let first = std::fs::read_to_string(&file).unwrap();
    export(home.path(), &["compose", "--masters", "5", "-o", "a.yml"])
        .code(2)
        .stdout("")
        .stderr(contains("a.yml exists already").and(contains("--force")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    export(
        home.path(),
        &["compose", "--masters", "5", "-o", "a.yml", "--force"],
    )
    .success();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), first);
    export(home.path(), &["compose", "-o", "sub/"])
        .success()
        .stdout("sub/docker-compose.yml\n");
    export(home.path(), &["compose", "-o", "a.yml/b.yml"])
        .code(1)
        .stderr(contains("cannot write a.yml/b.yml"));
    export(home.path(), &["conf"])
        .code(2)
        .stderr(contains("do not fit on standard output").and(contains("-o DIR")));
    export(home.path(), &["conf", "--replicas", "0", "-o", "conf"]).success();
    let conf = home.path().join("conf/rcup-default-3/redis.conf");
    assert!(std::fs::read_to_string(&conf).unwrap().contains("\nport 7003\n"));
    assert_eq!(
        std::fs::metadata(&conf).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn an_export_whose_server_cannot_be_known_says_so() {
    let home = tempfile::tempdir().unwrap();
    export(home.path(), &["compose", "--image", "redis:latest"])
        .code(1)
        .stderr(contains("does not tell which version").and(contains("--image redis:8.0")));
    export(home.path(), &["compose", "--image", "redis:9.0"])
        .code(2)
        .stderr(contains("no Compose file can be written for Redis 9.0.0"));
    export(home.path(), &["helm"])
        .code(2)
        .stderr(contains("unrecognized subcommand 'helm'"));
}

#[test]
fn without_an_engine_the_doctor_has_a_finding_and_no_error() {
    let told = rcup()
        .args(["doctor", "--output", "json"])
        .assert()
        .code(4)
        .stderr("");
    let json: serde_json::Value = serde_json::from_slice(&told.get_output().stdout).unwrap();
    assert_eq!(json["fit"], false);
    assert_eq!(json["profile"], "dev");
    assert_eq!(json["nodes"], 6);
    let engine = &json["findings"][0];
    assert_eq!(engine["id"], "engine");
    assert_eq!(engine["severity"], "fail");
    assert!(
        engine["found"].as_str().unwrap().contains("nonexistent.sock"),
        "{engine}"
    );
    assert!(
        engine["fix"].as_str().unwrap().contains("systemctl start docker"),
        "{engine}"
    );
    let skipped = json["skipped"].as_array().unwrap();
    assert!(skipped.iter().any(|one| one["id"] == "clock"), "{skipped:?}");
    rcup()
        .args(["doctor", "--profile", "production"])
        .assert()
        .code(4)
        .stdout(contains(
            "this host does not meet the requirements of 6 nodes with profile production",
        ));
}

#[test]
fn the_doctor_changes_nothing_unasked() {
    rcup()
        .args(["doctor", "--fix"])
        .assert()
        .code(2)
        .stdout("")
        .stderr(contains("confirmation without a terminal").and(contains("--yes")));
    rcup().args(["doctor", "--yes"]).assert().code(2);
    rcup().args(["doctor", "--fix", "--script"]).assert().code(2);
    rcup()
        .args(["doctor", "--profile", "prod"])
        .assert()
        .code(2)
        .stderr(contains("`prod` is not a profile").and(contains("production")));
}

#[test]
fn the_doctors_script_is_one_that_a_shell_can_read() {
    let script = rcup()
        .args(["doctor", "--script", "--profile", "production", "--masters", "30"])
        .assert()
        .success();
    let mut shell = std::process::Command::new("sh")
        .arg("-n")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(&script.get_output().stdout)
        .unwrap();
    assert!(shell.wait().unwrap().success());
}

#[test]
fn a_directory_for_machines_holds_a_script_that_the_shell_reads() {
    let home = tempfile::tempdir().unwrap();
    let hosts = "10.1.0.1,10.1.0.2";
    export(home.path(), &["bare-metal", "--hosts", hosts, "-o", "deploy"])
        .success()
        .stdout(contains("deploy/deploy.sh\n").and(contains("deploy/hosts/10.1.0.2/6380/redis.conf\n")));
    let script = home.path().join("deploy/deploy.sh");
    assert_eq!(
        std::fs::metadata(&script).unwrap().permissions().mode() & 0o777,
        0o755
    );
    for script in [
        "deploy.sh",
        "hosts/10.1.0.1/ufw.sh",
        "hosts/10.1.0.1/firewalld.sh",
    ] {
        let script = home.path().join("deploy").join(script);
        Command::new("sh")
            .arg("-n")
            .arg(script)
            .assert()
            .success()
            .stderr("");
    }
    Command::new(&script)
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("--uninstall").and(contains("--password-file FILE")));
    Command::new(&script)
        .arg("--nonsense")
        .assert()
        .code(2)
        .stderr(contains("--help"));
    Command::new(&script)
        .args(["--check", "--firewall", "pf"])
        .assert()
        .code(1)
        .stderr(contains("no firewall called pf"));
    export(home.path(), &["bare-metal", "--hosts", "db1,db2", "-o", "x"])
        .code(2)
        .stderr(contains("`db1` is not an IPv4 address").and(contains("--hosts 10.0.0.1")));
    export(home.path(), &["bare-metal", "--hosts", "10.1.0.1", "-o", "x"])
        .code(2)
        .stderr(contains("on its master's").and(contains("at least two hosts")));
}

#[test]
fn machines_keep_their_certificates_as_long_as_these_name_them_all() {
    let home = tempfile::tempdir().unwrap();
    let exported = |hosts: &str, more: &[&str]| {
        let arguments = [&["bare-metal", "--tls", "--hosts", hosts, "-o", "deploy"], more].concat();
        let outcome = export(home.path(), &arguments);
        let files = ["ca.crt", "node.crt", "node.key"].map(|file| {
            let file = home.path().join("deploy/certs").join(file);
            std::fs::read_to_string(file).unwrap_or_default()
        });
        (outcome, files)
    };
    let (first, made) = exported("10.1.0.1,10.1.0.2", &[]);
    first.success().stderr("");
    assert!(
        made.iter().all(|file| file.starts_with("-----BEGIN ")),
        "{made:?}"
    );
    let directory = std::fs::metadata(home.path().join("deploy/certs")).unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
    let (again, kept) = exported("10.1.0.1,10.1.0.2", &["--force", "--set", "hz=50"]);
    again.success().stderr("");
    assert_eq!(kept, made, "clients trust whoever signed them");
    let (grown, other) = exported("10.1.0.1,10.1.0.2,10.1.0.3", &["--force", "--masters", "4"]);
    grown.success().stderr(contains("the certificates have a new CA"));
    assert!(kept.iter().zip(&other).all(|(old, new)| old != new));
    // The user's own certificates must name the addresses of the hosts.
    let file = |name: &str| home.path().join("deploy/certs").join(name).display().to_string();
    let own = |hosts: &str| {
        let (ca, certificate, key) = (file("ca.crt"), file("node.crt"), file("node.key"));
        let flags = ["--tls-ca", &ca, "--tls-cert", &certificate, "--tls-key", &key];
        export(
            home.path(),
            &[&["bare-metal", "--hosts", hosts, "-o", "own"][..], &flags].concat(),
        )
    };
    own("10.1.0.1,10.1.0.4")
        .code(2)
        .stderr(contains("does not name IP:10.1.0.4").and(contains("--subnet").not()));
    own("10.1.0.1,10.1.0.2").success();
    let text = std::fs::read_to_string(home.path().join("own/certs/ca.crt")).unwrap();
    assert_eq!(text, other[0]);
}

#[test]
fn a_compose_file_is_read_into_settings_and_its_faults_are_told_by_line() {
    let home = tempfile::tempdir().unwrap();
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/import/usual.yml");
    std::fs::copy(usual, home.path().join("usual.yml")).unwrap();
    let import = |arguments: &[&str]| {
        let mut command = rcup();
        command
            .current_dir(home.path())
            .args(["import", "compose"])
            .args(arguments);
        command.assert()
    };
    import(&["usual.yml"])
        .success()
        .stdout(contains("masters = 3\nreplicas = 1\n"))
        .stderr(contains("usual.yml:136: this line is indented more"));
    import(&["usual.yml", "-o", "rcup.toml"])
        .success()
        .stdout("rcup.toml\n");
    import(&["usual.yml", "-o", "rcup.toml"])
        .code(2)
        .stderr(contains("rcup.toml exists already"));
    let json = import(&["usual.yml", "--output", "json"]).success().stderr("");
    let json: serde_json::Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(json["masters"], 3);
    assert!(
        json["notes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|note| note["line"] == 136)
    );
    import(&["none.yml"])
        .code(1)
        .stderr(contains("cannot read none.yml").and(contains("hint: ")));
    std::fs::write(
        home.path().join("web.yml"),
        "services:\n  web:\n    image: nginx\n",
    )
    .unwrap();
    import(&["web.yml"])
        .code(2)
        .stderr(contains("no service of the file starts a node"));
}

/// The imported file passes rcup's own parser and has the same meaning as the Compose file.
#[test]
fn imported_settings_are_read_back_as_they_were_meant() {
    let home = tempfile::tempdir().unwrap();
    let shown = |file: &str| -> serde_json::Value {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/import")
            .join(file);
        let out = format!("{file}.toml");
        let source = source.to_str().unwrap();
        rcup()
            .current_dir(home.path())
            .args(["import", "compose", source, "-o", &out])
            .assert()
            .success();
        let show = rcup()
            .current_dir(home.path())
            .args(["config", "show", "--output", "json", "--config", &out])
            .assert()
            .success();
        serde_json::from_slice(&show.get_output().stdout).unwrap()
    };
    let directive = |shown: &serde_json::Value, name: &str| {
        let all = shown["common"].as_array().unwrap().iter();
        let found: Vec<_> = all.filter(|line| line["name"] == name).collect();
        (
            found[0]["value"].as_str().unwrap().to_owned(),
            found[0]["origin"].as_str().unwrap().to_owned(),
        )
    };
    let own = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    let usual = shown("usual.yml");
    assert_eq!(usual["image"], "redis:7.2-alpine");
    assert_eq!(usual["nodes"].as_array().unwrap().len(), 6);
    assert_eq!(directive(&usual, "cluster-node-timeout"), own("5000", "file"));
    assert_eq!(directive(&usual, "appendonly"), own("yes", "file"));
    // The cluster persists its data, as it did on its volumes.
    assert_eq!(directive(&usual, "appendfsync"), own("everysec", "file"));
    let bitnami = shown("bitnami.yml");
    assert_eq!(bitnami["server"], "Redis 7.2.0");
    assert_eq!(bitnami["users"][0]["login"], "password");
    assert_eq!(directive(&bitnami, "appendonly"), own("yes", "file"));
}

#[test]
fn a_mounted_file_of_settings_is_read_beside_the_compose_file() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("redis.conf", "cluster-enabled yes\nsave 900 1\nsave 300 10\n");
    write(
        "compose.yml",
        "services:\n  a:\n    image: redis:8\n    command: redis-server /redis.conf\n    volumes: ['./redis.conf:/redis.conf']\n",
    );
    let path = home.path().join("compose.yml");
    rcup()
        .args(["import", "compose", path.to_str().unwrap()])
        .assert()
        .success()
        .stdout(contains("[set]\nsave = \"900 1 300 10\"\n"));
}

#[test]
#[cfg(unix)]
fn a_printed_export_holds_no_secret_and_a_written_one_hides_it_from_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let secrets = ["--password=printed-s3cret", "--tls"];
    for format in ["compose", "conf"] {
        let printed = export(
            home.path(),
            &[&[format, "--output", "json"], &secrets[..]].concat(),
        );
        let printed = printed.success();
        let text = String::from_utf8(printed.get_output().stdout.clone()).unwrap();
        for secret in ["printed-s3cret", "PRIVATE KEY", "masterauth", "user default on"] {
            assert!(!text.contains(secret), "{format}: {secret}");
        }
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        for file in json["files"].as_array().unwrap() {
            assert_eq!(file["secret"] == true, file["contents"].is_null(), "{file}");
        }
    }
    let mode = |path: &str| {
        let seen = std::fs::metadata(home.path().join(path)).unwrap();
        seen.permissions().mode() & 0o777
    };
    let arguments = |out: &'static str| [&["compose", "-o", out], &secrets[..]].concat();
    // An existing directory that others can read is refused before any file is written.
    std::fs::create_dir(home.path().join("secrets")).unwrap();
    std::fs::set_permissions(
        home.path().join("secrets"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    export(home.path(), &arguments("c.yml"))
        .code(2)
        .stderr(contains("secrets is for secrets, but mode 0755").and(contains("chmod 700 ")));
    assert!(!home.path().join("c.yml").exists());
    std::fs::set_permissions(
        home.path().join("secrets"),
        std::fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    export(home.path(), &arguments("c.yml")).success();
    assert_eq!((mode("secrets"), mode("certs")), (0o700, 0o700));
    // The user of the nodes can read the files even if the exporting user has a strict umask.
    let binary = assert_cmd::cargo::cargo_bin("rcup");
    let mut strict = std::process::Command::new("sh");
    strict
        .current_dir(home.path())
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(binary)
        .arg("export")
        .args(arguments("strict/c.yml"));
    assert!(strict.status().unwrap().success());
    assert_eq!(
        (mode("strict/secrets"), mode("strict/secrets/password")),
        (0o700, 0o644)
    );
}

#[test]
fn no_export_holds_a_password() {
    let home = tempfile::tempdir().unwrap();
    for (format, more) in [
        ("compose", &[][..]),
        ("conf", &[]),
        ("kubernetes", &[]),
        ("swarm", &[]),
        ("bare-metal", &["--hosts", "10.1.0.1,10.1.0.2"]),
    ] {
        let arguments = [&[format, "--masters", "30", "-o", format], more].concat();
        export(home.path(), &arguments).success();
        for file in files_below(&home.path().join(format)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
                let given = line.split_once("requirepass ").or(line.split_once("masterauth "));
                // Scripts write the values that they read from a file. Nothing else follows the directive.
                let read = |value: &str| {
                    let value = value.trim_start_matches('\\');
                    value.starts_with("\"%s\"") || value.starts_with("\"\\(")
                };
                assert!(
                    given.is_none_or(|(_, value)| read(value)),
                    "{}: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn an_exported_password_lies_in_a_file_of_its_own_and_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    let hosts = &["--hosts", "10.1.0.1,10.1.0.2"][..];
    for (format, more) in [
        ("compose", &[][..]),
        ("conf", &[]),
        ("kubernetes", &[]),
        ("swarm", &[]),
        ("bare-metal", hosts),
    ] {
        let mut command = rcup();
        command
            .current_dir(home.path())
            .env("RCUP_PASSWORD", "s3cret-of-mine");
        let out = format!("{format}/");
        command
            .args(["export", format, "--masters", "3", "-o", &out])
            .args(more);
        command
            .assert()
            .success()
            .stdout(contains("s3cret").not())
            .stderr("");
        let directory = home.path().join(format);
        let holders: Vec<std::path::PathBuf> = files_below(&directory)
            .into_iter()
            .filter(|file| std::fs::read_to_string(file).unwrap().contains("s3cret"))
            .collect();
        assert!(!holders.is_empty(), "{format}");
        for holder in holders {
            let name = holder.file_name().unwrap();
            assert!(name == "password" || name == "rcup.json", "{}", holder.display());
            // The last six bits are the permissions of the group and of others.
            let is_closed = |place: &Path| {
                let mode = std::fs::metadata(place).unwrap().permissions().mode();
                mode.trailing_zeros() >= 6
            };
            let closed = is_closed(holder.parent().unwrap());
            let own = is_closed(&holder);
            assert!(closed || own, "{}", holder.display());
        }
    }
    let mut command = rcup();
    command
        .current_dir(home.path())
        .env("RCUP_PASSWORD", "s3cret-of-mine");
    let printed = command
        .args(["export", "compose", "--masters", "3"])
        .assert()
        .success();
    printed
        .stdout(contains("s3cret").not())
        .stderr(contains("secrets are not printed").and(contains("s3cret").not()));
}

fn files_below(place: &Path) -> Vec<std::path::PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = std::fs::read_dir(place).unwrap();
    entries
        .flat_map(|entry| files_below(&entry.unwrap().path()))
        .collect()
}
