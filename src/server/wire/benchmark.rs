//! Parser for the output of `redis-benchmark` and `valkey-benchmark` for one command.

/// Benchmark result of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benchmark {
    /// Number of commands that were answered.
    pub commands: u64,
    /// Total time in milliseconds.
    pub ms: u64,
    /// Latencies in microseconds, each with the number of replies above the previous latency and up to this one.
    pub times: Vec<(u64, u64)>,
}

/// Parses the program's output; returns `None` if it is not the report of a successful run.
pub fn benchmark(text: &str) -> Option<Benchmark> {
    let mut done = None;
    let mut points: Vec<(u64, u64)> = Vec::new();
    for line in text.lines() {
        // The program overwrites a progress line with the text that follows it.
        let line = line.rsplit('\r').next().unwrap_or(line).trim();
        if let Some((number, rest)) = line.split_once(" requests completed in ") {
            let seconds: f64 = rest.strip_suffix(" seconds")?.parse().ok()?;
            done = Some((number.parse::<u64>().ok()?, thousandths(seconds)));
        } else if let Some(point) = point(line) {
            points.push(point);
        }
    }
    let (commands, ms) = done?;
    points.sort_unstable();
    let mut times = Vec::new();
    let mut before = 0;
    for (micros, so_far) in points {
        if so_far > before {
            times.push((micros, so_far - before));
            before = so_far;
        }
    }
    (before == commands && commands > 0).then_some(Benchmark {
        commands,
        ms: ms.max(1),
        times,
    })
}

/// Returns the last output of the program other than its progress: the reason why it exited without a report.
/// Errors and progress use different streams, so either may come first, or follow the other in one line.
pub fn last_words(text: &str) -> Option<&str> {
    let mut spoken = text.rsplit(['\n', '\r']).map(|line| {
        let Some((_, progress)) = line.split_once(": rps=") else {
            return line.trim();
        };
        let last = progress
            .rsplit_once("(overall: ")
            .and_then(|(_, last)| last.split_once(')'));
        last.map_or("", |(_, behind)| behind.trim())
    });
    spoken.find(|line| !line.is_empty())
}

/// Parses `93.750% <= 0.055 milliseconds (cumulative count 2852)`.
fn point(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once("% <= ")?;
    let (time, rest) = rest.split_once(" milliseconds (cumulative count ")?;
    let count = rest.strip_suffix(')')?.parse().ok()?;
    Some((thousandths(time.parse().ok()?), count))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of a measurement, which are neither negative nor beyond 2^52"
)]
fn thousandths(value: f64) -> u64 {
    (value * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = " \r\rSET k v: rps=0.0 (overall: 0.0) avg_msec=nan\r      \r====== SET k v ======\n  3000 requests completed in \
                          0.04 seconds\n  5 parallel clients\n\nLatency by percentile distribution:\n0.000% <= 0.015 \
                          milliseconds (cumulative count 235)\n50.000% <= 0.031 milliseconds (cumulative count 2223)\n\
                          100.000% <= 9.327 milliseconds (cumulative count 3000)\n\nCumulative distribution of latencies:\n\
                          97.800% <= 0.103 milliseconds (cumulative count 2934)\n100.000% <= 10.103 milliseconds (cumulative \
                          count 3000)\n\nSummary:\n  throughput summary: 83333.34 requests per second\n";

    #[test]
    fn the_report_of_a_run_is_read_to_the_last_answer() {
        let read = benchmark(REPORT).unwrap();
        assert_eq!((read.commands, read.ms), (3000, 40));
        assert_eq!(read.times, [(15, 235), (31, 1988), (103, 711), (9327, 66)]);
    }

    #[test]
    fn the_last_words_are_no_progress() {
        let progress = "SET k v: rps=0.0 (overall: -nan) avg_msec=-nan (overall: -nan)";
        let error = "Error from server: NOPERM no permissions to run the 'set' command";
        for text in [
            format!("{error}\n{progress}"),
            format!("\r{progress}\r{error}\n"),
            format!("{progress}{error}\n \n"),
            format!(" \r{error}\n\r{progress}\r"),
        ] {
            assert_eq!(last_words(&text), Some(error), "{text:?}");
        }
        assert_eq!(last_words(progress), None);
        assert_eq!(last_words(" \r\n"), None);
        assert_eq!(
            last_words("SET k v: rps=0."),
            None,
            "progress that was broken off"
        );
    }

    #[test]
    fn what_is_no_report_is_none() {
        for text in [
            "",
            "Error from server: MOVED 93 10.0.0.2:7001\n",
            "sh: redis-benchmark: not found\n",
            "  3000 requests completed in 0.04 seconds\n100.000% <= 1.000 milliseconds (cumulative count 2999)\n",
        ] {
            assert_eq!(benchmark(text), None, "{text}");
        }
    }
}
