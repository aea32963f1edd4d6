//! A client of one node without support for clusters: it returns the answers of the server unchanged.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Outcome;

const CONNECT: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_secs(10);

/// An answer other than a list; none of the commands used here returns one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status, a bulk string or a number, as text.
    Text(String),
    /// No such key.
    Nil,
    /// An error, from its code on.
    Error(String),
}

/// A connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects, once.
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = timeout(CONNECT, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends one command and reads its answer.
    pub async fn ask(&mut self, words: &[&str]) -> Outcome<Reply> {
        let mut replies = self.ask_all(&[words]).await?;
        replies.pop().ok_or_else(|| "no answer".into())
    }

    /// Sends all commands, then reads all answers.
    pub async fn ask_all(&mut self, commands: &[&[&str]]) -> Outcome<Vec<Reply>> {
        let mut request = Vec::new();
        for words in commands {
            request.extend(format!("*{}\r\n", words.len()).bytes());
            for word in *words {
                request.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
            }
        }
        let exchange = async {
            self.stream.get_mut().write_all(&request).await?;
            let mut replies = Vec::with_capacity(commands.len());
            for _ in commands {
                replies.push(self.read().await?);
            }
            Ok(replies)
        };
        timeout(ANSWER, exchange).await?
    }

    async fn read(&mut self) -> Outcome<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err("the node has closed the connection".into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).ok_or("an empty answer")?;
        match kind {
            "+" | ":" => Ok(Reply::Text(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            "$" if rest == "-1" => Ok(Reply::Nil),
            "$" => {
                let mut bulk = vec![0; rest.parse::<usize>()? + 2];
                self.stream.read_exact(&mut bulk).await?;
                bulk.truncate(bulk.len() - 2);
                Ok(Reply::Text(String::from_utf8(bulk)?))
            }
            _ => Err(format!("an answer that is not understood: {line}").into()),
        }
    }
}
