//! Measures the fsync latency of the container engine's disk.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::doctor::facts::Fsync;
use crate::doctor::finding::Fact;
use crate::ownership::probe::run_once;
use crate::runtime::interface::Runtime;

/// Number of writes, and the time limit for all of them.
const WRITES: u32 = 500;
const PATIENCE: Duration = Duration::from_secs(3);

/// Measures writes to an unnamed file in `directory`; the kernel deletes the file in any case.
pub(crate) async fn direct(directory: PathBuf) -> Fact<Fsync> {
    tokio::task::spawn_blocking(move || {
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        let mut file = tempfile::tempfile_in(&directory).map_err(failed)?;
        let block = [0x5a_u8; 4096];
        // Allocate the block first, so that the measured writes change no metadata, as in an existing log.
        file.write_all(&block).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let begun = Instant::now();
        let mut times = Vec::new();
        for nth in 0..u64::from(WRITES) {
            if begun.elapsed() > PATIENCE {
                break;
            }
            let one = Instant::now();
            file.write_all_at(&block, nth * 4096).map_err(failed)?;
            // The servers also use fdatasync for their log.
            file.sync_data().map_err(failed)?;
            times.push(one.elapsed());
        }
        summary(times).ok_or_else(|| "no write completed in time".to_owned())
    })
    .await
    .unwrap_or_else(|error| Err(error.to_string()))
}

fn summary(mut times: Vec<Duration>) -> Option<Fsync> {
    times.sort_unstable();
    let at = |percent: usize| {
        let last = times.len().checked_sub(1)?;
        times.get((last * percent).div_ceil(100)).copied()
    };
    Some(Fsync {
        writes: u32::try_from(times.len()).unwrap_or(u32::MAX),
        p50: at(50)?,
        p99: at(99)?,
        max: *times.last()?,
    })
}

/// Measures through a server in a container of `image`, if this user cannot write to the container engine's
/// disk or the disk is on another machine. The server replies to each write only after an fsync. The result
/// includes the overhead of the server.
pub(crate) async fn through<R: Runtime>(runtime: &R, image: &str, server: &str) -> Fact<Fsync> {
    let benchmark = server.replace("-server", "-benchmark");
    let script = format!(
        "cd /tmp || exit 1; {server} --port 0 --unixsocket /tmp/s --appendonly yes --appendfsync always \
         --save '' \
         --logfile /dev/null --daemonize yes >/dev/null || exit 1; for i in 1 2 3 4 5 6 7 8 9; do \
         {benchmark} -s \
         /tmp/s -c 1 -n {WRITES} -t set --csv 2>/dev/null && break; sleep 0.2; done"
    );
    let command = ["sh", "-c", &script].map(str::to_owned);
    let text = run_once(runtime, image, &command)
        .await
        .map_err(|error| format!("a container of {image} could not measure: {error}"))?;
    parse(&text).ok_or_else(|| format!("{benchmark} in {image} reported no latencies"))
}

/// `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"`
fn parse(csv: &str) -> Option<Fsync> {
    let line = csv.lines().find(|line| line.starts_with("\"SET\""))?;
    let values: Vec<f64> = line
        .split(',')
        .skip(1)
        .filter_map(|value| value.trim_matches('"').parse().ok())
        .collect();
    let ms = |nth: usize| {
        values
            .get(nth)
            .map(|ms| Duration::from_secs_f64(ms.max(0.0) / 1000.0))
    };
    Some(Fsync {
        writes: WRITES,
        p50: ms(3)?,
        p99: ms(5)?,
        max: ms(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentiles_are_those_of_the_sorted_times() {
        let times = (1..=100).rev().map(Duration::from_micros).collect();
        let summary = summary(times).unwrap();
        assert_eq!(summary.p50, Duration::from_micros(51));
        assert_eq!(summary.p99, Duration::from_micros(100));
        assert_eq!(summary.max, Duration::from_micros(100));
        assert!(super::summary(Vec::new()).is_none());
    }

    #[test]
    fn the_benchmarks_own_percentiles_are_read() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                   \"p99_latency_ms\",\"max_latency_ms\"\n\"SET\",\"1923.08\",\"0.509\",\"0.312\",\"0.463\",\"0.703\",\
                   \"1.263\",\"3.167\"\n";
        let fsync = parse(csv).unwrap();
        assert_eq!(fsync.p50, Duration::from_micros(463));
        assert_eq!(fsync.p99, Duration::from_micros(1263));
        assert_eq!(fsync.max, Duration::from_micros(3167));
        assert!(parse("sh: not found").is_none());
    }
}
