//! `rcup reset`: resets a cluster between tests.

use std::io::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::cli::args;
use crate::cli::commands::power::holds;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::{Terminal, duration, json};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::lifecycle::reset::run::Reset;
use crate::spec::name::ClusterName;

/// JSON output.
#[derive(Serialize)]
struct Done {
    name: ClusterName,
    #[serde(flatten)]
    reset: Reset,
}

pub async fn run(args: args::Reset, terminal: &Terminal) -> Outcome {
    let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
    // Ask only about keys on volumes; in-memory keys are test data.
    if attached.topology().spec.persist() && !args.yes {
        let data = attached.data().await;
        if !data.is_nothing() {
            let holds = holds(&args.name, data);
            consent(&holds, terminal)?;
        }
    }
    let reset = attached.reset(None).await?;
    let done = Done {
        name: args.name,
        reset,
    };
    if terminal.is_json() {
        json::print(terminal, &done)?;
    } else if !terminal.quiet {
        let mut out = terminal.out();
        for what in &done.reset.mended {
            writeln!(out, "· {what}")?;
        }
        writeln!(
            out,
            "{} cluster {} reset in {}",
            "✓".green(),
            done.name.bold(),
            duration(done.reset.ms)
        )?;
    }
    Ok(Exit::DONE)
}

/// Asks whether the keys may be deleted; without a terminal, the answer is no.
fn consent(holds: &str, terminal: &Terminal) -> Result<(), Failure> {
    let question = format!("{holds} on its volumes; a reset deletes them. Continue?");
    if terminal.confirm(&question).is_ok_and(|yes| yes) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("{holds} on its volumes: nothing was reset"),
    )
    .hint("Pass --yes to delete them.")
    .into())
}
