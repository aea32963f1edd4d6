//! The pytest plugin with redis-py: its own tests, workers of xdist, and a killed pytest.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{any_image, docker, python, turn};
use rcup::ClusterName;
use rcup::event::Silent;
use rcup::lifecycle::prune::prune;
use rcup::runtime::interface::{Runtime as _, Scope};

/// Returns pytest with the plugin, with small clusters of the local image.
async fn pytest(arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut command = Command::new(python());
    command
        .args([
            "-B",
            "-m",
            "pytest",
            "-p",
            "rcup_pytest",
            "-p",
            "no:cacheprovider",
        ])
        .arg("--rcup-args")
        .arg(format!("--image {} --replicas 0", any_image().await))
        .args(arguments)
        .current_dir(&root)
        .env("PYTHONPATH", root.join("src"))
        .env("RCUP_BIN", env!("CARGO_BIN_EXE_rcup"))
        .stdin(Stdio::null());
    command
}

fn ends_well(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{errors}");
    told
}

/// Writes tests that append the names of their clusters to `$OUT`.
fn tests(folder: &Path, text: &str) -> String {
    let head = "import os, pathlib, time\n\
                def note(cluster):\n    \
                    at = pathlib.Path(os.environ['OUT']) / f'{os.getpid()}-{cluster.name}'\n    \
                    at.write_text(cluster.name)\n";
    let path = folder.join("test_it.py");
    std::fs::write(&path, format!("{head}{text}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Returns the recorded names and the number of processes that recorded them.
fn noted(folder: &Path) -> (BTreeSet<ClusterName>, usize) {
    let names: Vec<ClusterName> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok()?.parse().ok())
        .collect();
    (names.iter().cloned().collect(), names.len())
}

async fn is_there(name: &ClusterName) -> bool {
    let seen = docker().observe(&Scope::Cluster(name.clone())).await.unwrap();
    !seen.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugins_own_tests_pass() {
    let _turn = turn().await;
    let told = ends_well(&mut pytest(&["tests"]).await);
    assert!(told.contains("7 passed"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_of_xdist_share_a_cluster_which_goes_with_the_last() {
    let _turn = turn().await;
    let (home, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Each test waits for the other, so that both workers run one.
    let text = "import pytest\n\
                @pytest.mark.parametrize('nth', range(2))\n\
                def test_it(rcup_cluster, nth):\n    \
                    note(rcup_cluster)\n    \
                    begun = time.monotonic()\n    \
                    while len(os.listdir(os.environ['OUT'])) < 2:\n        \
                        assert time.monotonic() - begun < 60\n        \
                        time.sleep(0.01)\n";
    let file = tests(home.path(), text);
    ends_well(pytest(&["-n", "2", &file]).await.env("OUT", out.path()));
    let (names, processes) = noted(out.path());
    assert_eq!((names.len(), processes), (1, 2), "{names:?}");
    assert!(!is_there(names.first().unwrap()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_pytest_leaves_goes_with_the_next_sweep() {
    let _turn = turn().await;
    let (home, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let text = "def test_it(rcup_cluster, rcup_cluster_function):\n    \
                    note(rcup_cluster)\n    \
                    note(rcup_cluster_function)\n    \
                    time.sleep(600)\n";
    let file = tests(home.path(), text);
    let mut run = pytest(&[&file])
        .await
        .env("OUT", out.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while noted(out.path()).1 < 2 {
        assert_eq!(run.try_wait().unwrap(), None, "it ends by itself");
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing is noted");
        tokio::task::yield_now().await;
    }
    let (names, _) = noted(out.path());
    assert_eq!(names.len(), 2);
    for name in &names {
        assert!(is_there(name).await, "{name} is there while its owner lives");
    }
    run.kill().unwrap();
    run.wait().unwrap();
    prune(&docker(), &Silent).await.unwrap();
    for name in &names {
        assert!(!is_there(name).await, "{name} is left");
    }
}
