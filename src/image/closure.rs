//! Finds every shared library that a program loads, with the program's own loader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::image::process;
use crate::image::programs::Root;

const DEADLINE: Duration = Duration::from_secs(20);

/// Libraries that older C libraries load by name to resolve host names. The loader's list does not contain them.
const RESOLVERS: [&str; 2] = ["libnss_files.so.2", "libnss_dns.so.2"];

/// One line of the loader's output.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    /// `None` if the loader found no file.
    path: Option<PathBuf>,
}

/// Returns the files that `programs` need, by their path in the image.
///
/// All libraries go into the directory of the C library, which the loader searches by default: the image has no loader
/// cache and none of the build machine's library paths.
pub(crate) async fn of(root: &Root, programs: &[&Path]) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for program in programs {
        let Some(loader) = root.loader(program)? else {
            continue;
        };
        let what = format!("listing the libraries of {}", program.display());
        let mut command = root.command(Some(&loader), &["--list"], program);
        let listed = process::run(&mut command, &what, DEADLINE).await?;
        let dependencies = parse_list(&listed);
        let found = resolve(root, program, &dependencies)?;
        if let Some(home) = home(root, &found) {
            for (name, path) in &found {
                files.insert(format!("{home}/{name}"), real(path));
            }
            for name in RESOLVERS {
                if let Some(path) = root.locate(&format!("{home}/{name}")) {
                    files.insert(format!("{home}/{name}"), path);
                }
            }
        }
        files.insert(loader.named, loader.file);
    }
    Ok(files)
}

/// Parses the output of `ld.so --list`. The vDSO and the loader itself are omitted.
fn parse_list(text: &str) -> Vec<Dependency> {
    text.lines()
        .filter_map(|line| {
            let (name, target) = line.trim().split_once(" => ")?;
            // The loader itself, which some libraries name by its path.
            if name.starts_with('/') {
                return None;
            }
            let target = target.rsplit_once(" (0x").map_or(target, |(path, _)| path);
            Some(Dependency {
                name: name.to_owned(),
                path: target.starts_with('/').then(|| PathBuf::from(target)),
            })
        })
        .collect()
}

/// Refuses libraries that the loader did not find, or found on the host instead of in the packages: such an image would
/// run on this host only.
fn resolve(root: &Root, program: &Path, dependencies: &[Dependency]) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    for dependency in dependencies {
        match &dependency.path {
            Some(path) if root.inside(path).is_some() => {
                found.insert(dependency.name.clone(), path.clone());
            }
            _ => missing.push(dependency.name.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(
        Error::new(ErrorKind::Image, format!("{} lacks libraries", program.display()))
            .because(format!("not found: {}", missing.join(", ")))
            .hint(
                "The packages of that suite do not fit together. Try another suite, such as `--from trixie`.",
            ),
    )
}

/// Returns the directory of the C library in the image.
fn home(root: &Root, found: &BTreeMap<String, PathBuf>) -> Option<String> {
    let libc = found
        .iter()
        .find(|(name, _)| name.starts_with("libc."))
        .or_else(|| found.iter().next())?;
    root.inside(libc.1.parent()?)
}

/// Resolves the symbolic links of a library. Those that a distribution creates are relative.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\tlinux-vdso.so.1 (0x00007ffc1b5f2000)
\tlibatomic.so.1 => /t/usr/lib/x86_64-linux-gnu/libatomic.so.1 (0x00007f1a0c8f5000)
\tlibz.so.1 => not found
\tlibc.so.6 => /t/lib/x86_64-linux-gnu/libc.so.6 (0x00007f1a0c000000)
\t/lib64/ld-linux-x86-64.so.2 => /t/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 (0x00007f1a0d000000)
";

    fn tree() -> Root {
        Root::Tree {
            top: PathBuf::from("/t"),
            libraries: Vec::new(),
        }
    }

    #[test]
    fn the_list_is_read_without_kernel_and_loader() {
        let names: Vec<_> = parse_list(LIST)
            .into_iter()
            .map(|dependency| (dependency.name, dependency.path.is_some()))
            .collect();
        assert_eq!(
            names,
            [
                ("libatomic.so.1".to_owned(), true),
                ("libz.so.1".to_owned(), false),
                ("libc.so.6".to_owned(), true)
            ]
        );
        assert!(parse_list("\tstatically linked\n").is_empty());
        assert_eq!(
            parse_list("\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f)")[0]
                .path,
            Some(PathBuf::from("/lib/ld-musl-x86_64.so.1"))
        );
    }

    #[test]
    fn a_missing_library_is_named() {
        let error = resolve(&tree(), Path::new("/t/x"), &parse_list(LIST)).unwrap_err();
        assert_eq!(error.causes(), ["not found: libz.so.1"]);
    }

    #[test]
    fn a_library_of_the_host_is_no_library_of_the_tree() {
        let list = parse_list("\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x7f)\n");
        assert!(resolve(&tree(), Path::new("/t/x"), &list).is_err());
        assert!(resolve(&Root::Host, Path::new("/x"), &list).is_ok());
    }

    #[test]
    fn libraries_live_beside_the_c_library() {
        let list: Vec<_> = parse_list(LIST)
            .into_iter()
            .filter(|dependency| dependency.path.is_some())
            .collect();
        let found = resolve(&tree(), Path::new("/t/x"), &list).unwrap();
        assert_eq!(home(&tree(), &found), Some("/lib/x86_64-linux-gnu".to_owned()));
    }
}
