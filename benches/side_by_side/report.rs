//! The tables and the JSON file.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::stats::Samples;
use super::target::{self, Machine, Target};
use crate::subject::Outcome;

/// A size and its samples.
pub struct Size {
    /// The number of nodes.
    pub nodes: usize,
    /// The samples at this size.
    pub samples: Samples,
}

/// The operations in the order of the table, with their labels.
const ROWS: [(&str, &str); 14] = [
    ("floor", "raw API: make, start, PONG"),
    ("floor without network", "  the same, network not counted"),
    ("staged", "  all made, then all started"),
    ("chained", "  each started once it is made"),
    ("up", "rcup up: formed and proven"),
    ("up --tls", "  the same with --tls"),
    ("up --profile staging", "  with --profile staging"),
    ("up --profile production", "  with --profile production"),
    ("classic", "compose + redis-cli --cluster"),
    ("again", "rcup up, again"),
    ("validate", "rcup validate --suite smoke"),
    ("down", "rcup down"),
    ("raw down", "raw API: remove the same"),
    ("classic compose", "  of the classic way: compose"),
];

/// Prints a report for people, within 80 columns.
pub fn print(machine: &Machine, sizes: &[Size], targets: &[Target]) {
    println!(
        "\n{} cores, {} MiB, kernel {}, engine {}, image {}, compose {}",
        machine.cores,
        machine.memory,
        machine.kernel,
        machine.engine,
        machine.image,
        machine.compose.as_deref().unwrap_or("none")
    );
    println!("\nmedian (least), in seconds");
    heading(sizes);
    for (what, told) in ROWS {
        row(told, sizes, |samples| {
            let pair = samples.median(what).zip(samples.least(what));
            pair.map(|(median, least)| format!("{median:.2} ({least:.2})"))
        });
    }
    println!("\nratios of the medians");
    heading(sizes);
    for (told, one, other) in [
        ("up / floor", "up", "floor"),
        ("up / floor without network", "up", "floor without network"),
        ("classic / up", "classic", "up"),
        ("down / raw removal", "down", "raw down"),
    ] {
        row(told, sizes, |samples| {
            samples.ratio(one, other).map(|ratio| format!("{ratio:.2}"))
        });
    }
    println!("\nwhere it goes, median in milliseconds");
    heading(sizes);
    let spent = sizes.iter().flat_map(|size| size.samples.names());
    let mut spent: Vec<&str> = spent.filter(|name| name.contains(": ")).collect();
    // In the reverse order of names, `up` comes before `again`.
    spent.sort_unstable_by_key(|name| std::cmp::Reverse(*name));
    spent.dedup();
    for what in spent {
        row(what, sizes, |samples| {
            samples
                .median(what)
                .map(|seconds| format!("{:.0}", seconds * 1000.0))
        });
    }
    target::print(targets);
}

fn heading(sizes: &[Size]) {
    print!("{:<32}", "");
    for size in sizes {
        print!("{:>12}", format!("{} nodes", size.nodes));
    }
    println!();
}

/// Prints one line, unless no size has a value.
fn row(told: &str, sizes: &[Size], cell: impl Fn(&Samples) -> Option<String>) {
    let cells: Vec<Option<String>> = sizes.iter().map(|size| cell(&size.samples)).collect();
    if cells.iter().all(Option::is_none) {
        return;
    }
    print!("{told:<32}");
    for cell in cells {
        print!("{:>12}", cell.as_deref().unwrap_or("-"));
    }
    println!();
}

/// Writes everything as JSON and returns the path.
pub fn write(machine: &Machine, sizes: &[Size], targets: &[Target]) -> Outcome<PathBuf> {
    let sizes: Vec<Value> = sizes
        .iter()
        .map(|size| json!({ "nodes": size.nodes, "seconds": size.samples.json() }))
        .collect();
    let document = json!({ "machine": machine.json(), "sizes": sizes, "targets": target::json(targets) });
    target::write("side_by_side", &document)
}
