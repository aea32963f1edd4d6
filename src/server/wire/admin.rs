//! The commands that rcup sends to a node.

use std::collections::BTreeMap;

use ::redis::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::server::wire::connection::NodeConnection;
use crate::server::wire::parse;
use crate::server::wire::reply::{Endpoint, NodeLine, NodeView, SlotOwner};
use crate::topology::layout::NodeId;
use crate::topology::slots::SlotRange;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl NodeConnection {
    /// Checks that the server responds. While it loads its data, it replies with an error.
    pub async fn ping(&self) -> Result<()> {
        self.command::<String>(&["PING"]).await.map(drop)
    }

    /// Reads the node's view of itself and the other nodes, in one round trip.
    pub async fn view(&self) -> Result<NodeView> {
        let (info, nodes, replication): (String, String, String) = self
            .pipeline(&[
                words(&["CLUSTER", "INFO"]),
                words(&["CLUSTER", "NODES"]),
                words(&["INFO", "replication"]),
            ])
            .await?;
        Ok(NodeView {
            info: parse::fields(&info),
            nodes: parse::nodes(&nodes),
            replication: parse::replication(&replication),
        })
    }

    /// Reads `CLUSTER INFO`.
    pub async fn cluster_info(&self) -> Result<BTreeMap<String, String>> {
        Ok(parse::fields(
            &self.command::<String>(&["CLUSTER", "INFO"]).await?,
        ))
    }

    /// Reads `CLUSTER NODES`.
    pub async fn cluster_nodes(&self) -> Result<Vec<NodeLine>> {
        Ok(parse::nodes(
            &self.command::<String>(&["CLUSTER", "NODES"]).await?,
        ))
    }

    /// Reads `CLUSTER SLOTS`, which most clients use.
    pub async fn cluster_slots(&self) -> Result<Vec<SlotOwner>> {
        let answer: Value = self.command(&["CLUSTER", "SLOTS"]).await?;
        parse::slots(&answer).ok_or_else(|| {
            Error::new(
                ErrorKind::Redis,
                format!("{} answers CLUSTER SLOTS in an unknown form", self.address()),
            )
        })
    }

    /// Reads the endpoints in `CLUSTER SHARDS`, with the TLS or plaintext port according to this connection.
    pub async fn cluster_shards(&self) -> Result<Vec<Endpoint>> {
        let answer: Value = self.command(&["CLUSTER", "SHARDS"]).await?;
        parse::shards(&answer, self.speaks_tls()).ok_or_else(|| {
            Error::new(
                ErrorKind::Redis,
                format!("{} answers CLUSTER SHARDS in an unknown form", self.address()),
            )
        })
    }

    /// Returns the node's id.
    pub async fn my_id(&self) -> Result<NodeId> {
        Ok(NodeId(self.command::<String>(&["CLUSTER", "MYID"]).await?))
    }

    /// Promotes a replica to the master of its shard at once, without the consent of the other masters. Only safe
    /// while the cluster is new and empty.
    pub async fn take_over(&self) -> Result<()> {
        self.command::<String>(&["CLUSTER", "FAILOVER", "TAKEOVER"])
            .await
            .map(drop)
    }

    /// Starts a manual failover: the master stops accepting writes until the replica has all data.
    pub async fn fail_over(&self) -> Result<()> {
        self.command::<String>(&["CLUSTER", "FAILOVER"]).await.map(drop)
    }

    /// Sends `CLUSTER MEET` for several nodes in one round trip. A node that already knows them receives an update.
    pub async fn meet(&self, others: &[(String, u16)]) -> Result<()> {
        if others.is_empty() {
            return Ok(());
        }
        let commands: Vec<Vec<String>> = others
            .iter()
            .map(|(ip, port)| words(&["CLUSTER", "MEET", ip.as_str(), &port.to_string()]))
            .collect();
        self.pipeline::<Vec<String>>(&commands).await.map(drop)
    }

    /// Forgets nodes. Gossip cannot add them again for a minute.
    pub async fn forget(&self, ids: &[NodeId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let commands: Vec<Vec<String>> = ids
            .iter()
            .map(|id| words(&["CLUSTER", "FORGET", &id.0]))
            .collect();
        self.pipeline::<Vec<String>>(&commands).await.map(drop)
    }

    /// Assigns a range of slots to the node.
    pub async fn own(&self, slots: SlotRange) -> Result<()> {
        let (first, last) = (slots.first.to_string(), slots.last.to_string());
        self.command::<String>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
            .await
            .map(drop)
    }

    /// Sets the configuration epoch of a new node.
    pub async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.command::<String>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])
            .await
            .map(drop)
    }

    /// Makes the node a replica of `master`. Fails while the node does not know it as a master.
    pub async fn replicate(&self, master: &NodeId) -> Result<()> {
        self.command::<String>(&["CLUSTER", "REPLICATE", &master.0])
            .await
            .map(drop)
    }

    /// Sets configuration directives and writes them to the node's `redis.conf`.
    pub async fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        if settings.is_empty() {
            return Ok(());
        }
        let mut commands: Vec<Vec<String>> = settings
            .iter()
            .map(|(name, value)| words(&["CONFIG", "SET", name, value]))
            .collect();
        commands.push(words(&["CONFIG", "REWRITE"]));
        self.pipeline::<Vec<String>>(&commands).await.map(drop)
    }

    /// Sets a configuration directive in the running server only.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        self.command::<String>(&["CONFIG", "SET", name, value])
            .await
            .map(drop)
    }

    /// Returns the value of a configuration directive; empty if the server does not know it.
    pub async fn configured(&self, name: &str) -> Result<String> {
        let pairs: BTreeMap<String, String> = self.command(&["CONFIG", "GET", name]).await?;
        Ok(pairs.get(name).cloned().unwrap_or_default())
    }

    /// Returns the server's clock, in milliseconds since 1970.
    pub async fn clock(&self) -> Result<u64> {
        let (seconds, micros): (u64, u64) = self.command(&["TIME"]).await?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// Reads `INFO memory`, by field. It includes scripts and functions.
    pub async fn memory(&self) -> Result<BTreeMap<String, String>> {
        Ok(parse::fields(&self.command::<String>(&["INFO", "memory"]).await?))
    }

    /// Returns the number of keys on the node.
    pub async fn keys(&self) -> Result<u64> {
        self.command(&["DBSIZE"]).await
    }
}
