//! The commands rcup gives to a node, by what they do.

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
    /// Whether the server answers. While it loads its data it answers with an error.
    pub async fn ping(&self) -> Result<()> {
        self.command::<String>(&["PING"]).await.map(drop)
    }

    /// What the node says about itself and the others, in one round trip.
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

    /// `CLUSTER INFO`.
    pub async fn cluster_info(&self) -> Result<BTreeMap<String, String>> {
        Ok(parse::fields(
            &self.command::<String>(&["CLUSTER", "INFO"]).await?,
        ))
    }

    /// `CLUSTER NODES`.
    pub async fn cluster_nodes(&self) -> Result<Vec<NodeLine>> {
        Ok(parse::nodes(
            &self.command::<String>(&["CLUSTER", "NODES"]).await?,
        ))
    }

    /// `CLUSTER SLOTS`: what most clients read.
    pub async fn cluster_slots(&self) -> Result<Vec<SlotOwner>> {
        let answer: Value = self.command(&["CLUSTER", "SLOTS"]).await?;
        parse::slots(&answer).ok_or_else(|| {
            Error::new(
                ErrorKind::Redis,
                format!("{} answers CLUSTER SLOTS in an unknown form", self.address()),
            )
        })
    }

    /// The endpoints in `CLUSTER SHARDS`, with the port for connections such as this one.
    pub async fn cluster_shards(&self) -> Result<Vec<Endpoint>> {
        let answer: Value = self.command(&["CLUSTER", "SHARDS"]).await?;
        parse::shards(&answer, self.speaks_tls()).ok_or_else(|| {
            Error::new(
                ErrorKind::Redis,
                format!("{} answers CLUSTER SHARDS in an unknown form", self.address()),
            )
        })
    }

    /// The node's own id.
    pub async fn my_id(&self) -> Result<NodeId> {
        Ok(NodeId(self.command::<String>(&["CLUSTER", "MYID"]).await?))
    }

    /// Makes a replica the master of its shard at once, asking nobody. Only right while the cluster is
    /// new and empty.
    pub async fn take_over(&self) -> Result<()> {
        self.command::<String>(&["CLUSTER", "FAILOVER", "TAKEOVER"])
            .await
            .map(drop)
    }

    /// Asks for an orderly change of roles: the master stops writing until the replica has everything.
    pub async fn fail_over(&self) -> Result<()> {
        self.command::<String>(&["CLUSTER", "FAILOVER"]).await.map(drop)
    }

    /// Introduces nodes, all in one round trip. To a node that knows them already it is an announcement.
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

    /// Forgets nodes. Gossip cannot bring them back for a minute.
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

    /// Takes a range of slots and a configuration epoch, both on a node that has none.
    pub async fn own(&self, slots: SlotRange) -> Result<()> {
        let (first, last) = (slots.first.to_string(), slots.last.to_string());
        self.command::<String>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
            .await
            .map(drop)
    }

    /// Gives a new node its configuration epoch.
    pub async fn set_epoch(&self, epoch: u64) -> Result<()> {
        self.command::<String>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])
            .await
            .map(drop)
    }

    /// Makes the node a replica. Fails while the node does not yet know the master as such.
    pub async fn replicate(&self, master: &NodeId) -> Result<()> {
        self.command::<String>(&["CLUSTER", "REPLICATE", &master.0])
            .await
            .map(drop)
    }

    /// Sets configuration directives and writes them to the node's file.
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

    /// Sets a configuration directive in the running server alone.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        self.command::<String>(&["CONFIG", "SET", name, value])
            .await
            .map(drop)
    }

    /// The value of a configuration directive; empty when the server does not know it.
    pub async fn configured(&self, name: &str) -> Result<String> {
        let pairs: BTreeMap<String, String> = self.command(&["CONFIG", "GET", name]).await?;
        Ok(pairs.get(name).cloned().unwrap_or_default())
    }

    /// The server's clock, in milliseconds since 1970.
    pub async fn clock(&self) -> Result<u64> {
        let (seconds, micros): (u64, u64) = self.command(&["TIME"]).await?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// `INFO memory`, by field. It counts scripts and functions too.
    pub async fn memory(&self) -> Result<BTreeMap<String, String>> {
        Ok(parse::fields(&self.command::<String>(&["INFO", "memory"]).await?))
    }

    /// How many keys the node holds.
    pub async fn keys(&self) -> Result<u64> {
        self.command(&["DBSIZE"]).await
    }
}
