//! The settings and users with which a cluster was made, for whoever resets it in another process: a file beside
//! the locks for each run, readable by this user alone. Who does not find it, on another machine for example, goes by
//! the plan.

use std::io::Write as _;
use std::path::PathBuf;

use crate::lifecycle::reset::settings::Settings;
use crate::ownership::lock::directory;
use crate::spec::security::Secrets;
use crate::topology::layout::Topology;

fn path(run: &str) -> PathBuf {
    directory().join(format!("{run}.made"))
}

/// Keeps them. Without the file, a reset still knows the plan, so that it cannot be written is no failure.
pub(crate) fn keep(topology: &Topology, settings: &Settings) {
    let write = || {
        let directory = directory();
        std::fs::create_dir_all(&directory)?;
        // A temporary file has the mode 0600, and nobody sees half of it.
        let mut file = tempfile::NamedTempFile::new_in(&directory)?;
        file.write_all(&serde_json::to_vec(settings)?)?;
        file.persist(path(&topology.run)).map_err(|error| error.error)
    };
    if let Err(error) = write() {
        tracing::debug!(%error, "the settings of a new cluster could not be kept");
    }
}

/// The settings with which a cluster was made, or else as they are planned.
pub(crate) fn of(topology: &Topology, secrets: &Secrets) -> Settings {
    let kept = std::fs::read(path(&topology.run)).ok();
    kept.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_else(|| Settings::planned(topology, secrets))
}

/// Removes them after the cluster.
pub(crate) fn forget(run: &str) {
    if let Err(error) = std::fs::remove_file(path(run))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(%error, run, "a file could not be removed");
    }
}
