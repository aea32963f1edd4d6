//! `rcup validate`: the checks, against a cluster that runs.

use std::io::Write as _;

use rcup::Cluster;
use rcup::check::{Check, Status, all_passed};
use serde::Serialize;

use super::engine;
use crate::cli::args::Named;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, checks, columns, count, json};

/// The outcome in JSON.
#[derive(Serialize)]
struct Validation<'a> {
    passed: bool,
    checks: &'a [Check],
}

pub async fn run(args: Named, terminal: &Terminal) -> Outcome {
    let attached = Cluster::attach(engine().await?, &args.name).await?;
    let found = attached.validate().await;
    let passed = all_passed(&found);
    if terminal.is_json() {
        json::print(
            terminal,
            &Validation {
                passed,
                checks: &found,
            },
        )?;
    } else {
        let failed = found.iter().filter(|check| check.status == Status::Fail).count();
        let mut out = terminal.out();
        out.write_all(checks::text(&found, terminal.verbose, columns()).as_bytes())?;
        let name = &args.name;
        if passed {
            writeln!(out, "\ncluster {name} passes {}", count(found.len(), "check"))?;
        } else {
            writeln!(
                out,
                "\ncluster {name} fails {failed} of {}",
                count(found.len(), "check")
            )?;
        }
    }
    Ok(Exit::healthy(passed))
}
