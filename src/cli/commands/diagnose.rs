//! `rcup diagnose`: finds what is wrong with a cluster and how to fix it.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::checks::diagnose::finding::{Action, Diagnosis, Finding};
use crate::checks::finding::Status;
use crate::cli::args::diagnose::Diagnose;
use crate::cli::commands::{archive, entry};
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::{Terminal, columns, count, diagnosis, json};
use crate::cluster::handle::Cluster;
use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Maximum number of diagnosis rounds: one repair may reveal another problem.
const ROUNDS: usize = 8;

/// JSON output.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
    /// Actions of `--fix`; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<&'a [Fixed]>,
}

/// One action.
#[derive(Serialize)]
struct Fixed {
    /// Id of the finding.
    id: &'static str,
    action: String,
    done: bool,
    /// The error, if it failed.
    error: Option<String>,
}

/// The diagnosed cluster.
enum Subject {
    Own(Box<Attached>),
    Foreign(Box<Endpoint>),
}

impl Subject {
    async fn find(args: &Diagnose, terminal: &Terminal) -> Result<Self, Failure> {
        let endpoints = &args.foreign.endpoint;
        if endpoints.is_empty() {
            let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
            attached.within_reach().await?;
            return Ok(Self::Own(Box::new(attached)));
        }
        let addresses = entry::addresses(endpoints)?;
        let access = entry::access(&args.foreign.entry)?;
        Ok(Self::Foreign(Box::new(
            Endpoint::look_at(&addresses, &access).await,
        )))
    }

    async fn diagnose(&self) -> Diagnosis {
        match self {
            Self::Own(attached) => attached.diagnose().await,
            Self::Foreign(endpoint) => endpoint.diagnose().await,
        }
    }

    /// Returns the directory in the archive, and the files.
    async fn bundle(&self) -> (String, Vec<(String, String)>) {
        match self {
            Self::Own(attached) => (
                format!("rcup-{}", attached.topology().name()),
                attached.bundle().await,
            ),
            Self::Foreign(endpoint) => ("rcup-endpoint".to_owned(), endpoint.bundle().await),
        }
    }

    async fn treat(&self, action: &Action) -> Result<(), Error> {
        match self {
            Self::Own(attached) => attached.treat(action).await,
            Self::Foreign(endpoint) => endpoint.treat(action).await,
        }
    }

    async fn after(&self, treated: &[Finding]) -> Result<Diagnosis, Error> {
        match self {
            Self::Own(attached) => attached.after(treated).await,
            Self::Foreign(endpoint) => endpoint.after(treated).await,
        }
    }
}

pub async fn run(args: Diagnose, terminal: &Terminal) -> Outcome {
    let somebody = !terminal.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if args.fix && !args.yes && !somebody {
        return Err(
            Error::new(ErrorKind::Usage, "cannot ask for confirmation without a terminal")
                .hint("Add --yes to apply all repairs without asking, or omit --fix to list them.")
                .into(),
        );
    }
    let subject = Subject::find(&args, terminal).await?;
    let mut found = subject.diagnose().await;
    // Write the archive before any change, so that it shows the fault.
    if let Some(path) = &args.bundle {
        let (folder, files) = subject.bundle().await;
        archive::write(path, &folder, &files)?;
        terminal.say(&format!("{} in {}", count(files.len(), "file"), path.display()));
    }
    let mut fixed = None;
    if args.fix {
        let (left, done) = Box::pin(fix(&subject, found, args.yes, terminal)).await?;
        found = left;
        fixed = Some(done);
    }
    if terminal.is_json() {
        let told = Told {
            diagnosis: &found,
            fixed: fixed.as_deref(),
        };
        json::print(terminal, &told)?;
    } else {
        human(&found, args.fix, terminal)?;
    }
    Ok(Exit::healthy(found.healthy))
}

fn human(found: &Diagnosis, fixing: bool, terminal: &Terminal) -> Result<(), Failure> {
    let mut out = terminal.out();
    out.write_all(diagnosis::text(found, columns()).as_bytes())?;
    let name = &found.cluster;
    let number = |status: Status| {
        found
            .findings
            .iter()
            .filter(|finding| finding.status == status)
            .count()
    };
    match (number(Status::Fail), number(Status::Warn)) {
        (0, 0) => writeln!(out, "no problems found in cluster {name}")?,
        (0, warnings) => writeln!(
            out,
            "\nno failures in cluster {name}, {}",
            count(warnings, "warning")
        )?,
        (wrong, _) => writeln!(out, "\n{} in cluster {name}", count(wrong, "finding"))?,
    }
    let fixable = found
        .findings
        .iter()
        .filter(|finding| finding.is_fixable())
        .count();
    if fixable > 0 && !fixing {
        terminal.say(&format!(
            "run again with --fix to repair {fixable} of them (asks before each action)"
        ));
    }
    Ok(())
}

/// Applies repairs, asking before each, until there are no more or none succeeds.
async fn fix(
    subject: &Subject,
    mut found: Diagnosis,
    yes: bool,
    terminal: &Terminal,
) -> Result<(Diagnosis, Vec<Fixed>), Failure> {
    let mut all: Vec<Fixed> = Vec::new();
    for _ in 0..ROUNDS {
        // Propose each action only once.
        let tried = |action: &Action| all.iter().any(|done| done.action == action.to_string());
        let next: Vec<Finding> = found
            .treatable()
            .into_iter()
            .filter(|finding| finding.actions.iter().any(|action| !tried(action)))
            .cloned()
            .collect();
        let mut acted = false;
        for finding in &next {
            terminal.say(&format!("{}: {}", finding.id, finding.what));
            for action in &finding.actions {
                let done = one(subject, finding, action, yes, terminal).await?;
                acted |= done.done;
                all.push(done);
            }
        }
        if !acted {
            break;
        }
        found = subject.after(&next).await?;
    }
    if all.is_empty() {
        terminal.say("rcup has no repair for these findings");
    }
    Ok((found, all))
}

async fn one(
    subject: &Subject,
    finding: &Finding,
    action: &Action,
    yes: bool,
    terminal: &Terminal,
) -> Result<Fixed, Failure> {
    let mut told = Fixed {
        id: finding.id,
        action: action.to_string(),
        done: false,
        error: None,
    };
    if yes {
        terminal.say(&format!("  {action}"));
    } else if !terminal.confirm(&format!("  {action}?"))? {
        return Ok(told);
    }
    match subject.treat(action).await {
        Ok(()) => told.done = true,
        Err(error) => {
            let causes = error.causes().join(": ");
            let message = format!("{action}: {error}: {causes}");
            terminal.warn(&message);
            told.error = Some(message);
        }
    }
    Ok(told)
}
