//! The settings and users with which a cluster was created, for a reset in another process: a file for each run
//! beside the locks, readable only by this user. Without the file, for example on another machine, a reset uses the
//! planned settings.

use crate::lifecycle::reset::settings::Settings;
use crate::ownership::run_files;
use crate::spec::security::Secrets;
use crate::topology::layout::Topology;

/// Writes the settings to the file of the run. A failed write is not an error: a reset then uses the planned settings.
pub(crate) fn keep(topology: &Topology, settings: &Settings) {
    let written = serde_json::to_vec(settings)
        .map_err(std::io::Error::from)
        .and_then(|text| run_files::keep(&topology.run, &text));
    if let Err(error) = written {
        tracing::debug!(%error, "the settings of a new cluster could not be kept");
    }
}

/// Returns the settings with which a cluster was created, or else the planned ones.
pub(crate) fn of(topology: &Topology, secrets: &Secrets) -> Settings {
    let kept = run_files::read(&topology.run);
    kept.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_else(|| Settings::planned(topology, secrets))
}
