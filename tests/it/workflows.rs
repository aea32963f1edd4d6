//! The configuration of continuous integration matches the schemas of the services. `check-jsonschema` includes them;
//! scripts/ensure-python.sh installs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn check(schema: &str, files: &[PathBuf]) -> Output {
    let program = Path::new(ROOT).join("target/python/bin/check-jsonschema");
    Command::new(&program)
        .args(["--builtin-schema", &format!("vendor.{schema}")])
        .args(files)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; scripts/ensure-python.sh installs it",
                program.display()
            )
        })
}

fn assert_valid(schema: &str, files: &[PathBuf]) {
    assert!(!files.is_empty());
    let output = check(schema, files);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{schema}, {files:?}: {told}");
}

fn at(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

#[test]
fn workflows_actions_and_pipelines_are_valid() {
    let workflows = std::fs::read_dir(at(".github/workflows")).unwrap();
    let workflows: Vec<PathBuf> = workflows.map(|entry| entry.unwrap().path()).collect();
    assert_valid("github-workflows", &workflows);
    assert_valid("github-actions", &[at("action.yml")]);
    assert_valid("gitlab-ci", &[at("docs/ci/gitlab-ci.yml")]);
}

#[test]
fn a_file_that_is_wrong_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    for (schema, file, right, wrong) in [
        (
            "github-workflows",
            ".github/workflows/ci.yml",
            "runs-on:",
            "runs-at:",
        ),
        ("github-actions", "action.yml", "runs:", "steps:"),
        ("gitlab-ci", "docs/ci/gitlab-ci.yml", "script:", "scripts:"),
    ] {
        let text = std::fs::read_to_string(at(file)).unwrap();
        assert!(text.contains(right), "{file}");
        let broken = home.path().join("broken.yml");
        std::fs::write(&broken, text.replace(right, wrong)).unwrap();
        let output = check(schema, &[broken]);
        assert_eq!(output.status.code(), Some(1), "{file}: {output:?}");
    }
}
