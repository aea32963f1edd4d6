//! Uses a cluster immediately after it is reported as ready.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use redis::cluster::ClusterClientBuilder;
use serde_json::Value;
use tokio::time::timeout;

use crate::subject::{Outcome, Reply, Wire};
use rcup::topology::slots::{SLOTS, slot_of};

/// The distance between two keys in slots: 2048 keys in all.
const STEP: u16 = 8;

/// The number of concurrent connections.
const TASKS: usize = 8;

/// The timeout of the whole burst.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keys in slots at equal distances.
pub struct Keys {
    all: Vec<String>,
}

impl Keys {
    /// Creates one key for each [`STEP`] slots.
    pub fn over_all_slots() -> Self {
        let mut all = vec![None; usize::from(SLOTS / STEP)];
        let mut missing = all.len();
        for number in 0_u64.. {
            let key = format!("soak:{number}");
            let place = &mut all[usize::from(slot_of(key.as_bytes()) / STEP)];
            if place.is_none() {
                *place = Some(key);
                missing -= 1;
            }
            if missing == 0 {
                break;
            }
        }
        Self {
            all: all.into_iter().flatten().collect(),
        }
    }
}

/// Writes and reads all keys through a cluster client, while and after every node is asked for all keys on a separate
/// connection. Returns the number of answered commands.
///
/// # Errors
/// The first answer that is neither the written value nor, from a single node, `MOVED`; a node whose cluster state is
/// not `ok`.
pub async fn use_all(report: &Value, keys: &Keys) -> Outcome<usize> {
    let nodes: Vec<String> = report["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node["advertised"].as_str().map(str::to_owned))
        .collect();
    if nodes.is_empty() {
        return Err("the report names no node".into());
    }
    let work = async {
        let (written, early) = try_join(through_client(&nodes, keys), each_node(&nodes, keys)).await?;
        let late = each_node(&nodes, keys).await?;
        if late.values != keys.all.len() {
            return Err(format!("{} of {} keys came back", late.values, keys.all.len()).into());
        }
        Ok(written + early.commands + late.commands)
    };
    timeout(PATIENCE, work)
        .await
        .map_err(|_| format!("not done after {} s", PATIENCE.as_secs()))?
}

/// Writes and reads every key without retries. A redirection means that the client got a wrong slot map, and is an
/// error.
async fn through_client(nodes: &[String], keys: &Keys) -> Outcome<usize> {
    let urls = nodes.iter().map(|address| format!("redis://{address}"));
    let client = &ClusterClientBuilder::new(urls).retries(0).build()?;
    let tasks = keys
        .all
        .chunks(keys.all.len().div_ceil(TASKS))
        .map(|chunk| async move {
            let mut connection = client.get_async_connection().await?;
            for key in chunk {
                let () = redis::cmd("SET")
                    .arg(key)
                    .arg(value(key))
                    .query_async(&mut connection)
                    .await
                    .map_err(|error| format!("SET {key} in slot {}: {error}", slot_of(key.as_bytes())))?;
            }
            for key in chunk {
                let read: Option<String> = redis::cmd("GET")
                    .arg(key)
                    .query_async(&mut connection)
                    .await
                    .map_err(|error| format!("GET {key} in slot {}: {error}", slot_of(key.as_bytes())))?;
                if read.as_ref() != Some(&value(key)) {
                    return Err(format!("GET {key} gave {read:?}").into());
                }
            }
            Outcome::Ok(2 * chunk.len())
        });
    Ok(try_join_all(tasks).await?.into_iter().sum())
}

/// The number of answers of the nodes.
#[derive(Default)]
struct Answered {
    commands: usize,
    values: usize,
}

/// Queries every key on every node.
async fn each_node(nodes: &[String], keys: &Keys) -> Outcome<Answered> {
    let each = try_join_all(nodes.iter().map(|address| node(address, keys))).await?;
    Ok(Answered {
        commands: each.iter().map(|answered| answered.commands).sum(),
        values: each.iter().map(|answered| answered.values).sum(),
    })
}

async fn node(address: &str, keys: &Keys) -> Outcome<Answered> {
    let to: SocketAddr = address.parse()?;
    let mut wire = Wire::open(to)
        .await
        .map_err(|error| format!("cannot connect to {address}: {error}"))?;
    // The first command on this connection.
    match wire.ask(&["CLUSTER", "INFO"]).await? {
        Reply::Text(info) if info.contains("cluster_state:ok") => {}
        other => return Err(format!("CLUSTER INFO from {address} gave {other:?}").into()),
    }
    let commands: Vec<[&str; 2]> = keys.all.iter().map(|key| ["GET", key]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(<[&str; 2]>::as_slice).collect();
    let mut answered = Answered::default();
    for (key, reply) in keys.all.iter().zip(wire.ask_all(&commands).await?) {
        answered.commands += 1;
        match reply {
            Reply::Text(text) if text == value(key) => answered.values += 1,
            // Not written yet.
            Reply::Nil => {}
            Reply::Error(error) if error.starts_with("MOVED ") => {}
            other => return Err(format!("GET {key} from {address} gave {other:?}").into()),
        }
    }
    Ok(answered)
}

fn value(key: &str) -> String {
    format!("value of {key}")
}
