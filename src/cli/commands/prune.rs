//! `rcup prune`: removes orphaned and expired clusters.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::args::Prune;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::{Terminal, count, json};

pub async fn run(args: Prune, terminal: &Terminal) -> Outcome {
    let engine = engine(terminal).await?;
    if let Some(name) = &args.when_gone {
        crate::lifecycle::prune::prune_when_gone(&engine, name).await?;
        return Ok(Exit::DONE);
    }
    if args.dry_run {
        let found = crate::lifecycle::prune::prunable(&engine).await?;
        let lines = found
            .iter()
            .map(|one| format!("would remove cluster {}: {}", one.name, one.cause));
        return tell(terminal, "prunable", &found, lines.collect());
    }
    let progress = Progress::without_notes(terminal);
    let swept = crate::lifecycle::prune::prune(&engine, &*progress).await;
    progress.stop();
    let swept = swept?;
    let lines = swept.iter().map(|one| {
        let leftover = &one.leftover;
        let containers = count(one.removed.containers, "container");
        format!(
            "removed cluster {}: {}; {containers}",
            leftover.name, leftover.cause
        )
    });
    tell(terminal, "pruned", &swept, lines.collect())
}

fn tell<T: Serialize>(terminal: &Terminal, what: &'static str, all: &[T], lines: Vec<String>) -> Outcome {
    if terminal.is_json() {
        json::print_named(terminal, what, &all)?;
    } else if lines.is_empty() {
        terminal.say("nothing to prune");
    } else if !terminal.quiet {
        let mut out = terminal.out();
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    Ok(Exit::DONE)
}
