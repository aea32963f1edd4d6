//! The command line of rcup.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
