//! The programs of an image before packing, and how to run them in place.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::error::{Error, ErrorKind, Result};
use crate::image::elf::Program;
use crate::image::{elf, process};
use crate::spec::server::{Engine, Server};

const VERSION_DEADLINE: Duration = Duration::from_secs(20);

/// The programs that a source provides.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The names in the image and the files of the programs. The server is the first.
    pub(crate) files: Vec<(&'static str, PathBuf)>,
    /// A static busybox, if available.
    pub(crate) busybox: Option<PathBuf>,
    /// The file system that contains their libraries.
    pub(crate) root: Root,
    /// The source of the programs, in one line.
    pub(crate) origin: String,
    /// Directories that must exist until the archive is written.
    pub(crate) kept: Vec<TempDir>,
}

/// The file system in which the paths of programs are resolved.
#[derive(Debug)]
pub(crate) enum Root {
    /// The file system of this machine.
    Host,
    /// A directory with unpacked packages, and the directories of its libraries.
    Tree { top: PathBuf, libraries: Vec<PathBuf> },
}

/// The loader that starts a program.
#[derive(Debug)]
pub(crate) struct Loader {
    /// The path in the program's header.
    pub(crate) named: String,
    /// The file at that path.
    pub(crate) file: PathBuf,
}

/// Returns the program names of the server software, the server first.
pub(crate) fn names(engine: Engine) -> [&'static str; 3] {
    [engine.server(), engine.client(), engine.benchmark()]
}

impl Root {
    /// Returns the tree below `top`.
    pub(crate) fn tree(top: PathBuf) -> Self {
        let mut libraries = Vec::new();
        for outer in ["lib", "usr/lib", "lib64", "usr/lib64"] {
            let outer = top.join(outer);
            let inner = std::fs::read_dir(&outer).into_iter().flatten().flatten();
            let mut inner: Vec<PathBuf> = inner.map(|entry| entry.path()).collect();
            inner.sort();
            // Debian has one directory for each architecture below lib. Other distributions use lib itself.
            libraries.extend(
                inner
                    .into_iter()
                    .filter(|path| path.is_dir() && path.to_string_lossy().contains("-linux-")),
            );
            libraries.push(outer);
        }
        libraries.retain(|path| path.is_dir());
        Self::Tree { top, libraries }
    }

    /// Returns the file at `path`. Absolute symbolic links are resolved inside the tree.
    pub(crate) fn locate(&self, path: &str) -> Option<PathBuf> {
        match self {
            Self::Host => std::fs::canonicalize(path).ok(),
            Self::Tree { top, .. } => locate_below(top, path),
        }
    }

    /// Returns the path of `file` in the image, or `None` if the file is outside of the tree.
    pub(crate) fn inside(&self, file: &Path) -> Option<String> {
        let path = match self {
            Self::Host => file,
            Self::Tree { top, .. } => file.strip_prefix(top).ok()?,
        };
        Some(format!("/{}", path.to_str()?.trim_start_matches('/')))
    }

    /// Returns the loader of a program, or `None` if the program is static.
    pub(crate) fn loader(&self, program: &Path) -> Result<Option<Loader>> {
        let unusable = || Error::new(ErrorKind::Image, format!("cannot use {}", program.display()));
        let bytes = std::fs::read(program).map_err(|error| unusable().because(error))?;
        match elf::inspect(&bytes) {
            Program::Static => Ok(None),
            Program::Foreign => Err(unusable()
                .because("it is not a program in ELF format, but perhaps a script around one")
                .hint("Take the server from a suite of packages instead, such as `--from trixie`.")),
            Program::Dynamic(named) => match self.locate(&named) {
                Some(file) => Ok(Some(Loader { named, file })),
                None => Err(unusable().because(format!("its loader {named} is missing"))),
            },
        }
    }

    /// Returns a command that starts `program` with the libraries of this root and the `options` of the loader.
    pub(crate) fn command(&self, loader: Option<&Loader>, options: &[&str], program: &Path) -> Command {
        let Some(loader) = loader else {
            return Command::new(program);
        };
        let mut command = Command::new(&loader.file);
        command.args(options);
        if let Self::Tree { libraries, .. } = self {
            let mut joined = OsString::new();
            for (index, path) in libraries.iter().enumerate() {
                if index > 0 {
                    joined.push(":");
                }
                joined.push(path);
            }
            command.arg("--library-path").arg(joined);
        }
        command.arg(program);
        command
    }
}

impl Programs {
    /// Runs the server to read its name and version. The names of packages and files are not reliable.
    pub(crate) async fn server(&self) -> Result<Server> {
        let Some((name, file)) = self.files.first() else {
            return Err(Error::new(ErrorKind::Image, "no server was found"));
        };
        let mut command = match &self.root {
            Root::Host => Command::new(file),
            Root::Tree { .. } => {
                let loader = self.root.loader(file)?;
                self.root.command(loader.as_ref(), &[], file)
            }
        };
        let what = format!("asking {name} for its version");
        let said = process::run(command.arg("--version"), &what, VERSION_DEADLINE).await?;
        parse_version(&said).ok_or_else(|| {
            Error::new(ErrorKind::Image, format!("{what} failed"))
                .because("the answer names no version")
                .details(said.lines().take(3))
        })
    }
}

/// Parses `Redis server v=7.0.15 sha=…`, which Valkey prints with its own name.
fn parse_version(said: &str) -> Option<Server> {
    let engine = said.split_whitespace().next()?.parse().ok()?;
    let (_, version) = said.split_once(" v=")?;
    Some(Server::new(
        engine,
        version.split_whitespace().next()?.parse().ok()?,
    ))
}

/// Resolves `path` with `top` as the root, with or without merged `/usr`.
fn locate_below(top: &Path, path: &str) -> Option<PathBuf> {
    let mut path = crate::image::layout::merged(path);
    for _ in 0..16 {
        let unmerged = path.strip_prefix("usr/").unwrap_or(&path);
        let file = [&*path, unmerged]
            .iter()
            .map(|candidate| top.join(candidate))
            .find(|file| file.symlink_metadata().is_ok())?;
        let Ok(target) = std::fs::read_link(&file) else {
            return Some(file);
        };
        let target = if target.is_absolute() {
            target
        } else {
            Path::new("/")
                .join(file.strip_prefix(top).ok()?.parent()?)
                .join(target)
        };
        path = crate::image::layout::merged(target.to_str()?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Version;

    #[test]
    fn a_server_tells_what_it_is() {
        assert_eq!(
            parse_version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some(Server::new(Engine::Redis, Version::new(7, 0, 15)))
        );
        assert_eq!(
            parse_version("Valkey server v=9.1.2 sha=00000000:0"),
            Some(Server::new(Engine::Valkey, Version::new(9, 1, 2)))
        );
        assert_eq!(parse_version("usage: snap"), None);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn links_stay_inside_the_tree() {
        let top = tempfile::tempdir().unwrap();
        let directory = |path: &str| std::fs::create_dir_all(top.path().join(path)).unwrap();
        let link = |target: &str, path: &str| {
            std::os::unix::fs::symlink(target, top.path().join(path)).unwrap();
        };
        directory("lib/x86_64-linux-gnu");
        directory("lib64");
        directory("usr/bin");
        std::fs::write(top.path().join("lib/x86_64-linux-gnu/ld.so"), "").unwrap();
        std::fs::write(top.path().join("usr/bin/check"), "").unwrap();
        link("/lib/x86_64-linux-gnu/ld.so", "lib64/ld.so.2");
        link("check", "usr/bin/server");
        link("loop", "usr/bin/loop");
        link("/etc/passwd", "usr/bin/outside");
        let locate = |path| locate_below(top.path(), path);
        assert_eq!(
            locate("/lib64/ld.so.2"),
            Some(top.path().join("lib/x86_64-linux-gnu/ld.so"))
        );
        assert_eq!(locate("/bin/server"), Some(top.path().join("usr/bin/check")));
        assert_eq!(locate("/usr/bin/loop"), None);
        assert_eq!(locate("/usr/bin/outside"), None, "the host's file");
        assert_eq!(locate("/usr/bin/absent"), None);
    }

    #[test]
    fn a_script_is_refused_with_a_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("redis-server");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        let error = Root::Host.loader(&script).unwrap_err();
        assert!(error.hint_text().unwrap().contains("--from"));
    }
}
