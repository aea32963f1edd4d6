//! The error for a container engine that cannot be reached.

use crate::error::{Error, ErrorKind};
use crate::runtime::docker::find::Place;
use crate::runtime::docker::find::SCHEME;
use crate::runtime::docker::find::ssh_command;
use bollard::errors::Error as DockerError;

/// The error for an engine that cannot be spoken to.
pub(crate) fn unreachable(place: &Place, source: DockerError) -> Error {
    let text = chain(&source);
    let at = format!("{} ({})", place.endpoint, place.found_by);
    let over_ssh = place.endpoint.starts_with(SCHEME);
    // What ssh calls so is not the engine's socket.
    if !over_ssh && (text.contains("Permission denied") || text.contains("permission denied")) {
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
    .hint(if over_ssh {
        format!(
            "See that `{}` works without a question: a key that an agent or a file holds, a host that is known, and \
             Docker's client on the other machine, for a user who may use the engine.",
            ssh_command(&place.endpoint).join(" ")
        )
    } else if place.certificates.is_some() {
        "See that it listens there and speaks TLS, and that ca.pem, cert.pem and key.pem are of its authority."
            .to_owned()
    } else {
        "Start it (`sudo systemctl start docker`), or point DOCKER_HOST at one that runs.".to_owned()
    })
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
