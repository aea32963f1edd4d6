//! Continuous integration pins every action by the full commit id, with its version in a comment, so that the code of
//! an action cannot change.

use std::path::{Path, PathBuf};

#[test]
fn every_action_is_pinned_by_its_commit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workflows = std::fs::read_dir(root.join(".github/workflows")).unwrap();
    let mut files: Vec<PathBuf> = workflows.map(|entry| entry.unwrap().path()).collect();
    files.push(root.join("action.yml"));
    let mut pins = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some((_, used)) = line.split_once("uses: ") else {
                continue;
            };
            if used == "./" {
                continue;
            }
            let (action, version) = used
                .split_once(" # v")
                .unwrap_or_else(|| panic!("{used}: at which version?"));
            let (_, commit) = action.split_once('@').unwrap();
            assert!(
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()),
                "{used}"
            );
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{used}");
            pins += 1;
        }
    }
    assert!(pins > 5, "only {pins} actions were found");
}
