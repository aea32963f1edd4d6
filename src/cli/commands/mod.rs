//! The verbs, a file each.

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
use crate::cli::exit::{Failure, Outcome};
use crate::cli::terminal::Terminal;
use crate::error::{Error, ErrorKind};
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::Runtime as _;

/// Does what was asked for.
pub fn run(verb: Verb, given: &Given, terminal: &Terminal) -> Outcome {
    if terminal.output == Output::Ndjson && !matches!(verb, Verb::Up(_) | Verb::Run(_) | Verb::Logs(_)) {
        return Err(
            Error::new(ErrorKind::Usage, "this verb has no output of one event a line")
                .hint("Use `--output json`; `ndjson` belongs to `rcup up` and `rcup logs`.")
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

/// Only the verbs that talk to an engine pay for an executor.
fn wait(verb: impl Future<Output = Outcome>) -> Outcome {
    let executor = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, "cannot start the executor").because(error))?;
    let outcome = executor.block_on(verb);
    // A thread may still wait for input that never comes.
    executor.shutdown_background();
    outcome
}

/// The engine, after it has answered.
async fn engine() -> Result<Docker, Failure> {
    let docker = Docker::find()?;
    docker.describe().await?;
    Ok(docker)
}
