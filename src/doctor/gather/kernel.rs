//! Reads kernel settings on this machine, or through a container on the Docker host.

use std::collections::BTreeMap;

use crate::doctor::facts::KernelFacts;
use crate::doctor::finding::Fact;
use crate::error::ErrorKind;
use crate::ownership::probe::run_once;
use crate::runtime::interface::Runtime;
use crate::spec::server::Engine;

const THP_ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const THP_DEFRAG: &str = "/sys/kernel/mm/transparent_hugepage/defrag";
const OVERCOMMIT: &str = "/proc/sys/vm/overcommit_memory";
const SWAPPINESS: &str = "/proc/sys/vm/swappiness";
const SWAPS: &str = "/proc/swaps";
const SOMAXCONN: &str = "/proc/sys/net/core/somaxconn";
const SYN_BACKLOG: &str = "/proc/sys/net/ipv4/tcp_max_syn_backlog";

/// Kernel files that are the same in all containers. Settings of the network namespace are excluded, because
/// each container has its own.
const SHARED: [&str; 5] = [THP_ENABLED, THP_DEFRAG, OVERCOMMIT, SWAPPINESS, SWAPS];

/// Reads the settings of this machine's kernel from seven small files.
pub(crate) fn kernel_here() -> KernelFacts {
    facts(&|path| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")))
}

/// Returns no settings, with the reason.
pub(crate) fn unknown(why: &str) -> KernelFacts {
    facts(&|_| Err(why.to_owned()))
}

fn facts(read: &dyn Fn(&str) -> Fact<String>) -> KernelFacts {
    let number = |path: &str| {
        let text = read(path)?;
        text.trim()
            .parse()
            .map_err(|_| format!("{path}: `{}` is not a number", text.trim()))
    };
    let line = |path: &str| Ok(read(path)?.lines().next().unwrap_or_default().to_owned());
    KernelFacts {
        thp_enabled: line(THP_ENABLED),
        thp_defrag: line(THP_DEFRAG),
        overcommit_memory: number(OVERCOMMIT),
        somaxconn: number(SOMAXCONN),
        tcp_max_syn_backlog: number(SYN_BACKLOG),
        swappiness: number(SWAPPINESS),
        swap: read(SWAPS).map(|table| swap(&table)),
    }
}

/// Returns total and used swap in bytes. The table has KiB in its third and fourth column.
fn swap(table: &str) -> (u64, u64) {
    let column = |line: &str, nth: usize| -> u64 {
        let word = line.split_whitespace().nth(nth);
        word.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    table.lines().skip(1).fold((0, 0), |(total, used), line| {
        (total + column(line, 2), used + column(line, 3))
    })
}

/// Reads the kernel settings and the free bytes of the container engine's disk through a container of
/// `image`.
pub(crate) async fn kernel_through<R: Runtime>(runtime: &R, image: &str) -> (KernelFacts, Fact<u64>) {
    let script = format!(
        "for file in {}; do echo \"== $file\"; cat \"$file\"; done 2>/dev/null; echo '== df'; df -Pk /",
        SHARED.join(" ")
    );
    let command = ["sh", "-c", &script].map(str::to_owned);
    let texts = match run_once(runtime, image, &command).await {
        Ok(text) => sections(&text),
        // In an image without a shell, the server prints the first line of a file when it is given as its
        // configuration.
        Err(error) if error.kind() == ErrorKind::Image => by_the_server(runtime, image).await,
        Err(error) => {
            let why = format!("a container of {image} could not read it: {error}");
            return (unknown(&why), Err(why));
        }
    };
    let namespaced = "it belongs to a network namespace, and each container has its own";
    let missing = |path: &str| match path {
        SOMAXCONN | SYN_BACKLOG => namespaced.to_owned(),
        _ => format!("a container of {image} does not show {path}"),
    };
    let read = |path: &str| texts.get(path).cloned().ok_or_else(|| missing(path));
    let free = texts
        .get("df")
        .and_then(|table| {
            let kib = table.lines().nth(1)?.split_whitespace().nth(3)?;
            Some(kib.parse::<u64>().ok()? * 1024)
        })
        .ok_or_else(|| format!("a container of {image} has no df"));
    (facts(&read), free)
}

/// Returns the text below each line such as `== /proc/swaps`, without empty ones.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(next) = line.strip_prefix("== ") {
            next.clone_into(&mut name);
        } else {
            let section = sections.entry(name.clone()).or_default();
            section.push_str(line);
            section.push('\n');
        }
    }
    sections
}

async fn by_the_server<R: Runtime>(runtime: &R, image: &str) -> BTreeMap<String, String> {
    // The first line of `/proc/swaps` is its heading, so the server cannot read it this way.
    let files = SHARED.into_iter().filter(|path| *path != SWAPS);
    let read = files.map(|path| async move {
        for engine in [Engine::Redis, Engine::Valkey] {
            let command = [engine.server().to_owned(), path.to_owned()];
            if let Ok(text) = run_once(runtime, image, &command).await {
                return quoted(&text).map(|line| (path.to_owned(), line));
            }
        }
        None
    });
    let lines = futures_util::future::join_all(read).await;
    lines.into_iter().flatten().collect()
}

/// Returns the line that a server quotes in its configuration error: `>>> 'always [madvise] never'`.
pub(crate) fn quoted(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.split_once(">>> '"))?.1;
    line.trim_end().strip_suffix('\'').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_added_up() {
        let table = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2 partition 2097148 1024 \
            -2\n/swapfile \
                     file 1024 0 -3\n";
        assert_eq!(swap(table), (2_098_172 * 1024, 1024 * 1024));
        assert_eq!(swap("Filename Type Size Used Priority\n"), (0, 0));
    }

    #[test]
    fn what_a_server_quotes_is_the_line_of_the_file() {
        let redis = "\n*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***\nReading the configuration file, at \
            line 1\n>>> \
                     '65535'\nBad directive or wrong number of arguments\n";
        assert_eq!(quoted(redis).as_deref(), Some("65535"));
        let module = "1:M 22 Nov 2026 22:14:03.642 # >>> 'always [madvise] never'\n";
        assert_eq!(quoted(module).as_deref(), Some("always [madvise] never"));
        assert_eq!(quoted("Ready to accept connections"), None);
    }

    #[test]
    fn a_containers_answer_is_taken_apart() {
        let text = "== /proc/swaps\nFilename\n/dev/sda2 partition 8 4 -2\n== df\nFilesystem 1024-blocks\n";
        let sections = sections(text);
        assert_eq!(sections["/proc/swaps"], "Filename\n/dev/sda2 partition 8 4 -2\n");
        assert_eq!(sections["df"], "Filesystem 1024-blocks\n");
    }
}
