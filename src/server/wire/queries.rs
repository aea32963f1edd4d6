//! Queries that a validation sends to single servers, and test commands whose replies are returned as text.

use std::collections::BTreeMap;

use ::redis::Value;
use tokio::time::Instant;

use crate::error::Result;
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::parse;
use crate::server::wire::reply::{BusLink, ClockSeen, Configured};
use crate::topology::layout::NodeId;

impl NodeConnection {
    /// Reads `INFO` with its default sections.
    pub async fn info(&self) -> Result<BTreeMap<String, String>> {
        Ok(parse::fields(&self.command::<String>(&["INFO"]).await?))
    }

    /// Reads `CONFIG GET *`. A refusal by the server is a result, not an error.
    pub async fn configuration(&self) -> Configured {
        match self
            .command::<BTreeMap<String, String>>(&["CONFIG", "GET", "*"])
            .await
        {
            Ok(all) => Configured::Known(all),
            Err(error) => Configured::Refused(error.causes().join(": ")),
        }
    }

    /// Reads `CLUSTER LINKS`; returns `None` if the server does not support it (before Redis 7.0).
    pub async fn bus_links(&self) -> Option<Vec<BusLink>> {
        let answer: Value = self.command(&["CLUSTER", "LINKS"]).await.ok()?;
        parse_links(&answer)
    }

    /// Compares the server's clock with the clock of this machine.
    pub async fn clock_seen(&self) -> Result<ClockSeen> {
        let (sent, begun) = (now(), Instant::now());
        let there = self.clock().await?;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let middle = sent.saturating_add(took / 2);
        Ok(ClockSeen {
            ahead: i64::try_from(i128::from(there) - i128::from(middle)).unwrap_or(i64::MAX),
            doubt: took / 2 + 1,
        })
    }

    /// Sends one command and returns its reply as text, as `redis-cli` does: `OK`, `(nil)`, a number, a list in
    /// brackets, or an error message.
    pub async fn said(&self, words: &[&str]) -> String {
        match self.command::<Value>(words).await {
            Ok(answer) => told(&answer),
            Err(error) => error.causes().join(": "),
        }
    }

    /// Subscribes with `SUBSCRIBE` or `SSUBSCRIBE`, on a connection of [`NodeConnection::listen`].
    pub async fn subscribe(&self, command: &str, channel: &str) -> Result<()> {
        self.command::<Value>(&[command, channel]).await.map(drop)
    }

    /// Sends several commands as one transaction and returns the replies as a list, or the error that aborted it.
    pub async fn transaction(&self, commands: &[&[&str]]) -> String {
        let all: Vec<Vec<String>> = std::iter::once(&["MULTI"][..])
            .chain(commands.iter().copied())
            .chain(std::iter::once(&["EXEC"][..]))
            .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
            .collect();
        match self.pipeline::<Vec<Value>>(&all).await {
            Ok(answers) => answers.last().map_or_else(String::new, told),
            Err(error) => error.causes().join(": "),
        }
    }
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Formats a reply as text.
fn told(answer: &Value) -> String {
    match answer {
        Value::Nil => "(nil)".to_owned(),
        Value::Okay => "OK".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Array(values) | Value::Set(values) => {
            let texts: Vec<String> = values.iter().map(told).collect();
            format!("[{}]", texts.join(", "))
        }
        Value::Map(pairs) => {
            let texts: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}: {}", told(name), told(value)))
                .collect();
            format!("[{}]", texts.join(", "))
        }
        Value::ServerError(error) => match error.details() {
            Some(detail) => format!("{} {detail}", error.code()),
            None => error.code().to_owned(),
        },
        other => format!("{other:?}"),
    }
}

/// Parses `[[direction, to, node, ID, …], …]`, or maps of the same. Returns `None` if an entry has another form.
fn parse_links(answer: &Value) -> Option<Vec<BusLink>> {
    let Value::Array(entries) = answer else {
        return None;
    };
    entries.iter().map(link).collect()
}

fn link(entry: &Value) -> Option<BusLink> {
    let pairs: Vec<(String, String)> = match entry {
        Value::Array(values) => values
            .chunks_exact(2)
            .map(|pair| (told(&pair[0]), told(&pair[1])))
            .collect(),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(name, value)| (told(name), told(value)))
            .collect(),
        _ => return None,
    };
    let field = |name: &str| {
        pairs
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
    };
    Some(BusLink {
        outgoing: field("direction")? == "to",
        node: NodeId(field("node")?),
        // Events that the server handles on the link: `r`, or `rw` if it has data to send. Empty until the link is
        // connected.
        carries: field("events").is_none_or(|events| events.contains('r')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn links_are_read_from_lists_and_from_maps() {
        let list = Value::Array(vec![
            bulk("direction"),
            bulk("from"),
            bulk("node"),
            bulk("abc"),
            bulk("create-time"),
            Value::Int(1),
            bulk("events"),
            bulk("rw"),
        ]);
        let map = Value::Map(vec![
            (bulk("direction"), bulk("to")),
            (bulk("node"), bulk("def")),
            (bulk("events"), bulk("")),
        ]);
        let links = parse_links(&Value::Array(vec![list, map])).unwrap();
        assert_eq!(
            links
                .iter()
                .map(|link| (link.outgoing, link.node.0.as_str(), link.carries))
                .collect::<Vec<_>>(),
            [(false, "abc", true), (true, "def", false)]
        );
        assert!(parse_links(&Value::Array(vec![Value::Int(1)])).is_none());
    }

    #[test]
    fn answers_read_as_in_the_client() {
        let list = Value::Array(vec![bulk("a"), Value::Nil, Value::Int(3)]);
        assert_eq!(told(&list), "[a, (nil), 3]");
        assert_eq!(told(&Value::Okay), "OK");
    }
}
