//! Connects to the container engine.

use bollard::{API_DEFAULT_VERSION, Docker as Client};

use crate::error::Result;
#[cfg(not(feature = "remote"))]
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::runtime::docker::client::Docker;
use crate::runtime::docker::endpoint::SCHEME;
use crate::runtime::docker::find::Place;
#[cfg(feature = "remote")]
use crate::runtime::docker::ssh;
use crate::runtime::docker::unreachable::unreachable;

/// Response timeout for calls without their own deadline.
const RESPONSE: u64 = 120;

impl Docker {
    /// Returns a problem during the search for the container engine that the user should know.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.place.warning.as_deref()
    }

    /// Finds the container engine. The observer gets a warning if Docker's configuration is invalid.
    ///
    /// # Errors
    /// As [`Docker::find`].
    pub(crate) fn find_with(observer: &dyn Observer) -> Result<Self> {
        let docker = Self::find()?;
        if let Some(warning) = docker.warning() {
            observer.observe(&Event::warning(warning));
        }
        Ok(docker)
    }

    /// Creates the client. It sends nothing yet.
    pub(crate) fn connect(place: Place) -> Result<Self> {
        let plain = ["tcp://", "http://"];
        let client = match &place.certificates {
            #[cfg(feature = "remote")]
            Some(directory) => {
                let [authority, certificate, key] = Place::tls_files(directory)?;
                // It fails if this process has already installed a provider, which is fine.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let version = API_DEFAULT_VERSION;
                Client::connect_with_ssl(&place.endpoint, &key, &certificate, &authority, RESPONSE, version)
            }
            // TLS is already decided; the library would read the environment again.
            None if plain.iter().any(|scheme| place.endpoint.starts_with(scheme)) => {
                Client::connect_with_http(&place.endpoint, RESPONSE, API_DEFAULT_VERSION)
            }
            #[cfg(feature = "remote")]
            None if place.endpoint.starts_with(SCHEME) => ssh::connect(&place.endpoint, RESPONSE),
            #[cfg(not(feature = "remote"))]
            _ if place.certificates.is_some() || place.endpoint.starts_with(SCHEME) => {
                return Err(Error::new(
                    ErrorKind::EngineUnavailable,
                    format!("this build cannot reach {}", place.endpoint),
                )
                .hint("Enable the cargo feature `remote` of rcup for TLS and ssh://."));
            }
            _ => Client::connect_with_host(&place.endpoint),
        };
        let client = client.map_err(|source| unreachable(&place, source))?;
        Ok(Self { client, place })
    }
}
