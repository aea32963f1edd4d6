//! Checks the words of texts for users, and the lengths of test names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};

use crate::source;

/// Words that a native reader would question. Use the terms of Redis and Docker instead.
const AVOIDED: [&str; 20] = [
    "told",
    "tells",
    "mend",
    "mends",
    "mended",
    "whom",
    "whoever",
    "anew",
    "shall",
    "in vain",
    "astray",
    "hearsay",
    "stranger",
    "strangers",
    "wish",
    "wishes",
    "wished",
    "so many",
    "nobody's",
    "nobody’s",
];

/// Files that may use a word, as (file, word).
const ALLOWED: [(&str, &str); 0] = [];

/// The number of occurrences that remain to be replaced. Lower it with each replacement.
const REMAINING: usize = 60;

/// The length that every test name must stay below.
const LONGEST_TEST_NAME: usize = 60;

/// The number of existing test names that are too long. Lower it with each name that is shortened.
const LONG_TEST_NAMES: usize = 98;

#[test]
fn user_visible_text_uses_plain_words() {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in source::read("src", &[".rs"]) {
        let mut found = Texts {
            arguments: file.starts_with("src/cli/args"),
            all: Vec::new(),
        };
        found.visit_file(&source::parse(&file, &text).0);
        texts.insert(file, found.all);
    }
    let templates = source::read("src", &[".toml", ".j2", ".sh", ".html", ".css", ".yaml"]);
    let readme = include_str!("../../README.md").to_owned();
    let whole = source::read("docs", &[".md"]).into_iter().chain(templates);
    let whole = whole.chain([("README.md".to_owned(), readme)]);
    texts.extend(whole.map(|(file, text)| (file, vec![text])));
    let hits: BTreeMap<_, _> = texts
        .iter()
        .flat_map(|(file, texts)| {
            avoided(texts)
                .into_iter()
                .map(move |(word, hits)| ((file.as_str(), word), hits))
        })
        .filter(|(key, _)| !ALLOWED.contains(key))
        .collect();
    let lines: Vec<_> = hits
        .iter()
        .map(|((file, word), hits)| format!("{file}: {hits} x {word}"))
        .collect();
    let all: usize = hits.values().sum();
    assert!(
        all <= REMAINING,
        "{all} of these words, more than {REMAINING}:\n{}\n",
        lines.join("\n")
    );
}

#[test]
fn avoided_words_are_found_as_whole_words() {
    let found = |text: &str| avoided(&[text.to_owned()]).into_keys().collect::<Vec<_>>();
    assert_eq!(
        found("Waited in\n  vain; so Many. Mends it"),
        ["in vain", "mends", "so many"]
    );
    assert_eq!(
        found("recommend, untold, marshall, wish_list, estranger"),
        [""; 0]
    );
    let code = "/// Told.\nfn f() { g(\"shall\"); println!(\"{}\", h(\"whom\")) } #[cfg(test)] fn t() { g(\"anew\") }";
    for (arguments, expected) in [
        (false, vec!["shall", "whom"]),
        (true, vec!["shall", "told", "whom"]),
    ] {
        let mut texts = Texts {
            arguments,
            all: Vec::new(),
        };
        texts.visit_file(&source::parse("sample", code).0);
        assert_eq!(avoided(&texts.all).into_keys().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn test_names_are_short() {
    let mut long = BTreeSet::new();
    for folder in ["src", "tests"] {
        for (file, text) in source::read(folder, &[".rs"]) {
            let names = test_names(&text);
            let too_long = names.into_iter().filter(|name| name.len() >= LONGEST_TEST_NAME);
            long.extend(too_long.map(|name| format!("{file}: {name}")));
        }
    }
    let lines: Vec<_> = long.into_iter().collect();
    assert!(
        lines.len() <= LONG_TEST_NAMES,
        "{} test names are too long, more than {LONG_TEST_NAMES}:\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn test_names_are_found_in_modules_and_macros() {
    let code = "fn no() {} mod t { #[test] fn a() {} #[tokio::test(flavor = \"x\")] async fn b() {} }
                proptest! { #[test] fn c(x in 1..2) { fn no() {} } }";
    assert_eq!(test_names(code), ["a", "b", "c"]);
}

/// Counts the occurrences of each avoided word.
fn avoided(texts: &[String]) -> BTreeMap<&'static str, usize> {
    let mut hits = BTreeMap::new();
    for text in texts {
        let words: Vec<_> = text.split_whitespace().collect();
        let text = words.join(" ").to_lowercase();
        for word in AVOIDED {
            let whole = text.match_indices(word).filter(|(at, _)| {
                let letter = |c: char| c.is_alphanumeric() || c == '_';
                !text[..*at].ends_with(letter) && !text[at + word.len()..].starts_with(letter)
            });
            match whole.count() {
                0 => {}
                count => *hits.entry(word).or_default() += count,
            }
        }
    }
    hits
}

/// String literals, including those in macros, and the documentation of command line arguments.
struct Texts {
    arguments: bool,
    all: Vec<String>,
}

impl<'a> Visit<'a> for Texts {
    fn visit_lit_str(&mut self, literal: &'a syn::LitStr) {
        self.all.push(literal.value());
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        match &attribute.meta {
            syn::Meta::List(list) if !list.path.is_ident("expect") => self.tokens(list.tokens.clone()),
            _ if self.arguments => visit::visit_attribute(self, attribute),
            _ => {}
        }
    }
}

impl Texts {
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut all = Vec::new();
        source::flat(tokens, &mut all);
        for token in all {
            if let TokenTree::Literal(literal) = token
                && let syn::Lit::Str(text) = syn::Lit::new(literal)
            {
                self.all.push(text.value());
            }
        }
    }
}

fn test_names(text: &str) -> Vec<String> {
    let mut names = TestNames(Vec::new());
    names.visit_file(&syn::parse_file(text).unwrap());
    names.0
}

struct TestNames(Vec<String>);

impl<'a> Visit<'a> for TestNames {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        let is_test = |attribute: &syn::Attribute| {
            let last = attribute.path().segments.last();
            last.is_some_and(|segment| segment.ident == "test")
        };
        if function.attrs.iter().any(is_test) {
            self.0.push(function.sig.ident.to_string());
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let tokens: Vec<_> = call.tokens.clone().into_iter().collect();
        for window in tokens.windows(3) {
            if let [
                TokenTree::Group(attribute),
                TokenTree::Ident(keyword),
                TokenTree::Ident(name),
            ] = window
                && attribute.stream().to_string() == "test"
                && keyword == "fn"
            {
                self.0.push(name.to_string());
            }
        }
    }
}
