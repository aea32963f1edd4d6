//! `rcup down`: removes clusters, by their labels alone.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::args::Down;
use crate::cli::commands::power::holds;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::{Terminal, count, error, json};
use crate::cluster;
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::ownership::rollback::Removed;
use crate::runtime::docker::client::Docker;
use crate::spec::name::ClusterName;

/// Removed objects of one cluster.
#[derive(Serialize)]
struct Gone {
    name: ClusterName,
    #[serde(flatten)]
    removed: Removed,
}

pub async fn run(args: Down, terminal: &Terminal) -> Outcome {
    let engine = engine(terminal).await?;
    let names = if args.all {
        cluster::list::list(&engine)
            .await?
            .into_iter()
            .map(|listed| listed.name)
            .collect()
    } else if args.names.is_empty() {
        vec![ClusterName::default()]
    } else {
        args.names
    };
    let progress = Progress::without_notes(terminal);
    let mut all = Vec::new();
    let mut failure: Option<Error> = None;
    // A failed removal must not stop the others.
    for name in names {
        let allowed = if args.keep_volumes || args.volumes {
            Ok(())
        } else {
            consent(&engine, &name, terminal).await
        };
        let removed = match allowed {
            Ok(()) => cluster::handle::down(&engine, &name, args.keep_volumes, &*progress).await,
            Err(error) => Err(error),
        };
        progress.stop();
        match removed {
            Ok(removed) => {
                let gone = Gone { name, removed };
                if !terminal.is_json() && !terminal.quiet {
                    tell(terminal, &gone)?;
                }
                all.push(gone);
            }
            Err(next) => {
                if let Some(earlier) = failure.replace(next) {
                    error::tell(&earlier, terminal.is_json());
                }
            }
        }
    }
    if terminal.is_json() {
        json::print_named(terminal, "removed", &all)?;
    } else if all.is_empty() && failure.is_none() {
        terminal.say("no clusters");
    }
    failure.map_or(Ok(Exit::DONE), |failure| Err(failure.into()))
}

/// Checks whether the data on a cluster's volumes may be deleted: if there is none, or the user agrees.
async fn consent(engine: &Docker, name: &ClusterName, terminal: &Terminal) -> Result<(), Error> {
    let attached = match Cluster::attach(engine.clone(), name).await {
        Ok(attached) => attached,
        // If there is no cluster or its labels are unreadable, the remaining objects hold no data.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let data = attached.data().await;
    if !data.persistent || data.is_nothing() {
        return Ok(());
    }
    let holds = holds(name, data);
    let asked = terminal.confirm(&format!("{holds} on its volumes. Delete the volumes too?"));
    if asked.is_ok_and(|yes| yes) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("{holds} on its volumes: nothing was removed"),
    )
    .hint(format!(
        "`rcup down {name} --volumes` deletes the volumes too; `rcup down {name} --keep-volumes` keeps them for the \
             next `rcup up {name} --persist`."
    )))
}

fn tell(terminal: &Terminal, gone: &Gone) -> Result<(), Failure> {
    let mut out = terminal.out();
    let Gone { name, removed } = gone;
    if removed.is_nothing() {
        writeln!(out, "nothing to remove: no cluster named {name}")?;
        return Ok(());
    }
    let parts: Vec<String> = [
        (removed.containers, "container"),
        (removed.networks, "network"),
        (removed.volumes, "volume"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, thing)| count(number, thing))
    .collect();
    writeln!(out, "removed cluster {name}: {}", parts.join(", "))?;
    Ok(())
}
