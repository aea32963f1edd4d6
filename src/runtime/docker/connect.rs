//! Connecting to the engine that was found.

use bollard::errors::Error as DockerError;
use bollard::{API_DEFAULT_VERSION, Docker as Client};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::client::Docker;
use crate::runtime::docker::find::Place;
use crate::runtime::docker::ssh;
use crate::runtime::docker::ssh::SCHEME;

/// How long the engine may take to begin an answer, where no call has a deadline of its own.
const RESPONSE: u64 = 120;

impl Docker {
    /// Nothing is sent yet.
    pub(crate) fn connect(place: Place) -> Result<Self> {
        let plain = ["tcp://", "http://"];
        let client = match &place.certificates {
            Some(directory) => {
                let [authority, certificate, key] = Place::tls_files(directory)?;
                // It fails when somebody in this process has settled it already, which is as good.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let version = API_DEFAULT_VERSION;
                Client::connect_with_ssl(&place.endpoint, &key, &certificate, &authority, RESPONSE, version)
            }
            // Whether TLS is spoken is settled, and the library would look into the environment once more.
            None if plain.iter().any(|scheme| place.endpoint.starts_with(scheme)) => {
                Client::connect_with_http(&place.endpoint, RESPONSE, API_DEFAULT_VERSION)
            }
            None if place.endpoint.starts_with(SCHEME) => ssh::connect(&place.endpoint, RESPONSE),
            None => Client::connect_with_host(&place.endpoint),
        };
        let client = client.map_err(|source| unreachable(&place, source))?;
        Ok(Self { client, place })
    }
}

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
            ssh::command(&place.endpoint).join(" ")
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
