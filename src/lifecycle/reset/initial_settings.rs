//! The settings and users with which a cluster was made, for whoever resets it in another process: a file beside
//! the locks for each run, readable by this user alone. Who does not find it, on another machine for example, goes by
//! the plan.

use crate::lifecycle::reset::settings::Settings;
use crate::ownership::run_files;
use crate::spec::security::Secrets;
use crate::topology::layout::Topology;

/// Keeps them. Without the file, a reset still knows the plan, so that it cannot be written is no failure.
pub(crate) fn keep(topology: &Topology, settings: &Settings) {
    let written = serde_json::to_vec(settings)
        .map_err(std::io::Error::from)
        .and_then(|text| run_files::keep(&topology.run, &text));
    if let Err(error) = written {
        tracing::debug!(%error, "the settings of a new cluster could not be kept");
    }
}

/// The settings with which a cluster was made, or else as they are planned.
pub(crate) fn of(topology: &Topology, secrets: &Secrets) -> Settings {
    let kept = run_files::read(&topology.run);
    kept.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_else(|| Settings::planned(topology, secrets))
}
