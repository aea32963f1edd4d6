//! A connection to one node.

use std::fmt;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, Pipeline,
};

use crate::error::{Error, ErrorKind, Result};

/// How long a single attempt to connect may take. A first packet that is lost on its way to a container
/// that is just coming up would be sent again by the kernel after a second; another attempt is quicker.
const CONNECT: Duration = Duration::from_millis(250);

/// How long an answer may take. A server that forks or loads on a busy machine is slow, not dead.
const ANSWER: Duration = Duration::from_secs(5);

/// Where a node is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// From its parts.
    pub fn new(host: impl fmt::Display, port: u16) -> Self {
        Self {
            host: host.to_string(),
            port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A connection to one node. Clones share it; commands may be sent side by side.
#[derive(Clone)]
pub struct NodeConnection {
    address: Address,
    inner: MultiplexedConnection,
}

impl fmt::Debug for NodeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConnection")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl NodeConnection {
    /// Connects, once.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when nothing answers there.
    pub async fn open(address: &Address) -> Result<Self> {
        let failed = |source| {
            Error::new(ErrorKind::Redis, format!("cannot connect to {address}")).because(error_text(&source))
        };
        let info = ConnectionAddr::Tcp(address.host.clone(), address.port)
            .into_connection_info()
            .map_err(failed)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let inner = ::redis::Client::open(info)
            .map_err(failed)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(failed)?;
        Ok(Self {
            address: address.clone(),
            inner,
        })
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one command.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] with the server's own words as its cause.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command
            .query_async(&mut self.inner.clone())
            .await
            .map_err(|source| self.failed(words, &source))
    }

    /// Sends several commands at once, and reads all answers.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when one of them fails.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &[Vec<String>]) -> Result<T> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for words in commands {
            let mut command = Cmd::new();
            for word in words {
                command.arg(word);
            }
            pipeline.add_command(command);
        }
        pipeline
            .query_async(&mut self.inner.clone())
            .await
            .map_err(|source| {
                let first: Vec<&str> = commands
                    .first()
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect();
                self.failed(&first, &source)
            })
    }

    /// The names of a command are told; its arguments may be anybody's data.
    fn failed(&self, words: &[&str], source: &::redis::RedisError) -> Error {
        let named = match words {
            [first @ ("CLUSTER" | "CONFIG"), second, ..] => format!("{first} {second}"),
            [first, ..] => (*first).to_owned(),
            [] => "nothing".to_owned(),
        };
        Error::new(ErrorKind::Redis, format!("{named} failed on {}", self.address))
            .because(error_text(source))
    }
}

/// The server's words where it said something, without the client's classification around them.
fn error_text(error: &::redis::RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
