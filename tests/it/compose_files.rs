//! The files in `compose/` equal the output of `rcup export compose`, and their README lists all of them.

use assert_cmd::Command;

/// Each file and the flags that create it.
const FILES: [(&str, &[&str]); 7] = [
    ("redis-1x0.yml", &["--masters", "1", "--replicas", "0"]),
    ("redis-3x0.yml", &["--masters", "3", "--replicas", "0"]),
    ("redis-3x1.yml", &[]),
    ("redis-3x2.yml", &["--replicas", "2"]),
    ("redis-5x1.yml", &["--masters", "5"]),
    ("redis-3x1-desktop.yml", &["--announce", "hostname"]),
    ("valkey-3x1.yml", &["--engine", "valkey"]),
];

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere, nodes announce themselves otherwise"
)]
fn the_ready_made_files_are_the_exports_own() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("compose");
    let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
    for (file, flags) in FILES {
        let export = Command::cargo_bin("rcup")
            .unwrap()
            .env_clear()
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .args(["export", "compose"])
            .args(flags)
            .assert()
            .success()
            .stderr("");
        let printed = String::from_utf8(export.get_output().stdout.clone()).unwrap();
        let kept = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        assert!(
            kept == printed,
            "write it again: rcup export compose {} -o compose/{file} --force",
            flags.join(" ")
        );
        assert!(readme.contains(&format!("[{file}]({file})")), "{file}");
    }
    let count = std::fs::read_dir(&directory).unwrap().count();
    assert_eq!(count, FILES.len() + 1, "each of them, and the README");
}
