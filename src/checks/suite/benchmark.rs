//! Load from inside the cluster's network: runs the server's own benchmark in a container next to the nodes,
//! once for each master, so that every key has rcup's prefix, a TTL, and a known name for its deletion.

use std::time::Duration;

use futures_util::future::join_all;

use crate::checks::latency::judge::NodeLatency;
use crate::checks::masters::{Master, key};
use crate::checks::suite::validation::{LoadFrom, Throughput};
use crate::ownership::probe::{AUTHORITY, on_network};
use crate::runtime::exec::printed;
use crate::runtime::interface::{ExecRequest, Runtime};
use crate::server::wire::benchmark::{Benchmark, benchmark as read, last_words};
use crate::topology::layout::Topology;

/// Total number of clients, at least one for each master.
const CLIENTS: usize = 50;

/// Total number of commands: about one second of load.
const COMMANDS: usize = 30_000;

/// Minimum number of commands for each master.
const FEWEST: usize = 1000;

/// Number of keys on each master.
const KEYS: usize = 100;

/// Maximum TTL of a key in milliseconds: longer than the measurement of both commands.
const KEY_LIFE: &str = "60000";

/// The size of a value, in bytes.
const VALUE: usize = 64;

/// Timeout of a run.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why there are no results.
pub(crate) enum Trouble {
    /// The benchmark cannot run, for this reason.
    Unable(String),
    /// The benchmark ran and failed.
    Failed(String),
}

/// Runs SET, then GET, on all masters concurrently. Deletes its keys afterwards.
pub(crate) async fn load<R: Runtime>(
    runtime: &R,
    topology: &Topology,
    masters: &[Master<'_>],
) -> Result<Vec<Throughput>, Trouble> {
    let Some(first) = masters.first() else {
        return Ok(Vec::new());
    };
    let access = first.link.access();
    if access.credentials().is_some() {
        // The program accepts a password only as an argument, which every user on the host can read.
        return Err(Trouble::Unable(
            "the benchmark would expose the password in its arguments".to_owned(),
        ));
    }
    let program = topology.placement.image.server.engine.benchmark();
    let authority = access.authority();
    let measured = on_network(runtime, topology, authority, async |id: String| {
        let version = ExecRequest {
            command: vec![program.to_owned(), "--version".to_owned()],
            ..ExecRequest::default()
        };
        let version = printed(runtime, &id, &version, PATIENCE).await?;
        if !version.starts_with(program) {
            return Ok(Err(Trouble::Unable(format!("the image has no {program}"))));
        }
        let mut all = Vec::new();
        for command in ["SET", "GET"] {
            let runs = join_all(masters.iter().map(|master| async {
                let request = request(
                    program,
                    command,
                    topology,
                    master,
                    masters.len(),
                    authority.is_some(),
                );
                let said = printed(runtime, &id, &request, PATIENCE).await;
                let said = said.unwrap_or_else(|error| error.to_string());
                read(&said).ok_or_else(|| why(master.name, command, &said))
            }))
            .await;
            match runs.into_iter().collect::<Result<Vec<Benchmark>, Trouble>>() {
                Ok(runs) => all.push(together(command, program, &runs, masters.len())),
                Err(trouble) => return Ok(Err(trouble)),
            }
        }
        Ok(Ok(all))
    })
    .await;
    join_all(masters.iter().map(|master| async {
        let keys: Vec<String> = (0..KEYS)
            .map(|nth| key(master.tag(), &format!("load:{nth:012}")))
            .collect();
        let words: Vec<&str> = ["DEL"]
            .into_iter()
            .chain(keys.iter().map(String::as_str))
            .collect();
        master.link.said(&words).await;
    }))
    .await;
    match measured {
        Ok(outcome) => outcome,
        Err(error) => {
            let why = error.reason();
            Err(Trouble::Unable(format!("{error}: {why}")))
        }
    }
}

/// Returns the number of clients for each master.
fn clients(masters: usize) -> usize {
    (CLIENTS / masters.max(1)).max(1)
}

fn request(
    program: &str,
    command: &str,
    topology: &Topology,
    master: &Master<'_>,
    masters: usize,
    tls: bool,
) -> ExecRequest {
    let node = topology.nodes.iter().find(|node| node.name == master.name);
    let (host, port) = node.map_or_else(
        || (master.link.address().host.clone(), master.link.address().port),
        |node| (node.ip.to_string(), node.port),
    );
    let commands = (COMMANDS / masters.max(1)).max(FEWEST);
    let mut words = vec![
        program.to_owned(),
        "-h".to_owned(),
        host,
        "-p".to_owned(),
        port.to_string(),
    ];
    words.extend(["-c".to_owned(), clients(masters).to_string()]);
    words.extend(["-n".to_owned(), commands.to_string()]);
    words.extend(["-r".to_owned(), KEYS.to_string()]);
    if tls {
        words.extend(["--tls", "--cacert", AUTHORITY].map(str::to_owned));
    }
    words.extend([command.to_owned(), key(master.tag(), "load:__rand_int__")]);
    if command == "SET" {
        words.extend(["x".repeat(VALUE), "PX".to_owned(), KEY_LIFE.to_owned()]);
    }
    ExecRequest {
        command: words,
        ..ExecRequest::default()
    }
}

/// Returns the reason why a run has printed no report.
fn why(master: &str, command: &str, said: &str) -> Trouble {
    let last = last_words(said).unwrap_or("it exited without a report or any output");
    if said.contains("Unrecognized option") || said.contains("Invalid option") {
        return Trouble::Unable(format!(
            "the image's benchmark does not support an option: {last}"
        ));
    }
    Trouble::Failed(format!("{master}: {command}: {last}"))
}

/// Combines the concurrent runs on all masters.
fn together(command: &str, program: &str, runs: &[Benchmark], masters: usize) -> Throughput {
    let commands: u64 = runs.iter().map(|run| run.commands).sum();
    let ms = runs.iter().map(|run| run.ms).max().unwrap_or(1);
    let times = runs.iter().flat_map(|run| run.times.iter().copied());
    Throughput {
        command: command.to_owned(),
        from: LoadFrom::Network,
        program: program.to_owned(),
        commands,
        ms,
        per_second: commands.saturating_mul(1000) / ms,
        clients: clients(masters) * masters,
        latency: NodeLatency::counted("all masters", times),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_at_the_same_time_are_put_together() {
        let run = |commands, ms| Benchmark {
            commands,
            ms,
            times: vec![(100, commands)],
        };
        let all = together("SET", "redis-benchmark", &[run(1000, 500), run(3000, 1000)], 2);
        assert_eq!(
            (all.commands, all.ms, all.per_second, all.clients),
            (4000, 1000, 4000, 50)
        );
        assert_eq!(all.latency.samples, 4000);
        assert_eq!((clients(3), clients(60)), (16, 1));
    }

    #[test]
    fn an_error_of_a_server_is_a_failure_and_an_unknown_option_is_not() {
        let failed = why(
            "n1",
            "SET",
            "rps=0.0\rError from server: MOVED 93 10.0.0.2:7001\n",
        );
        assert!(
            matches!(failed, Trouble::Failed(told) if told == "n1: SET: Error from server: MOVED 93 \
                10.0.0.2:7001")
        );
        let unable = why(
            "n1",
            "SET",
            "Unrecognized option or bad number of args for: '--tls'\n",
        );
        assert!(matches!(unable, Trouble::Unable(_)));
    }
}
