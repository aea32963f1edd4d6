//! The reason that a server gives for refusing a connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::server::wire::access::Access;
use crate::server::wire::connection::Address;
use crate::server::wire::tls_peer::served_certificate;

/// Response timeout of a bus port.
const CONNECT: Duration = Duration::from_secs(2);

/// Returns why a connection failed. A server in protected mode sends an error on connect and closes the connection.
/// A client that is writing sees only a broken pipe, so a second connection only reads. A TLS server closes a
/// plaintext connection. A plaintext server waits forever for the rest of a TLS handshake.
pub(crate) async fn greeted(address: &Address, access: &Access, error: &Error) -> String {
    let why = error.reason();
    let says = |words: &[&str]| words.iter().any(|word| why.to_lowercase().contains(word));
    let tls = access.authority().is_some();
    let hung_up = says(&["broken pipe", "reset", "closed", "end of file", "terminated"]);
    let said = async {
        if hung_up && !tls {
            let greeting = first_words(address, b"").await;
            if let Some(text) = greeting.as_deref().and_then(|text| text.strip_prefix('-')) {
                return Some(text.to_owned());
            }
            served_certificate(address)
                .await
                .map(|_| format!("{why}: the server expects a TLS handshake"))
        } else if tls && says(&["timed out", "in time", "deadline"]) {
            first_words(address, b"PING\r\n")
                .await
                .filter(|text| text.starts_with(['+', '-']))
                .map(|_| format!("{why}: the server answers without a TLS handshake"))
        } else {
            None
        }
    };
    let said = tokio::time::timeout(CONNECT, said).await.ok().flatten();
    said.unwrap_or(why)
}

/// Sends `words` and returns the first line of the server's response.
async fn first_words(address: &Address, words: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .ok()?;
    stream.write_all(words).await.ok()?;
    let mut bytes = [0_u8; 512];
    let read = stream.read(&mut bytes);
    let read = tokio::time::timeout(CONNECT / 2, read).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
    text.lines().next().map(str::to_owned)
}
