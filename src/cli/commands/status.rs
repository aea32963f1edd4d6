//! `rcup status`: shows the state of each node.

use std::io::Write as _;

use owo_colors::{OwoColorize as _, Style};

use crate::checks::status::State;
use crate::cli::args::Named;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::{Terminal, columns, json, nodes};
use crate::cluster::handle::Cluster;

pub async fn run(args: Named, terminal: &Terminal) -> Outcome {
    let attached = Cluster::attach(engine(terminal).await?, &args.name).await?;
    attached.within_reach().await?;
    let report = attached.report().await;
    if terminal.is_json() {
        json::print(terminal, &report)?;
    } else {
        let mut out = terminal.out();
        writeln!(
            out,
            "cluster {} is {}: {}, image {}",
            report.name.bold(),
            nodes::word(report.state).style(colour(report.state)),
            nodes::shape(&report),
            report.image
        )?;
        writeln!(
            out,
            "network {} ({}), announce {}\n",
            report.network.name,
            report.network.subnet,
            report.announce.as_str()
        )?;
        out.write_all(
            nodes::table(&report, terminal.verbose)
                .render(columns())
                .as_bytes(),
        )?;
        match report.state {
            State::Ok => {}
            State::Stopped => terminal.say(&format!("\nstart it with `rcup up {}`", args.name)),
            _ => terminal.say(&format!(
                "\nfor details, run `rcup validate {0}` and `rcup logs {0}`",
                args.name
            )),
        }
    }
    Ok(Exit::healthy(report.state == State::Ok))
}

fn colour(state: State) -> Style {
    match state {
        State::Ok => Style::new().green().bold(),
        State::Degraded => Style::new().yellow().bold(),
        _ => Style::new().red().bold(),
    }
}
