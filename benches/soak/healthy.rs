//! Validates a healthy cluster repeatedly: no check may fail or warn, and no key may remain.

use std::time::{Duration, Instant};

use redis::cluster::ClusterClientBuilder;
use serde_json::Value;

use crate::subject::{Outcome, Subject, Wanted};
use crate::{PREFIX, Soaked};
use rcup::spec::profile::Profile;
use rcup::topology::slots::slot_of;

/// The number of keys that the background client writes.
const KEYS: usize = 64;

/// Validates a cluster of each image `rounds` times with each suite: a third of the rounds each without clients, with a
/// client that writes, and with TLS.
///
/// # Errors
/// The first alarm, or a remaining key.
pub async fn soak(subject: &Subject, images: &[Soaked], rounds: usize, deadline: Instant) -> Outcome<()> {
    for (nth, image) in images.iter().enumerate() {
        for (way, writes, tls) in [
            ("alone", false, false),
            ("writes", true, false),
            ("tls", false, true),
        ] {
            let wanted = Wanted {
                name: format!("{PREFIX}healthy-{nth}-{way}"),
                image: image.reference.clone(),
                masters: 3,
                replicas: 1,
                formation: None,
                tls,
                profile: Profile::default(),
            };
            let report = subject.up(&wanted).await?.report;
            let begun = Instant::now();
            let validations = many(subject, &wanted.name, rounds.div_ceil(3), deadline);
            let done = if writes {
                tokio::select! {
                    done = validations => done?,
                    ended = write(&report) => return Err(format!("the client in the background has ended: {ended:?}").into()),
                }
            } else {
                validations.await?
            };
            if !tls {
                empty(&report).await?;
            }
            println!(
                "{:<20} {way:<7} {done} rounds of smoke and of standard without an alarm, in {:.0} s",
                image.reference.as_deref().unwrap_or("rcup's choice"),
                begun.elapsed().as_secs_f64()
            );
            subject.down(&wanted.name).await?;
        }
    }
    Ok(())
}

async fn many(subject: &Subject, name: &str, rounds: usize, deadline: Instant) -> Outcome<usize> {
    for round in 0..rounds {
        if Instant::now() >= deadline {
            return Err(format!(
                "{} of {rounds} rounds were left when the time was up",
                rounds - round
            )
            .into());
        }
        for suite in ["smoke", "standard"] {
            subject
                .validate(name, suite)
                .await
                .map_err(|error| format!("round {}: {error}", round + 1))?;
        }
    }
    Ok(rounds)
}

fn addresses(report: &Value) -> Vec<String> {
    let nodes = report["nodes"].as_array().into_iter().flatten();
    nodes
        .filter_map(|node| {
            node["advertised"]
                .as_str()
                .map(|address| format!("redis://{address}"))
        })
        .collect()
}

/// Writes and deletes keys until it is dropped; returns only with an error.
async fn write(report: &Value) -> Outcome<()> {
    let client = ClusterClientBuilder::new(addresses(report)).build()?;
    let mut connection = client.get_async_connection().await?;
    for nth in (0..KEYS).cycle() {
        let key = format!("soak:background:{nth}");
        let set: redis::RedisResult<()> = redis::cmd("SET")
            .arg(&key)
            .arg(nth)
            .query_async(&mut connection)
            .await;
        set.map_err(|error| format!("SET {key} in slot {}: {error}", slot_of(key.as_bytes())))?;
        let _: u64 = redis::cmd("DEL").arg(&key).query_async(&mut connection).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Fails if a node has a key, except one that the background client is using.
async fn empty(report: &Value) -> Outcome<()> {
    for url in addresses(report) {
        let mut connection = redis::Client::open(url.as_str())?
            .get_multiplexed_async_connection()
            .await?;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
        let left: Vec<&String> = keys
            .iter()
            .filter(|key| !key.starts_with("soak:background:"))
            .collect();
        if !left.is_empty() {
            return Err(format!("{url} has keys left: {left:?}").into());
        }
    }
    Ok(())
}
