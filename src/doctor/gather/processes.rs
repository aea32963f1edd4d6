//! The processes of this machine that matter: the engine's, and what keeps the clock right.

use crate::doctor::finding::Fact;
use crate::doctor::gather::inside::open_files;

/// Programs that keep a clock right, by the names that the kernel shows (15 characters of them).
const KEEPERS: [(&str, &str); 7] = [
    ("chronyd", "chrony"),
    ("ntpd", "ntpd"),
    ("ntpd-rs", "ntpd-rs"),
    ("openntpd", "openntpd"),
    ("ntp-daemon", "ntpd-rs"),
    ("systemd-timesyn", "systemd-timesyncd"),
    ("phc2sys", "phc2sys"),
];

/// What one walk over the processes tells.
pub(crate) struct Processes {
    /// What keeps the clock right.
    pub(crate) keeper: Option<String>,
    /// The limit of open files of `dockerd`.
    pub(crate) engine_files: Fact<u64>,
}

/// Walks over them.
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
