//! Progress: a spinner or a bar for each phase on a terminal, plain lines in a pipe,
//! one JSON object per line for ndjson.

use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize as _;

use crate::cli::args::Output;
use crate::cli::terminal::{Terminal, count, duration, json, line, paragraph, size};
use crate::event::{Event, Observer, Phase, Rate};

/// Minimum time between two lines about a pull in a pipe.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Draws events; clears the bars when stopped or dropped.
pub struct Progress {
    terminal: Terminal,
    form: Form,
    notes: bool,
    now: Mutex<Now>,
}

/// The format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// No output.
    None,
    /// Animated bars.
    Bars,
    /// One line per finished phase.
    Lines,
    /// The events themselves.
    Events,
}

/// The current phase.
#[derive(Default)]
struct Now {
    bar: Option<ProgressBar>,
    units: usize,
    /// Limits how often a line about a pull is printed.
    rate: Option<Rate>,
}

impl Progress {
    /// Selects the format.
    pub fn new(terminal: &Terminal) -> Arc<Self> {
        let form = match terminal.output {
            Output::Ndjson => Form::Events,
            Output::Json => Form::None,
            Output::Human if terminal.quiet => Form::None,
            Output::Human if io::stderr().is_terminal() => Form::Bars,
            Output::Human => Form::Lines,
        };
        Arc::new(Self {
            terminal: terminal.clone(),
            form,
            notes: true,
            now: Mutex::default(),
        })
    }

    /// Creates a progress display without notes.
    pub fn without_notes(terminal: &Terminal) -> Arc<Self> {
        let mut progress = Self::new(terminal);
        if let Some(progress) = Arc::get_mut(&mut progress) {
            progress.notes = terminal.verbose;
        }
        progress
    }

    /// Clears the bars.
    pub fn stop(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = now.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Shows an activity without phases and units, such as an image build.
    pub fn doing(&self, what: &str) {
        match self.form {
            Form::Bars => {
                let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
                let bar = now.bar.get_or_insert_with(spinner);
                bar.set_message(what.to_owned());
            }
            Form::Lines => line(what),
            Form::None | Form::Events => {}
        }
    }

    /// Prints a line above the bars.
    fn above(&self, mark: impl std::fmt::Display, text: &str) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match &now.bar {
            Some(bar) => bar.suspend(|| paragraph(mark, text)),
            None => paragraph(mark, text),
        }
    }

    fn started(&self, phase: Phase, units: usize) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.units = units;
        now.rate = Some(Rate::new(LINE_EVERY));
        if let Some(bar) = now.bar.take() {
            bar.finish_and_clear();
        }
        if self.form == Form::Bars {
            let bar = if of_nodes(phase) && units > 1 {
                nodes(units)
            } else {
                spinner()
            };
            bar.set_message(phase.as_str());
            now.bar = Some(bar);
        }
    }

    fn progressed(&self, phase: Phase, done: usize, units: usize) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, units) = (done as u64, units as u64);
        let of_bytes = phase == Phase::Image;
        if let Some(bar) = &now.bar {
            if of_bytes && bar.length() != Some(units) {
                bar.set_length(units);
                bar.set_style(style(BYTES));
            }
            bar.set_position(done);
        } else if of_bytes && self.form == Form::Lines && now.rate.as_mut().is_some_and(Rate::is_due) {
            line(&format!("image: {} of {}", size(done), size(units)));
        }
    }

    fn finished(&self, phase: Phase, ms: u64) {
        self.stop();
        let units = self.now.lock().unwrap_or_else(PoisonError::into_inner).units;
        // If only one unit is removed, it is the unused network, not a node.
        let nodes = of_nodes(phase) && units > usize::from(phase == Phase::Remove);
        let what = if nodes {
            count(units, "node")
        } else {
            String::new()
        };
        let took = duration(ms);
        match self.form {
            Form::Bars => line(&format!(
                "{} {:<8}{took:>8}  {}",
                "✓".green(),
                phase.as_str(),
                what.dimmed()
            )),
            Form::Lines if what.is_empty() => line(&format!("{}: done in {took}", phase.as_str())),
            Form::Lines => line(&format!("{}: {what} in {took}", phase.as_str())),
            Form::None | Form::Events => {}
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: &Event) {
        if self.form == Form::Events {
            // A closed pipe must not end the start.
            let _ = json::print_line(&self.terminal, event);
            return;
        }
        match event {
            Event::Warning { message } => {
                self.stop();
                self.terminal.warn(message);
            }
            _ if self.form == Form::None => {}
            Event::PhaseStarted { phase, units } => self.started(*phase, *units),
            Event::Progress { phase, done, units } => self.progressed(*phase, *done, *units),
            Event::PhaseFinished { phase, ms } => self.finished(*phase, *ms),
            Event::Note { message } if self.notes => {
                self.above("·".dimmed(), message);
            }
            Event::Undoing { reason } => {
                self.stop();
                paragraph("rolling back:".bold(), reason);
            }
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns whether the units of a phase are nodes.
fn of_nodes(phase: Phase) -> bool {
    matches!(phase, Phase::Create | Phase::Start | Phase::Remove)
}

const SPINNER: &str = "{spinner} {msg}";

const NODES: &str = "{spinner} {msg:<8} {bar:30} {pos}/{len}";

/// Template for the bar of a pull, which replaces the spinner once the size is known.
const BYTES: &str = "{spinner} {msg:<8} {bar:30} {decimal_bytes} of {decimal_total_bytes}";

fn spinner() -> ProgressBar {
    moving(ProgressBar::new_spinner(), SPINNER)
}

fn nodes(units: usize) -> ProgressBar {
    moving(ProgressBar::new(units as u64), NODES)
}

fn moving(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.set_style(style(template));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .progress_chars("━╸ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(form: Form, now: Now) -> Progress {
        Progress {
            terminal: Terminal {
                output: Output::Human,
                quiet: false,
                verbose: false,
            },
            form,
            notes: true,
            now: Mutex::new(now),
        }
    }

    #[test]
    fn templates_are_valid() {
        for template in [SPINNER, NODES, BYTES] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn bar_of_a_pull_grows_with_its_layers() {
        let bar = ProgressBar::hidden();
        let progress = progress(
            Form::Bars,
            Now {
                bar: Some(bar.clone()),
                ..Now::default()
            },
        );
        for (done, units) in [(10, 100), (110, 150), (150, 150)] {
            progress.observe(&Event::Progress {
                phase: Phase::Image,
                done,
                units,
            });
            assert_eq!((bar.position(), bar.length()), (done as u64, Some(units as u64)));
        }
    }
}
