//! The verbs, a file each.

mod archive;
mod certs;
mod chosen;
mod cli;
mod completions;
mod config;
mod diagnose;
mod doctor;
mod down;
mod entry;
mod env;
mod exec;
mod export;
mod image;
mod import;
mod list;
mod logs;
mod man;
mod power;
mod prune;
mod reset;
mod run;
mod status;
mod up;
mod validate;
mod verify;

use rcup::runtime::Runtime as _;
use rcup::{Docker, Error, ErrorKind};

use super::args::{Output, Verb};
use super::config::Given;
use super::exit::{Failure, Outcome};
use super::terminal::Terminal;

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
