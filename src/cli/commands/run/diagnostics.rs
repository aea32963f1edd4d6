//! Saves diagnostics of a failed run to a directory: logs and cluster tables of the nodes, the state of their
//! containers, and the events of the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::handle::Cluster;
use crate::error::{Error, ErrorKind};
use crate::event::Event;

pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&self.0)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| cannot(&path, error))
    }

    /// Saves diagnostics of a failed start that was rolled back.
    pub fn failed_start(&self, events: &[(Duration, Event)], error: &Error) -> Result<(), Error> {
        self.write("events.ndjson", &lines(events))?;
        let told = json!({
            "kind": error.kind().as_str(),
            "message": error.to_string(),
            "causes": error.causes(),
            "details": error.detail_lines(),
            "hint": error.hint_text(),
        });
        self.write("error.json", &pretty(&told))
    }

    /// Saves diagnostics after a failed command, while the cluster still runs. If a query fails, its error is
    /// saved instead. If a file cannot be written, returns an error, which is reported in addition to the
    /// command's failure.
    pub async fn failed_command(
        &self,
        cluster: &Cluster,
        events: &[(Duration, Event)],
        code: i64,
    ) -> Result<(), Error> {
        self.write("events.ndjson", &lines(events))?;
        let attached = Cluster::attach(cluster.runtime().clone(), cluster.name()).await;
        let (report, files) = match attached {
            Ok(attached) => (Some(attached.report().await), attached.bundle().await),
            Err(_) => (None, Vec::new()),
        };
        let summary =
            json!({ "code": code, "cluster": cluster.name(), "state": report.as_ref().map(|one| one.state) });
        self.write("run.json", &pretty(&summary))?;
        for (name, text) in &files {
            self.write(name, text)?;
        }
        Ok(())
    }
}

fn lines(events: &[(Duration, Event)]) -> String {
    events
        .iter()
        .filter_map(|(at, event)| {
            let mut line = serde_json::to_value(event).ok()?;
            line["time"] = json!(at.as_secs_f64());
            Some(line.to_string() + "\n")
        })
        .collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Returns an error for the directory.
pub(crate) fn cannot(path: &std::path::Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).because(error)
}
