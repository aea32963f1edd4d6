//! `rcup import compose` reads what Compose would start, or reports the line that it cannot read.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;

/// A file in `tests/it/import/` and the expected output of its import.
#[derive(Clone, Copy)]
struct Row {
    file: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// Expected lines of rcup.toml.
    has: &'static [&'static str],
    /// Expected parts of notes.
    notes: &'static [&'static str],
    /// Text that must not appear in the output.
    never: &'static [&'static str],
}

const fn row(file: &'static str, has: &'static [&'static str], notes: &'static [&'static str]) -> Row {
    Row {
        file,
        variables: &[],
        has,
        notes,
        never: &[],
    }
}

const fn with(row: Row, variables: &'static [(&'static str, &'static str)]) -> Row {
    Row { variables, ..row }
}

const fn without(row: Row, never: &'static [&'static str]) -> Row {
    Row { never, ..row }
}

const THREE: [&str; 2] = ["masters = 3", "replicas = 0"];
const SIX: [&str; 2] = ["masters = 3", "replicas = 1"];

const ROWS: [Row; 34] = [
    row(
        "extends.yml",
        &[
            THREE[0],
            THREE[1],
            "persist = true",
            "maxmemory = \"64mb\"",
            "appendonly = \"yes\"",
        ],
        &[],
    ),
    row("varreplicas.yml", &SIX, &[]),
    with(
        row(
            "varreplicas.yml",
            &["masters = 2", "replicas = 2"],
            &["28: service `maker`: 6 nodes"],
        ),
        &[("REPLICAS", "2")],
    ),
    without(
        row(
            "bitnamivar.yml",
            &[
                THREE[0],
                THREE[1],
                "password = true",
                "maxmemory = \"100mb\"",
                "maxmemory-policy = \"allkeys-lru\"",
            ],
            &["the password is in a file"],
        ),
        &["there is no password"],
    ),
    row("scalevar.yml", &SIX, &[]),
    with(
        row("scalevar.yml", &["masters = 2", "replicas = 1"], &[]),
        &[("NODES", "4")],
    ),
    row(
        "vars.yml",
        &[
            "image = \"redis:7.2\"",
            "node-timeout = \"5000ms\"",
            "maxmemory = \"64mb\"",
            "maxmemory-policy = \"allkeys-lru\"",
        ],
        &[],
    ),
    with(
        row(
            "vars.yml",
            &[
                "image = \"redis:8\"",
                "node-timeout = \"900ms\"",
                "maxmemory = \"1gb\"",
            ],
            &[],
        ),
        &[("REDIS_VERSION", "8"), ("NT", "900"), ("MEM", "1gb")],
    ),
    row("varnet.yml", &["subnet = \"172.29.0.0/24\""], &[]),
    with(
        without(
            row(
                "varnet.yml",
                &["masters = 3"],
                &["11: network `redis`: `x.0/24` is not an IPv4 subnet"],
            ),
            &["subnet ="],
        ),
        &[("PREFIX", "x")],
    ),
    without(
        row(
            "lastmakes.yml",
            &["masters = 3", "replicas = 1", "persist = true"],
            &[],
        ),
        &["exits when", "sleep", "cannot be"],
    ),
    row("addnode.yml", &SIX, &[]),
    without(
        row(
            "envpw.yml",
            &[THREE[0], THREE[1], "password = true"],
            &["4: the password is in the environment"],
        ),
        &["there is no password", "secretenv"],
    ),
    without(
        row(
            "users.yml",
            &["password = true"],
            &["4: the password is in the command"],
        ),
        &["there is no password", "secretuser"],
    ),
    row(
        "configs.yml",
        &["masters = 3", "replicas = 0", "maxmemory = \"64mb\""],
        &[],
    ),
    without(
        row("configfile.yml", &["masters = 3", "loglevel = \"notice\""], &[]),
        &["hunter", "secretpw"],
    ),
    row("secretconf.yml", &["masters = 3", "loglevel = \"notice\""], &[]),
    without(
        row(
            "quotes.yml",
            &[
                "masters = 3",
                "maxmemory-policy = \"allkeys-lru\"",
                "loglevel = \"notice\"",
                "save = \"\"",
                "appendonly = \"yes\"",
                "password = true",
            ],
            &["add `alice` with `--user`"],
        ),
        &["hunter", "secretpw"],
    ),
    without(
        row("empties.yml", &["masters = 3"], &["there is no password"]),
        &["password = true"],
    ),
    without(
        row("othernet.yml", &["subnet = \"172.29.0.0/24\""], &[]),
        &["172.16"],
    ),
    row(
        "published.yml",
        &["port = 7000", "publish = \"192.0.2.7\""],
        &["6: `mem_limit` is not imported"],
    ),
    row(
        "external.yml",
        &["network = \"company-net\""],
        &["10: network company-net must exist"],
    ),
    row(
        "twoclusters.yml",
        &["masters = 3", "replicas = 0", "image = \"redis:7.2\""],
        &["17: service `make-b` creates another cluster, which is left out"],
    ),
    row(
        "badreplicas.yml",
        &["masters = 3"],
        &["9: service `maker`: the number of replicas is `$COUNT`, which is unknown here"],
    ),
    without(row("script.yml", &SIX, &[]), &["sleep"]),
    without(
        row("loop.yml", &[SIX[0], SIX[1], "port = 7000"], &[]),
        &["counted as one"],
    ),
    without(
        row(
            "secondnet.yml",
            &["subnet = \"172.29.0.0/24\""],
            &["5: the nodes are on `front` too"],
        ),
        &["172.16"],
    ),
    row(
        "announce.yml",
        &["port = 6379", "publish = \"192.0.2.9\""],
        &[
            "4: `cluster-announce-hostname` is not imported",
            "6: the nodes are on `front` too",
        ],
    ),
    row(
        "host.yml",
        &["masters = 3", "port = 7000"],
        &["3: `network_mode` is not imported"],
    ),
    row(
        "twobitnami.yml",
        &THREE,
        &[
            "11: service `b2` creates another cluster",
            "variables of the image that are not imported: REDIS_DISABLE_COMMANDS",
        ],
    ),
    row(
        "retry.yml",
        &THREE,
        &[
            "15: service `m`: a `$` begins no variable",
            "7: `profiles` is not imported",
        ],
    ),
    row(
        "meet.yml",
        &["masters = 2"],
        &["8: service `m` forms the cluster by CLUSTER MEET"],
    ),
    row(
        "unsetrep.yml",
        &["masters = 3"],
        &[
            "9: service `m`: `REPL` is set neither",
            "9: service `m`: the number of replicas is",
        ],
    ),
    row(
        "leftover.yml",
        &THREE,
        &["7: service `n4` is a node, but no command adds it to the cluster"],
    ),
];

/// Files that are refused, and the expected error.
const REFUSED: [(&str, &[&str]); 4] = [
    (
        "required.yml",
        &[
            "line 4: service `n1`: `MEMORY` is required and not set: set it",
            "hint: ",
        ],
    ),
    (
        "badscale.yml",
        &["line 5: service `node` has `six` containers, which is not a number"],
    ),
    (
        "otherfile.yml",
        &[
            "line 2: service `n1` extends a service of common.yml",
            "docker compose config",
        ],
    ),
    (
        "twounknown.yml",
        &["service `make-a` (line 12) and service `make-b` (line 15) both create a cluster"],
    ),
];

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/import")
}

fn rcup() -> Command {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command
        .env_clear()
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .timeout(Duration::from_mins(1));
    command
}

/// Returns the output of an import and its exit code.
fn imported(command: &mut Command) -> (String, String, Option<i32>) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn imports_of_each_file_match_the_table() {
    for row in &ROWS {
        let mut command = rcup();
        command.args(["import", "compose"]).arg(inputs().join(row.file));
        let (out, notes, code) = imported(command.envs(row.variables.iter().copied()));
        let shown = format!("{} {:?}\n{out}\n{notes}", row.file, row.variables);
        assert_eq!(code, Some(0), "{shown}");
        for has in row.has {
            assert!(out.lines().any(|line| line == *has), "{has} is missing: {shown}");
        }
        for note in row.notes {
            assert!(notes.contains(note), "{note} is missing: {shown}");
        }
        for never in row.never {
            assert!(!shown.contains(never), "{never} is there: {shown}");
        }
        assert!(!out.contains("${") && !notes.contains("refuses these"), "{shown}");
    }
}

#[test]
fn files_that_cannot_be_read_are_refused_with_a_line() {
    for (file, parts) in REFUSED {
        let mut command = rcup();
        let (out, error, code) = imported(command.args(["import", "compose"]).arg(inputs().join(file)));
        assert_eq!((out.as_str(), code), ("", Some(2)), "{file}: {error}");
        for part in parts {
            assert!(error.contains(part), "{part} is missing: {error}");
        }
    }
}

#[test]
fn the_env_file_beside_the_compose_file_is_read() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(inputs().join("vars.yml"), home.path().join("compose.yml")).unwrap();
    std::fs::write(home.path().join(".env"), "MEM=32mb\nNT=700\n").unwrap();
    std::fs::write(home.path().join("compose.override.yml"), "services: {}\n").unwrap();
    let mut command = rcup();
    command
        .args(["import", "compose"])
        .arg(home.path().join("compose.yml"));
    let (out, notes, _) = imported(command.env("NT", "800"));
    assert!(
        out.contains("maxmemory = \"32mb\"\n") && out.contains("node-timeout = \"800ms\"\n"),
        "{out}"
    );
    assert!(notes.contains("Compose adds compose.override.yml"), "{notes}");
}

/// Also compares the notes: the settings of an export are complete.
#[test]
fn own_exports_are_read_back_with_the_same_shape() {
    for flags in [
        &["--masters", "4", "--replicas", "2"][..],
        &[
            "--server",
            "valkey",
            "--replicas",
            "0",
            "--set",
            "maxmemory-policy=allkeys-lru",
        ],
        &[
            "--persist",
            "--tls",
            "--password",
            "--node-timeout",
            "3s",
            "--port",
            "8001",
        ],
        &[
            "--profile",
            "production",
            "--persist=no",
            "--memory",
            "64mb",
            "--subnet",
            "10.99.0.0/24",
        ],
        &["--announce", "hostname", "--server-version", "7.2"],
    ] {
        let home = tempfile::tempdir().unwrap();
        let export = |more: &[&str]| {
            let mut command = rcup();
            command
                .current_dir(home.path())
                .args(["export", "compose"])
                .args(more);
            let (out, error, code) = imported(&mut command);
            assert_eq!(code, Some(0), "{more:?}: {error}");
            out
        };
        let first = export(flags);
        let mut command = rcup();
        command
            .current_dir(home.path())
            .args(["import", "compose", "-", "-o", "rcup.toml"])
            .write_stdin(first.clone());
        let (_, notes, code) = imported(&mut command);
        assert_eq!(code, Some(0), "{flags:?}: {notes}");
        assert!(
            notes.starts_with("note: <stdin>:") && !notes.contains("warning"),
            "{flags:?}: {notes}"
        );
        // The second export reads the rcup.toml of the directory.
        assert_eq!(label(&export(&[])), label(&first), "{flags:?}");
    }
}

/// Returns the label with the specification.
fn label(file: &str) -> &str {
    file.lines().find(|line| line.contains("rcup.spec:")).unwrap()
}

#[test]
fn input_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let fifo = home.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    for path in [Path::new("/dev/zero"), &fifo, home.path()] {
        let mut command = rcup();
        let (_, error, code) = imported(command.args(["import", "compose"]).arg(path));
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("is not a regular file"), "{error}");
    }
    let large = home.path().join("large.yml");
    let zeros = std::io::repeat(b'#').take((4 << 20) + 1);
    std::io::copy(&mut { zeros }, &mut std::fs::File::create(&large).unwrap()).unwrap();
    let from_stdin = std::fs::read(&large).unwrap();
    for (path, input) in [(large.to_str().unwrap(), Vec::new()), ("-", from_stdin)] {
        let mut command = rcup();
        command.args(["import", "compose", path]).write_stdin(input);
        let (_, error, code) = imported(&mut command);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("is larger than"), "{error}");
    }
    let deep = home.path().join("deep.yml");
    std::fs::write(&deep, format!("services: {}", "[".repeat(1 << 20))).unwrap();
    let mut command = rcup();
    let (_, error, code) = imported(command.args(["import", "compose"]).arg(&deep));
    assert_eq!(code, Some(2), "{error}");
}
