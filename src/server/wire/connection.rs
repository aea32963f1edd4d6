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

/// How long a single attempt to connect may take where `Access` does not say. A first packet that is lost on its way to a container
/// that is just coming up would be sent again by the kernel after a second; another attempt is quicker.
const CONNECT: Duration = Duration::from_millis(250);

/// The same with TLS, where the server computes before it answers, on a core that others want too.
const SHAKE_HANDS: Duration = Duration::from_secs(2);

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
    /// Connects, once, and logs in where `access` says so.
    ///
    /// # Errors
    /// [`ErrorKind::Redis`] when nothing answers there, or the node does not let us in.
    pub async fn open(address: &Address, access: &Access) -> Result<Self> {
        let config = AsyncConnectionConfig::new();
        Self::dial(address, access, settings(access), config).await
    }

    /// Connects as this connection did, to the same node, and passes on what the node tells its subscribers.
    ///
    /// # Errors
    /// As [`NodeConnection::open`].
    pub async fn listen(&self) -> Result<(Self, UnboundedReceiver<Message>)> {
        let (sender, receiver) = unbounded_channel();
        // Messages come between the answers only in the third version of the protocol (Redis 6.0 and later).
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

    /// Connects to another address as this connection did to its own.
    ///
    /// # Errors
    /// As [`NodeConnection::open`].
    pub async fn elsewhere(&self, address: &Address) -> Result<Self> {
        Self::open(address, &self.access).await
    }

    /// Whether it is encrypted.
    pub fn speaks_tls(&self) -> bool {
        self.access.authority().is_some()
    }

    /// How it proved itself.
    pub(crate) fn access(&self) -> &Access {
        &self.access
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

/// A message that reached a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether it came by a channel of a shard.
    pub sharded: bool,
    /// What it says.
    pub text: String,
}

/// `[channel, text]`, by either kind of channel.
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

/// A client for one address. The certificate must be for the address that is dialled.
fn client(info: ConnectionInfo, access: &Access) -> RedisResult<Client> {
    match access.authority() {
        None => Client::open(info),
        Some(authority) => Client::build_with_tls(info, trust(authority)),
    }
}

/// Trusts what this authority has signed, and nothing else; with an empty text, what this machine trusts. Also settles by which code this process does its
/// cryptography, which the client leaves open.
pub fn trust(authority: &str) -> TlsCertificates {
    // It fails when somebody in this process has settled it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    TlsCertificates {
        client_tls: None,
        root_cert: (!authority.is_empty()).then(|| authority.as_bytes().to_vec()),
    }
}

/// The login, which the client sends as its first command.
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

/// The server's words where it said something, without the client's classification around them.
fn error_text(error: &::redis::RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
