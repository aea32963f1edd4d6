//! Checks kernel settings: huge pages, overcommit, connection backlogs and swap.

use crate::doctor::expected::{Rule, Wants, by};
use crate::doctor::facts::KernelFacts;
use crate::doctor::finding::Fact;
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::doctor::fix::{Change, Seat};
use crate::spec::profile::Profile;

/// A numeric kernel setting.
struct Setting {
    id: &'static str,
    key: &'static str,
    /// Value from the deployment guide (`docs/guide-coverage.md`).
    value: u64,
    wants: Wants,
    why: &'static str,
    source: &'static str,
}

const GUIDE: &str = "guide: Linux system configuration";

const OVERCOMMIT: Setting = Setting {
    id: "overcommit-memory",
    key: "vm.overcommit_memory",
    value: 1,
    wants: Wants {
        // With value 0, the kernel's heuristic refuses a fork only if the data is almost as large as the
        // memory.
        dev: (Rule::Not(2), Severity::Warn),
        staging: (Rule::Is(1), Severity::Warn),
        production: (Rule::Is(1), Severity::Fail),
    },
    why: "a server forks to save, rewrite its log and sync a replica; without overcommit the kernel may \
        refuse the fork although few pages will be copied",
    source: GUIDE,
};

const SOMAXCONN: Setting = Setting {
    id: "somaxconn",
    key: "net.core.somaxconn",
    value: 65_535,
    wants: Wants {
        dev: (Rule::Least(511), Severity::Warn),
        staging: (Rule::Least(65_535), Severity::Warn),
        production: (Rule::Least(65_535), Severity::Warn),
    },
    why: "it limits the accept backlog of published ports; rcup sets the nodes' own value",
    source: GUIDE,
};

const SYN_BACKLOG: Setting = Setting {
    id: "tcp-max-syn-backlog",
    key: "net.ipv4.tcp_max_syn_backlog",
    value: 65_535,
    wants: Wants {
        dev: (Rule::Least(128), Severity::Warn),
        staging: (Rule::Least(65_535), Severity::Warn),
        production: (Rule::Least(65_535), Severity::Warn),
    },
    why: "when many clients reconnect at once, published ports drop half-open connections above this \
        limit; rcup sets the nodes' own value",
    source: GUIDE,
};

const SWAPPINESS: Setting = Setting {
    id: "swappiness",
    key: "vm.swappiness",
    value: 1,
    wants: Wants {
        dev: (Rule::Any, Severity::Ok),
        staging: (Rule::Most(10), Severity::Warn),
        production: (Rule::Most(1), Severity::Fail),
    },
    why: "a swapped-out page makes every client wait for the disk, because one thread serves them all",
    source: GUIDE,
};

/// Adds the kernel findings.
pub(crate) fn judge(profile: Profile, facts: &KernelFacts, seat: &Seat, diagnosis: &mut Diagnosis) {
    huge_pages(profile, facts, seat, diagnosis);
    let has_swap = !matches!(facts.swap, Ok((0, _)));
    setting(&OVERCOMMIT, profile, &facts.overcommit_memory, seat, diagnosis);
    setting(&SOMAXCONN, profile, &facts.somaxconn, seat, diagnosis);
    setting(&SYN_BACKLOG, profile, &facts.tcp_max_syn_backlog, seat, diagnosis);
    setting(&SWAPPINESS, profile, &facts.swappiness, seat, diagnosis);
    // Without swap the setting has no effect until swap is added.
    if let Some(finding) = diagnosis.findings.last_mut()
        && finding.id == SWAPPINESS.id
        && !has_swap
    {
        finding.severity = finding.severity.min(Severity::Warn);
        finding.found.push_str(", and there is no swap");
    }
    diagnosis.of("swap", &facts.swap, |(total, used)| swap(profile, *total, *used));
}

fn setting(setting: &Setting, profile: Profile, fact: &Fact<u64>, seat: &Seat, diagnosis: &mut Diagnosis) {
    diagnosis.of(setting.id, fact, |value| {
        let (rule, broken) = setting.wants.of(profile);
        let severity = if rule.holds(*value) { Severity::Ok } else { broken };
        Finding::new(
            setting.id,
            severity,
            format!("{} = {value}", setting.key),
            rule.text(),
        )
        .why(setting.why, setting.source)
        .mend(
            Change::Sysctls(vec![(setting.key, setting.value.to_string())]),
            seat,
        )
    });
}

/// Returns the selected word of a line such as `always [madvise] never`.
fn chosen(line: &str) -> &str {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
        .unwrap_or(line.trim())
}

fn huge_pages(profile: Profile, facts: &KernelFacts, seat: &Seat, diagnosis: &mut Diagnosis) {
    let off = matches!(&facts.thp_enabled, Ok(line) if chosen(line) == "never");
    diagnosis.of("thp-enabled", &facts.thp_enabled, |line| {
        // The servers do not request huge pages, so `madvise` has the same effect as `never`.
        let severity = match chosen(line) {
            "never" => Severity::Ok,
            "madvise" => by(profile, Severity::Ok, Severity::Ok, Severity::Warn),
            _ => by(profile, Severity::Warn, Severity::Warn, Severity::Fail),
        };
        let wanted = by(profile, "madvise or never", "madvise or never", "never");
        Finding::new("thp-enabled", severity, chosen(line), wanted)
            .why(
                "after a fork, each write to a huge page duplicates 2 MB instead of 4 KB: latency and \
                 memory use rise while a server saves",
                GUIDE,
            )
            .mend(Change::HugePages(vec![("enabled", "never")]), seat)
    });
    diagnosis.of("thp-defrag", &facts.thp_defrag, |line| {
        let severity = match chosen(line) {
            "never" => Severity::Ok,
            _ if off => Severity::Ok,
            "always" => by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
            _ => by(profile, Severity::Ok, Severity::Ok, Severity::Warn),
        };
        let wanted = by(profile, "any", "any value except always", "never");
        Finding::new("thp-defrag", severity, chosen(line), wanted)
            .why(
                "the kernel stops a process while it assembles a huge page; clients then wait",
                GUIDE,
            )
            .mend(Change::HugePages(vec![("defrag", "never")]), seat)
    });
}

fn swap(profile: Profile, total: u64, used: u64) -> Finding {
    let mb = |bytes: u64| bytes / 1_000_000;
    let (severity, found) = match (total, used) {
        (0, _) => (
            by(profile, Severity::Ok, Severity::Ok, Severity::Warn),
            "none".to_owned(),
        ),
        (total, used) if used > total / 4 => (
            by(profile, Severity::Ok, Severity::Warn, Severity::Warn),
            format!("{} of {} MB used", mb(used), mb(total)),
        ),
        (total, used) => (Severity::Ok, format!("{} of {} MB used", mb(used), mb(total))),
    };
    let wanted = by(
        profile,
        "any",
        "less than 25% used",
        "present, less than 25% used",
    );
    let finding = Finding::new("swap", severity, found, wanted).why(
        "with some swap, a machine that runs out of memory slows down noticeably; without swap, the kernel \
         kills a node. Swapping makes clients wait",
        "Redis documentation: administration",
    );
    if total == 0 {
        finding.advise(
            "sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo \
             swapon \
             /swapfile",
            Some("echo '/swapfile none swap sw 0 0' | sudo tee -a /etc/fstab".to_owned()),
        )
    } else {
        finding.advise(
            "Find out which process uses the memory (`ps -eo rss,comm --sort -rss | head`), then stop it \
             or add memory.",
            None,
        )
    }
}
