//! Starts of the binary that a signal ends: signals that can be handled roll back the start. After SIGKILL, objects
//! remain that `down` finds by their labels.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Name, any_image, assert_ready, turn, up};

/// Starts a cluster with the binary, sends `signal` after `ms` milliseconds, and returns the exit code.
fn start_and_signal(name: &Name, image: &str, signal: &str, ms: u64) -> Option<i32> {
    let mut start = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args([
            "up",
            name.0.as_str(),
            "--image",
            image,
            "--quiet",
            "--no-validate",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rcup starts");
    std::thread::sleep(Duration::from_millis(ms));
    let _ = Command::new("kill")
        .args([&format!("-{signal}"), &start.id().to_string()])
        .status();
    start.wait().expect("rcup ends").code()
}

async fn handled(signal: &str) {
    let image = any_image().await;
    for ms in [20, 120, 350, 800, 1300] {
        let _turn = turn().await;
        let name = Name::new("signal");
        let code = start_and_signal(&name, &image, signal, ms);
        if code == Some(0) {
            // The cluster was ready before the signal arrived.
            assert_eq!(name.remains().await.containers.len(), 6);
            name.down().await;
        } else {
            // A signal before rcup installs its handlers ends the process before it has created any object.
            assert!(matches!(code, Some(1) | None), "{signal} after {ms} ms: {code:?}");
            name.assert_gone().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_undoes_the_start() {
    handled("INT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_end_undoes_the_start() {
    handled("TERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kill_leaves_behind_is_removed_by_down() {
    let image = any_image().await;
    for ms in [40, 90, 150, 250, 500, 900, 1200, 1500] {
        let _turn = turn().await;
        let name = Name::new("kill");
        start_and_signal(&name, &image, "KILL", ms);
        let down = Command::new(env!("CARGO_BIN_EXE_rcup"))
            .args(["down", name.0.as_str(), "--quiet"])
            .status();
        assert!(down.expect("rcup runs").success());
        name.assert_gone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kill_leaves_behind_is_replaced_by_up() {
    let image = any_image().await;
    for ms in [90, 300, 700, 1200] {
        let _turn = turn().await;
        let name = Name::new("rekill");
        let spec = name.spec().await;
        start_and_signal(&name, &image, "KILL", ms);
        let cluster = up(&spec).await;
        assert_ready(&cluster).await;
        drop(cluster);
        name.down().await;
    }
}
