//! Connecting to the engine that was found.

use bollard::Docker as Client;
use bollard::errors::Error as DockerError;

use super::client::Docker;
use super::find::Place;
use crate::error::{Error, ErrorKind, Result};

impl Docker {
    /// Nothing is sent yet.
    pub(super) fn connect(place: Place) -> Result<Self> {
        let unsupported = |scheme: &str| {
            Error::new(
                ErrorKind::EngineUnavailable,
                format!("this build of rcup cannot speak {scheme} to {}", place.endpoint),
            )
            .hint("Build it with `cargo install rcup --features remote`.")
        };
        if !cfg!(feature = "remote") {
            if place.endpoint.starts_with("ssh://") {
                return Err(unsupported("ssh"));
            }
            let tls = std::env::var("DOCKER_TLS_VERIFY").is_ok_and(|value| !value.is_empty());
            if place.endpoint.starts_with("https://") || (place.endpoint.starts_with("tcp://") && tls) {
                return Err(unsupported("TLS"));
            }
        }
        let client =
            Client::connect_with_host(&place.endpoint).map_err(|source| unreachable(&place, source))?;
        Ok(Self { client, place })
    }
}

/// The error for an engine that cannot be spoken to.
pub(super) fn unreachable(place: &Place, source: DockerError) -> Error {
    let text = chain(&source);
    let at = format!("{} ({})", place.endpoint, place.found_by);
    if text.contains("Permission denied") || text.contains("permission denied") {
        return Error::new(
            ErrorKind::EnginePermission,
            format!("this user may not use the engine at {at}"),
        )
        .because(source)
        .hint(
            "Add yourself to the group that owns the socket (`sudo usermod -aG docker $USER`, then log in \
                 again), or use rootless Docker.",
        );
    }
    Error::new(
        ErrorKind::EngineUnavailable,
        format!("the engine at {at} does not answer"),
    )
    .because(source)
    .hint("Start it (`sudo systemctl start docker`), or point DOCKER_HOST at one that runs.")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
