//! Cluster client.

use std::time::Duration;

use ::redis::cluster::{ClusterClient, ClusterConnection as BlockingConnection};
use ::redis::cluster_async::ClusterConnection;

use crate::error::{Error, ErrorKind, Result};
use crate::server::wire::access::Access;
use crate::server::wire::connection::trust;

/// Response timeout. The client's default of half a second is too short on a busy host.
const ANSWER: Duration = Duration::from_secs(10);

/// Builds a client with these seed nodes.
fn client(urls: Vec<String>, access: &Access) -> Result<ClusterClient> {
    let mut builder = ClusterClient::builder(urls);
    if let Some(authority) = access.authority() {
        builder = builder.certs(trust(authority));
    }
    builder
        .connection_timeout(ANSWER)
        .response_timeout(ANSWER)
        .overall_response_timeout(Some(ANSWER))
        .build()
        .map_err(failed)
}

/// Opens a cluster connection.
pub(crate) async fn connection(urls: Vec<String>, access: &Access) -> Result<ClusterConnection> {
    client(urls, access)?.get_async_connection().await.map_err(failed)
}

/// Opens a blocking cluster connection.
pub(crate) fn blocking(urls: Vec<String>, access: &Access) -> Result<BlockingConnection> {
    client(urls, access)?.get_connection().map_err(failed)
}

fn failed(error: ::redis::RedisError) -> Error {
    Error::new(ErrorKind::Redis, "the client cannot connect to the cluster")
        .because(error)
        .hint("Run `rcup validate` to find the cause.")
}
