//! The examples run as they stand in the repository.

use std::process::Command;

use super::{any_image, turn};

async fn run(example: &str) -> String {
    let _turn = turn().await;
    let image = any_image().await;
    // Cargo puts the examples beside the tests, and builds them with them.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_do_what_they_say() {
    let told = run("fixture").await;
    assert!(told.starts_with("999 came back from redis://"), "{told}");
    assert!(told.contains("started rcup-test-"), "{told}");
    assert!(run("blocking").await.starts_with("hello from cluster test-"));
}
