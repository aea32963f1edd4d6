//! Finds the server's programs that are installed on this machine.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::image::elf::Program;
use crate::image::programs::{Programs, Root};
use crate::image::{elf, programs};
use crate::spec::server::Engine;

/// Checks whether the server of `engine` is installed on this machine.
pub(crate) fn has(engine: Engine) -> bool {
    on_path(engine.server()).is_some()
}

/// Finds the programs of `engine`.
pub(crate) fn programs(engine: Engine) -> Result<Programs> {
    let mut files = Vec::new();
    for name in programs::names(engine) {
        let file = on_path(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Image,
                format!("cannot find {name} on this machine's PATH"),
            )
            .hint(format!(
                "Install {engine} with its tools here, or take it from packages with `--from auto`."
            ))
        })?;
        files.push((name, file));
    }
    let origin = match files.first() {
        Some((_, file)) => format!("this host's {}", file.display()),
        None => "this host".to_owned(),
    };
    Ok(Programs {
        files,
        busybox: busybox(),
        root: Root::Host,
        origin,
        kept: Vec::new(),
    })
}

/// Returns the host's busybox if it is statically linked.
fn busybox() -> Option<PathBuf> {
    let file = on_path("busybox")?;
    let bytes = std::fs::read(&file).ok()?;
    (elf::inspect(&bytes) == Program::Static).then_some(file)
}

fn on_path(name: &str) -> Option<PathBuf> {
    find(name, &std::env::var_os("PATH")?)
}

fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_run_is_found() {
        let first = tempfile::tempdir().unwrap();
        let second = tempfile::tempdir().unwrap();
        let put = |directory: &Path, mode| {
            let file = directory.join("redis-server");
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put(first.path(), 0o644);
        put(second.path(), 0o755);
        let path = std::env::join_paths([
            Path::new("relative"),
            Path::new("/no/such"),
            first.path(),
            second.path(),
        ])
        .unwrap();
        assert_eq!(
            find("redis-server", &path),
            Some(second.path().join("redis-server"))
        );
        assert_eq!(find("redis-cli", &path), None);
    }
}
