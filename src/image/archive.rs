//! Writes an image layout as a tar archive.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use crate::error::{Error, ErrorKind, Result};
use crate::image::artifact::Archive;
use crate::image::layout::{Entry, Layout};

/// Writes the archive into a temporary directory, and returns it with its size in bytes.
///
/// Owners come from the layout and not from the files, so the build does not need root. Times are zero, so the same
/// packages result in the same image.
pub(crate) async fn write(layout: Layout) -> Result<(Archive, u64)> {
    let directory = temporary("rcup-image-")?;
    let path = directory.path().join("rootfs.tar");
    let written = tokio::task::spawn_blocking({
        let path = path.clone();
        move || write_to(&layout, &path)
    })
    .await
    .map_err(|error| failed(&path).because(error))?;
    let bytes = written.map_err(|error| {
        let full = error.kind() == io::ErrorKind::StorageFull;
        let error = failed(&path).because(error);
        if full {
            error.hint(
                "The temporary directory is full. Make room for 50 MB, or point TMPDIR at a larger disk.",
            )
        } else {
            error
        }
    })?;
    Ok((Archive::new(directory, path), bytes))
}

/// Creates a temporary directory whose name starts with `prefix`.
pub(crate) fn temporary(prefix: &str) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .map_err(|error| {
            Error::new(ErrorKind::Io, "cannot make a temporary directory")
                .because(error)
                .hint("Point TMPDIR at a directory that exists, is writable and has room.")
        })
}

fn failed(path: &Path) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("cannot write the image's archive {}", path.display()),
    )
}

fn write_to(layout: &Layout, path: &PathBuf) -> io::Result<u64> {
    let mut builder = Builder::new(BufWriter::new(File::create(path)?));
    for (name, entry) in layout.entries() {
        append(&mut builder, name, entry)
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    }
    builder.into_inner()?.flush()?;
    Ok(std::fs::metadata(path)?.len())
}

fn append(builder: &mut Builder<impl Write>, name: &str, entry: &Entry) -> io::Result<()> {
    match entry {
        Entry::Directory { mode, owner } => {
            let mut header = header(EntryType::Directory, *mode, *owner);
            builder.append_data(&mut header, format!("{name}/"), io::empty())
        }
        Entry::Text(text) => {
            let mut header = header(EntryType::Regular, 0o644, 0);
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, name, text.as_bytes())
        }
        Entry::Copy { from, mode } => {
            let file = File::open(from)?;
            let mut header = header(EntryType::Regular, *mode, 0);
            header.set_size(file.metadata()?.len());
            builder.append_data(&mut header, name, file)
        }
        Entry::Link(target) => {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            builder.append_link(&mut header, name, target)
        }
    }
}

fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::Engine;

    #[tokio::test]
    async fn the_same_layout_makes_the_same_archive() {
        let mut layout = Layout::base(Engine::Redis);
        layout.tools(std::env::current_exe().unwrap());
        let (first, bytes) = write(layout.clone()).await.unwrap();
        let (second, _) = write(layout).await.unwrap();
        let read = |archive: &Archive| std::fs::read(archive.path()).unwrap();
        assert!(read(&first) == read(&second), "the archives differ");
        assert_eq!(read(&first).len() as u64, bytes);
    }

    #[tokio::test]
    async fn owners_and_modes_do_not_come_from_this_machine() {
        let (archive, _) = write(Layout::base(Engine::Redis)).await.unwrap();
        let mut reader = tar::Archive::new(File::open(archive.path()).unwrap());
        let mut found = Vec::new();
        for entry in reader.entries().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 0);
            found.push((path, header.uid().unwrap(), header.mode().unwrap()));
        }
        assert!(found.contains(&("data/".to_owned(), 999, 0o755)));
        assert!(found.contains(&("tmp/".to_owned(), 0, 0o1777)));
        assert!(found.contains(&("etc/passwd".to_owned(), 0, 0o644)));
    }

    #[tokio::test]
    async fn the_archive_vanishes_with_its_value() {
        let (archive, _) = write(Layout::base(Engine::Redis)).await.unwrap();
        let path = archive.path().to_owned();
        assert!(path.exists());
        drop(archive);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_gone_is_named() {
        let mut layout = Layout::base(Engine::Redis);
        layout.program("redis-server", PathBuf::from("/no/such/file"));
        let error = write(layout).await.unwrap_err();
        assert!(error.causes()[0].contains("usr/bin/redis-server"), "{error:?}");
    }
}
