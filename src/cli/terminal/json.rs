//! JSON on standard output.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::exit::Failure;
use crate::cli::terminal::Terminal;
use crate::error::{Error, ErrorKind};

/// Prints an object with one field, indented.
pub fn print_named(terminal: &Terminal, name: &'static str, value: &impl Serialize) -> Result<(), Failure> {
    print(terminal, &std::collections::BTreeMap::from([(name, value)]))
}

/// Prints a value, indented.
pub fn print(terminal: &Terminal, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(cannot)?;
    let mut out = terminal.out();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints a value on one line.
pub fn print_line(terminal: &Terminal, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(cannot)?;
    let mut out = terminal.out();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

fn cannot(error: serde_json::Error) -> Failure {
    Error::new(ErrorKind::Io, "cannot write the output as JSON")
        .because(error)
        .into()
}
