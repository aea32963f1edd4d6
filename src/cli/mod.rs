//! The command line: parses flags, calls the library, prints results, and selects the exit code;
//! everything else is in the library.

pub mod args;
pub mod commands;
pub mod config;
pub mod executor;
pub mod exit;
pub mod interrupt;
pub mod signals;
pub mod terminal;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use crate::cli::args::Cli;
use crate::cli::exit::{Exit, Failure};
use crate::cli::terminal::{Terminal, error};

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let json = args::wants_json(&arguments);
    let (arguments, given) = match config::layers::layered(&args::command(), arguments) {
        Ok(layered) => layered,
        Err(failure) => {
            error::tell(&failure, json);
            return Exit::of(&failure).into();
        }
    };
    let cli = match args::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(refused) => return error::refused(&refused, json).into(),
    };
    let terminal = Terminal::new(&cli.global);
    if let Some(file) = given.file.as_ref().filter(|_| terminal.verbose) {
        terminal.say(&format!("· settings from {file}"));
    }
    let exit = match commands::run(cli.verb, &given, &terminal) {
        Ok(exit) => exit,
        // The reader closed the pipe, as in `rcup list | head -1`.
        Err(Failure::ReaderGone) => Exit::DONE,
        Err(Failure::Error(failure)) => {
            error::tell(&failure, terminal.is_json());
            Exit::of(&failure)
        }
    };
    exit.into()
}
