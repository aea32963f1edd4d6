//! `rcup list`: lists clusters by their labels.

use std::io::Write as _;

use owo_colors::Style;
use serde::Serialize;

use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::table::{Cell, Table};
use crate::cli::terminal::{Terminal, columns, json};
use crate::cluster;
use crate::cluster::list::Listed;

/// A listed cluster. Labels of another rcup version may be unreadable.
#[derive(Serialize)]
struct Entry {
    name: String,
    state: &'static str,
    nodes: usize,
    running: usize,
    engine: Option<&'static str>,
    version: Option<String>,
    image: Option<String>,
    masters: Option<usize>,
    replicas: Option<usize>,
    first_port: Option<u16>,
    /// Number of nodes with an image override.
    #[serde(skip_serializing_if = "is_none")]
    others: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde wants")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

pub async fn run(terminal: &Terminal) -> Outcome {
    let engine = engine(terminal).await?;
    let entries: Vec<Entry> = cluster::list::list(&engine).await?.iter().map(entry).collect();
    if terminal.is_json() {
        json::print_named(terminal, "clusters", &entries)?;
    } else if entries.is_empty() {
        terminal.say("no clusters; start one with `rcup up`");
    } else {
        let table = table(&entries);
        terminal.out().write_all(table.render(columns()).as_bytes())?;
    }
    Ok(Exit::DONE)
}

fn entry(listed: &Listed) -> Entry {
    let topology = listed.topology.as_ref();
    let image = topology.map(|topology| &topology.placement.image);
    let nodes = topology.map_or(listed.containers, |topology| topology.nodes.len());
    let masters = topology.map(|topology| topology.spec.masters());
    Entry {
        name: listed.name.to_string(),
        state: state(nodes, listed.containers, listed.running),
        nodes,
        running: listed.running,
        engine: image.map(|image| image.server.engine.as_str()),
        version: image.map(|image| image.server.version.to_string()),
        image: image.map(|image| image.reference.clone()),
        masters,
        replicas: masters.map(|masters| nodes - masters),
        first_port: topology.map(|topology| topology.placement.first_port),
        others: topology.map_or(0, |topology| topology.placement.images.len()),
    }
}

/// Returns the state as the container engine reports it.
fn state(nodes: usize, containers: usize, running: usize) -> &'static str {
    if containers < nodes || nodes == 0 {
        "incomplete"
    } else if running == nodes {
        "running"
    } else if running == 0 {
        "stopped"
    } else {
        "partial"
    }
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&["NAME", "STATE", "NODES", "SERVER", "PORTS", "IMAGE"]);
    for entry in entries {
        let colour = match entry.state {
            "running" => Style::new().green(),
            "stopped" => Style::new().dimmed(),
            _ => Style::new().yellow(),
        };
        let nodes = match (entry.masters, entry.replicas) {
            _ if entry.running != entry.nodes => format!("{}/{} up", entry.running, entry.nodes),
            (Some(masters), Some(replicas)) => format!("{} ({masters}+{replicas})", entry.nodes),
            _ => entry.nodes.to_string(),
        };
        let server = match (entry.engine, &entry.version) {
            (Some(engine), Some(version)) if entry.others > 0 => {
                format!("{engine} {version}, {} others", entry.others)
            }
            (Some(engine), Some(version)) => format!("{engine} {version}"),
            _ => "unknown".to_owned(),
        };
        let ports = entry.first_port.map_or_else(String::new, |first| {
            format!("{first}-{}", usize::from(first) + entry.nodes.max(1) - 1)
        });
        table.row([
            Cell::styled(&*entry.name, Style::new().bold()),
            Cell::styled(entry.state, colour),
            nodes.into(),
            server.into(),
            ports.into(),
            entry.image.as_deref().unwrap_or("unknown").into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_what_the_containers_do() {
        assert_eq!(state(6, 6, 6), "running");
        assert_eq!(state(6, 6, 0), "stopped");
        assert_eq!(state(6, 6, 2), "partial");
        assert_eq!(state(6, 5, 5), "incomplete");
        assert_eq!(state(0, 0, 0), "incomplete");
    }
}
