//! The library's face: every public item that a user can name, kept in `docs/api.txt`, so that a change of it
//! is seen in review and in continuous integration.
//!
//! It is read off the source, because what a compiler tells of it is not stable: the items that `pub use`
//! lines and public modules lead to from `src/lib.rs`, with their public methods, fields and variants. Types in
//! signatures are left out; the compiler and the examples mind those.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the listing lies.
const LISTING: &str = "docs/api.txt";

#[test]
#[ignore = "a review of its own: `make api`"]
fn the_public_face_is_as_it_was_reviewed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    module(&root.join("src"), "lib.rs", "rcup", &mut found);
    let text = found.iter().fold(String::new(), |text, item| text + item + "\n");
    let listing = root.join(LISTING);
    if std::env::var_os("UPDATE_API").is_some() {
        std::fs::write(&listing, &text).unwrap();
    }
    let known = std::fs::read_to_string(&listing).unwrap();
    let known: BTreeSet<&str> = known.lines().collect();
    let now: BTreeSet<&str> = text.lines().collect();
    let gone: Vec<_> = known.difference(&now).collect();
    let new: Vec<_> = now.difference(&known).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "the public face has changed.\ngone: {gone:#?}\nnew: {new:#?}\nIf that is meant, run this test with UPDATE_API=1, and \
         tell it in CHANGELOG.md."
    );
}

/// The enums to which nothing can be added: their variants are all there is.
const CLOSED: [&str; 6] = ["Outcome", "Output", "Presence", "Role", "Severity", "Status"];

#[test]
fn what_may_grow_says_so() {
    let mut files = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&source, &mut files);
    let mut enums = 0;
    for file in files.iter().filter(|file| !file.starts_with(source.join("cli"))) {
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(rest) = line.strip_prefix("pub enum ") else {
                continue;
            };
            enums += 1;
            let name = rest.split([' ', '<']).next().unwrap();
            let above = lines[..at]
                .iter()
                .rev()
                .take_while(|line| !line.is_empty() && !line.starts_with('}'));
            let grows = above.copied().any(|line| line == "#[non_exhaustive]");
            assert!(
                grows || CLOSED.contains(&name),
                "{}: {name} needs #[non_exhaustive], or a place among the closed ones",
                file.display()
            );
        }
    }
    assert!(enums > 30, "{enums}");
}

/// Everything public in the module whose front page is `page`, under the name `path`.
fn module(folder: &Path, page: &str, path: &str, found: &mut BTreeSet<String>) {
    let source = std::fs::read_to_string(folder.join(page)).unwrap();
    for line in statements(&source) {
        if let Some(name) = line
            .strip_prefix("pub mod ")
            .and_then(|rest| rest.strip_suffix(';'))
        {
            let (folder, page) = place(folder, name);
            module(&folder, &page, &format!("{path}::{name}"), found);
        } else if let Some(used) = line.strip_prefix("pub use ") {
            let used = used.trim_end_matches(';');
            let (from, names) = used.rsplit_once("::").unwrap_or(("", used));
            for name in names.trim_matches(['{', '}']).split(',').map(str::trim) {
                if name.is_empty() {
                    continue;
                }
                found.insert(format!("{path}::{name}"));
                // What the crate's root repeats is listed where it lives.
                if page != "lib.rs" {
                    let file = from.trim_start_matches("self::").replace("::", "/");
                    members(folder, &file, name, &format!("{path}::{name}"), found);
                }
            }
        } else if let Some(name) = item(&line) {
            found.insert(format!("{path}::{name}"));
            members_in(&source, &name, &format!("{path}::{name}"), found);
        }
    }
}

fn place(folder: &Path, name: &str) -> (PathBuf, String) {
    if folder.join(name).join("mod.rs").exists() {
        (folder.join(name), "mod.rs".to_owned())
    } else {
        (folder.to_owned(), format!("{name}.rs"))
    }
}

/// The members of a type that is declared in `file` or in a file beside it.
fn members(folder: &Path, file: &str, name: &str, path: &str, found: &mut BTreeSet<String>) {
    let mut sources = Vec::new();
    collect(folder, &mut sources);
    assert!(!sources.is_empty(), "{file} of {name} is not there");
    for source in sources {
        members_in(&std::fs::read_to_string(source).unwrap(), name, path, found);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Public methods, fields, variants and trait items. rustfmt indents them by four, and their block ends in the
/// first column.
fn members_in(source: &str, name: &str, path: &str, found: &mut BTreeSet<String>) {
    let mut block: Option<Block> = None;
    for line in source.lines() {
        if line == "#[cfg(test)]" {
            break;
        }
        if line.starts_with('}') {
            block = None;
            continue;
        }
        if !line.starts_with(' ') && line.ends_with('{') {
            block = opens(line, name);
            continue;
        }
        let Some(kind) = &block else { continue };
        let Some(member) = line
            .strip_prefix("    ")
            .filter(|rest| !rest.starts_with([' ', '/', '#']))
        else {
            continue;
        };
        let told = match kind {
            Block::Impl => member.strip_prefix("pub ").and_then(callable),
            Block::Struct => member
                .strip_prefix("pub ")
                .and_then(|rest| rest.split_once(':'))
                .map(|(field, _)| format!(".{field}")),
            Block::Trait => callable(member),
            Block::Enum => {
                let end = member.find([',', '(', ' ', '{']).unwrap_or(member.len());
                let variant = &member[..end];
                let is = variant.starts_with(|c: char| c.is_ascii_uppercase());
                is.then(|| format!("::{variant}"))
            }
        };
        found.extend(told.map(|told| format!("{path}{told}")));
    }
}

enum Block {
    Impl,
    Struct,
    Enum,
    Trait,
}

/// Which block of `name` a line opens, if any.
fn opens(line: &str, name: &str) -> Option<Block> {
    let is = |rest: &str| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        end.is_some_and(|end| &rest[..end] == name)
    };
    if let Some(rest) = line.strip_prefix("impl") {
        // Past the parameters: `<R: Runtime> Cluster<R> {`. Of a trait's items the trait itself tells.
        let rest = if rest.starts_with('<') {
            rest.split_once("> ").map_or(rest, |(_, rest)| rest)
        } else {
            rest.trim_start()
        };
        return (is(rest) && !rest.contains(" for ")).then_some(Block::Impl);
    }
    let declared = line.strip_prefix("pub ")?;
    let (kind, rest) = declared.split_once(' ')?;
    match kind {
        "struct" if is(rest) => Some(Block::Struct),
        "enum" if is(rest) => Some(Block::Enum),
        "trait" if is(rest) => Some(Block::Trait),
        _ => None,
    }
}

/// `fn` or `const` with its name.
fn callable(text: &str) -> Option<String> {
    let text = text.trim_start_matches("async ").trim_start_matches("const fn ");
    let rest = text.strip_prefix("fn ").unwrap_or(text);
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let known = text.starts_with("fn ") || text.starts_with("const ");
    known
        .then(|| format!("::{}", &rest[..end]))
        .filter(|name| name.len() > 2)
}

/// A public item declared in the module itself.
fn item(line: &str) -> Option<String> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.trim_start_matches("async ");
    let rest = ["fn ", "struct ", "enum ", "trait ", "const ", "type ", "static "]
        .iter()
        .find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    Some(rest[..end].to_owned())
}

/// The lines that begin in the first column, a `pub use` that goes over several of them joined, tests left out.
fn statements(source: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    let mut for_tests = false;
    for line in source.lines() {
        if line == "#[cfg(test)]" {
            for_tests = true;
            continue;
        }
        if open {
            if let Some(last) = all.last_mut() {
                last.push_str(line.trim());
            }
        } else if !std::mem::take(&mut for_tests) {
            all.push(line.to_owned());
        }
        let last = all.last().map_or("", String::as_str);
        open = last.starts_with("pub use ") && !last.ends_with(';');
    }
    all
}
