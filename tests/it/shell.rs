//! shellcheck accepts every shell script: those of this repository, those that the exports write as files, and those
//! embedded in exported files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use saphyr::{LoadableYamlNode as _, Yaml};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Returns the warnings of shellcheck for a script, which may source other scripts in `beside`.
fn objections(script: &str, beside: &Path) -> String {
    let mut child = Command::new("shellcheck")
        .args(["--external-sources", "--source-path", beside.to_str().unwrap()])
        // A text without a shebang line is a script for `sh`.
        .args(
            if script.starts_with("#!") || script.starts_with("# shellcheck shell=") {
                &["-"][..]
            } else {
                &["--shell=sh", "-"]
            },
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("shellcheck: {error}; scripts/ensure-shellcheck.sh installs it"));
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.success(),
        said.is_empty(),
        "{}: {said}",
        output.status
    );
    said
}

/// Returns the files below a directory that are part of the repository.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && ![".git", "target"].iter().any(|skipped| name == *skipped) {
            all.extend(files(&path));
        } else if path.is_file() {
            all.push(path);
        }
    }
    all
}

/// Returns the text of the file if it is a shell script.
fn script(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let first = text.lines().next().unwrap_or_default();
    let is_script = first.starts_with("#!") && (first.ends_with("sh") || first.ends_with("sh -e"));
    (is_script || first.starts_with("# shellcheck shell=")).then_some(text)
}

/// Finds the scripts in a YAML document: the text after the options of a shell in a list. Dollar signs are doubled
/// there.
fn scripts_within(yaml: &Yaml, found: &mut Vec<String>) {
    if let Some(list) = yaml.as_sequence() {
        let words: Vec<&str> = list.iter().filter_map(Yaml::as_str).collect();
        if let Some(at) = words
            .iter()
            .position(|word| ["-c", "-ec", "CMD-SHELL"].contains(word))
            && let Some(script) = words.get(at + 1)
        {
            // Options of the shell become part of the script for shellcheck.
            let strict = if words[at] == "-ec" { "set -e\n" } else { "" };
            found.push(format!("{strict}{}", script.replace("$$", "$")));
        }
        for each in list {
            scripts_within(each, found);
        }
    }
    if let Some(map) = yaml.as_mapping() {
        for (_, value) in map {
            scripts_within(value, found);
        }
    }
}

fn export(arguments: &[&str], out: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .env_clear()
        .arg("export")
        .args(arguments)
        .args(["--image", "redis:8.0.2", "--quiet", "-o", out.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn assert_clean(scripts: &[(String, String)], beside: &Path) {
    for (name, text) in scripts {
        let said = objections(text, beside);
        assert!(said.is_empty(), "{name}:\n{said}");
    }
}

fn assert_files_clean(directory: &Path, least: usize) {
    let found: Vec<(PathBuf, String)> = files(directory)
        .into_iter()
        .filter_map(|path| script(&path).map(|text| (path, text)))
        .collect();
    assert!(found.len() >= least, "{found:?}");
    for (path, text) in found {
        assert_clean(&[(path.display().to_string(), text)], path.parent().unwrap());
    }
}

#[test]
fn the_repositorys_scripts_are_clean() {
    // Scripts that are assembled when they are written are checked in their written form.
    assert_files_clean(&Path::new(ROOT).join("scripts"), 9);
    assert_files_clean(&Path::new(ROOT).join("images"), 0);
    assert_files_clean(&Path::new(ROOT).join(".ci"), 1);
}

#[test]
fn exported_scripts_are_clean() {
    let home = tempfile::tempdir().unwrap();
    let hosts = [
        "bare-metal",
        "--hosts",
        "10.1.0.1,10.1.0.2",
        "--clients",
        "10.0.0.0/8",
    ];
    export(&hosts, &home.path().join("machines"));
    export(&["kubernetes", "--masters", "3"], &home.path().join("kubernetes"));
    assert_files_clean(&home.path().join("machines"), 8);
    assert_files_clean(&home.path().join("kubernetes"), 4);
}

#[test]
fn scripts_within_exports_are_clean() {
    let home = tempfile::tempdir().unwrap();
    for (nth, (format, flags)) in [
        ("compose", &["--masters", "3"][..]),
        ("compose", &["--password", "--tls", "--persist"]),
        ("swarm", &["--masters", "3"]),
        ("swarm", &["--password", "--machines", "a,b"]),
    ]
    .into_iter()
    .enumerate()
    {
        let out = home.path().join(format!("{nth}/file.yml"));
        export(&[&[format], flags].concat(), &out);
        let text = fs::read_to_string(&out).unwrap();
        let mut found = Vec::new();
        for document in Yaml::load_from_str(&text).unwrap() {
            scripts_within(&document, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        assert!(!found.is_empty(), "{format} has a command");
        let named: Vec<_> = found
            .into_iter()
            .map(|script| (format!("{format} {flags:?}\n{script}"), script))
            .collect();
        assert_clean(&named, home.path());
    }
}

#[test]
fn a_script_that_is_wrong_is_noticed() {
    let home = Path::new(ROOT);
    assert!(objections("#!/bin/sh\nrm -rf $1/x\n", home).contains("SC2086"));
    assert!(objections("if true; then echo\n", home).contains("SC1"));
    let mut found = Vec::new();
    let text = "services:\n  a:\n    entrypoint: [sh, -ec, 'cd $$1']\n    healthcheck:\n      test: [CMD-SHELL, 'echo $$2']\n";
    scripts_within(&Yaml::load_from_str(text).unwrap()[0], &mut found);
    assert_eq!(found, ["set -e\ncd $1", "echo $2"]);
    assert!(found.iter().all(|script| !objections(script, home).is_empty()));
}
