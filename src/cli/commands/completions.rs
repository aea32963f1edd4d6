//! `rcup completions`: prints a shell completion script.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::args::Cli;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::Terminal;

pub fn run(shell: Shell, terminal: &Terminal) -> Outcome {
    // Use a buffer: the generator panics if the reader closes the pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rcup", &mut script);
    terminal.out().write_all(&script)?;
    Ok(Exit::DONE)
}
