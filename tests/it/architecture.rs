//! The walls between the rooms: what may name what, and what may be done where. They are read off the
//! source text, because within one crate the compiler does not know them.

use std::path::{Path, PathBuf};

/// The rooms, line above line. A room may name rooms of its own line and of those below.
const LINES: [&[&str]; 5] = [
    &["error", "event", "spec"],
    &["topology"],
    &["plan", "render", "check", "import"],
    &["runtime", "redis", "image"],
    &["cluster"],
];

/// The most lines of a file, its tests left out.
const LONGEST: usize = 500;

/// Files that are longer all the same, and how long they may be. They are to be split, not to grow.
const LONGER: [(&str, usize); 1] = [("src/runtime/docker/client.rs", 620)];

/// Where time may pass: all waiting is for a condition with a deadline, and lives in one file. Executing a
/// plan additionally ends at the deadline of the whole, and the program asks the engine for a terminal until
/// it is there.
const MAY_WAIT: [(&str, &[&str]); 3] = [
    ("src/cluster/wait.rs", &["sleep", "sleep_until"]),
    ("src/cluster/execute.rs", &["sleep_until"]),
    ("src/cli/terminal/session.rs", &["interval"]),
];

#[test]
fn the_walls_stand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let mut rooms = Vec::new();
    let mut complaints = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&file).unwrap();
        complaints.extend(check(&path, &source));
        rooms.push(room(&path));
    }
    for room in LINES.iter().copied().flatten() {
        assert!(rooms.iter().any(|seen| seen == room), "there is no {room}");
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn an_exception_that_is_needed_no_more_is_struck_out() {
    for (path, _) in LONGER {
        let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let lines = without_tests(&code(&source)).lines().count();
        assert!(lines > LONGEST, "{path} is {lines} lines long");
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Everything that is wrong with a file, each with its path.
fn check(path: &str, source: &str) -> Vec<String> {
    let code = without_tests(&code(source));
    let mut wrong = Vec::new();
    imports(path, &code, &mut wrong);
    deeds(path, &code, &mut wrong);
    if !source.starts_with("//!") {
        wrong.push("does not say at its top what it is for".to_owned());
    }
    let most = LONGER
        .iter()
        .find(|(long, _)| *long == path)
        .map_or(LONGEST, |(_, most)| *most);
    let lines = code.lines().count();
    if lines > most {
        wrong.push(format!("has {lines} lines without its tests, more than {most}"));
    }
    wrong
        .into_iter()
        .map(|complaint| format!("{path} {complaint}"))
        .collect()
}

/// The names of the modules from the crate's root to the file: `src/plan/up.rs` is `["plan", "up"]`.
fn modules(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => Vec::new(),
        _ => path.split('/').collect(),
    }
}

/// The first of them; the roots are rooms of their own.
fn room(path: &str) -> String {
    match path {
        "src/lib.rs" => "lib".to_owned(),
        "src/main.rs" => "main".to_owned(),
        _ => modules(path)[0].to_owned(),
    }
}

fn line(room: &str) -> Option<usize> {
    LINES.iter().position(|rooms| rooms.contains(&room))
}

fn imports(path: &str, code: &str, wrong: &mut Vec<String>) {
    let own = room(path);
    if own == "lib" && words(code).any(|(_, word)| word == "cli") {
        wrong.push("names cli, which belongs to the program alone".to_owned());
    }
    for named in rooms_named(code, modules(path).len()) {
        let complaint = match own.as_str() {
            "lib" => None,
            "main" | "cli" => {
                (named != "cli").then(|| format!("names crate::{named}, not only rcup and cli"))
            }
            _ if named == "cli" => Some("names crate::cli, which belongs to the program alone".to_owned()),
            _ => match (line(&own), line(&named)) {
                (None, _) => Some(format!("is in {own}, which is no room")),
                (_, None) => Some(format!("names crate::{named}, which is no room")),
                (Some(own), Some(named_line)) => {
                    (named_line > own).then(|| format!("names crate::{named}, which lies above it"))
                }
            },
        };
        wrong.extend(complaint);
    }
}

/// What follows the crate's root in every path of the code, groups taken apart.
fn rooms_named(code: &str, depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    for (at, word) in words(code) {
        let before = code[..at].trim_end();
        let continued = before.ends_with("::");
        let from_root = match word {
            "crate" => !continued,
            // Whoever climbs as high as the file lies deep has climbed to the root.
            "super" => {
                let mut rest = before;
                let mut climbed = 1;
                while let Some(shorter) = rest.strip_suffix("::").map(str::trim_end) {
                    let Some(shorter) = shorter.strip_suffix("super") else {
                        break;
                    };
                    climbed += 1;
                    rest = shorter.trim_end();
                }
                climbed == depth
            }
            _ => false,
        };
        let after = code[at + word.len()..].trim_start();
        if let Some(path) = after.strip_prefix("::").filter(|_| from_root) {
            named.extend(heads(path.trim_start()));
        }
    }
    named.retain(|name| name != "super" && name != "self");
    named
}

/// The first names of a path or of a group of paths.
fn heads(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return words(path)
            .next()
            .map(|(_, word)| word.to_owned())
            .into_iter()
            .collect();
    };
    let (mut depth, mut fresh, mut heads) = (0_usize, true, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && !character.is_whitespace() => {
                heads.extend(words(&group[at..]).next().map(|(_, word)| word.to_owned()));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

/// What is done where it must not be.
fn deeds(path: &str, code: &str, wrong: &mut Vec<String>) {
    let program = matches!(room(path).as_str(), "main" | "cli");
    for (at, word) in words(code) {
        let after = code[at + word.len()..].trim_start();
        let before = code[..at].trim_end();
        let called = after.starts_with('(') || after.starts_with("::<");
        let complaint = match word {
            "bollard" if !path.starts_with("src/runtime/docker/") => {
                Some("names bollard, which is Docker's matter")
            }
            "sleep" | "sleep_until" | "sleep_ms" | "interval" | "interval_at" if called => {
                let may = MAY_WAIT
                    .iter()
                    .any(|(file, calls)| *file == path && calls.contains(&word));
                (!may).then_some("lets time pass, which is for src/cluster/wait.rs")
            }
            "print" | "println" | "eprint" | "eprintln" if !program && after.starts_with('!') => {
                Some("prints, which is for the program alone")
            }
            "dbg" if after.starts_with('!') => Some("has a dbg! left over"),
            "exit" | "abort" if !program && called && before.ends_with("process::") => {
                Some("ends the process, which is for the program alone")
            }
            "unwrap" if called && before.ends_with('.') => Some("unwraps outside of its tests"),
            _ => None,
        };
        if let Some(complaint) = complaint {
            let number = code[..at].lines().count().max(1);
            wrong.push(format!("(line {number} without the tests) {complaint}"));
        }
    }
}

/// All names and numbers, with where they begin.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let begin = rest + code[rest..].find(is_word)?;
        let end = code[begin..]
            .find(|c| !is_word(c))
            .map_or(code.len(), |length| begin + length);
        rest = end;
        Some((begin, &code[begin..end]))
    })
}

/// The source without its comments and without what stands in its literals, line by line as before.
fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            'r' if !after_word || code.ends_with('b') => raw_string(rest),
            '"' => string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"…"` or `r#"…"#`; 0 when it is only a name that begins with r, or a raw name.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let begin = hashes + 2;
    let end = format!("\"{}", "#".repeat(hashes));
    rest[begin..]
        .find(&end)
        .map_or(rest.len(), |length| begin + length + end.len())
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'x'` or `'\n'`; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    if inside.starts_with('\\') {
        // The character after the backslash may be a quote itself.
        return inside
            .char_indices()
            .skip(2)
            .find(|(_, c)| *c == '\'')
            .map_or(0, |(at, _)| at + 2);
    }
    let mut all = inside.char_indices().skip(1);
    match all.next() {
        Some((at, '\'')) => at + 2,
        _ => 0,
    }
}

/// The code without what is compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(['{', ';']).unwrap_or(rest.len());
        if !rest[end..].starts_with('{') {
            rest = rest.get(end + 1..).unwrap_or_default();
            continue;
        }
        let mut depth = 0_usize;
        let closed = rest[end..].char_indices().find_map(|(at, character)| {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(end + at + 1)
        });
        rest = &rest[closed.unwrap_or(rest.len())..];
    }
    kept.push_str(rest);
    kept
}

/// What is wrong with a file at `path` that has this code under a proper top.
fn wrong(path: &str, source: &str) -> Vec<String> {
    let complaints = check(path, &format!("//! A file.\n\n{source}"));
    complaints
        .into_iter()
        .map(|one| one.trim_start_matches(path).trim().to_owned())
        .collect()
}

#[test]
fn imports_that_point_up_are_found() {
    let up = "names crate::cluster, which lies above it";
    for source in [
        "use crate::cluster::Cluster;",
        "use crate::cluster;",
        "use crate::{error::Error, cluster::{Cluster, UpOptions}};",
        "use crate::{\n    error::{Error, Result},\n    cluster,\n};",
        "fn f() -> crate::cluster::Timings { todo!() }",
        "use super::super::cluster::Cluster;",
        "use super::super::{cluster::Cluster, error};",
        "pub(crate) fn f() {}",
        "use crate :: cluster :: Cluster;",
    ] {
        assert_eq!(wrong("src/plan/up.rs", source), [up], "{source}");
    }
    assert_eq!(wrong("src/plan/mod.rs", "use super::cluster::Cluster;"), [up]);
    assert_eq!(wrong("src/error.rs", "use super::cluster::Cluster;"), [up]);
    assert_eq!(
        wrong("src/spec/name.rs", "use crate::topology::Topology;"),
        ["names crate::topology, which lies above it"]
    );
    assert_eq!(
        wrong("src/topology/slots.rs", "use crate::render::redis_conf;"),
        ["names crate::render, which lies above it"]
    );
    assert_eq!(
        wrong("src/check/facts.rs", "use crate::runtime::Runtime;"),
        ["names crate::runtime, which lies above it"]
    );
}

#[test]
fn imports_that_point_down_or_aside_are_fine() {
    for (path, source) in [
        (
            "src/cluster/up.rs",
            "use crate::{plan::Plan, runtime::{Runtime, Scope}, error::Result};",
        ),
        ("src/plan/request.rs", "use crate::render::{CONF, nodes_conf};"),
        (
            "src/redis/admin.rs",
            "use crate::check::NodeLine; use crate::runtime::Runtime;",
        ),
        (
            "src/runtime/docker/client.rs",
            "use super::super::seam::Runtime; use super::find;",
        ),
        (
            "src/plan/up.rs",
            "use super::cluster; use self::cluster::x; pub(crate) fn f() {}",
        ),
        (
            "src/spec/name.rs",
            "use crate::error::Error; use crate::event::Event;",
        ),
        (
            "src/lib.rs",
            "pub mod cluster; pub use cluster::Cluster; pub use crate::cluster::down;",
        ),
        (
            "src/cli/up.rs",
            "use rcup::cluster::down; use crate::cli::args::Args; use super::exit;",
        ),
        ("src/main.rs", "mod cli; fn main() { crate::cli::main() }"),
    ] {
        assert_eq!(wrong(path, source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn the_program_and_the_library_know_each_other_by_the_face_alone() {
    let alone = "names crate::cli, which belongs to the program alone";
    assert_eq!(wrong("src/cluster/up.rs", "use crate::cli::args;"), [alone]);
    assert_eq!(
        wrong("src/lib.rs", "pub mod cli;"),
        ["names cli, which belongs to the program alone"]
    );
    assert_eq!(
        wrong("src/cli/up.rs", "use crate::cluster::down;"),
        ["names crate::cluster, not only rcup and cli"]
    );
    assert_eq!(
        wrong("src/cluster/up.rs", "use crate::ClusterSpec;"),
        ["names crate::ClusterSpec, which is no room"],
        "the face is for others"
    );
    assert_eq!(
        wrong("src/utils.rs", "use crate::error::Error;"),
        ["is in utils, which is no room"]
    );
}

#[test]
fn deeds_in_the_wrong_place_are_found() {
    let found = |path: &str, source: &str| {
        let all = wrong(path, source);
        assert_eq!(all.len(), 1, "{path}: {source}: {all:?}");
        all[0].split(") ").last().unwrap().to_owned()
    };
    let waits = "lets time pass, which is for src/cluster/wait.rs";
    for source in [
        "async fn f() { tokio::time::sleep(x).await }",
        "fn f() { std::thread::sleep(x) }",
        "fn f() { let tick = interval(x); }",
    ] {
        assert_eq!(found("src/cluster/link.rs", source), waits);
        assert_eq!(found("src/cluster/execute.rs", source), waits);
    }
    assert_eq!(found("src/cluster/up.rs", "fn f() { sleep_until(x); }"), waits);
    assert_eq!(
        found("src/runtime/fake/mod.rs", "use bollard::Docker;"),
        "names bollard, which is Docker's matter"
    );
    for source in ["println!(\"x\");", "eprintln ! (\"x\");", "std::print!(\"x\");"] {
        let source = format!("fn f() {{ {source} }}");
        assert_eq!(
            found("src/image/apt.rs", &source),
            "prints, which is for the program alone"
        );
    }
    assert_eq!(
        found("src/cluster/up.rs", "fn f() { std::process::exit(1) }"),
        "ends the process, which is for the program alone"
    );
    assert_eq!(
        found("src/cli/up.rs", "fn f() { x.unwrap(); }"),
        "unwraps outside of its tests"
    );
    assert_eq!(
        found("src/spec/name.rs", "fn f() { dbg!(x); }"),
        "has a dbg! left over"
    );
}

#[test]
fn the_same_deeds_in_the_right_place_are_fine() {
    for (path, source) in [
        (
            "src/cluster/wait.rs",
            "async fn f() { tokio::time::sleep(x).await }",
        ),
        (
            "src/cluster/execute.rs",
            "async fn f() { tokio::time::sleep_until(x).await }",
        ),
        ("src/runtime/docker/client.rs", "use bollard::Docker;"),
        (
            "src/cli/exit.rs",
            "fn f() { println!(\"x\"); std::process::exit(1) }",
        ),
        ("src/main.rs", "fn main() { eprintln!(\"x\") }"),
        (
            "src/spec/name.rs",
            "fn f() { x.unwrap_or_default(); self.exit(); let sleep = 1; }",
        ),
        (
            "src/spec/name.rs",
            "// println!() and x.unwrap()\n/* crate::cluster /* bollard */ */ fn f() {}",
        ),
        (
            "src/spec/name.rs",
            "/// See [`crate::cluster`] and bollard.\nfn f() {}",
        ),
        (
            "src/spec/name.rs",
            "const X: &str = \"crate::cluster \\\" println!\"; const Y: char = '\"';",
        ),
        (
            "src/spec/name.rs",
            "const X: &str = r#\"a\" crate::cluster \"#; fn f<'a>(x: &'a str) {}",
        ),
        (
            "src/spec/name.rs",
            "const X: &[u8] = br\"crate::cluster\"; const Y: char = '\\''; // bollard",
        ),
        (
            "src/spec/name.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::cluster::X;\n    fn g() { x.unwrap(); }\n}\n",
        ),
        (
            "src/spec/name.rs",
            "#[cfg(test)]\nuse crate::cluster::{A, B};\nfn f() {}",
        ),
        (
            "src/spec/name.rs",
            "#[cfg(test)]\npub use crate::cluster;\nfn f() {}",
        ),
    ] {
        assert_eq!(wrong(path, source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn what_follows_the_tests_is_still_looked_at() {
    let source = "#[cfg(test)]\nmod tests {\n    fn g() { let x = \"}\"; }\n}\nuse crate::cluster::X;\n";
    assert_eq!(
        wrong("src/spec/name.rs", source),
        ["names crate::cluster, which lies above it"]
    );
}

#[test]
fn files_without_a_purpose_or_an_end_are_found() {
    assert_eq!(
        check("src/spec/name.rs", "use std::fmt;\n"),
        ["src/spec/name.rs does not say at its top what it is for"]
    );
    let long = "fn f() {}\n".repeat(LONGEST);
    assert_eq!(
        wrong("src/spec/name.rs", &long),
        ["has 502 lines without its tests, more than 500"]
    );
    let tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(wrong("src/spec/name.rs", &tests), Vec::<String>::new());
}
