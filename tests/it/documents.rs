//! Links and file names in the documentation point to existing targets.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, documents: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, documents);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
}

/// Returns the text without code blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Returns the anchor that GitHub generates for a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_anchor(document: &Path, wanted: &str) -> bool {
    let text = prose(&fs::read_to_string(document).unwrap());
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    headings.any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

/// Returns the broken links and file names of a document.
fn broken(document: &Path, text: &str) -> Vec<String> {
    let text = prose(text);
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
        .filter(|link| {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.to_owned(),
                _ => document.with_file_name(file),
            };
            !target.exists() || (!anchor.is_empty() && !has_anchor(&target, anchor))
        });
    // A word in capitals is a placeholder: `src/cli/commands/COMMAND.rs`.
    let files = text.split('`').skip(1).step_by(2).filter(|name| {
        ["src/", "tests/", "benches/", "scripts/", "docs/", "examples/"]
            .iter()
            .any(|folder| name.starts_with(folder))
            && !name.contains(|c: char| c.is_whitespace() || c.is_uppercase() || c == '*')
            && !root().join(name).exists()
    });
    links.chain(files).map(str::to_owned).collect()
}

#[test]
fn links_and_file_names_in_documents_exist() {
    let mut documents = Vec::new();
    collect(root(), &mut documents);
    assert!(documents.len() > 15, "{documents:?}");
    let found: Vec<_> = documents
        .iter()
        .map(|document| (document, broken(document, &fs::read_to_string(document).unwrap())))
        .filter(|(_, broken)| !broken.is_empty())
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn broken_links_and_file_names_are_found() {
    let text =
        "[a](docs/none.md) [b](docs/facts.md#none) [c](docs/facts.md#linux) `src/none.rs` `src/lib.rs`";
    let found = broken(&root().join("README.md"), text);
    assert_eq!(found, ["docs/none.md", "docs/facts.md#none", "src/none.rs"]);
}
