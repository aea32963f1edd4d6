//! `rcup validate`: runs the check suites.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::checks::catalogue::Selection;
use crate::checks::finding::Status;
use crate::checks::options::SuiteOptions;
use crate::checks::suite::validation::Validation;
use crate::cli::args::validate::{Report, ReportForm, Validate};
use crate::cli::commands::entry;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::signals::Signals;
use crate::cli::terminal::{Terminal, checks, columns, count, json};
use crate::cluster::handle::Cluster;
use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::report::html::html;
use crate::report::junit::junit;
use crate::report::markdown::markdown;
use crate::report::timeline::{timeline, told_apart};
use crate::report::times::failover_table;

/// The validated cluster.
enum Subject {
    Own(Box<Attached>),
    Foreign(Box<Endpoint>),
}

impl Subject {
    async fn find(args: &Validate, terminal: &Terminal) -> Result<Self, Failure> {
        if args.foreign.endpoint.is_empty() {
            let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
            attached.within_reach().await?;
            return Ok(Self::Own(Box::new(attached)));
        }
        let addresses = entry::addresses(&args.foreign.endpoint)?;
        let access = entry::access(&args.foreign.entry)?;
        Ok(Self::Foreign(Box::new(
            Endpoint::enter_at(&addresses, &access).await?,
        )))
    }

    /// Reconnects for another round: a failover or a failure may have changed the connections. Keeps the node
    /// list of an endpoint, so that unreachable nodes are reported.
    async fn again(&self, args: &Validate, terminal: &Terminal) -> Result<Self, Failure> {
        match self {
            Self::Own(_) => Self::find(args, terminal).await,
            Self::Foreign(endpoint) => Ok(Self::Foreign(Box::new(endpoint.again().await))),
        }
    }

    async fn validate(&self, options: &SuiteOptions) -> Validation {
        match self {
            Self::Own(attached) => attached.validate_with(options).await,
            Self::Foreign(endpoint) => endpoint.validate(options).await,
        }
    }
}

pub async fn run(args: Validate, terminal: &Terminal) -> Outcome {
    let choice = &args.choice;
    let selection = Selection::new(choice.suite.into(), choice.only.clone(), choice.skip.clone())?;
    for report in &args.report {
        place(report)?;
    }
    let may_write = args.foreign.endpoint.is_empty() || args.foreign.write;
    if selection.destroys() && may_write && !args.yes {
        agree(&args, terminal)?;
    }
    let mut signals = Signals::new()?;
    let cancel = CancellationToken::new();
    let notes = terminal.clone();
    let options = SuiteOptions::default()
        .selection(selection)
        .thresholds(choice.latency_threshold.clone())
        .write(may_write)
        .cancel(cancel.clone())
        .observer(Arc::new(move |event: &Event| {
            if let Event::Note { message } = event {
                notes.say(message);
            }
        }));
    if let Some(interval) = args.watch {
        return watch(&args, &options, interval, &mut signals, terminal).await;
    }
    let rounds = rounds(&args, &options, terminal);
    tokio::pin!(rounds);
    let outcome = tokio::select! {
        outcome = &mut rounds => outcome,
        () = signals.next() => {
            cancel.cancel();
            terminal.say("interrupted, restoring the cluster (Ctrl-C again to exit immediately)");
            tokio::select! {
                outcome = &mut rounds => outcome,
                () = signals.next() => Err(Error::new(ErrorKind::Interrupted, "validation was interrupted").into()),
            }
        }
    }?;
    show(&outcome, terminal)?;
    write(&args.report, &outcome)?;
    Ok(Exit::healthy(outcome.passed))
}

/// Runs all rounds and merges their results.
async fn rounds(args: &Validate, options: &SuiteOptions, terminal: &Terminal) -> Result<Validation, Failure> {
    let mut subject = Subject::find(args, terminal).await?;
    let mut all = subject.validate(options).await;
    for round in 1..usize::try_from(args.repeat).unwrap_or(1) {
        if options.cancel.is_cancelled() {
            break;
        }
        subject = subject.again(args, terminal).await?;
        all = all.followed_by(subject.validate(&options.clone().round(round)).await);
    }
    Ok(all)
}

/// Repeats rounds until a signal arrives. The exit code is that of the last round.
async fn watch(
    args: &Validate,
    options: &SuiteOptions,
    interval: Duration,
    signals: &mut Signals,
    terminal: &Terminal,
) -> Outcome {
    let mut exit = Exit::DONE;
    let mut known: Option<Subject> = None;
    for round in 0.. {
        let before = known.take();
        let turn = async {
            let subject = match &before {
                None => Subject::find(args, terminal).await?,
                Some(known) => known.again(args, terminal).await?,
            };
            let outcome = subject.validate(&options.clone().round(round)).await;
            Ok::<_, Failure>((subject, outcome))
        };
        tokio::pin!(turn);
        let (subject, outcome) = tokio::select! {
            outcome = &mut turn => outcome?,
            () = signals.next() => {
                options.cancel.cancel();
                turn.await?;
                return Ok(exit);
            }
        };
        known = Some(subject);
        exit = Exit::healthy(outcome.passed);
        show(&outcome, terminal)?;
        write(&args.report, &outcome)?;
        if tokio::time::timeout(interval, signals.next()).await.is_ok() {
            break;
        }
    }
    Ok(exit)
}

fn show(outcome: &Validation, terminal: &Terminal) -> Result<(), Failure> {
    if terminal.is_json() {
        return json::print(terminal, outcome);
    }
    let mut out = terminal.out();
    out.write_all(checks::text(&outcome.checks, outcome.rounds, terminal.verbose, columns()).as_bytes())?;
    if outcome.rounds > 1 {
        for times in &outcome.failover_times {
            write!(out, "\n{}", failover_table(times))?;
        }
    }
    for failover in told_apart(&outcome.failovers) {
        write!(out, "\n{}", timeline(failover, columns().unwrap_or(100)))?;
    }
    let name = &outcome.cluster;
    let all = count(outcome.checks.len() - outcome.count(Status::Skip), "check");
    let counted = |status: Status, word: &str| match outcome.count(status) {
        0 => String::new(),
        number => format!(", {number} {word}"),
    };
    let rounds = match outcome.rounds {
        1 => String::new(),
        several => format!(" in {several} rounds"),
    };
    let rest = counted(Status::Warn, "with a warning") + &counted(Status::Skip, "skipped");
    if outcome.passed {
        writeln!(out, "\ncluster {name} passes {all}{rounds}{rest}")?;
    } else {
        let failed = outcome.count(Status::Fail);
        writeln!(out, "\ncluster {name} fails {failed} of {all}{rounds}{rest}")?;
    }
    Ok(())
}

/// Returns an error before the checks if a report cannot be written after them.
fn place(report: &Report) -> Result<(), Error> {
    let folder = report
        .file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Err(Error::new(
            ErrorKind::Usage,
            format!("directory {} for the report does not exist", folder.display()),
        )
        .hint(format!("Create it: `mkdir -p {}`.", folder.display()))),
        _ => Ok(()),
    }
}

fn write(reports: &[Report], outcome: &Validation) -> Result<(), Error> {
    for report in reports {
        let text = match report.form {
            ReportForm::Junit => junit(outcome),
            ReportForm::Html => html(outcome),
            ReportForm::Markdown => markdown(outcome),
        };
        std::fs::write(&report.file, text).map_err(|error| {
            Error::new(
                ErrorKind::Io,
                format!("cannot write the report {}", report.file.display()),
            )
            .because(error)
            .hint("Choose a file in a writable directory.")
        })?;
    }
    Ok(())
}

/// Asks for confirmation on a terminal; otherwise returns an error with a hint.
fn agree(args: &Validate, terminal: &Terminal) -> Result<(), Failure> {
    let what = match args.foreign.endpoint.as_slice() {
        [] => args.name.to_string(),
        several => several.join(", "),
    };
    let refused = || {
        Error::new(
            ErrorKind::Usage,
            format!("the failover checks stop masters of {what} temporarily and need confirmation"),
        )
        .hint("Confirm with --yes, or skip them with `--skip failover`.")
    };
    if terminal.is_json() || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused().into());
    }
    terminal.ask(&format!(
        "The masters of {what} will be stopped one after the other: writes to their slots fail \
         meanwhile, and some may be lost. Continue? [y/N] "
    ))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(refused().into())
    }
}
