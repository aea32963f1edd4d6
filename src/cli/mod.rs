//! The command line. It reads flags, calls the library, draws what comes back, and chooses the exit code;
//! everything else is the library's work.

mod args;
mod commands;
mod exit;
mod interrupt;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use args::Cli;
use exit::{Exit, Failure};
use terminal::{Terminal, error};

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(refused) => return error::refused(&refused, args::wants_json(&arguments)).into(),
    };
    let terminal = Terminal::new(&cli.global);
    let exit = match commands::run(cli.verb, &terminal) {
        Ok(exit) => exit,
        // Whoever reads has seen enough, as in `rcup list | head -1`.
        Err(Failure::ReaderGone) => Exit::DONE,
        Err(Failure::Error(failure)) => {
            error::tell(&failure, terminal.is_json());
            Exit::of(&failure)
        }
    };
    exit.into()
}
