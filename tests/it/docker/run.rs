//! `rcup run`: a command gets the address of its cluster and all signals, and rcup returns its exit code.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::{Name, any_image, turn};

/// Returns `rcup run` with this name, these flags and this script.
async fn rcup(name: &Name, flags: &[&str], script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
    command
        .args(["run", "--name", name.0.as_str(), "--image", &any_image().await])
        .args(["--replicas", "0", "--quiet"])
        .args(flags)
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{}\n{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_finds_its_cluster_and_its_exit_code_is_rcups_own() {
    let _turn = turn().await;
    let name = Name::new("run");
    let script = "echo \"$REDIS_CLUSTER_URL $REDIS_CLUSTER_NODES\"; exec \"$RCUP\" cli \"$RCUP_CLUSTER\" -- SET greeting hello";
    let mut command = rcup(&name, &[], script).await;
    let output = command.env("RCUP", env!("CARGO_BIN_EXE_rcup")).output().unwrap();
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("redis://") && told.contains("OK"), "{told}");
    name.assert_gone().await;
    let output = rcup(&name, &["--output", "json"], "echo data; exit 7")
        .await
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", text(&output));
    assert_eq!(output.stdout, b"data\n", "standard output is the command's");
    let ended: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        (&ended["code"], &ended["removed"]["containers"]),
        (&7.into(), &3.into())
    );
    name.assert_gone().await;
}

/// A test as `cargo test` runs it: a Rust program that only uses its environment variables.
#[test]
#[ignore = "run by the next one, in a cluster"]
fn as_a_program_of_rust() {
    let nodes = std::env::var("REDIS_CLUSTER_NODES").unwrap();
    let nodes: Vec<String> = nodes.split(',').map(|node| format!("redis://{node}")).collect();
    let client = redis::cluster::ClusterClient::new(nodes).unwrap();
    let mut connection = client.get_connection().unwrap();
    let () = redis::cmd("SET").arg("a").arg(1).query(&mut connection).unwrap();
    let read: u32 = redis::cmd("GET").arg("a").query(&mut connection).unwrap();
    assert_eq!(read, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_in_rust_runs_in_it() {
    let _turn = turn().await;
    let name = Name::new("run-rust");
    let this = std::env::current_exe().unwrap();
    let script = format!(
        "'{}' --ignored --exact docker::run::as_a_program_of_rust",
        this.display()
    );
    let output = rcup(&name, &[], &script).await.output().unwrap();
    let told = text(&output);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_leaves_what_helps_to_find_out_why() {
    let _turn = turn().await;
    let name = Name::new("run-fails");
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--artifacts",
        folder.path().to_str().unwrap(),
        "--keep-on-failure",
    ];
    let output = rcup(&name, &flags, "exit 3").await.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let read = |file: String| std::fs::read_to_string(folder.path().join(&file)).expect(&file);
    for node in 1..=3 {
        let container = name.0.container(node);
        assert!(read(format!("{container}.log")).contains("Ready to accept connections"));
        assert!(read(format!("{container}.nodes")).contains("myself,master"));
        let inspected: serde_json::Value =
            serde_json::from_str(&read(format!("{container}.inspect.json"))).unwrap();
        assert_eq!(inspected["Name"], format!("/{container}"));
    }
    assert!(read("events.ndjson".to_owned()).lines().count() > 10);
    assert!(read("run.json".to_owned()).contains("\"code\": 3"));
    assert!(read("status.json".to_owned()).contains("\"state\": \"ok\""));
    // A write error is reported and does not change the exit code.
    let other = Name::new("run-unwritable");
    let output = rcup(&other, &["--artifacts", "/proc/nowhere"], "exit 4")
        .await
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        text(&output).contains("cannot write /proc/nowhere"),
        "{}",
        text(&output)
    );
    other.assert_gone().await;
    // The cluster is kept, and `prune` keeps it too, although its owner has exited.
    assert_eq!(name.remains().await.containers.len(), 3);
    let prunable = rcup::lifecycle::prune::prunable(&super::docker()).await.unwrap();
    assert!(prunable.iter().all(|one| one.name != name.0), "{prunable:?}");
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_start_is_told_also_where_its_diagnostics_cannot_be_written() {
    let name = Name::new("run-no-start");
    let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args([
            "run",
            "--name",
            name.0.as_str(),
            "--image",
            "rcup-it/nowhere:1",
            "--pull",
            "never",
        ])
        .args(["--artifacts", "/proc/nowhere", "--", "true"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = text(&output);
    assert!(!output.status.success());
    assert!(told.contains("cannot write /proc/nowhere"), "{told}");
    let last = told
        .lines()
        .find(|line| line.starts_with("error"))
        .unwrap_or_default();
    assert!(
        last.contains("rcup-it/nowhere:1"),
        "the start's own error is the one to tell: {told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_at_the_very_end_of_a_start_ends_the_run() {
    let _turn = turn().await;
    let name = Name::new("run-late");
    let flags = ["--masters", "1", "--output", "ndjson"];
    let mut child = rcup(&name, &flags, "exec sleep 600")
        .await
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !(line.contains("\"prove\"") && line.contains("finished")) {
        line.clear();
        assert_ne!(
            told.read_line(&mut line).unwrap(),
            0,
            "it ends before it is proven"
        );
    }
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    told.read_to_string(&mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{line}");
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_opens_a_cluster_with_tls_and_a_password() {
    let _turn = turn().await;
    let name = Name::new("run-locked");
    let script = "test \"$REDIS_PASSWORD\" = \"$EXPECTED\" && test \"$REDIS_USERNAME\" = default && test -r \"$REDIS_TLS_CA_CERT\" \
                  && exec \"$PYTHON\" -c \"$PROGRAM\"";
    let program = "import os\nfrom redis.cluster import RedisCluster\n\
                   client = RedisCluster.from_url(os.environ['REDIS_CLUSTER_URL'], ssl_ca_certs=os.environ['REDIS_TLS_CA_CERT'], \
                   ssl_check_hostname=False)\nclient.set('greeting', 'hello')\nprint(client.get('greeting').decode())";
    let password = "o'd d%";
    let output = rcup(&name, &["--tls"], script)
        .await
        .env("RCUP_PASSWORD", password)
        .env("EXPECTED", password)
        .env("PYTHON", super::python())
        .env("PROGRAM", program)
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(0), &b"hello\n"[..]),
        "{}",
        text(&output)
    );
    name.assert_gone().await;
}

/// Waits until the command prints that it is ready.
fn ready(child: &mut Child) -> BufReader<std::process::ChildStdout> {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_reach_the_command_which_decides_what_they_mean() {
    let _turn = turn().await;
    let name = Name::new("run-signal");
    for (signal, script, code, last) in [
        (
            "TERM",
            "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done",
            5,
            "got it\n",
        ),
        ("INT", "echo ready; exec sleep 600", 130, ""),
        (
            "USR1",
            "trap 'echo one; exit 0' USR1; echo ready; while :; do sleep 0.05; done",
            0,
            "one\n",
        ),
    ] {
        let mut child = rcup(&name, &[], script)
            .await
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = ready(&mut child);
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), rest.as_str()),
            (Some(code), last),
            "{signal}"
        );
        name.assert_gone().await;
    }
}

#[test]
fn a_command_that_cannot_be_run_starts_nothing() {
    for (program, code) in [("/nonexistent/program", 127), ("/etc/passwd", 126)] {
        let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
            .args(["run", "--", program])
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(Path::new("/etc/passwd").exists() && text(&output).contains("Nothing was started"));
    }
}
