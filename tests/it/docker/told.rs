//! The JSON output for a real cluster matches the schemas in `docs/schema/`.

use assert_cmd::Command;
use serde_json::Value;

use super::{Name, any_image, turn};
use crate::schemas::assert_valid;

fn rcup(arguments: &[&str]) -> Value {
    let output = Command::cargo_bin("rcup")
        .unwrap()
        .args(arguments)
        .args(["--output", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_and_validations_are_as_described() {
    let _turn = turn().await;
    let name = Name::new("told");
    let (cluster, image) = (name.0.to_string(), any_image().await);
    let up = rcup(&["up", &cluster, "--image", &image]);
    assert_valid("status", &up);
    assert!(up["timings"]["total"].is_u64());
    let status = rcup(&["status", &cluster]);
    assert_valid("status", &status);
    assert!(status.get("timings").is_none());
    assert_eq!(up["nodes"], status["nodes"]);
    assert_valid("validate", &rcup(&["validate", &cluster]));
    name.down().await;
}
