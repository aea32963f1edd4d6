//! Prints data on standard output and everything else on standard error. No other module prints.

pub mod checks;
pub mod diagnosis;
pub mod error;
pub mod findings;
pub mod json;
pub mod nodes;
pub mod prefix;
pub mod progress;
pub mod reach;
pub mod session;
pub mod table;

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use owo_colors::OwoColorize as _;

use crate::cli::args::{Global, Output};
use crate::runtime::interface::Output::{Stderr, Stdout};

/// Output options.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// Output format.
    pub output: Output,
    /// Whether to print only data and warnings.
    pub quiet: bool,
    /// Whether to print more.
    pub verbose: bool,
}

/// A stream that removes colours if the output does not support them.
pub type Stream = anstream::AutoStream<io::StdoutLock<'static>>;

impl Terminal {
    /// Returns the options from the global flags.
    pub fn new(global: &Global) -> Self {
        Self {
            output: global.output,
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// Returns whether the output is JSON.
    pub fn is_json(&self) -> bool {
        self.output != Output::Human
    }

    /// Locks standard output.
    pub fn out(&self) -> Stream {
        anstream::stdout().lock()
    }

    /// Prints a message on standard error unless `quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            paragraph("", text);
        }
    }

    /// Forwards a line to standard error.
    pub fn pass_error(&self, text: &str) {
        line(text);
    }

    /// Prints a question on standard error without a newline.
    pub fn ask(&self, question: &str) -> io::Result<()> {
        let mut out = anstream::stderr().lock();
        write!(out, "{question}")?;
        out.flush()
    }

    /// Asks for confirmation. Without a terminal, and with JSON output, the answer is no.
    pub fn confirm(&self, question: &str) -> io::Result<bool> {
        if self.is_json() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(false);
        }
        self.ask(&format!("{question} [y/N] "))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Prints a warning, even with `quiet`.
    pub fn warn(&self, message: &str) {
        if self.is_json() {
            line(&serde_json::json!({ "warning": { "message": message } }).to_string());
        } else {
            paragraph("warning:".yellow().bold(), message);
        }
    }
}

/// Forwards bytes to standard output or standard error unchanged.
pub fn pass_on(piece: &crate::runtime::interface::Output) -> io::Result<()> {
    match piece {
        Stdout(bytes) => {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        }
        Stderr(bytes) => io::stderr().lock().write_all(bytes),
    }
}

/// Prints one line on standard error; ignores write errors.
fn line(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Prints a message with a mark on standard error, wrapped at the terminal width.
fn paragraph(mark: impl std::fmt::Display, text: &str) {
    let columns = if io::stderr().is_terminal() { width() } else { None };
    line(&flow(&mark.to_string(), text, columns));
}

/// Returns the mark and the wrapped text; continuation lines are indented by two columns.
fn flow(mark: &str, text: &str, columns: Option<usize>) -> String {
    let mark_width = anstream::adapter::strip_str(mark).to_string().chars().count();
    let gap = if mark_width > 0 { " " } else { "" };
    let Some(columns) = columns else {
        return format!("{mark}{gap}{text}");
    };
    // The mark is wrapped as a word and restored afterwards.
    let marked = format!("{}{gap}{text}", "\u{a0}".repeat(mark_width));
    let rest: String = marked.chars().skip(mark_width).collect();
    let mut lines = table::wrap(&marked, columns.saturating_sub(2)).into_iter();
    let first: String = lines
        .next()
        .map_or(rest, |first| first.chars().skip(mark_width).collect());
    lines.fold(format!("{mark}{first}"), |text, next| format!("{text}\n  {next}"))
}

/// Returns the width of standard output, if it is a terminal.
pub fn columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    width()
}

fn width() -> Option<usize> {
    let (columns, _) = crossterm::terminal::size().ok()?;
    (columns > 0).then(|| usize::from(columns))
}

/// Formats a duration: `340 ms`, `1.8 s`, `2 min 5 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// Formats a count: `1 node`, `6 nodes`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

/// Formats a size: `22.6 MB`.
pub fn size(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        assert_eq!(duration(0), "0 ms");
        assert_eq!(duration(999), "999 ms");
        assert_eq!(duration(1890), "1.8 s");
        assert_eq!(duration(125_000), "2 min 5 s");
        assert_eq!(size(22_634_567), "22.6 MB");
        assert_eq!(count(1, "node"), "1 node");
        assert_eq!(count(6, "node"), "6 nodes");
    }

    #[test]
    fn long_words_of_ours_break_between_words() {
        assert_eq!(flow("note:", "one two", None), "note: one two");
        assert_eq!(flow("note:", "one two three", Some(13)), "note: one\n  two three");
        assert_eq!(flow("", "one two", Some(9)), "one two");
    }
}
