//! Checks the layers of the source and where some calls are allowed. The compiler checks neither within one crate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proc_macro2::{Span, TokenTree};
use syn::visit::{self, Visit};

use crate::source::{self, Sources, Tree};

/// The layers from top to bottom. A layer may import the layers below it. The modules of one layer must not form
/// cycles.
const LAYERS: [&[&str]; 11] = [
    &["cli"],
    &["cluster"],
    &["lifecycle"],
    &["checks", "doctor", "export", "report", "image", "import"],
    &["connect"],
    &["ownership"],
    &["plan"],
    &["runtime", "server"],
    &["topology"],
    &["spec"],
    &["wait", "event", "error"],
];

/// The maximum number of lines of a file, without its tests.
const LONGEST: usize = 500;

/// Longer files that remain to be split, with their limits.
const LONGER: [(&str, usize); 2] = [
    ("src/cli/args/mod.rs", 535),
    ("src/runtime/docker/client.rs", 620),
];

/// Calls that wait for a fixed time. All other code waits for a condition with `src/wait.rs`.
const SLEEPS: [&str; 5] = ["sleep", "sleep_until", "sleep_ms", "interval", "interval_at"];
const MAY_SLEEP: [(&str, &[&str]); 3] = [
    ("src/wait.rs", &["sleep", "sleep_until"]),
    ("src/ownership/steps.rs", &["sleep_until"]),
    ("src/cli/terminal/session.rs", &["interval"]),
];

const PRINTS: [&str; 4] = ["print", "println", "eprint", "eprintln"];

#[test]
fn source_follows_layers_and_rules() {
    let sources = source::read("src", &[".rs"]);
    let wrong = problems(&sources);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn exceptions_are_all_needed() {
    for (file, _) in LONGER {
        let text = source::read("src", &[".rs"])[file].clone();
        let (_, tests) = source::parse(file, &text);
        assert!(text.lines().count() - tests > LONGEST, "{file}");
    }
}

fn problems(sources: &Sources) -> Vec<String> {
    let graph = Graph::new(&Tree::new(sources));
    let mut wrong = graph.upward_imports();
    wrong.extend(graph.cycles());
    for (file, text) in sources {
        wrong.extend(rules(file, text));
    }
    wrong
}

/// The imports of each file, with the imported names.
struct Graph {
    edges: BTreeMap<(String, String), BTreeSet<String>>,
    files: BTreeSet<String>,
}

impl Graph {
    fn new(tree: &Tree) -> Self {
        let mut edges: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (path, module) in &tree.modules {
            for target in tree.imports(path) {
                let to = tree.modules[&target.module].file.clone();
                let name = target.item.unwrap_or_else(|| "self".to_owned());
                edges.entry((module.file.clone(), to)).or_default().insert(name);
            }
        }
        let files = tree.modules.values().map(|module| module.file.clone()).collect();
        Self { edges, files }
    }

    fn describe(&self, from: &str, to: &str) -> String {
        let names = &self.edges[&(from.to_owned(), to.to_owned())];
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        format!("{from} -> {to}: {}", names.join(", "))
    }

    fn upward_imports(&self) -> Vec<String> {
        let tops = self.files.iter().map(|file| top(file));
        let unknown = tops.filter(|top| *top != "lib" && layer(top).is_none());
        let unknown: BTreeSet<_> = unknown.map(|top| format!("{top} is in no layer")).collect();
        let upward = self.edges.keys().filter_map(|(from, to)| {
            let (above, below) = (layer(top(from))?, layer(top(to)).unwrap_or(0));
            let upward = below < above || top(to) == "lib";
            upward.then(|| format!("upward import: {}", self.describe(from, to)))
        });
        unknown.into_iter().chain(upward).collect()
    }

    /// Returns one cycle for each group of modules that import each other, in every folder.
    fn cycles(&self) -> Vec<String> {
        let folders = self.files.iter().flat_map(|file| {
            let ends = file.match_indices('/').map(|(end, _)| &file[..=end]);
            ends.collect::<Vec<_>>()
        });
        let folders: BTreeSet<&str> = folders.collect();
        folders.iter().flat_map(|folder| self.cycles_in(folder)).collect()
    }

    fn cycles_in(&self, folder: &str) -> Vec<String> {
        let mut children: BTreeMap<&str, BTreeMap<&str, (&str, &str)>> = BTreeMap::new();
        for (from, to) in self.edges.keys() {
            let Some((a, b)) = child(folder, from).zip(child(folder, to)) else {
                continue;
            };
            if a != b {
                children.entry(a).or_default().entry(b).or_insert((from, to));
            }
        }
        let mut reported = BTreeSet::new();
        let mut found = Vec::new();
        for start in children.keys() {
            let Some(cycle) = shortest_cycle(start, &children) else {
                continue;
            };
            if cycle.iter().any(|node| reported.contains(node)) {
                continue;
            }
            let next = cycle.iter().cycle().skip(1);
            let edges = cycle.iter().zip(next).map(|(a, b)| {
                let (from, to) = children[a][b];
                format!("\n    {}", self.describe(from, to))
            });
            let edges: String = edges.collect();
            found.push(format!("cycle in {folder}: {}{edges}", cycle.join(" -> ")));
            reported.extend(cycle);
        }
        found
    }
}

/// Returns the top-level module in `src` that contains a file.
fn top(file: &str) -> &str {
    child("src/", file).unwrap_or(file)
}

fn layer(top: &str) -> Option<usize> {
    LAYERS.iter().position(|line| line.contains(&top))
}

/// Returns the module name of the file or folder directly in `folder` that contains `file`.
fn child<'a>(folder: &str, file: &'a str) -> Option<&'a str> {
    let name = file.strip_prefix(folder)?.split('/').next()?;
    Some(name.trim_end_matches(".rs"))
}

type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (&'a str, &'a str)>>;

fn shortest_cycle<'a>(start: &'a str, edges: &Edges<'a>) -> Option<Vec<&'a str>> {
    let mut queue = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = queue.pop_front() {
        let next = way.last().and_then(|last| edges.get(last)).into_iter().flatten();
        for (to, _) in next {
            if *to == start {
                return Some(way);
            }
            if seen.insert(*to) {
                queue.push_back([&way[..], &[*to]].concat());
            }
        }
    }
    None
}

/// Returns the violations in a file.
fn rules(file: &str, text: &str) -> Vec<String> {
    let (parsed, tests) = source::parse(file, text);
    let mut rules = Rules {
        file,
        wrong: Vec::new(),
    };
    rules.visit_file(&parsed);
    if !text.starts_with("//!") {
        rules.wrong.push(format!("{file}: has no `//!` documentation"));
    }
    let longer = LONGER.iter().find(|(longer, _)| *longer == file);
    let most = longer.map_or(LONGEST, |(_, most)| *most);
    let lines = text.lines().count() - tests;
    if lines > most {
        rules.wrong.push(format!(
            "{file}: has {lines} lines without tests, more than {most}"
        ));
    }
    rules.wrong
}

struct Rules<'a> {
    file: &'a str,
    wrong: Vec<String>,
}

impl Rules<'_> {
    fn report(&mut self, span: Span, problem: &str) {
        let line = span.start().line;
        self.wrong.push(format!("{}:{line}: {problem}", self.file));
    }

    /// Checks one path in code, in a `use` or in a macro.
    fn path(&mut self, names: &[String], span: Span) {
        let program = self.file.starts_with("src/cli/") || self.file == "src/main.rs";
        let named = |name: &str| names.iter().any(|part| part == name);
        let last = names.last().map_or("", String::as_str);
        if named("bollard") && !self.file.starts_with("src/runtime/docker/") {
            self.report(span, "names bollard, which only src/runtime/docker may");
        }
        let allowed = MAY_SLEEP
            .iter()
            .any(|(file, calls)| *file == self.file && calls.contains(&last));
        if SLEEPS.contains(&last) && (named("time") || named("thread")) && !allowed {
            self.report(span, "sleeps; wait for a condition with src/wait.rs");
        }
        if named("process") && matches!(last, "exit" | "abort") && !program {
            self.report(span, "ends the process, which only the program may");
        }
    }
}

impl<'a> Visit<'a> for Rules<'_> {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        for (path, _) in source::use_paths(&item.tree) {
            self.path(&path, item.use_token.span);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if let Some(first) = path.segments.first() {
            self.path(&names, first.ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let mut tokens = Vec::new();
        source::flat(call.tokens.clone(), &mut tokens);
        let span = call.path.segments[0].ident.span();
        for path in source::paths_in(&tokens) {
            self.path(&path, span);
        }
        let name = call.path.segments.last().map(|segment| &segment.ident);
        let nested = tokens.windows(2).filter_map(|pair| match pair {
            [TokenTree::Ident(name), TokenTree::Punct(mark)] if mark.as_char() == '!' => Some(name),
            _ => None,
        });
        let program = self.file.starts_with("src/cli/") || self.file == "src/main.rs";
        for name in name.into_iter().chain(nested) {
            if PRINTS.iter().any(|print| name == print) && !program {
                self.report(span, "prints, which only the program may");
            }
        }
        visit::visit_macro(self, call);
    }
}

/// Checks a crate made of `files`, with the `mod` declarations and the documentation that they need.
fn sample(files: &[(&str, &str)]) -> Vec<String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::from([("src/lib.rs".to_owned(), String::new())]);
    for (file, text) in files {
        texts.entry((*file).to_owned()).or_default().push_str(text);
        let mut folder = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        if folder == "src/lib" {
            continue;
        }
        while let Some((parent, name)) = folder.rsplit_once('/') {
            let page = match parent {
                "src" => "src/lib.rs".to_owned(),
                parent => format!("{parent}/mod.rs"),
            };
            let page = texts.entry(page).or_default();
            let declaration = format!("pub mod {name};\n");
            if !page.contains(&declaration) {
                page.push_str(&declaration);
            }
            folder = if parent == "src" { "" } else { parent };
        }
    }
    let texts = texts
        .into_iter()
        .map(|(file, text)| (file, format!("//! Sample.\n{text}")));
    problems(&texts.collect())
}

fn fails(files: &[(&str, &str)], expected: &str) {
    let wrong = sample(files);
    assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:#?}");
}

#[test]
fn upward_import_fails_in_every_form() {
    for code in [
        "use crate::plan::step::Step;",
        "use crate::{plan::{step::Step as S}};",
        "use super::super::plan::step::Step;",
        "use crate::plan::*; fn f(_: Step) {}",
        "fn f() { crate::plan::step::Step::new() }",
        "fn f() { super::super::plan::step::Step::new() }",
        "fn f() { use crate::plan as p; p::Step::new() }",
        "fn f() { println_all!(\"{}\", crate::plan::step::Step) }",
        "#[check(with = crate::plan::step::Step)] struct A;",
        "impl crate::plan::Step { fn g() {} }",
    ] {
        let plan = [
            ("src/plan/step.rs", "pub struct Step;"),
            ("src/plan/mod.rs", "pub use step::Step;\n"),
        ];
        let wrong = sample(&[plan[0], plan[1], ("src/spec/name.rs", code)]);
        let expected = "upward import: src/spec/name.rs -> src/plan/step.rs: Step";
        assert!(
            wrong.iter().any(|wrong| wrong.contains(expected)),
            "{code}: {wrong:#?}"
        );
    }
}

#[test]
fn unlisted_module_fails() {
    fails(&[("src/other.rs", "")], "other is in no layer");
}

#[test]
fn cycle_of_two_fails() {
    let files = [
        ("src/plan/a.rs", "use super::b::B; pub struct A;"),
        ("src/plan/b.rs", "pub struct B(super::a::A);"),
    ];
    fails(
        &files,
        "cycle in src/plan/: a -> b\n    src/plan/a.rs -> src/plan/b.rs: B",
    );
}

#[test]
fn cycle_of_three_fails() {
    let files = [
        ("src/plan/a.rs", "pub fn a() { super::b::b() }"),
        ("src/plan/b.rs", "pub fn b() { crate::plan::c::c() }"),
        ("src/plan/c.rs", "use super::a; pub fn c() { a::a() }"),
    ];
    fails(&files, "a -> b -> c");
}

#[test]
fn cycle_through_a_reexport_fails() {
    let files = [
        ("src/plan/a.rs", "use super::B; pub struct A;"),
        ("src/plan/b.rs", "use crate::plan::A; pub struct B;"),
        ("src/plan/mod.rs", "pub use self::a::A;\npub use b::{B};\n"),
    ];
    fails(&files, "a -> b\n");
}

#[test]
fn cycle_of_a_folder_and_its_sibling_fails() {
    let files = [
        ("src/plan/a.rs", "use super::inner::deep::D; pub struct A;"),
        ("src/plan/inner/deep.rs", "use super::super::a::A; pub struct D;"),
    ];
    fails(&files, "a -> inner\n");
}

#[test]
fn cycle_of_code_in_mod_rs_and_a_child_fails() {
    let files = [
        ("src/plan/a.rs", "use super::Own; pub fn a() {}"),
        ("src/plan/mod.rs", "pub struct Own; fn f() { a::a() }\n"),
    ];
    fails(&files, "a -> mod\n");
}

#[test]
fn cycle_within_a_layer_fails() {
    let files = [
        ("src/runtime/a.rs", "use crate::server::b::B; pub struct A;"),
        ("src/server/b.rs", "use crate::runtime::a::A; pub struct B;"),
    ];
    fails(&files, "cycle in src/: runtime -> server\n");
}

#[test]
fn downward_imports_and_facades_pass() {
    let files = [
        (
            "src/lib.rs",
            "pub use plan::Step;\npub use crate::spec::name::Name;\n",
        ),
        (
            "src/plan/mod.rs",
            "pub use step::Step;\npub(crate) use self::up::{up, Up as Plan};\n",
        ),
        (
            "src/plan/step.rs",
            "use crate::spec::name::Name; pub struct Step(Name);",
        ),
        (
            "src/plan/up.rs",
            "use super::Step; pub struct Up(Step); pub fn up() { wait::until() } use crate::wait;",
        ),
        (
            "src/wait.rs",
            "pub async fn until() { tokio::time::sleep(PACE).await }",
        ),
        (
            "src/spec/name.rs",
            "pub struct Name; #[cfg(test)] mod tests { use crate::plan::Step; }
             impl Name { #[cfg(test)] fn x() { std::process::exit(1) } }
             fn f() { #[cfg(test)] use crate::plan::Step; }
             #[cfg(test)] mod elsewhere;",
        ),
        (
            "src/cli/page.rs",
            "fn f() { println!(\"{}\", crate::plan::up()); std::process::exit(1) }",
        ),
    ];
    assert_eq!(sample(&files), [""; 0]);
}

#[test]
fn forbidden_calls_fail() {
    for (code, expected) in [
        ("use bollard::Docker;", "names bollard"),
        ("fn f(_: &bollard::Docker) {}", "names bollard"),
        ("async fn f() { tokio::time::sleep(P).await }", "sleeps"),
        ("use tokio::time::{interval};", "sleeps"),
        (
            "fn f() { select! { _ = tokio::time::sleep_until(x) => {} } }",
            "sleeps",
        ),
        ("fn f() { std::thread::sleep(x) }", "sleeps"),
        ("fn f() { eprintln!() }", "prints"),
        ("fn f() { select! { _ = x => print!() } }", "prints"),
        ("fn f() { std::process::exit(1) }", "ends the process"),
        (
            "use std::process; fn f() { process::abort() }",
            "ends the process",
        ),
    ] {
        fails(&[("src/plan/a.rs", code)], expected);
    }
}

#[test]
fn undocumented_or_long_file_fails() {
    let wrong = rules("src/plan/a.rs", "fn f() {}");
    assert!(wrong.len() == 1 && wrong[0].contains("no `//!`"), "{wrong:?}");
    let long = format!("//! Long.{}", "\n".repeat(LONGEST + 1));
    let wrong = rules("src/plan/a.rs", &long);
    assert!(
        wrong.len() == 1 && wrong[0].contains("more than 500"),
        "{wrong:?}"
    );
    let tests = format!("//! Short.\n#[cfg(test)]\nmod tests {{{}}}", "\n".repeat(LONGEST));
    assert_eq!(rules("src/plan/a.rs", &tests), [""; 0]);
}
