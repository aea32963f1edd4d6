//! Runs the examples of the repository unchanged.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{alone, any_image, docker, turn};
use rcup::runtime::interface::{Runtime as _, Scope};
use rcup::runtime::labels;

async fn run(example: &str) -> String {
    let _turn = turn().await;
    let image = any_image().await;
    // Cargo builds the examples together with the tests, in a directory next to them.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let program = path.join("examples").join(example);
    let output = tokio::task::spawn_blocking(move || Command::new(program).arg(image).output());
    let output = output
        .await
        .unwrap()
        .expect("the example is built: see `cargo test`");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a cargo command for the tests of the example, as a user runs it. Cargo's variables of this process are
/// removed, because they would cause a full rebuild.
fn cargo(words: &[&str], image: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO")
            && !["CARGO_HOME", "CARGO_INCREMENTAL", "CARGO_TARGET_DIR"].contains(&&*name)
        {
            command.env_remove(name);
        }
    }
    command
        .args(words)
        .args(["--locked", "--example", "shared_tests"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("IMAGE", image)
        .env("RCUP_BIN", env!("CARGO_BIN_EXE_rcup"));
    command
}

/// Without nextest, only `docker/shared.rs` covers several processes that share a cluster.
#[expect(clippy::print_stderr, reason = "what was left out is said")]
fn has_nextest() -> bool {
    let has = Command::new("cargo-nextest").arg("--version").output().is_ok();
    if !has {
        eprintln!("there is no cargo-nextest on this machine: left out");
    }
    has
}

/// Returns the names of the existing shared clusters.
async fn shared() -> BTreeSet<String> {
    let observed = docker().observe(&Scope::Clusters).await.unwrap();
    let names = observed
        .all_labels()
        .filter_map(|labels| labels.get(labels::CLUSTER));
    names
        .filter(|name| name.starts_with("shared-"))
        .cloned()
        .collect()
}

/// Waits until only the earlier shared clusters exist.
async fn gone(before: &BTreeSet<String>) {
    let begun = Instant::now();
    while !shared().await.is_subset(before) {
        assert!(begun.elapsed() < Duration::from_mins(1), "it is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tests_of_an_example_share_a_cluster_in_one_process_and_in_many() {
    let _turn = alone().await;
    let (image, before) = (any_image().await, shared().await);
    let mut ways = vec![(vec!["test"], "3 passed")];
    if has_nextest() {
        ways.push((vec!["nextest", "run", "--no-fail-fast"], "3 passed"));
    }
    for (words, passed) in ways {
        let mut tests = cargo(&words, &image);
        let output = tokio::task::spawn_blocking(move || tests.output())
            .await
            .unwrap()
            .unwrap();
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success() && told.contains(passed),
            "{words:?}: {told}"
        );
        gone(&before).await;
    }
}

/// After the kill, only the cleanup process that the first test has started can remove the cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_leaves_nothing() {
    let _turn = alone().await;
    if !has_nextest() {
        return;
    }
    let (image, before) = (any_image().await, shared().await);
    let mut run = cargo(&["nextest", "run"], &image)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while shared().await.is_subset(&before) {
        assert_eq!(run.try_wait().unwrap(), None, "it ends by itself");
        assert!(begun.elapsed() < Duration::from_mins(5), "no test has begun");
        tokio::task::yield_now().await;
    }
    // A running test has its own process group: it runs to its end and uses the cluster until then.
    let group = format!("-{}", run.id());
    let killed = Command::new("kill")
        .args(["-KILL", "--", &group])
        .status()
        .unwrap();
    assert!(killed.success());
    run.wait().unwrap();
    gone(&before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_do_what_they_say() {
    let told = run("fixture").await;
    assert!(told.starts_with("999 came back from redis://"), "{told}");
    assert!(told.contains("started rcup-test-"), "{told}");
    assert!(run("blocking").await.starts_with("hello from cluster test-"));
}
