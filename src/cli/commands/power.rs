//! `rcup stop`, `rcup start` and `rcup restart`: with confirmation where
//! keys would be lost.

use std::collections::BTreeSet;
use std::io::Write as _;

use serde_json::json;

use crate::cli::args::{Restart, StartArgs, Stop};
use crate::cli::commands::chosen::Chosen;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::interrupt;
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::{Terminal, count, json};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::lifecycle::options::UpOptions;
use crate::lifecycle::power::Data;
use crate::spec::name::ClusterName;

pub async fn stop(args: Stop, terminal: &Terminal) -> Outcome {
    let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
    let data = attached.data().await;
    if !data.persistent && !data.is_nothing() && !args.yes {
        consent(&args.name, data, "stopping it", terminal)?;
    }
    let progress = Progress::new(terminal);
    let stopped = attached.stop(&*progress).await;
    progress.stop();
    let stopped = stopped?;
    if terminal.is_json() {
        json::print(terminal, &json!({ "name": args.name, "stopped": stopped }))?;
    } else if stopped.is_empty() {
        terminal.say(&format!("cluster {} is already stopped", args.name));
    } else if !terminal.quiet {
        writeln!(
            terminal.out(),
            "stopped cluster {}: {}; start it again with `rcup start {}`",
            args.name,
            count(stopped.len(), "node"),
            args.name
        )?;
    }
    Ok(Exit::DONE)
}

pub async fn start(args: StartArgs, terminal: &Terminal) -> Outcome {
    let docker = engine(terminal).await?;
    let attached = Cluster::attach(docker.clone(), &args.name).await?;
    let spec = attached.topology().spec.clone();
    let progress = Progress::new(terminal);
    let options = UpOptions::default()
        .timeout(args.timeout)
        .cancel(interrupt::token(terminal, spec.name()))
        .observer(progress.clone());
    let started = Box::pin(Cluster::up(docker, &spec, &options)).await;
    progress.stop();
    let mut cluster = started?;
    cluster.keep();
    let report = cluster.report();
    if terminal.is_json() {
        json::print(terminal, &report)?;
    } else if !terminal.quiet {
        writeln!(
            terminal.out(),
            "cluster {} is running and ready: {}",
            report.name,
            count(report.nodes.len(), "node")
        )?;
    }
    Ok(Exit::DONE)
}

pub async fn restart(args: Restart, terminal: &Terminal) -> Outcome {
    let mut indices = BTreeSet::new();
    let mut attached = None;
    for selector in args.node {
        let chosen = Chosen::find(&args.name, selector, terminal).await?;
        indices.extend(chosen.nodes.iter().map(|node| node.index));
        attached = Some(chosen.attached);
    }
    let Some(attached) = attached else {
        return Err(Error::new(ErrorKind::Usage, "no node is selected").into());
    };
    let indices: Vec<usize> = indices.into_iter().collect();
    if attached.restart_loses_keys(&indices) && !args.yes {
        let data = attached.data().await;
        if !data.is_nothing() {
            consent(&args.name, data, "restarting its masters", terminal)?;
        }
    }
    let progress = Progress::new(terminal);
    let restarted = attached.restart(&indices, args.timeout, &*progress).await;
    progress.stop();
    restarted?;
    if terminal.is_json() {
        let names: Vec<String> = indices.iter().map(|index| args.name.container(*index)).collect();
        json::print(terminal, &json!({ "name": args.name, "restarted": names }))?;
    } else if !terminal.quiet {
        writeln!(
            terminal.out(),
            "restarted {} of cluster {}; it is ready",
            count(indices.len(), "node"),
            args.name
        )?;
    }
    Ok(Exit::DONE)
}

/// Asks whether the keys may be deleted; without a terminal, the answer is no.
fn consent(name: &ClusterName, data: Data, doing: &str, terminal: &Terminal) -> Result<(), Failure> {
    let holds = holds(name, data);
    if terminal.confirm(&format!("{holds} in memory only; {doing} loses them. Continue?"))? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("{holds} in memory only; {doing} loses them"),
    )
    .hint("Pass --yes to discard them. A cluster started with --persist keeps its keys.")
    .into())
}

/// Describes how many keys the cluster holds.
pub fn holds(name: &ClusterName, data: Data) -> String {
    match data.keys {
        Some(keys) => format!("cluster {name} holds {}", count_of_keys(keys)),
        None => format!("cluster {name} may hold keys (not all of its masters answer)"),
    }
}

fn count_of_keys(keys: u64) -> String {
    if keys == 1 {
        "1 key".to_owned()
    } else {
        format!("{keys} keys")
    }
}
