//! The commands, one file each.

pub mod archive;
pub mod certs;
pub mod chosen;
pub mod cli;
pub mod completions;
pub mod config;
pub mod diagnose;
pub mod doctor;
pub mod down;
pub mod entry;
pub mod env;
pub mod exec;
pub mod export;
pub mod image;
pub mod import;
pub mod list;
pub mod logs;
pub mod man;
pub mod power;
pub mod prune;
pub mod reset;
pub mod run;
pub mod status;
pub mod up;
pub mod validate;
pub mod verify;

use crate::cli::args::{Output, Verb};
use crate::cli::config::layers::Given;
use crate::cli::executor::wait;
use crate::cli::exit::Outcome;
use crate::cli::terminal::Terminal;
use crate::error::{Error, ErrorKind};

/// Runs the command.
pub fn run(verb: Verb, given: &Given, terminal: &Terminal) -> Outcome {
    if terminal.output == Output::Ndjson && !matches!(verb, Verb::Up(_) | Verb::Run(_) | Verb::Logs(_)) {
        return Err(
            Error::new(ErrorKind::Usage, "this command does not support ndjson")
                .hint("Use `--output json`; only `rcup up` and `rcup logs` support `ndjson`.")
                .into(),
        );
    }
    match verb {
        Verb::Up(args) => wait(up::run(*args, terminal)),
        Verb::Down(args) => wait(down::run(args, terminal)),
        Verb::Stop(args) => wait(power::stop(args, terminal)),
        Verb::Start(args) => wait(power::start(args, terminal)),
        Verb::Restart(args) => wait(power::restart(args, terminal)),
        Verb::Reset(args) => wait(reset::run(args, terminal)),
        Verb::Run(args) => wait(run::run(*args, terminal)),
        Verb::Prune(args) => wait(prune::run(args, terminal)),
        Verb::List => wait(list::run(terminal)),
        Verb::Status(args) => wait(status::run(args, terminal)),
        Verb::Validate(args) => wait(validate::run(*args, terminal)),
        Verb::Verify(args) => wait(verify::run(args, terminal)),
        Verb::Diagnose(args) => wait(diagnose::run(*args, terminal)),
        Verb::Doctor(args) => wait(doctor::run(*args, terminal)),
        Verb::Config { verb } => config::run(verb, given, terminal),
        Verb::Logs(args) => wait(logs::run(args, terminal)),
        Verb::Cli(args) => wait(cli::run(args, terminal)),
        Verb::Exec(args) => wait(exec::run(args, terminal)),
        Verb::Env(args) => wait(env::run(args, terminal)),
        Verb::Certs { verb } => wait(certs::run(verb, terminal)),
        Verb::Export { verb } => export::run(&verb, terminal),
        Verb::Import { verb } => import::run(verb, terminal),
        Verb::Image { verb } => wait(image::run(verb, terminal)),
        Verb::Completions { shell } => completions::run(shell, terminal),
        Verb::Man { verb } => man::run(verb.as_deref(), terminal),
    }
}
