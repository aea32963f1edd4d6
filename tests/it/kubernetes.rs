//! Validates the exported manifests against the published schemas of the API, without Kubernetes.

use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;

/// Validates every object of the files strictly against its schema: an unknown key is an error. Objects of other APIs
/// are only counted, because the schemas of the Kubernetes API do not cover them.
const HELD: &str = r#"
import sys, yaml, kubernetes_validate
objects = [each for path in sys.argv[1:] for each in yaml.safe_load_all(open(path))]
foreign = [each for each in objects if each["apiVersion"].startswith("monitoring.coreos.com/")]
for each in objects:
    if each not in foreign:
        kubernetes_validate.validate(each, "1.37", strict=True)
print(len(objects), len(foreign))
"#;

fn held(files: &[String]) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    assert!(
        python.exists(),
        "there are no schemas: get them with scripts/ensure-python.sh"
    );
    let output = Command::new(python)
        .args(["-c", HELD])
        .args(files)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Writes the manifests into a directory and returns the paths of the files with objects.
fn export(directory: &Path, flags: &[&str]) -> Vec<String> {
    let status = Command::new(cargo_bin("rcup"))
        .env_clear()
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .current_dir(directory)
        .args(["export", "kubernetes", "--quiet", "-o", "."])
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success());
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| Path::new(path).extension().is_some_and(|end| end == "yaml"))
        .filter(|path| !path.ends_with("kustomization.yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_object_is_valid_by_the_apis_schemas() {
    let shapes: [(&[&str], &str); 4] = [
        (&["--masters", "1", "--replicas", "0"], "5 0"),
        (
            &[
                "--masters",
                "3",
                "--engine",
                "valkey",
                "--password",
                "--memory",
                "1gb",
            ],
            "9 0",
        ),
        (
            &["--replicas", "2", "--profile", "production", "--service-monitor"],
            "10 1",
        ),
        (
            &["--masters", "5", "--persist", "--password", "--service-monitor"],
            "14 1",
        ),
    ];
    for (flags, count) in shapes {
        let directory = tempfile::tempdir().unwrap();
        let files = export(directory.path(), flags);
        assert_eq!(held(&files), count, "{flags:?}");
    }
}

/// Checks that the schemas reject invalid manifests.
#[test]
fn what_is_wrong_is_found_by_the_schemas() {
    let directory = tempfile::tempdir().unwrap();
    let files = export(directory.path(), &[]);
    let shards = files.iter().find(|path| path.ends_with("shards.yaml")).unwrap();
    let text = std::fs::read_to_string(shards).unwrap();
    for (right, wrong) in [
        ("podManagementPolicy: Parallel", "podManagmentPolicy: Parallel"),
        ("replicas: 2", "replicas: two"),
    ] {
        assert!(text.contains(right));
        std::fs::write(shards, text.replace(right, wrong)).unwrap();
        let told = std::panic::catch_unwind(|| held(std::slice::from_ref(shards)));
        assert!(told.is_err(), "{wrong}");
    }
}

/// If kubectl is installed, it builds the directory, and its output is valid too.
#[test]
fn kustomize_builds_the_directory() {
    if Command::new("kubectl")
        .arg("version")
        .arg("--client")
        .output()
        .is_err()
    {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    export(directory.path(), &["--password", "--service-monitor"]);
    let build = || {
        let output = Command::new("kubectl")
            .arg("kustomize")
            .arg(directory.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let first = build();
    let built = directory.path().join("built");
    std::fs::write(&built, &first).unwrap();
    // The objects of the files, two ConfigMaps and the Secret.
    assert_eq!(held(&[built.display().to_string()]), "13 1");
    // A changed setting restarts the pods, because the name of their ConfigMap changes, and does not affect the job.
    let conf = directory.path().join("redis.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text + "\nhz 20\n").unwrap();
    let second = build();
    let of = |text: &str, kind: &str| -> Vec<String> {
        let all = text.split("\n---\n").filter(|object| object.contains(kind));
        all.map(ToOwned::to_owned).collect()
    };
    assert_eq!(of(&first, "kind: Job"), of(&second, "kind: Job"));
    assert_ne!(of(&first, "kind: StatefulSet"), of(&second, "kind: StatefulSet"));
}
