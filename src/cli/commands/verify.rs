//! `rcup verify`: checks that clients can reach every node.

use std::io::Write as _;

use owo_colors::OwoColorize as _;

use crate::checks::finding::Status;
use crate::checks::reach::advertised::Place;
use crate::checks::reach::judge::Verification;
use crate::cli::args::verify::Verify;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::signals::Signals;
use crate::cli::terminal::{Terminal, columns, json, reach};
use crate::cluster::handle::Cluster;

pub async fn run(args: Verify, terminal: &Terminal) -> Outcome {
    let mut signals = Signals::new()?;
    let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
    // Dropping the future removes its probes and closes its connections.
    let verification = tokio::select! {
        verification = attached.verify(args.from.map(Place::from)) => verification?,
        () = signals.next() => return Ok(Exit::FAILED),
    };
    show(&verification, terminal)?;
    Ok(Exit::healthy(verification.passed))
}

fn show(verification: &Verification, terminal: &Terminal) -> Result<(), Failure> {
    if terminal.is_json() {
        return json::print(terminal, verification);
    }
    let mut out = terminal.out();
    out.write_all(reach::text(verification, terminal.verbose, columns()).as_bytes())?;
    let name = verification.name.bold();
    let announce = verification.announce.as_str();
    let of = |status: Status| {
        let clients = verification.clients.iter();
        clients.filter(|client| client.status == status).count()
    };
    if !verification.passed {
        writeln!(
            out,
            "\nclients cannot reach every node of cluster {name} (announce {announce})"
        )?;
    } else if of(Status::Warn) > 0 {
        writeln!(
            out,
            "\nall clients that announce mode {announce} supports reach every node of cluster {name}"
        )?;
    } else {
        writeln!(
            out,
            "\nall clients reach every node of cluster {name} (announce {announce})"
        )?;
    }
    Ok(())
}
