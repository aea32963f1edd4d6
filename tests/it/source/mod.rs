//! Reads the crate's source with `syn`: the module tree, and for each path the module that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Item, UseTree, Visibility};

/// File names relative to the package, with their text.
pub type Sources = BTreeMap<String, String>;

/// Reads the files in a folder of the package whose names end in one of `endings`.
pub fn read(folder: &str, endings: &[&str]) -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut sources) = (vec![root.join(folder)], Sources::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                sources.insert(name.to_owned(), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(
        !sources.is_empty(),
        "{folder} has no files that end in {endings:?}"
    );
    sources
}

/// Parses a file and removes test-only code. Also returns the number of lines removed.
pub fn parse(file: &str, text: &str) -> (syn::File, usize) {
    let mut parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut remove = RemoveTests(0);
    remove.visit_file_mut(&mut parsed);
    (parsed, remove.0)
}

struct RemoveTests(usize);

impl RemoveTests {
    fn keep(&mut self, attributes: &[Attribute], span: Span) -> bool {
        let test = attributes.iter().any(is_for_tests);
        if test {
            self.0 += span.end().line - span.start().line + 1;
        }
        !test
    }
}

impl VisitMut for RemoveTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| self.keep(attributes(item), item.span()));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| self.keep(attributes(item), item.span()));
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, block: &mut syn::ItemImpl) {
        block.items.retain(|item| match item {
            syn::ImplItem::Fn(item) => self.keep(&item.attrs, item.span()),
            syn::ImplItem::Const(item) => self.keep(&item.attrs, item.span()),
            _ => true,
        });
        visit_mut::visit_item_impl_mut(self, block);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| match statement {
            syn::Stmt::Item(item) => self.keep(attributes(item), item.span()),
            _ => true,
        });
        visit_mut::visit_block_mut(self, block);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else {
        return attribute.path().is_ident("test");
    };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the name and the visibility of an item that is declared, not imported.
pub fn declared(item: &Item) -> Option<(String, &Visibility)> {
    let (name, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Mod(item) => (&item.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((name.to_string(), visibility))
}

/// Collects all tokens of a macro call or an attribute, without their groups.
pub fn flat(tokens: TokenStream, all: &mut Vec<TokenTree>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let edge = |c| TokenTree::Punct(proc_macro2::Punct::new(c, proc_macro2::Spacing::Alone));
                all.push(edge(';'));
                flat(group.stream(), all);
                all.push(edge(';'));
            }
            token => all.push(token),
        }
    }
}

/// A name that a `use` brings into a module; `*` for all names.
pub struct Import {
    pub name: String,
    pub path: Vec<String>,
    pub public: bool,
    /// Whether it is visible outside of the file, at least in the crate.
    reexport: bool,
}

#[derive(Default)]
pub struct Module {
    pub file: String,
    pub items: Vec<Item>,
    pub imports: Vec<Import>,
    /// Items of the module itself, without its child modules.
    defines: BTreeSet<String>,
    /// Paths in the code: of types, calls, macros and attributes.
    paths: BTreeSet<Vec<String>>,
}

/// The path of a module from the crate root. The root has the empty path.
pub type ModulePath = Vec<String>;

/// The target of a path: the module that defines it, and the name of the item unless the target is the module itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub module: ModulePath,
    pub item: Option<String>,
}

pub struct Tree {
    pub modules: BTreeMap<ModulePath, Module>,
}

impl Tree {
    /// Follows the `mod` declarations from `src/lib.rs`.
    pub fn new(sources: &Sources) -> Self {
        let mut tree = Self {
            modules: BTreeMap::new(),
        };
        let (root, _) = parse("src/lib.rs", &sources["src/lib.rs"]);
        tree.add(Vec::new(), "src/lib.rs", root.items, sources);
        tree
    }

    fn add(&mut self, path: ModulePath, file: &str, items: Vec<Item>, sources: &Sources) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        for item in items {
            let Item::Mod(child) = item else {
                module.visit_item(&item);
                if let Some((name, _)) = declared(&item) {
                    module.defines.insert(name);
                }
                module.items.push(item);
                continue;
            };
            let mut child_path = path.clone();
            child_path.push(child.ident.to_string());
            let mut declaration = child.clone();
            declaration.content = None;
            module.items.push(Item::Mod(declaration));
            if let Some((_, items)) = child.content {
                self.add(child_path, file, items, sources);
                continue;
            }
            let base = format!("src/{}", child_path.join("/"));
            let (file, text) = [format!("{base}.rs"), format!("{base}/mod.rs")]
                .into_iter()
                .find_map(|file| sources.get_key_value(&file))
                .unwrap_or_else(|| panic!("{base} has no file"));
            self.add(child_path, file, parse(file, text).0.items, sources);
        }
        self.modules.insert(path, module);
    }

    /// Returns where the item that `path` names in module `from` is defined; `None` for other crates and local names.
    pub fn resolve(&self, from: &[String], path: &[String]) -> Option<Target> {
        self.walk(from, path, &mut BTreeSet::new())
    }

    fn walk(&self, from: &[String], path: &[String], seen: &mut Seen) -> Option<Target> {
        let mut at = from.to_vec();
        let mut rest = path;
        let mut first = true;
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            match name.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()?),
                _ => match self.lookup(&at, name, !after.is_empty(), seen) {
                    Some(Target { module, item: None }) => at = module,
                    found => return found.or_else(|| (!first).then(|| of_module(&at))),
                },
            }
            first = false;
        }
        Some(of_module(&at))
    }

    fn lookup(&self, at: &[String], name: &str, leads_on: bool, seen: &mut Seen) -> Option<Target> {
        let module = self.modules.get(at)?;
        let mut child = at.to_vec();
        child.push(name.to_owned());
        let child = self.modules.contains_key(&child).then(|| of_module(&child));
        if leads_on && child.is_some() {
            return child;
        }
        if module.defines.contains(name) {
            return Some(Target {
                module: at.to_vec(),
                item: Some(name.to_owned()),
            });
        }
        let key = (at.to_vec(), name.to_owned(), leads_on);
        if !seen.insert(key.clone()) {
            return None;
        }
        let named = module.imports.iter().filter(|import| import.name == name);
        let named: Vec<Target> = named
            .filter_map(|import| self.walk(at, &import.path, seen))
            .collect();
        // A name may be both a module and an item, as in `pub use run::run`.
        let wanted = named.iter().find(|target| target.item.is_none() == leads_on);
        let found = wanted.or(named.first()).cloned().or(child);
        let found = found.or_else(|| self.glob(at, name, leads_on, seen));
        seen.remove(&key);
        found
    }

    fn glob(&self, at: &[String], name: &str, leads_on: bool, seen: &mut Seen) -> Option<Target> {
        let globs = self.modules.get(at)?.imports.iter();
        globs.filter(|import| import.name == "*").find_map(|import| {
            let from = self.walk(at, &import.path, seen)?;
            match from.item {
                None => self.lookup(&from.module, name, leads_on, seen),
                Some(_) => None,
            }
        })
    }

    /// Returns all imports of a module from outside of it. A `mod.rs` that re-exports from its own children does not
    /// import by that.
    pub fn imports(&self, path: &[String]) -> BTreeSet<Target> {
        let module = &self.modules[path];
        let facade = module.file.ends_with("/mod.rs") || module.file == "src/lib.rs";
        let own_child = |target: &Target| target.module.len() > path.len() && target.module.starts_with(path);
        let used = module.imports.iter().filter_map(|import| {
            let target = self.resolve(path, &import.path)?;
            let written = self.first_module(path, &import.path);
            let facade = facade && import.reexport && written.starts_with(path) && own_child(&target);
            (!facade).then_some(target)
        });
        let inline = module.paths.iter().filter_map(|named| match &named[..] {
            [name] => self.glob(path, name, false, &mut BTreeSet::new()),
            _ => self.resolve(path, named),
        });
        let mut all: BTreeSet<Target> = used.chain(inline).collect();
        all.retain(|target| self.modules[&target.module].file != module.file);
        all
    }

    /// Returns the module that a path names before re-exports are followed.
    fn first_module(&self, from: &[String], path: &[String]) -> ModulePath {
        let mut at = from.to_vec();
        for name in path {
            match name.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => {
                    at.push(name.clone());
                    if !self.modules.contains_key(&at) {
                        at.pop();
                        break;
                    }
                }
            }
        }
        at
    }
}

type Seen = BTreeSet<(ModulePath, String, bool)>;

fn of_module(module: &[String]) -> Target {
    Target {
        module: module.to_vec(),
        item: None,
    }
}

/// Returns the paths of a `use` tree, as (path, name).
pub fn use_paths(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    let mut paths = Vec::new();
    collect(tree, &mut Vec::new(), &mut paths);
    paths
}

fn collect(tree: &UseTree, before: &mut Vec<String>, paths: &mut Vec<(Vec<String>, String)>) {
    let mut add = |last: String, name: String| {
        let mut path = before.clone();
        path.extend((last != "self" && last != "*").then_some(last));
        let name = if name == "self" {
            path.last().cloned().unwrap_or(name)
        } else {
            name
        };
        paths.push((path, name));
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            collect(&path.tree, before, paths);
            before.pop();
        }
        UseTree::Name(name) => add(name.ident.to_string(), name.ident.to_string()),
        UseTree::Rename(rename) => add(rename.ident.to_string(), rename.rename.to_string()),
        UseTree::Glob(_) => add("*".to_owned(), "*".to_owned()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, before, paths)),
    }
}

impl Module {
    fn visit_tokens(&mut self, tokens: TokenStream) {
        let mut all = Vec::new();
        flat(tokens, &mut all);
        self.paths.extend(paths_in(&all));
    }
}

/// Returns the paths with `::` in a list of tokens.
pub fn paths_in(tokens: &[TokenTree]) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) => {
                match paths.last_mut().filter(|_| colons == 2) {
                    Some(path) => path.push(ident.to_string()),
                    None => paths.push(vec![ident.to_string()]),
                }
                colons = 0;
            }
            _ => {
                paths.push(Vec::new());
                colons = 0;
            }
        }
    }
    paths.retain(|path| path.len() > 1);
    paths
}

impl<'a> Visit<'a> for Module {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        for (path, name) in use_paths(&item.tree) {
            self.imports.push(Import {
                name,
                path,
                public: matches!(item.vis, Visibility::Public(_)),
                reexport: !matches!(item.vis, Visibility::Inherited),
            });
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.paths.insert(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.visit_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.visit_tokens(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_visibility(&mut self, _: &'a Visibility) {}
}
