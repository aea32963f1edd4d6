//! The JSON output of the commands matches the schemas in `docs/schema/`.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// Fails with all violations of the schema `docs/schema/NAME.json`.
pub fn assert_valid(schema: &str, instance: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{schema}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let violations: Vec<String> = validator
        .iter_errors(instance)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(violations.is_empty(), "{schema}: {violations:#?}\n{instance:#}");
}

fn without_an_engine(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command.env_clear().env("DOCKER_HOST", "unix:///nonexistent.sock");
    command
        .args(arguments)
        .args(["--output", "json"])
        .output()
        .unwrap()
}

#[test]
fn errors_are_as_described() {
    for arguments in [
        &["up", "--masters", "0"][..],
        &["status", "nobody"],
        &["up", "--nonsense"],
        &["down"],
    ] {
        let output = without_an_engine(arguments);
        assert!(!output.status.success());
        assert_valid("error", &serde_json::from_slice(&output.stderr).unwrap());
    }
}

#[test]
fn the_doctors_findings_are_as_described() {
    let output = without_an_engine(&["doctor"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_valid("doctor", &told);
    assert_eq!(told["fit"], false, "there is no engine");
}

#[test]
fn a_schema_that_is_not_met_is_noticed() {
    let wrong = std::panic::catch_unwind(|| assert_valid("error", &serde_json::json!({ "error": {} })));
    assert!(wrong.is_err());
}
