//! The tables, the targets, and the file.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::stats::Samples;
use crate::subject::Outcome;

/// The machine and the software, without which no figure means anything.
#[derive(Clone, Debug)]
pub struct Machine {
    /// How many processors this process may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The engine's version.
    pub engine: String,
    /// The image.
    pub image: String,
    /// Compose's version, if there is one.
    pub compose: Option<String>,
}

impl Machine {
    /// Looks at this machine.
    pub fn look(engine: &str, image: &str, compose: Option<String>) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = read("/proc/meminfo")
            .lines()
            .find_map(|line| {
                line.strip_prefix("MemTotal:")?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(0_u64);
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: memory / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            engine: engine.to_owned(),
            image: image.to_owned(),
            compose,
        }
    }

    fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "memory_mib": self.memory,
            "kernel": self.kernel,
            "engine": self.engine,
            "image": self.image,
            "compose": self.compose,
        })
    }
}

/// What is promised, and what came out.
pub struct Target {
    what: String,
    limit: f64,
    unit: &'static str,
    at_least: bool,
    found: Option<f64>,
}

impl Target {
    /// It must not be more than `limit`.
    pub fn at_most(what: impl Into<String>, limit: f64, unit: &'static str, found: Option<f64>) -> Self {
        Self {
            what: what.into(),
            limit,
            unit,
            at_least: false,
            found,
        }
    }

    /// It must not be less than `limit`.
    pub fn at_least(what: impl Into<String>, limit: f64, unit: &'static str, found: Option<f64>) -> Self {
        Self {
            at_least: true,
            ..Self::at_most(what, limit, unit, found)
        }
    }

    fn verdict(&self) -> &'static str {
        match self.found {
            None => "not measured",
            Some(found) if self.at_least == (found >= self.limit) || found.total_cmp(&self.limit).is_eq() => {
                "pass"
            }
            Some(_) => "miss",
        }
    }
}

/// A size and its samples.
pub struct Size {
    /// How many nodes.
    pub nodes: usize,
    /// What was measured.
    pub samples: Samples,
}

/// The contenders in the order of the table, with what the reader is told of them.
const ROWS: [(&str, &str); 10] = [
    ("floor", "raw API: make, start, PONG"),
    ("floor without network", "  the same, network not counted"),
    ("staged", "  all made, then all started"),
    ("chained", "  each started once it is made"),
    ("up", "rcup up: formed and proven"),
    ("classic", "compose + redis-cli --cluster"),
    ("again", "rcup up, again"),
    ("down", "rcup down"),
    ("raw down", "raw API: remove the same"),
    ("classic compose", "  of the classic way: compose"),
];

/// Everything for people, within 80 columns.
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
    // In the reverse order of the names, `up` comes before `again`.
    spent.sort_unstable_by_key(|name| std::cmp::Reverse(*name));
    spent.dedup();
    for what in spent {
        row(what, sizes, |samples| {
            samples
                .median(what)
                .map(|seconds| format!("{:.0}", seconds * 1000.0))
        });
    }
    println!("\ntargets");
    for target in targets {
        let found = target.found.map_or_else(
            || "-".to_owned(),
            |found| format!("{found:.2} {}", target.unit).trim_end().to_owned(),
        );
        let sign = if target.at_least { "≥" } else { "≤" };
        let limit = format!("{sign} {} {}", target.limit, target.unit);
        println!(
            "{:<34}{:<14}{found:>14}  {}",
            target.what,
            limit.trim_end(),
            target.verdict()
        );
    }
}

fn heading(sizes: &[Size]) {
    print!("{:<32}", "");
    for size in sizes {
        print!("{:>12}", format!("{} nodes", size.nodes));
    }
    println!();
}

/// One line, left out where no size has a value.
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

/// Everything for programs; returns where it is.
pub fn write(machine: &Machine, sizes: &[Size], targets: &[Target]) -> Outcome<PathBuf> {
    let sizes: Vec<Value> = sizes
        .iter()
        .map(|size| json!({ "nodes": size.nodes, "seconds": size.samples.json() }))
        .collect();
    let targets: Vec<Value> = targets
        .iter()
        .map(|target| {
            json!({
                "target": target.what,
                "limit": target.limit,
                "at_least": target.at_least,
                "unit": target.unit,
                "found": target.found,
                "verdict": target.verdict(),
            })
        })
        .collect();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../bench");
    std::fs::create_dir_all(&directory)?;
    let path = directory.canonicalize()?.join("side_by_side.json");
    let document = json!({ "machine": machine.json(), "sizes": sizes, "targets": targets });
    std::fs::write(&path, serde_json::to_vec_pretty(&document)?)?;
    Ok(path)
}
