//! Flags for access to a cluster that rcup did not start.

use std::time::Duration;

use crate::cli::args::validate::Entry;
use crate::error::{Error, ErrorKind};
use crate::server::wire::access::{Access, Credentials};
use crate::server::wire::connection::Address;
use crate::spec::secret::Secret;

/// Connect timeout. A lost first packet is resent after a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Parses several endpoints.
pub fn addresses(texts: &[String]) -> Result<Vec<Address>, Error> {
    texts.iter().map(|text| address(text)).collect()
}

/// Parses `HOST:PORT`, with brackets around an IPv6 address.
pub fn address(text: &str) -> Result<Address, Error> {
    let wrong = || {
        Error::new(ErrorKind::Usage, format!("`{text}` is not an address"))
            .hint("Pass a host and its client port, such as `--endpoint 10.0.0.7:6379`.")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(wrong());
    }
    Ok(Address::new(host, port))
}

/// Returns the access options for the nodes.
pub fn access(entry: &Entry) -> Result<Access, Error> {
    let mut access = Access::open().with_patience(PATIENCE);
    if let Some(variable) = &entry.password_env {
        let password = std::env::var(variable).map_err(|_| {
            Error::new(
                ErrorKind::Usage,
                format!("the environment variable {variable} is not set"),
            )
            .hint("Export the variable that --password-env names, with the password as its value.")
        })?;
        access = access.with_credentials(Credentials {
            user: entry.username.clone(),
            password: Secret::new(password),
        });
    }
    match &entry.tls_ca {
        Some(file) => {
            let wrong = |error: Error| {
                error.hint("Pass the CA certificate (PEM) that signed the nodes' certificates.")
            };
            let text = std::fs::read_to_string(file).map_err(|error| {
                wrong(Error::new(ErrorKind::Usage, format!("cannot read {}", file.display())).because(error))
            })?;
            if !text.contains("-----BEGIN CERTIFICATE-----") {
                let message = format!("{} contains no certificate", file.display());
                return Err(wrong(Error::new(ErrorKind::Usage, message)));
            }
            Ok(access.with_authority(&text))
        }
        None if entry.tls => Ok(access.with_tls()),
        None => Ok(access),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        assert_eq!(address("10.0.0.7:6379").unwrap(), Address::new("10.0.0.7", 6379));
        assert_eq!(address("[::1]:7001").unwrap(), Address::new("::1", 7001));
        for wrong in ["10.0.0.7", ":6379", "host:port", "host:70000"] {
            assert_eq!(address(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }
}
