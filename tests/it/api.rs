//! Compares the public API with `docs/api.txt`: every public item with its methods, fields, variants and signatures. A
//! review therefore shows every change of the API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Fields, Item, Visibility};

use crate::source::{self, Target, Tree};

const LISTING: &str = "docs/api.txt";

/// The maximum number of lines of the listing.
const MOST: usize = 320;

/// Crates whose types must not appear in the API.
const FOREIGN: [&str; 3] = ["bollard", "ipnet", "tokio_util"];

/// Types that cannot be extended without a new major version.
const CLOSED: [&str; 15] = [
    "Certificates",
    "ClientCertificate",
    "Credentials",
    "NetworkReport",
    "NodeReport",
    "Outcome",
    "Output",
    "Owner",
    "Presence",
    "Removed",
    "Report",
    "Reset",
    "Role",
    "Severity",
    "Status",
];

#[test]
#[ignore = "a review of its own: `make api`"]
fn public_api_matches_listing() {
    let listing = Path::new(env!("CARGO_MANIFEST_DIR")).join(LISTING);
    let text = api()
        .lines
        .iter()
        .fold(String::new(), |text, line| text + line + "\n");
    if std::env::var_os("UPDATE_API").is_some() {
        std::fs::write(&listing, &text).unwrap();
    }
    let known = std::fs::read_to_string(&listing).unwrap();
    let (known, now): (BTreeSet<_>, BTreeSet<_>) = (known.lines().collect(), text.lines().collect());
    let removed: Vec<_> = known.difference(&now).collect();
    let added: Vec<_> = now.difference(&known).collect();
    assert!(
        removed.is_empty() && added.is_empty(),
        "the public API has changed.\nremoved: {removed:#?}\nadded: {added:#?}\nIf that is intended, run this test \
         with UPDATE_API=1 and add the change to CHANGELOG.md."
    );
}

#[test]
fn public_api_is_small() {
    let lines = api().lines.len();
    assert!(lines <= MOST, "{lines} public items, more than {MOST}");
}

#[test]
fn public_api_names_no_foreign_types() {
    let foreign = api().foreign;
    assert!(foreign.is_empty(), "{foreign:#?}");
}

#[test]
fn public_types_can_grow() {
    let closed = api().closed;
    assert!(closed.is_empty(), "these need #[non_exhaustive]: {closed:#?}");
}

#[test]
fn api_reader_follows_reexports_and_hides_the_rest() {
    let files = [
        (
            "src/lib.rs",
            "mod a; #[doc(hidden)] pub mod cli { pub fn no() {} } #[cfg(feature = \"test-util\")] pub mod fake {}
             pub use a::Shown; pub mod open { pub use crate::a::b::run as start; pub(crate) struct No; }",
        ),
        (
            "src/a/mod.rs",
            "mod b; pub use b::Shown; pub struct Hidden; impl b::Shown { pub async fn f(&self) -> u8 { 1 } fn no() {} }",
        ),
        (
            "src/a/b.rs",
            "use ipnet::IpNet as Net; pub struct Shown { pub x: Net, no: u8 } pub fn run() {}
             impl Shown { #[doc(hidden)] pub fn no() {} }",
        ),
    ];
    let sources = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
    let api = Api::new(&Tree::new(&sources.into()));
    let lines: Vec<_> = api.lines.iter().map(String::as_str).collect();
    let expected = [
        "rcup::Shown: struct Shown",
        "rcup::Shown::f: async fn f(&self) -> u8",
        "rcup::Shown::x: Net",
        "rcup::open::start: fn run()",
    ];
    assert_eq!(lines, expected);
    assert_eq!(api.foreign, ["rcup::Shown::x: Net"]);
    assert_eq!(api.closed, ["rcup::Shown"]);
}

fn api() -> Api {
    Api::new(&Tree::new(&source::read("src", &[".rs"])))
}

#[derive(Default)]
struct Api {
    lines: BTreeSet<String>,
    foreign: Vec<String>,
    closed: Vec<String>,
}

struct Reader<'a> {
    tree: &'a Tree,
    methods: BTreeMap<Target, Vec<(&'a [String], &'a syn::ItemImpl)>>,
    api: Api,
}

impl Api {
    fn new(tree: &Tree) -> Self {
        let mut methods: BTreeMap<Target, Vec<_>> = BTreeMap::new();
        for (path, module) in &tree.modules {
            for item in &module.items {
                if let Item::Impl(block) = item
                    && let (None, syn::Type::Path(of)) = (&block.trait_, &*block.self_ty)
                    && let Some(target) = tree.resolve(path, &names(&of.path))
                {
                    methods.entry(target).or_default().push((path.as_slice(), block));
                }
            }
        }
        let api = Self::default();
        let mut reader = Reader { tree, methods, api };
        reader.module(&[], "rcup");
        reader.api
    }
}

impl Reader<'_> {
    fn module(&mut self, path: &[String], shown: &str) {
        let tree = self.tree;
        for item in &tree.modules[path].items {
            if let Some((name, Visibility::Public(_))) = source::declared(item) {
                self.item(path, item, &format!("{shown}::{name}"));
            }
        }
        for import in tree.modules[path].imports.iter().filter(|import| import.public) {
            let Some(target) = tree.resolve(path, &import.path) else {
                self.line(
                    path,
                    format!("{shown}::{}: use {}", import.name, import.path.join("::")),
                    &TokenStream::new(),
                );
                continue;
            };
            let shown = if import.name == "*" {
                shown.to_owned()
            } else {
                format!("{shown}::{}", import.name)
            };
            let Some(item) = target.item else {
                self.module(&target.module, &shown);
                continue;
            };
            let mut items = tree.modules[&target.module].items.iter();
            let found = items.find(|found| source::declared(found).is_some_and(|(name, _)| name == item));
            self.item(&target.module, found.unwrap(), &shown);
        }
    }

    fn item(&mut self, at: &[String], item: &Item, shown: &str) {
        if hidden(source::attributes(item)) {
            return;
        }
        let (keyword, fields, grows) = match item {
            Item::Mod(module) => return self.module(&[at, &[module.ident.to_string()]].concat(), shown),
            Item::Fn(item) => return self.signature(at, shown, &item.sig),
            Item::Const(item) => return self.signature(at, shown, &item.ty),
            Item::Static(item) => return self.signature(at, shown, &item.ty),
            Item::Type(item) => return self.signature(at, shown, &item.ty),
            Item::Trait(item) => {
                for item in &item.items {
                    if let syn::TraitItem::Fn(item) = item {
                        self.signature(at, &format!("{shown}::{}", item.sig.ident), &item.sig);
                    }
                }
                (
                    format!("trait {}{}", item.ident, text(&item.generics)),
                    false,
                    true,
                )
            }
            Item::Struct(item) => {
                let public = self.fields(at, shown, &item.fields, false);
                (
                    format!("struct {}{}", item.ident, text(&item.generics)),
                    public,
                    grows(&item.attrs),
                )
            }
            Item::Enum(item) => {
                for variant in item.variants.iter().filter(|variant| !hidden(&variant.attrs)) {
                    let shown = format!("{shown}::{}", variant.ident);
                    self.line(at, shown.clone(), &TokenStream::new());
                    self.fields(at, &shown, &variant.fields, true);
                }
                (
                    format!("enum {}{}", item.ident, text(&item.generics)),
                    true,
                    grows(&item.attrs),
                )
            }
            _ => return,
        };
        let name = shown.rsplit("::").next().unwrap_or(shown);
        if fields && !grows && !CLOSED.contains(&name) {
            self.api.closed.push(shown.to_owned());
        }
        self.line(at, format!("{shown}: {keyword}"), &TokenStream::new());
        let (name, _) = source::declared(item).unwrap();
        let target = Target {
            module: at.to_vec(),
            item: Some(name),
        };
        for (at, block) in self.methods.get(&target).cloned().unwrap_or_default() {
            for item in &block.items {
                match item {
                    syn::ImplItem::Fn(item) if public(&item.vis) && !hidden(&item.attrs) => {
                        self.signature(at, &format!("{shown}::{}", item.sig.ident), &item.sig);
                    }
                    syn::ImplItem::Const(item) if public(&item.vis) && !hidden(&item.attrs) => {
                        self.signature(at, &format!("{shown}::{}", item.ident), &item.ty);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Lists the public fields, or with `all` every field, as for variants. Returns whether there are any.
    fn fields(&mut self, at: &[String], shown: &str, fields: &Fields, all: bool) -> bool {
        let mut any = false;
        for (field, number) in fields.iter().zip(0..) {
            if (all || public(&field.vis)) && !hidden(&field.attrs) {
                let name = field
                    .ident
                    .as_ref()
                    .map_or(format!("{number}"), ToString::to_string);
                self.signature(at, &format!("{shown}::{name}"), &field.ty);
                any = true;
            }
        }
        any
    }

    fn signature(&mut self, at: &[String], shown: &str, signature: &impl ToTokens) {
        self.line(at, format!("{shown}: {}", text(signature)), signature);
    }

    fn line(&mut self, at: &[String], line: String, signature: &impl ToTokens) {
        let mut tokens = Vec::new();
        source::flat(signature.to_token_stream(), &mut tokens);
        let imports = &self.tree.modules[at].imports;
        let foreign = tokens.iter().map(ToString::to_string).any(|word| {
            let mut imported = imports.iter().filter(|import| import.name == word);
            let of = |name: &String| FOREIGN.contains(&name.as_str());
            of(&word) || imported.any(|import| import.path.first().is_some_and(of))
        });
        if foreign && !self.api.lines.contains(&line) {
            self.api.foreign.push(line.clone());
        }
        self.api.lines.insert(line);
    }
}

fn names(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn grows(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("non_exhaustive"))
}

/// Returns whether the item is hidden from the documentation or exists for tests only.
fn hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = text(&attribute.meta);
        text == "doc(hidden)" || (text.starts_with("cfg(") && text.contains("test-util"))
    })
}

/// Formats tokens approximately as rustfmt does.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("& ", "&"),
        (" :", ":"),
        ("- >", "->"),
        (",)", ")"),
        (" ;", ";"),
        ("->", " -> "),
        ("  ", " "),
    ] {
        text = text.replace(from, to);
    }
    text.trim().to_owned()
}
