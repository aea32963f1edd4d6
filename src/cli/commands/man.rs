//! `rcup man`: prints manual pages, generated from `--help`.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::cli::args::Cli;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::Terminal;
use crate::error::{Error, ErrorKind};

pub fn run(verb: Option<&str>, terminal: &Terminal) -> Outcome {
    let mut whole = Cli::command();
    whole.build();
    let command = match verb {
        None => whole,
        Some(verb) => {
            let Some(found) = whole.find_subcommand(verb) else {
                return Err(
                    Error::new(ErrorKind::Usage, format!("`{verb}` is not an rcup command"))
                        .hint("Run `rcup --help`.")
                        .into(),
                );
            };
            found.clone()
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .source(concat!("rcup ", env!("CARGO_PKG_VERSION")))
        .manual("rcup")
        .render(&mut page)?;
    terminal.out().write_all(&page)?;
    Ok(Exit::DONE)
}
