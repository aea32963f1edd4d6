//! Finds processes on this machine: the container engine and time sync services.

use crate::doctor::finding::Fact;
use crate::doctor::gather::inside::open_files;

/// Time sync services by process name (truncated to 15 characters by the kernel).
const KEEPERS: [(&str, &str); 7] = [
    ("chronyd", "chrony"),
    ("ntpd", "ntpd"),
    ("ntpd-rs", "ntpd-rs"),
    ("openntpd", "openntpd"),
    ("ntp-daemon", "ntpd-rs"),
    ("systemd-timesyn", "systemd-timesyncd"),
    ("phc2sys", "phc2sys"),
];

/// Results of one scan of the processes.
pub(crate) struct Processes {
    /// The time sync service, if one was found.
    pub(crate) keeper: Option<String>,
    /// Limit of open files of `dockerd`.
    pub(crate) engine_files: Fact<u64>,
}

/// Scans the processes.
pub(crate) fn look() -> Processes {
    let mut keeper = None;
    let mut engine = None;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(comm) = std::fs::read_to_string(entry.path().join("comm")) else {
            continue;
        };
        let comm = comm.trim();
        if comm == "dockerd" {
            engine = engine.or_else(|| {
                let table = std::fs::read_to_string(entry.path().join("limits")).ok()?;
                open_files(&table)
            });
        } else if let Some((_, name)) = KEEPERS.iter().find(|(seen, _)| *seen == comm) {
            keeper = Some((*name).to_owned());
        }
    }
    Processes {
        keeper,
        engine_files: engine.ok_or_else(|| "no dockerd process is visible from here".to_owned()),
    }
}
