//! Table of nodes.

use owo_colors::Style;

use crate::checks::status::{NodeReport, Report, State};
use crate::cli::terminal::count;
use crate::cli::terminal::table::{Cell, Table};
use crate::topology::layout::Role;

/// Returns a summary of the topology: `3 masters, 3 replicas, Redis 8.0.2`.
pub fn shape(report: &Report) -> String {
    let masters = report.masters().count();
    let engine = match report.engine {
        "valkey" => "Valkey",
        _ => "Redis",
    };
    let replicas = match report.nodes.len() - masters {
        0 => "no replicas".to_owned(),
        replicas => count(replicas, "replica"),
    };
    let others = match report.nodes.iter().filter(|node| node.own.is_some()).count() {
        0 => String::new(),
        others => format!(" and {} of another image", count(others, "node")),
    };
    format!(
        "{}, {replicas}, {engine} {}{others}",
        count(masters, "master"),
        report.version
    )
}

/// Formats a state.
pub fn word(state: State) -> &'static str {
    match state {
        State::Fail => "failing",
        other => other.as_str(),
    }
}

/// Returns a table with one row per node, optionally with its id.
pub fn table(report: &Report, ids: bool) -> Table {
    let mixed = report.nodes.iter().any(|node| node.own.is_some());
    let mut head = vec![
        "NODE",
        "ROLE",
        "SHARD",
        "SLOTS",
        "ADDRESS",
        "ON THIS HOST",
        "STATE",
    ];
    head.extend(mixed.then_some("SERVER"));
    head.extend(ids.then_some("ID"));
    let mut table = Table::new(&head).right(0).right(2).flexible(3);
    for node in &report.nodes {
        let (state, style) = state(node);
        let role = match node.role {
            Role::Master => Cell::styled("master", Style::new().bold()),
            Role::Replica => "replica".into(),
        };
        let mut cells = vec![
            node.index.to_string().into(),
            role,
            node.shard.to_string().into(),
            slots(node).into(),
            (*node.address).into(),
            (*node.host_address).into(),
            Cell::styled(state, style),
        ];
        if mixed {
            let own = node.own.as_ref();
            let engine = own.map_or(report.engine, |own| own.engine);
            let version = own.map_or(&report.version, |own| &own.version);
            cells.push(format!("{engine} {version}").into());
        }
        if ids {
            cells.push(node.id.to_string().into());
        }
        table.row(cells);
    }
    table
}

/// Returns the slots of a master, or the master of a replica.
fn slots(node: &NodeReport) -> String {
    if node.role == Role::Replica {
        return node
            .replica_of
            .map_or_else(String::new, |master| format!("replicates {master}"));
    }
    let ranges: Vec<String> = node.slots.iter().map(ToString::to_string).collect();
    if ranges.is_empty() {
        "none".to_owned()
    } else {
        ranges.join(" ")
    }
}

fn state(node: &NodeReport) -> (String, Style) {
    match (&*node.state, node.link) {
        ("running", Some("up")) => ("link up".to_owned(), Style::new().green()),
        ("running", Some(_)) => ("link down".to_owned(), Style::new().red()),
        ("running", None) => ("running".to_owned(), Style::new().green()),
        (other, _) => (other.to_owned(), Style::new().red()),
    }
}
