//! Files of one run, next to the locks, readable only by this user. They are removed with the run's containers.

use std::io::Write as _;
use std::path::PathBuf;

use crate::ownership::lock::directory;

fn path(run: &str) -> PathBuf {
    directory().join(format!("{run}.made"))
}

/// Writes the file of a run.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn keep(run: &str, contents: &[u8]) -> std::io::Result<()> {
    let directory = directory();
    std::fs::create_dir_all(&directory)?;
    // A temporary file has the mode 0600, and no reader sees a partial file.
    let mut file = tempfile::NamedTempFile::new_in(&directory)?;
    file.write_all(contents)?;
    file.persist(path(run)).map_err(|error| error.error)?;
    Ok(())
}

/// The file of a run, if there is one that can be read.
pub(crate) fn read(run: &str) -> Option<Vec<u8>> {
    std::fs::read(path(run)).ok()
}

/// Removes the file of a run.
pub(crate) fn forget(run: &str) {
    if let Err(error) = std::fs::remove_file(path(run))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(%error, run, "a file could not be removed");
    }
}
