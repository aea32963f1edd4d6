//! The terminal: data on standard output, everything else on standard error. The only place that prints.

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

/// How to talk to whoever has called.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// The form of the data.
    pub output: Output,
    /// Whether to say only what was asked for.
    pub quiet: bool,
    /// Whether to say more than usual.
    pub verbose: bool,
}

/// A stream that drops colours where they would not be seen.
pub type Stream = anstream::AutoStream<io::StdoutLock<'static>>;

impl Terminal {
    /// From the flags that all verbs share.
    pub fn new(global: &Global) -> Self {
        Self {
            output: global.output,
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// Whether programs read the data.
    pub fn is_json(&self) -> bool {
        self.output != Output::Human
    }

    /// Standard output.
    pub fn out(&self) -> Stream {
        anstream::stdout().lock()
    }

    /// Says something on standard error that is not data, unless it shall be quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            paragraph("", text);
        }
    }

    /// Passes on a line that somebody else has written to standard error.
    pub fn pass_error(&self, text: &str) {
        line(text);
    }

    /// Asks something on standard error, and leaves the answer on the same line.
    pub fn ask(&self, question: &str) -> io::Result<()> {
        let mut out = anstream::stderr().lock();
        write!(out, "{question}")?;
        out.flush()
    }

    /// Asks for a yes. Where nobody can answer, and to JSON's readers, the answer is no.
    pub fn confirm(&self, question: &str) -> io::Result<bool> {
        if self.is_json() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(false);
        }
        self.ask(&format!("{question} [y/N] "))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Says something that may surprise later, always.
    pub fn warn(&self, message: &str) {
        if self.is_json() {
            line(&serde_json::json!({ "warning": { "message": message } }).to_string());
        } else {
            paragraph("warning:".yellow().bold(), message);
        }
    }
}

/// Writes bytes of somebody else's to standard output or standard error, as they are.
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

/// One line on standard error. There is nobody to tell that it could not be written.
fn line(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A few words with a mark before them on standard error, broken between words where the terminal ends.
fn paragraph(mark: impl std::fmt::Display, text: &str) {
    let columns = if io::stderr().is_terminal() { width() } else { None };
    line(&flow(&mark.to_string(), text, columns));
}

/// The mark and the text; what does not fit on the first line stands two columns in.
fn flow(mark: &str, text: &str, columns: Option<usize>) -> String {
    let mark_width = anstream::adapter::strip_str(mark).to_string().chars().count();
    let gap = if mark_width > 0 { " " } else { "" };
    let Some(columns) = columns else {
        return format!("{mark}{gap}{text}");
    };
    // The mark is a word that takes part in the breaking, and is put back afterwards.
    let marked = format!("{}{gap}{text}", "\u{a0}".repeat(mark_width));
    let rest: String = marked.chars().skip(mark_width).collect();
    let mut lines = table::wrap(&marked, columns.saturating_sub(2)).into_iter();
    let first: String = lines
        .next()
        .map_or(rest, |first| first.chars().skip(mark_width).collect());
    lines.fold(format!("{mark}{first}"), |text, next| format!("{text}\n  {next}"))
}

/// How many columns the output has, where it goes to a terminal.
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

/// A duration for a person: `340 ms`, `1.8 s`, `2 min 5 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// A number of things: `1 node`, `6 nodes`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

/// A size for a person: `22.6 MB`.
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
