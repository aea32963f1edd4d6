//! `rcup exec`: runs a command in one or more nodes.

use std::io::Write as _;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::cli::args::Exec;
use crate::cli::commands::chosen::Chosen;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::prefix::Lines;
use crate::cli::terminal::session::{Ended, Run, looks_refused};
use crate::cli::terminal::{Terminal, error, json, prefix, session};
use crate::error::Error;
use crate::runtime::interface::{ExecRequest, Output, Runtime as _};
use crate::topology::layout::Node;

/// Maximum number of nodes in which the command runs concurrently.
const SIDE_BY_SIDE: usize = 16;

pub async fn run(args: Exec, terminal: &Terminal) -> Outcome {
    let chosen = Chosen::find(&args.name, args.node, terminal).await?;
    chosen.all_run()?;
    in_nodes(&chosen, args.command.into(), terminal).await
}

/// Runs a command in the selected nodes. In a single node the command is interactive; in several nodes,
/// output lines are prefixed. For JSON, the output is collected.
pub async fn in_nodes(chosen: &Chosen, run: Run, terminal: &Terminal) -> Outcome {
    let program = run.command.first().cloned().unwrap_or_default();
    if let ([node], false) = (chosen.nodes.as_slice(), terminal.is_json()) {
        let ended = session::run(chosen.attached.runtime(), &node.name, run).await?;
        let (code, refusal) = ended.verdict(&node.name, &program);
        if let Some(refusal) = refusal {
            error::tell(&refusal, false);
        }
        return Ok(Exit::passed_on(code));
    }
    let widest = chosen.nodes.iter().map(|node| node.name.len()).max();
    let widest = widest.unwrap_or_default();
    let run = &run;
    let mut all: Vec<Ran> = Vec::new();
    let mut running = std::pin::pin!(
        stream::iter(&chosen.nodes)
            .map(|node| async move {
                let show = (!terminal.is_json()).then(|| Show {
                    terminal,
                    prefix: prefix::of(&node.name, widest, node.index - 1),
                });
                one(chosen, node, run, show).await
            })
            .buffer_unordered(SIDE_BY_SIDE)
    );
    while let Some(ran) = running.next().await {
        let ran = ran?;
        if let Some(refusal) = &ran.refusal {
            error::tell(refusal, terminal.is_json());
        }
        all.push(ran);
    }
    all.sort_by_key(|ran| ran.node);
    if terminal.is_json() {
        json::print_named(terminal, "results", &all)?;
    }
    let code = all.iter().map(|ran| ran.code).find(|code| *code != 0);
    Ok(Exit::passed_on(code.unwrap_or_default()))
}

/// Result of the command in one node.
#[derive(Serialize)]
pub struct Ran {
    node: usize,
    name: String,
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
    #[serde(skip)]
    pub refusal: Option<Error>,
}

/// Prefixes for streamed lines.
pub struct Show<'a> {
    terminal: &'a Terminal,
    prefix: String,
}

impl Show<'_> {
    fn lines(&self, lines: impl IntoIterator<Item = String>, errors: bool) -> Result<(), Failure> {
        for line in lines {
            if errors {
                self.terminal.pass_error(&format!("{}{line}", self.prefix));
            } else {
                writeln!(self.terminal.out(), "{}{line}", self.prefix)?;
            }
        }
        Ok(())
    }
}

/// Runs a command in one node without input and collects its output, streaming it if `show` is set.
pub async fn one(chosen: &Chosen, node: &Node, run: &Run, show: Option<Show<'_>>) -> Result<Ran, Failure> {
    let engine = chosen.attached.runtime();
    let request = ExecRequest {
        command: run.command.clone(),
        env: run.env.clone(),
        tty: false,
        input: false,
    };
    let mut session = engine.exec(&node.name, &request).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out_lines, mut error_lines) = (Lines::default(), Lines::default());
    while let Some(piece) = session.output.next().await {
        match piece? {
            Output::Stdout(bytes) => {
                stdout.extend_from_slice(&bytes);
                if let Some(show) = &show
                    && !looks_refused(&stdout)
                {
                    show.lines(out_lines.push(&bytes), false)?;
                }
            }
            Output::Stderr(bytes) => {
                stderr.extend_from_slice(&bytes);
                if let Some(show) = &show {
                    show.lines(error_lines.push(&bytes), true)?;
                }
            }
        }
    }
    let ended = Ended::new(engine.exec_code(&session.id).await?, &stdout);
    if let (Ended::Code(_), Some(show)) = (&ended, &show) {
        if looks_refused(&stdout) {
            show.lines(out_lines.push(&stdout), false)?;
        }
        show.lines(out_lines.rest(), false)?;
        show.lines(error_lines.rest(), true)?;
    }
    let program = run.command.first().map_or("", String::as_str);
    let (code, refusal) = ended.verdict(&node.name, program);
    if refusal.is_some() {
        stdout.clear();
    }
    Ok(Ran {
        node: node.index,
        name: node.name.clone(),
        code,
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        refusal,
    })
}
