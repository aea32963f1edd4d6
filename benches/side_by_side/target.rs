//! Targets with their results, and the machine that they depend on.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::subject::Outcome;

/// The machine and its software, on which all results depend.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The number of processors that this process may use.
    pub cores: usize,
    /// Memory in MiB.
    pub memory: u64,
    /// The release of the kernel.
    pub kernel: String,
    /// The version of the container engine.
    pub engine: String,
    /// The image.
    pub image: String,
    /// The version of Compose, if it is installed.
    pub compose: Option<String>,
}

impl Machine {
    /// Reads the properties of this machine.
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

    /// Returns the machine as JSON.
    pub fn json(&self) -> Value {
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

/// A target and its result.
pub struct Target {
    what: String,
    limit: f64,
    unit: &'static str,
    at_least: bool,
    found: Option<f64>,
}

impl Target {
    /// Returns a target that must not exceed `limit`.
    pub fn at_most(what: impl Into<String>, limit: f64, unit: &'static str, found: Option<f64>) -> Self {
        Self {
            what: what.into(),
            limit,
            unit,
            at_least: false,
            found,
        }
    }

    /// Returns a target that must reach at least `limit`.
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

/// Prints the results for people, within 80 columns.
pub fn print(targets: &[Target]) {
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

/// Returns the results as JSON.
pub fn json(targets: &[Target]) -> Value {
    targets
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
        .collect()
}

/// Writes a document as JSON and returns the path.
pub fn write(name: &str, document: &Value) -> Outcome<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../bench");
    std::fs::create_dir_all(&directory)?;
    let path = directory.canonicalize()?.join(format!("{name}.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(document)?)?;
    Ok(path)
}
