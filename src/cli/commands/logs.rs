//! `rcup logs`: shows the nodes' logs in chronological order.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, TryStreamExt, stream};
use serde::Serialize;

use crate::cli::args::Logs;
use crate::cli::commands::chosen::Chosen;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::terminal::{Terminal, json, prefix};
use crate::error::Error;
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::{LogRequest, Runtime as _};

/// Number of nodes whose logs are read concurrently without --follow.
const SIDE_BY_SIDE: usize = 16;

/// A line of a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Line {
    node: usize,
    name: String,
    time: String,
    text: String,
}

pub async fn run(args: Logs, terminal: &Terminal) -> Outcome {
    let mut chosen = Chosen::find(&args.name, args.node, terminal).await?;
    // A removed container has no log; `rcup status` reports it.
    let here: Vec<bool> = chosen
        .nodes
        .iter()
        .map(|node| chosen.activity(node).is_some())
        .collect();
    let mut here = here.into_iter();
    chosen.nodes.retain(|_| here.next().unwrap_or_default());
    let request = LogRequest {
        tail: args.tail,
        follow: args.follow,
        since: args.since.map_or(0, since),
        timestamps: true,
    };
    let widest = chosen.nodes.iter().map(|node| node.name.len()).max();
    let printer = Printer {
        terminal,
        widest: widest.unwrap_or_default(),
        timestamps: args.timestamps,
    };
    let engine = chosen.attached.runtime();
    let lines_of = |(index, name)| lines(engine, index, name, request);
    let names = chosen.nodes.iter().map(|node| (node.index, node.name.clone()));
    if args.follow {
        let mut all = stream::select_all(names.map(lines_of));
        while let Some(lines) = all.next().await {
            for line in lines? {
                printer.print(&line)?;
            }
        }
    } else {
        let each: Vec<Vec<Line>> = stream::iter(names.map(lines_of))
            .map(TryStreamExt::try_concat)
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        for line in merged(each) {
            printer.print(&line)?;
        }
    }
    Ok(Exit::DONE)
}

/// Returns the UNIX time of this long ago.
fn since(ago: Duration) -> i64 {
    let then = SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH);
    let seconds = then.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or_default().max(1)
}

/// Returns the log lines of one node as a stream.
fn lines(
    engine: &Docker,
    node: usize,
    name: String,
    request: LogRequest,
) -> impl futures_util::Stream<Item = Result<Vec<Line>, Error>> + Unpin + use<> {
    engine.logs(&name, request).map_ok(move |piece| {
        // One chunk may contain several lines.
        let lines = piece.text.split('\n');
        lines.map(|text| Line::new(node, &name, text)).collect()
    })
}

impl Line {
    /// Splits the container engine's timestamp from a line.
    fn new(node: usize, name: &str, text: &str) -> Self {
        let (time, text) = text.split_once(' ').unwrap_or((text, ""));
        Self {
            node,
            name: name.to_owned(),
            time: time.to_owned(),
            text: text.trim_end_matches('\r').to_owned(),
        }
    }
}

/// Returns all lines sorted by time, then by node; the lines of a node keep their order. The container
/// engine's timestamps have a fixed width and are in UTC, so they sort as text.
fn merged(each: Vec<Vec<Line>>) -> Vec<Line> {
    let mut all: Vec<Line> = each.into_iter().flatten().collect();
    all.sort_by(|a, b| (&a.time, a.node).cmp(&(&b.time, b.node)));
    all
}

struct Printer<'a> {
    terminal: &'a Terminal,
    widest: usize,
    timestamps: bool,
}

impl Printer<'_> {
    fn print(&self, line: &Line) -> Result<(), Failure> {
        if self.terminal.is_json() {
            return json::print_line(self.terminal, line);
        }
        let prefix = prefix::of(&line.name, self.widest, line.node - 1);
        let mut out = self.terminal.out();
        if self.timestamps {
            writeln!(out, "{prefix}{} {}", line.time, line.text)?;
        } else {
            writeln!(out, "{prefix}{}", line.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: usize, second: u32, text: &str) -> Line {
        let stamp = format!("2026-01-01T00:00:{second:02}.000000000Z {text}");
        Line::new(node, &format!("rcup-x-{node}"), &stamp)
    }

    #[test]
    fn lines_of_several_nodes_come_in_the_order_of_time() {
        let all = merged(vec![
            vec![line(2, 1, "b"), line(2, 1, "c"), line(2, 9, "f")],
            vec![line(1, 1, "a"), line(1, 5, "d"), line(1, 5, "e")],
        ]);
        let texts: Vec<&str> = all.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn the_time_is_parted_from_the_text_and_an_empty_line_stays() {
        let line = Line::new(1, "rcup-x-1", "2026-01-01T00:00:01.000000000Z  two spaces\r");
        assert_eq!(line.text, " two spaces");
        assert_eq!(
            Line::new(1, "rcup-x-1", "2026-01-01T00:00:01.000000000Z").text,
            ""
        );
    }

    #[test]
    fn a_time_before_the_clock_began_is_its_beginning() {
        assert_eq!(since(Duration::MAX), 1);
    }
}
