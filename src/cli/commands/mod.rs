//! The verbs, a file each.

mod chosen;
mod cli;
mod completions;
mod down;
mod env;
mod exec;
mod image;
mod list;
mod logs;
mod man;
mod status;
mod up;
mod validate;

use rcup::runtime::Runtime as _;
use rcup::{Docker, Error, ErrorKind};

use super::args::{Output, Verb};
use super::exit::{Failure, Outcome};
use super::terminal::Terminal;

/// Does what was asked for.
pub fn run(verb: Verb, terminal: &Terminal) -> Outcome {
    if terminal.output == Output::Ndjson && !matches!(verb, Verb::Up(_) | Verb::Logs(_)) {
        return Err(
            Error::new(ErrorKind::Usage, "this verb has no output of one event a line")
                .hint("Use `--output json`; `ndjson` belongs to `rcup up` and `rcup logs`.")
                .into(),
        );
    }
    match verb {
        Verb::Up(args) => wait(up::run(*args, terminal)),
        Verb::Down(args) => wait(down::run(args, terminal)),
        Verb::List => wait(list::run(terminal)),
        Verb::Status(args) => wait(status::run(args, terminal)),
        Verb::Validate(args) => wait(validate::run(args, terminal)),
        Verb::Logs(args) => wait(logs::run(args, terminal)),
        Verb::Cli(args) => wait(cli::run(args, terminal)),
        Verb::Exec(args) => wait(exec::run(args, terminal)),
        Verb::Env(args) => wait(env::run(args, terminal)),
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
