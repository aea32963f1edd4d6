//! `rcup run`: a cluster for the duration of a command.
//!
//! Standard output belongs to the command. What rcup has to say goes to standard error, its events and its
//! summary in JSON too.

mod command;
mod diagnostics;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcup::cluster::{Removed, made_up};
use rcup::spec::Owner;
use rcup::{Cluster, Docker, Error, ErrorKind, Event, Observer, UpOptions};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::env;
use crate::cli::args::{Output, Run};
use crate::cli::exit::{Exit, Outcome};
use crate::cli::interrupt::Passed;
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::{Terminal, error};

use command::find;
use diagnostics::Folder;

pub async fn run(args: Run, terminal: &Terminal) -> Outcome {
    if args.start.dry_run {
        return Err(Error::new(ErrorKind::Usage, "a command has no dry run")
            .hint("`rcup up --dry-run` prints the plan with the same flags.")
            .into());
    }
    let name = args.name.unwrap_or_else(|| made_up("run"));
    let spec = args.spec.build(name)?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Ok(Exit::USAGE);
    };
    // Before anything is started: most typing errors are here.
    if let Err((code, refused)) = find(program) {
        error::tell(&refused, terminal.is_json());
        return Ok(Exit::passed_on(code));
    }
    // Listening begins before anything is made.
    let mut signals = Passed::new()?;
    let cancel = CancellationToken::new();
    let progress = Progress::new(&quiet_output(terminal));
    let events = Arc::new(Events {
        shown: progress.clone(),
        lines: terminal.output == Output::Ndjson,
        terminal: terminal.clone(),
        all: Mutex::default(),
    });
    let mut options = UpOptions::default()
        .timeout(args.start.timeout)
        .keep_on_failure(args.start.keep_on_failure)
        .strict(args.start.strict)
        .cancel(cancel.clone())
        .owner(Owner::this_process()?)
        .observer(events.clone());
    options.ttl = args.start.ttl;
    let folder = args.artifacts.map(Folder::new);
    let start = Cluster::up(Docker::find()?, &spec, &options);
    let mut start = Box::pin(start);
    let mut signalled = None;
    let started = loop {
        tokio::select! {
            started = &mut start => break started,
            signal = signals.next() => {
                signalled = Some(signal);
                cancel.cancel();
            }
        }
    };
    drop(start);
    progress.stop();
    let mut cluster = match started {
        Ok(cluster) => cluster,
        Err(error) => {
            if let Some(folder) = &folder {
                folder.failed_start(&events.taken(), &error)?;
            }
            return match signalled {
                Some(signal) => Ok(Exit::passed_on(128 + i64::from(signal))),
                None => Err(error.into()),
            };
        }
    };
    let (report, login) = (cluster.report(), cluster.credentials());
    let mut settings = env::settings(&report, login.as_ref(), cluster.certificates())?;
    settings.push(("RCUP_CLUSTER", spec.name().to_string()));
    let ended = command::run(program, arguments, &settings, &mut signals).await;
    let code = ended.as_ref().map_or(1, |ended| ended.code());
    if code != 0 {
        if let Some(folder) = &folder {
            let written = folder.failed_command(&cluster, &events.taken(), code).await;
            tell_where(folder, written, terminal);
        }
        if args.start.keep_on_failure {
            cluster.keep();
            terminal.say(&format!(
                "the cluster is kept: see `rcup status {0}`, remove it with `rcup down {0}`",
                spec.name()
            ));
            summary(terminal, &spec, code, None);
            return Ok(Exit::passed_on(ended?.code()));
        }
    }
    let adopted = cluster.was_adopted();
    // What was there before is not this run's to remove.
    let removed = if adopted { None } else { Some(cluster.down().await) };
    let ended = ended?;
    let removed = match removed {
        Some(Ok(removed)) => Some(removed),
        Some(Err(error)) if code == 0 => return Err(error.into()),
        Some(Err(error)) => {
            terminal.warn(&format!(
                "not everything could be removed ({error}): use `rcup prune`"
            ));
            None
        }
        None => None,
    };
    summary(terminal, &spec, code, removed);
    Ok(Exit::passed_on(ended.code()))
}

/// Where the diagnostics are, or why they are not.
fn tell_where(folder: &Folder, written: Result<(), Error>, terminal: &Terminal) {
    match written {
        Ok(()) => terminal.say(&format!(
            "what helps to find out why is in {}",
            folder.path().display()
        )),
        Err(error) => terminal.warn(&format!("{error}: {}", error.causes().join(": "))),
    }
}

/// The progress of a start without its data, which would mix with the command's own output.
fn quiet_output(terminal: &Terminal) -> Terminal {
    let mut terminal = terminal.clone();
    if terminal.output == Output::Ndjson {
        terminal.output = Output::Json;
    }
    terminal
}

fn summary(terminal: &Terminal, spec: &rcup::ClusterSpec, code: i64, removed: Option<Removed>) {
    if terminal.is_json() {
        let line = json!({ "event": "ended", "name": spec.name(), "code": code, "removed": removed });
        terminal.pass_error(&line.to_string());
    }
}

/// Shows what happens, and remembers it for the diagnostics.
struct Events {
    shown: Arc<Progress>,
    lines: bool,
    terminal: Terminal,
    all: Mutex<Vec<(Duration, Event)>>,
}

impl Events {
    fn taken(&self) -> Vec<(Duration, Event)> {
        std::mem::take(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Events {
    fn observe(&self, event: &Event) {
        self.shown.observe(event);
        if self.lines
            && let Ok(line) = serde_json::to_string(event)
        {
            self.terminal.pass_error(&line);
        }
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((since, event.clone()));
    }
}

/// So that an error of the folder is told as any other.
fn cannot(path: &std::path::Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).because(error)
}
