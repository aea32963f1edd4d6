//! Checks cores, memory and disk against the hardware table of the deployment guide
//! (`docs/guide-coverage.md`).

use crate::doctor::expected::by;
use crate::doctor::facts::{Disk, Fsync, MachineFacts};
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::spec::profile::Profile;

/// A row of the hardware table: requirements of one node.
struct Hardware {
    cores: u64,
    memory_gb: u64,
    disk_gb: u64,
    /// Disk operations per second, if the profile persists data and the guide specifies a number.
    iops: Option<u64>,
}

const DEV: Hardware = Hardware {
    cores: 2,
    memory_gb: 4,
    disk_gb: 20,
    iops: None,
};
const STAGING: Hardware = Hardware {
    cores: 4,
    memory_gb: 16,
    disk_gb: 100,
    iops: None,
};
const PRODUCTION: Hardware = Hardware {
    cores: 8,
    memory_gb: 32,
    disk_gb: 500,
    iops: Some(10_000),
};

const GUIDE: &str = "guide: minimal hardware of a node";

/// Minimum free bytes for the containers' own files.
const LEAST_DISK: u64 = 1_000_000_000;

/// Maximum duration of an fsync before client writes are delayed noticeably. The server's latency monitor
/// reports events from 100 ms with the guide's `latency-monitor-threshold`.
const SLOW_FSYNC_MS: u128 = 100;

const GB: u64 = 1_000_000_000;

/// Available and required amount of a resource.
struct Share {
    id: &'static str,
    unit: &'static str,
    has: u64,
    one: u64,
    why: &'static str,
}

/// Adds the hardware findings for a host with this number of nodes.
pub(crate) fn judge(profile: Profile, nodes: usize, facts: &MachineFacts, diagnosis: &mut Diagnosis) {
    let row = match profile {
        Profile::Dev => &DEV,
        Profile::Staging => &STAGING,
        Profile::Production => &PRODUCTION,
    };
    diagnosis.of("cores", &facts.cores, |cores| {
        let share = Share {
            id: "cores",
            unit: "cores",
            has: *cores,
            one: row.cores,
            why: "a node uses one thread for commands and others for saving, replication and client I/O",
        };
        share.judge(profile, nodes)
    });
    diagnosis.of("memory", &facts.memory, |bytes| {
        let share = Share {
            id: "memory",
            unit: "GB of memory",
            // Round to whole GB: the kernel reserves a part of the nominal memory.
            has: (bytes + GB / 2) / GB,
            one: row.memory_gb,
            why: "all data is in memory, and saving may need the same amount again",
        };
        share.judge(profile, nodes)
    });
    diagnosis.of("disk", &facts.disk, |disk| space(profile, nodes, row, disk));
    if let Ok(disk) = &facts.disk
        && let Some(rotational) = disk.rotational
    {
        diagnosis.push(kind(profile, rotational));
    }
    if let Some(fact) = &facts.fsync {
        diagnosis.of("fsync", fact, |fsync| latency(profile, row, fsync));
    }
}

impl Share {
    /// Compares the amounts. In `dev`, all nodes share the requirement of one node; in the other profiles,
    /// each node needs its own.
    fn judge(&self, profile: Profile, nodes: usize) -> Finding {
        let all = self.one.saturating_mul(nodes as u64);
        let (severity, wanted) = match profile {
            Profile::Dev => (
                if self.has < self.one {
                    Severity::Warn
                } else {
                    Severity::Ok
                },
                format!("{} {}, shared by all nodes", self.one, self.unit),
            ),
            Profile::Staging | Profile::Production => {
                let severity = if self.has >= all {
                    Severity::Ok
                } else if profile == Profile::Production || self.has < self.one {
                    Severity::Fail
                } else {
                    Severity::Warn
                };
                (
                    severity,
                    format!("{all} {} ({} for each of {nodes} nodes)", self.unit, self.one),
                )
            }
        };
        Finding::new(self.id, severity, format!("{} {}", self.has, self.unit), wanted)
            .why(self.why, GUIDE)
            .advise(
                match profile {
                    Profile::Dev => {
                        "Use a larger machine, or give the container engine's virtual machine \
                        more."
                    }
                    Profile::Staging | Profile::Production => {
                        "Use fewer nodes, a lighter profile or a larger machine."
                    }
                },
                None,
            )
    }
}

fn space(profile: Profile, nodes: usize, row: &Hardware, disk: &Disk) -> Finding {
    if disk.free < LEAST_DISK {
        return Finding::new(
            "disk",
            Severity::Fail,
            format!("{} MB free in {}", disk.free / 1_000_000, disk.path),
            "at least 1 GB free",
        )
        .why(
            "a full disk stops saves and logs, and finally the containers",
            "rcup",
        )
        .advise("docker system df; docker system prune", None);
    }
    let share = Share {
        id: "disk",
        unit: "GB free on disk",
        has: disk.free / GB,
        one: row.disk_gb,
        why: "rewriting snapshots and logs needs several times the size of the data",
    };
    let mut finding = share.judge(profile, nodes);
    finding.found = format!("{} in {}", finding.found, disk.path);
    finding
}

fn kind(profile: Profile, rotational: bool) -> Finding {
    let (severity, found) = if rotational {
        (
            by(profile, Severity::Ok, Severity::Warn, Severity::Fail),
            "a rotating disk",
        )
    } else {
        (Severity::Ok, "not a rotating disk")
    };
    Finding::new(
        "disk-kind",
        severity,
        found,
        by(profile, "any", "SSD", "NVMe SSD"),
    )
    .why("every fsync of the append-only file waits for the disk", GUIDE)
    .advise(
        "Move Docker's data to an SSD (`data-root` in /etc/docker/daemon.json).",
        None,
    )
}

fn latency(profile: Profile, row: &Hardware, fsync: &Fsync) -> Finding {
    let micros = |time: std::time::Duration| match time.as_micros() {
        few @ 0..1000 => format!("{few} µs"),
        many => format!("{}.{} ms", many / 1000, many % 1000 / 100),
    };
    let rate = 1_000_000 / fsync.p50.as_micros().max(1);
    let found = format!(
        "p50 {}, p99 {}, max {} ({rate}/s, sequential)",
        micros(fsync.p50),
        micros(fsync.p99),
        micros(fsync.max)
    );
    let stalls = fsync.p99.as_millis() >= SLOW_FSYNC_MS;
    let slow = row.iops.is_some_and(|iops| rate < u128::from(iops));
    let severity = match (stalls, slow) {
        (true, _) => by(profile, Severity::Ok, Severity::Warn, Severity::Fail),
        (false, true) => Severity::Warn,
        (false, false) => Severity::Ok,
    };
    let wanted = by(profile, "any", "p99 below 100 ms", "p99 below 100 ms and 10000/s");
    Finding::new("fsync", severity, found, wanted)
        .why(
            "with `appendfsync always` each write waits for one fsync; with `everysec` a slow one stops \
             the server for \
             a moment",
            GUIDE,
        )
        .advise(
            "Move Docker's data to a faster disk (`data-root` in /etc/docker/daemon.json).",
            None,
        )
}
