//! A connection to one node.

use std::fmt;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo as _, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisResult,
    TlsCertificates, Value,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::{Error, ErrorKind, Result};
use crate::server::wire::access::Access;

/// Connect timeout of a single attempt, unless `Access` sets one. If the first packet to a starting container is
/// lost, the kernel retransmits it only after a second. Another attempt is faster.
const CONNECT: Duration = Duration::from_millis(250);

/// Connect timeout with TLS. The server computes the handshake on a CPU core that it may share with other
/// processes.
const SHAKE_HANDS: Duration = Duration::from_secs(2);

/// Response timeout. A server that forks or loads data on a busy host is slow, but not down.
const ANSWER: Duration = Duration::from_secs(5);

/// Address of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// Creates an address from host and port.
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

/// A connection to one node. Clones share it; commands may be sent concurrently.
#[derive(Clone)]
pub struct NodeConnection {
    address: Address,
    access: Access,
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
    /// Connects once, and authenticates if `access` has credentials.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when nothing responds at the address, or the node refuses access.
    pub async fn open(address: &Address, access: &Access) -> Result<Self> {
        let config = AsyncConnectionConfig::new();
        Self::dial(address, access, settings(access), config).await
    }

    /// Opens another connection to the same node with the same access options, and forwards Pub/Sub messages.
    ///
    /// # Errors
    /// As [`NodeConnection::open`].
    pub async fn listen(&self) -> Result<(Self, UnboundedReceiver<Message>)> {
        let (sender, receiver) = unbounded_channel();
        // Only RESP3 (Redis 6.0 and later) delivers messages between the replies.
        let settings = settings(&self.access).set_protocol(ProtocolVersion::RESP3);
        let config =
            AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| match message(&push) {
                Some(message) => sender.send(message).map_err(drop),
                None => Ok(()),
            });
        let link = Self::dial(&self.address, &self.access, settings, config).await?;
        Ok((link, receiver))
    }

    async fn dial(
        address: &Address,
        access: &Access,
        settings: RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<Self> {
        let failed = |source: ::redis::RedisError| {
            let message = format!("cannot connect to {address}");
            if source.kind() == ::redis::ErrorKind::AuthenticationFailed {
                return Error::new(ErrorKind::Refused, message)
                    .because("the server refuses the user or the password")
                    .hint(
                        "Somebody has changed them in the running server; rcup knows those that it has set.",
                    );
            }
            Error::new(ErrorKind::Redis, message).because(error_text(&source))
        };
        let (host, port) = (address.host.clone(), address.port);
        let (place, patience) = if access.authority().is_none() {
            (ConnectionAddr::Tcp(host, port), CONNECT)
        } else {
            let place = ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            };
            (place, SHAKE_HANDS)
        };
        let info = place
            .into_connection_info()
            .map_err(failed)?
            .set_redis_settings(settings);
        let config = config
            .set_connection_timeout(Some(access.patience().unwrap_or(patience)))
            .set_response_timeout(Some(ANSWER));
        let inner = client(info, access)
            .map_err(failed)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(failed)?;
        Ok(Self {
            address: address.clone(),
            access: access.clone(),
            inner,
        })
    }

    /// Connects to another address with the same access options.
    ///
    /// # Errors
    /// As [`NodeConnection::open`].
    pub async fn elsewhere(&self, address: &Address) -> Result<Self> {
        Self::open(address, &self.access).await
    }

    /// Returns whether the connection uses TLS.
    pub fn speaks_tls(&self) -> bool {
        self.access.authority().is_some()
    }

    /// Returns the access options.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one command.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] with the server's error message as its cause.
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

    /// Sends several commands in a pipeline, and reads all replies.
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

    /// Creates the error for a failed command. It contains the command name only: the arguments may be user data.
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

/// A Pub/Sub message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether it was received on a shard channel.
    pub sharded: bool,
    /// Message text.
    pub text: String,
}

/// Parses `[channel, text]` of either kind of channel.
fn message(push: &PushInfo) -> Option<Message> {
    let sharded = match push.kind {
        PushKind::Message => false,
        PushKind::SMessage => true,
        _ => return None,
    };
    match push.data.get(1)? {
        Value::BulkString(text) => Some(Message {
            sharded,
            text: String::from_utf8_lossy(text).into_owned(),
        }),
        _ => None,
    }
}

/// Creates a client for one address. The server's certificate must be valid for that address.
fn client(info: ConnectionInfo, access: &Access) -> RedisResult<Client> {
    match access.authority() {
        None => Client::open(info),
        Some(authority) => Client::build_with_tls(info, trust(authority)),
    }
}

/// Trusts only certificates of this authority; with an empty text, those that this machine trusts. Also installs
/// the crypto provider of this process, which the client does not select.
pub fn trust(authority: &str) -> TlsCertificates {
    // It fails if this process has already installed a provider, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    TlsCertificates {
        client_tls: None,
        root_cert: (!authority.is_empty()).then(|| authority.as_bytes().to_vec()),
    }
}

/// Returns the credentials, which the client sends as its first command.
fn settings(access: &Access) -> RedisConnectionInfo {
    let settings = RedisConnectionInfo::default();
    match access.credentials() {
        None => settings,
        Some(credentials) => {
            let settings = settings.set_password(credentials.password.expose());
            match &credentials.user {
                Some(user) => settings.set_username(user),
                None => settings,
            }
        }
    }
}

/// Returns the server's error message if there is one, without the client's classification.
fn error_text(error: &::redis::RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
