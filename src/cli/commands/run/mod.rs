//! `rcup run`: runs a command with a cluster.
//!
//! Standard output belongs to the command. rcup writes to standard error, including its JSON events and
//! summary.

pub mod command;
pub mod diagnostics;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::args::{Output, Run};
use crate::cli::commands::env;
use crate::cli::commands::run::command::find;
use crate::cli::commands::run::diagnostics::Folder;
use crate::cli::executor::find_engine;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::signals::Passed;
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::{Terminal, error};
use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::lifecycle::options::UpOptions;
use crate::ownership::rollback::Removed;
use crate::runtime::docker::client::Docker;
use crate::spec::cluster::ClusterSpec;
use crate::spec::expiry::Owner;
use crate::spec::name::ClusterName;

pub async fn run(args: Run, terminal: &Terminal) -> Outcome {
    if args.start.dry_run {
        return Err(Error::new(ErrorKind::Usage, "run does not support --dry-run")
            .hint("`rcup up --dry-run` with the same flags prints the plan.")
            .into());
    }
    let name = args.name.unwrap_or_else(|| ClusterName::generated("run"));
    let spec = args.spec.build(name)?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Ok(Exit::USAGE);
    };
    // Check before the start: most usage errors are here.
    if let Err((code, refused)) = find(program) {
        error::tell(&refused, terminal.is_json());
        return Ok(Exit::passed_on(code));
    }
    // Listen before anything is created.
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
    let (docker, reuse) = (find_engine(terminal)?, args.reuse);
    if reuse {
        // This process holds the lease, which ends when the process exits.
        options.owner = None;
    }
    let start = start(docker, reuse, &spec, &options);
    let (started, signalled) = to_its_end(start, &cancel, async || signals.next().await).await;
    progress.stop();
    let mut cluster = match started {
        Ok(cluster) => cluster,
        Err(error) => {
            if let Some(folder) = &folder {
                let written = folder.failed_start(&events.taken(), &error);
                tell_where(folder, written, terminal);
            }
            return match signalled {
                Some(signal) => Ok(Exit::passed_on(128 + i64::from(signal))),
                None => Err(error.into()),
            };
        }
    };
    let ended = if let Some(signal) = signalled {
        // The signal came too late to interrupt the start, but the command must not run.
        Ok(128 + i64::from(signal))
    } else {
        let (report, login) = (cluster.report(), cluster.credentials());
        let mut settings = env::settings(&report, login.as_ref(), cluster.certificates())?;
        settings.push(("RCUP_CLUSTER", cluster.name().to_string()));
        let ended = command::run(program, arguments, &settings, &mut signals).await;
        ended.map(command::Ended::code)
    };
    let code = *ended.as_ref().unwrap_or(&1);
    if code != 0 {
        if let Some(folder) = &folder {
            let written = folder.failed_command(&cluster, &events.taken(), code).await;
            tell_where(folder, written, terminal);
        }
        if args.start.keep_on_failure {
            cluster.keep();
            let name = cluster.name();
            terminal.say(&format!(
                "the cluster was kept: inspect it with `rcup status {name}`, remove it with `rcup down {name}`"
            ));
            summary(terminal, name, code, None);
            return Ok(Exit::passed_on(ended?));
        }
    }
    let (name, stays) = (cluster.name().clone(), cluster.was_adopted() || reuse);
    // An adopted or reusable cluster is not removed.
    let removed = if stays { None } else { Some(cluster.down().await) };
    let ended = ended?;
    let removed = match removed {
        Some(Ok(removed)) => Some(removed),
        Some(Err(error)) if code == 0 => return Err(error.into()),
        Some(Err(error)) => {
            terminal.warn(&format!("cleanup incomplete ({error}): run `rcup prune`"));
            None
        }
        None => None,
    };
    summary(terminal, &name, code, removed);
    Ok(Exit::passed_on(ended))
}

/// Starts a cluster for this run only, or reuses one.
async fn start(
    docker: Docker,
    reuse: bool,
    spec: &ClusterSpec,
    options: &UpOptions,
) -> Result<Cluster, Error> {
    if reuse {
        Cluster::reuse(docker, spec, options).await
    } else {
        Cluster::up(docker, spec, options).await
    }
}

/// Waits for a start to finish and returns the last signal received meanwhile. A signal interrupts the start,
/// but a start that is past its last wait still succeeds.
async fn to_its_end<T>(
    start: impl Future<Output = T>,
    cancel: &CancellationToken,
    mut signal: impl AsyncFnMut() -> i32,
) -> (T, Option<i32>) {
    let mut start = Box::pin(start);
    let mut signalled = None;
    loop {
        tokio::select! {
            started = &mut start => return (started, signalled),
            number = signal() => {
                signalled = Some(number);
                cancel.cancel();
            }
        }
    }
}

/// Prints where the diagnostics are, or why they could not be saved.
fn tell_where(folder: &Folder, written: Result<(), Error>, terminal: &Terminal) {
    match written {
        Ok(()) => terminal.say(&format!("diagnostics saved to {}", folder.path().display())),
        Err(error) => terminal.warn(&format!("{error}: {}", error.causes().join(": "))),
    }
}

/// Returns a terminal that shows progress but prints no data on standard output, which belongs to the
/// command.
fn quiet_output(terminal: &Terminal) -> Terminal {
    let mut terminal = terminal.clone();
    if terminal.output == Output::Ndjson {
        terminal.output = Output::Json;
    }
    terminal
}

fn summary(terminal: &Terminal, name: &ClusterName, code: i64, removed: Option<Removed>) {
    if terminal.is_json() {
        let line = json!({ "event": "ended", "name": name, "code": code, "removed": removed });
        terminal.pass_error(&line.to_string());
    }
}

/// Shows events and records them for the diagnostics.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_is_not_lost_when_the_start_ends_well_in_spite_of_it() {
        let cancel = CancellationToken::new();
        let start = async {
            cancel.cancelled().await;
            "ready"
        };
        let mut sent = Some(15);
        let ended = to_its_end(start, &cancel, async || match sent.take() {
            Some(number) => number,
            None => std::future::pending().await,
        });
        assert_eq!(ended.await, ("ready", Some(15)));
        let ended = to_its_end(async { "ready" }, &cancel, async || std::future::pending().await);
        assert_eq!(ended.await, ("ready", None));
    }
}
