//! Error for an unreachable container engine.

use crate::error::{Error, ErrorKind};
use crate::runtime::docker::endpoint::SCHEME;
use crate::runtime::docker::endpoint::ssh_command;
use crate::runtime::docker::find::Place;
use crate::runtime::docker::sockets::not_permitted;
use bollard::errors::Error as DockerError;

/// Creates the error for an unreachable container engine.
pub(crate) fn unreachable(place: &Place, source: DockerError) -> Error {
    let text = chain(&source);
    let at = format!("{} ({})", place.endpoint, place.found_by);
    let over_ssh = place.endpoint.starts_with(SCHEME);
    // With ssh, the message is about the login, not the socket.
    if !over_ssh && (text.contains("Permission denied") || text.contains("permission denied")) {
        return not_permitted(&at).because(source);
    }
    Error::new(
        ErrorKind::EngineUnavailable,
        format!("the container engine at {at} does not respond"),
    )
    .because(source)
    .hint(if over_ssh {
        format!(
            "Check that `{}` works without a prompt: a key in an agent or a file, a known host, and \
             Docker's client on the other machine, for a user who may use the daemon.",
            ssh_command(&place.endpoint).join(" ")
        )
    } else if place.certificates.is_some() {
        "Check that it listens there with TLS, and that ca.pem, cert.pem and key.pem come from its CA."
            .to_owned()
    } else {
        "Start it (`sudo systemctl start docker`), or set DOCKER_HOST to a running one.".to_owned()
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
