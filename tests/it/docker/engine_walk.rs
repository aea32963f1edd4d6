//! Runs every command once on the container engine of `DOCKER_HOST`. `make test-engines` runs this on each engine that
//! it sets up.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A call: the expected exit code, the command line, and text that its output contains.
struct Call(i32, &'static str, &'static str);

/// `{redis}` and `{valkey}` are the images, `{dir}` a temporary directory.
const CALLS: [Call; 55] = [
    Call(0, "doctor", "engine"),
    Call(0, "up walk --image {redis} --dry-run", ""),
    Call(0, "up walk --image {redis}", "walk is ready"),
    Call(0, "up walk --image {redis}", "already existed"),
    Call(0, "status walk", "walk is ok"),
    Call(0, "list", "walk"),
    Call(0, "validate walk", ""),
    Call(0, "validate walk --suite full --yes", ""),
    Call(0, "verify walk", ""),
    Call(0, "cli walk -- SET key here", "OK"),
    Call(0, "cli walk -- GET key", "here"),
    Call(0, "exec walk -- cat /rcup/1/redis.conf", "cluster-enabled yes"),
    Call(7, "exec walk -- sh -c |exit 7", ""),
    Call(0, "logs walk", ""),
    Call(0, "env walk", "REDIS"),
    Call(0, "env walk --format docker", "REDIS"),
    Call(0, "config show walk", ""),
    Call(0, "export compose walk", "services:"),
    Call(0, "export conf walk -o {dir}/conf", ""),
    Call(0, "diagnose walk", ""),
    Call(0, "reset walk --yes", ""),
    Call(0, "cli walk -- DBSIZE", "0"),
    Call(0, "restart walk --node 2", ""),
    Call(0, "restart walk", ""),
    Call(0, "validate walk", ""),
    Call(0, "stop walk", ""),
    Call(0, "start walk", ""),
    Call(0, "stop walk", ""),
    Call(0, "up walk --image {redis}", "already existed"),
    Call(
        0,
        "up beside --image {redis} --masters 3 --replicas 0",
        "beside is ready",
    ),
    Call(0, "list --output json", "beside"),
    Call(0, "down beside", "removed cluster beside"),
    Call(0, "down walk", "removed cluster walk"),
    Call(
        0,
        "up kept --image {redis} --tls --password --persist",
        "kept is ready",
    ),
    Call(0, "validate kept", ""),
    Call(0, "verify kept", ""),
    Call(0, "cli kept -- SET key here", "OK"),
    Call(0, "certs export {dir}/certs kept", ""),
    Call(0, "down kept --keep-volumes", ""),
    Call(
        0,
        "up kept --image {redis} --tls --password --persist",
        "already existed",
    ),
    Call(0, "cli kept -- GET key", "here"),
    Call(0, "down kept --volumes", ""),
    Call(
        0,
        "up named --image {valkey} --announce hostname",
        "named is ready",
    ),
    Call(0, "validate named", ""),
    Call(0, "down named", ""),
    Call(
        0,
        "up large --image {redis} --profile production --memory 64mb",
        "large is ready",
    ),
    Call(0, "validate large", ""),
    Call(0, "down large --volumes", ""),
    Call(0, "run --image {redis} --replicas 0 -- true", ""),
    Call(5, "run --image {redis} --replicas 0 -- sh -c |exit 5", ""),
    Call(0, "run --reuse --image {redis} --replicas 0 -- true", ""),
    Call(0, "down --all", ""),
    Call(0, "prune --dry-run", ""),
    Call(0, "prune", ""),
    Call(0, "list", ""),
];

/// Splits the arguments of a call. The text after a `|` is a single argument.
fn arguments(line: &str, directory: &Path) -> Vec<String> {
    let image = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let line = line
        .replace("{redis}", &image("RCUP_WALK_REDIS", "rcup/redis:7.0.15"))
        .replace("{valkey}", &image("RCUP_WALK_VALKEY", "rcup/valkey:8.1.1"))
        .replace("{dir}", &directory.display().to_string());
    let (words, last) = line
        .split_once('|')
        .map_or((line.as_str(), None), |(words, last)| (words, Some(last)));
    let words = words.split_whitespace().map(str::to_owned);
    words.chain(last.map(str::to_owned)).collect()
}

/// Writes a line for each call to the file that `RCUP_WALK_OUT` names: `ok` or `FAILED`, milliseconds, the command.
#[test]
#[ignore = "for other container engines: `make test-engines` runs it"]
fn every_command_works() {
    let directory = tempfile::tempdir().unwrap();
    let (mut lines, mut failures) = (String::new(), String::new());
    for Call(code, line, expected) in CALLS {
        let begun = Instant::now();
        let output = Command::new("timeout")
            .args(["--kill-after=10", "300", env!("CARGO_BIN_EXE_rcup")])
            .args(arguments(line, directory.path()))
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let took = begun.elapsed().as_millis();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let passed = output.status.code() == Some(code) && text.contains(expected);
        let word = if passed { "ok" } else { "FAILED" };
        writeln!(lines, "{word}\t{took}\t{line}").unwrap();
        if !passed {
            writeln!(failures, "rcup {line}: {}\n{text}", output.status).unwrap();
        }
    }
    if let Ok(path) = std::env::var("RCUP_WALK_OUT") {
        std::fs::write(path, lines).unwrap();
    }
    assert!(failures.is_empty(), "{failures}");
}
