//! Load like that of `redis-benchmark -t set,get --cluster`: many clients, each with one command in flight,
//! distributed over all masters.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::checks::latency::judge::NodeLatency;
use crate::checks::masters::{Master, key, millis};
use crate::checks::suite::clients::KEY_LIFE;
use crate::checks::suite::validation::{LoadFrom, Throughput};
use crate::server::wire::connection::NodeConnection;

/// Total number of clients.
const CLIENTS: usize = 50;

/// Duration of the measurement for each command.
const TIME: Duration = Duration::from_secs(1);

/// The size of a value, in bytes.
const VALUE: usize = 64;

/// One client: its connection and its key.
struct Client {
    link: NodeConnection,
    key: String,
}

/// Runs SET, then GET, for a second each. `Err` contains the node on which it failed, and the error.
pub(crate) async fn load(masters: &[Master<'_>]) -> Result<Vec<Throughput>, String> {
    if masters.is_empty() {
        return Ok(Vec::new());
    }
    let opened = join_all((0..CLIENTS).map(|nth| async move {
        let master = &masters[nth % masters.len()];
        let link = master.link.elsewhere(master.link.address()).await;
        link.map(|link| Client {
            link,
            key: key(master.tag(), &format!("load:{nth}")),
        })
        .map_err(|error| format!("{}: {}", master.name, error.reason()))
    }))
    .await;
    let clients: Vec<Client> = opened.into_iter().collect::<Result<_, _>>()?;
    let measured = measured(&clients).await;
    // Delete the keys also after a failure.
    join_all(clients.iter().map(|client| async {
        client.link.said(&["DEL", &client.key]).await;
    }))
    .await;
    measured
}

/// Measures each command under load, one after the other.
async fn measured(clients: &[Client]) -> Result<Vec<Throughput>, String> {
    let value = "x".repeat(VALUE);
    let mut all = Vec::new();
    for command in ["SET", "GET"] {
        let begun = Instant::now();
        let measured = join_all(clients.iter().map(|client| one(client, command, &value, begun))).await;
        let ms = millis(begun).max(1);
        let measured: Vec<Vec<u64>> = measured.into_iter().collect::<Result<_, _>>()?;
        let micros: Vec<u64> = measured.into_iter().flatten().collect();
        let commands = micros.len() as u64;
        all.push(Throughput {
            command: command.to_owned(),
            from: LoadFrom::Host,
            program: "rcup".to_owned(),
            commands,
            ms,
            per_second: commands.saturating_mul(1000) / ms,
            clients: CLIENTS,
            latency: NodeLatency::of("all masters", &micros),
        });
    }
    Ok(all)
}

/// Returns the response times of one client, in microseconds.
async fn one(client: &Client, command: &str, value: &str, begun: Instant) -> Result<Vec<u64>, String> {
    let words: &[&str] = match command {
        "SET" => &["SET", &client.key, value, "PX", KEY_LIFE],
        _ => &["GET", &client.key],
    };
    let wanted = if command == "SET" { "OK" } else { value };
    let mut micros = Vec::new();
    while begun.elapsed() < TIME {
        let sent = Instant::now();
        let answer = client.link.said(words).await;
        if answer != wanted {
            return Err(format!("{}: {command} returns `{answer}`", client.link.address()));
        }
        micros.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(micros)
}
