//! `rcup doctor`: checks the host and prints fixes.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use futures_util::FutureExt as _;
use serde::Serialize;

use crate::cli::args::Doctor;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::signals::Signals;
use crate::cli::terminal::{Terminal, columns, count, findings, json};
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::doctor::gather::apply::{Mended, mend};
use crate::doctor::gather::engines::engines;
use crate::doctor::gather::examine::{Look, examine};
use crate::doctor::script::script;
use crate::error::{Error, ErrorKind};
use crate::runtime::docker::client::Docker;
use crate::spec::cluster::ClusterSpec;

/// JSON output.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
    profile: &'static str,
    nodes: usize,
    /// Changes of `--fix`; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<Vec<Fixed>>,
}

/// One change.
#[derive(Serialize)]
struct Fixed {
    id: &'static str,
    commands: Vec<String>,
    done: bool,
    /// The error, if it failed.
    error: Option<String>,
}

pub async fn run(args: Doctor, terminal: &Terminal) -> Outcome {
    let spec = args.spec.build("default".parse()?)?;
    let look = Look::of(spec.profile()).deep(args.deep);
    if args.fix && !args.yes && !std::io::stdin().is_terminal() {
        return Err(
            Error::new(ErrorKind::Usage, "cannot ask for confirmation without a terminal")
                .hint("Add --yes to apply all fixes without asking, or print the commands with --script.")
                .into(),
        );
    }
    let mut signals = Signals::new()
        .map_err(|error| Error::new(ErrorKind::Io, "cannot listen for signals").because(error))?;
    let mut diagnosis = look_at(&spec, look, &mut signals).await?;
    if args.script {
        write!(terminal.out(), "{}", script(&diagnosis))?;
        return Ok(Exit::DONE);
    }
    let mut fixed = None;
    if args.fix {
        fixed = Some(fix(&diagnosis, args.yes, &mut signals, terminal).await?);
        diagnosis = look_at(&spec, look, &mut signals).await?;
    }
    if terminal.is_json() {
        let told = Told {
            diagnosis: &diagnosis,
            profile: look.profile.as_str(),
            nodes: spec.nodes(),
            fixed,
        };
        json::print(terminal, &told)?;
    } else {
        human(&diagnosis, &spec, look, terminal)?;
    }
    Ok(Exit::ready(diagnosis.fit))
}

/// Gathers the facts. A signal is handled only afterwards, when the probe container has been removed.
async fn look_at(spec: &ClusterSpec, look: Look, signals: &mut Signals) -> Result<Diagnosis, Error> {
    let diagnosis = examine(Docker::find(), engines(), spec, look).await;
    match signals.next().now_or_never() {
        Some(()) => Err(interrupted()),
        None => Ok(diagnosis),
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "doctor was interrupted")
}

fn human(diagnosis: &Diagnosis, spec: &ClusterSpec, look: Look, terminal: &Terminal) -> Result<(), Failure> {
    let mut out = terminal.out();
    if !terminal.quiet {
        let text = findings::text(diagnosis, terminal.verbose, columns());
        writeln!(out, "{text}")?;
    }
    let what = format!("{} with profile {}", count(spec.nodes(), "node"), look.profile);
    let (failed, warned) = (diagnosis.count(Severity::Fail), diagnosis.count(Severity::Warn));
    match (failed, warned) {
        (0, 0) => writeln!(out, "this host meets the requirements of {what}")?,
        (0, _) => writeln!(
            out,
            "this host meets the requirements of {what}, {}",
            count(warned, "warning")
        )?,
        _ => writeln!(
            out,
            "this host does not meet the requirements of {what}: {}, {}",
            count(failed, "failure"),
            count(warned, "warning")
        )?,
    }
    let fixable = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.fixable)
        .count();
    if fixable > 0 {
        terminal.say(&format!(
            "run `rcup doctor --fix` to apply {} (asks first), or `rcup doctor --script` to print the commands",
            count(fixable, "change")
        ));
    }
    if !diagnosis.skipped.is_empty() && !terminal.verbose {
        terminal.say(&format!(
            "{} could not be checked: run `rcup doctor --verbose`",
            count(diagnosis.skipped.len(), "thing")
        ));
    }
    Ok(())
}

/// Applies the fixes, asking before each.
async fn fix(
    diagnosis: &Diagnosis,
    yes: bool,
    signals: &mut Signals,
    terminal: &Terminal,
) -> Result<Vec<Fixed>, Failure> {
    let mut all = Vec::new();
    for finding in diagnosis.findings.iter().filter(|finding| finding.fixable) {
        let Some(remedy) = &finding.remedy else { continue };
        let commands = remedy.commands();
        let change = format!("{}\n  # {}", finding.line(), commands.join("\n  # "));
        if yes {
            terminal.say(&change);
        } else if !agreed(&change, signals, terminal).await? {
            continue;
        }
        all.push(told(finding, commands, mend(remedy).await, terminal));
    }
    if all.is_empty() {
        terminal.say("nothing was changed");
    }
    Ok(all)
}

fn told(
    finding: &Finding,
    commands: Vec<String>,
    outcome: Result<Vec<Mended>, Error>,
    terminal: &Terminal,
) -> Fixed {
    let mut error = None;
    let mut done = false;
    match outcome {
        Ok(files) => {
            done = files.iter().all(|file| file.done);
            for file in files {
                terminal.say(&format!("  {} now contains {}", file.path, file.now));
            }
        }
        Err(failed) => {
            let mut message = failed.to_string();
            for line in failed.causes().iter().chain(failed.detail_lines()) {
                message.push_str(": ");
                message.push_str(line);
            }
            terminal.warn(&message);
            error = Some(message);
        }
    }
    Fixed {
        id: finding.id,
        commands,
        done,
        error,
    }
}

/// Shows a change and asks whether to apply it. Any answer other than yes means no.
async fn agreed(change: &str, signals: &mut Signals, terminal: &Terminal) -> Result<bool, Failure> {
    terminal.ask(&format!("{change}\napply? [y/N] "))?;
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        answer = read => answer.map_err(|error| {
            Error::new(ErrorKind::Io, "cannot read the answer").because(error)
        })??,
        () = signals.next() => return Err(interrupted().into()),
    };
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
