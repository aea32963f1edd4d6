//! Starts, uses and removes clusters repeatedly: a cluster that is reported as ready must accept every command at once,
//! and no object may remain after its removal.
//!
//! `make soak`, or `cargo bench --bench soak -- --help`. This program owns all clusters named `soak-…` on the container
//! engine: it removes them before and after the run.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose product is what it prints"
)]

mod burst;
mod healthy;
#[path = "../subject/mod.rs"]
mod subject;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use burst::Keys;
use clap::Parser;
use futures_util::{FutureExt as _, TryStreamExt as _};
use subject::{Engine, Outcome, Subject, Wanted};
use tokio::signal::unix::{SignalKind, signal};

use rcup::Docker;
use rcup::runtime::interface::{LogRequest, Runtime as _};
use rcup::runtime::labels::CLUSTER;
use rcup::spec::profile::Profile;
use rcup::spec::server::Server;

/// The name prefix of all clusters of this program.
const PREFIX: &str = "soak-";

/// Masters and replicas: the default shape, one without replicas, a single node, too few masters for a majority, and
/// two replicas each.
const SHAPES: [(usize, usize); 5] = [(3, 1), (3, 0), (1, 0), (2, 1), (5, 2)];

/// Both formations.
const FORMATIONS: [&str; 2] = ["seeded", "commands"];

/// The number of log lines of each node that are shown when a round fails.
const LOG_LINES: u32 = 10;

/// Starts, uses and removes clusters until an error occurs.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Number of rounds
    #[arg(long, env = "ROUNDS", default_value_t = 100)]
    rounds: usize,
    /// The images to alternate (default: all rcup images on the engine, or else the default image)
    #[arg(long, env = "RCUP_SOAK_IMAGES", value_delimiter = ',')]
    images: Vec<String>,
    /// Instead, validate a cluster of every image this many times, with the smoke and the standard suite: no check may
    /// fail or warn
    #[arg(long, value_name = "N", env = "RCUP_SOAK_HEALTHY")]
    healthy: Option<usize>,
    /// The soak ends after this many minutes, and fails if rounds remain
    #[arg(long, env = "RCUP_SOAK_MINUTES", default_value_t = 60)]
    minutes: u64,
    /// Soak the library in this process instead of the binary
    #[arg(long, env = "RCUP_SOAK_LIBRARY")]
    library: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match guarded(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the soak, and always removes its objects.
async fn guarded(options: Options) -> Outcome<()> {
    let engine = Engine::find().await?;
    engine.sweep(PREFIX).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let work = AssertUnwindSafe(soak(&engine, options)).catch_unwind();
    let outcome = tokio::select! {
        outcome = work => outcome.unwrap_or_else(|_| Err("the soak panicked".into())),
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminated.recv() => Err("terminated".into()),
    };
    let swept = engine.sweep(PREFIX).await;
    outcome.and(swept)
}

/// An image, and whether its server supports the seeded formation.
struct Soaked {
    reference: Option<String>,
    seeded: bool,
}

async fn soak(engine: &Engine, options: Options) -> Outcome<()> {
    let subject = if options.library {
        Subject::Library
    } else {
        Subject::binary()
    };
    let images = images(&options.images).await?;
    let keys = Keys::over_all_slots();
    let deadline = Instant::now() + Duration::from_secs(options.minutes * 60);
    println!("engine {}, {} images", engine.version, images.len());
    if let Some(rounds) = options.healthy {
        return healthy::soak(&subject, &images, rounds, deadline).await;
    }
    let (mut passed, mut failed, mut peak) = (0, 0, 0);
    for round in 0..options.rounds {
        if Instant::now() >= deadline {
            eprintln!("{} minutes have passed", options.minutes);
            break;
        }
        let wanted = wanted(round, &images);
        let told = format!(
            "round {:>3} of {}  {}x{}  {:<8}  {:<18}",
            round + 1,
            options.rounds,
            wanted.masters,
            wanted.replicas,
            wanted.formation.unwrap_or("auto"),
            wanted.image.as_deref().unwrap_or("rcup's choice")
        );
        match once(engine, &subject, &wanted, &keys).await {
            Ok((line, memory)) => {
                passed += 1;
                peak = peak.max(memory);
                println!("{told}  {line}");
            }
            Err(error) => {
                failed += 1;
                println!("{told}  FAILED: {error}");
                show_logs(&wanted).await;
                engine.sweep(PREFIX).await?;
            }
        }
    }
    println!("the most memory of an `rcup up`: {} KiB", peak / 1024);
    println!("soak: {passed} passed, {failed} failed");
    match options.rounds - passed - failed {
        _ if failed > 0 => Err("a cluster that is called ready was not".into()),
        0 => Ok(()),
        left => Err(format!("{left} rounds were left when the time was up").into()),
    }
}

/// Returns the cluster of a round. Shape and formation change every round, and the images change so that every image
/// runs with every shape and formation.
fn wanted(round: usize, images: &[Soaked]) -> Wanted {
    let (masters, replicas) = SHAPES[round % SHAPES.len()];
    let combinations = SHAPES.len() * FORMATIONS.len();
    let image = &images[(round + round / combinations) % images.len()];
    let formation = FORMATIONS[round % FORMATIONS.len()];
    Wanted {
        name: format!("{PREFIX}{}", round + 1),
        image: image.reference.clone(),
        masters,
        replicas,
        formation: Some(formation).filter(|formation| image.seeded || *formation != "seeded"),
        tls: false,
        profile: Profile::default(),
    }
}

async fn images(named: &[String]) -> Outcome<Vec<Soaked>> {
    let local = Docker::find()?.local_images().await?;
    let soaked = |reference: &str| {
        let labels = local
            .iter()
            .find(|image| image.reference == reference)
            .map(|image| &image.labels);
        let server = labels.and_then(|labels| {
            let engine = labels.get("rcup.engine")?.parse().ok()?;
            Some(Server::new(
                engine,
                labels.get("rcup.engine-version")?.parse().ok()?,
            ))
        });
        Soaked {
            reference: Some(reference.to_owned()),
            // The server of a foreign image is unknown before it runs, so rcup decides.
            seeded: server.is_some_and(Server::seeding_is_proven),
        }
    };
    let mut references: Vec<&str> = named.iter().map(String::as_str).collect();
    if references.is_empty() {
        references = local.iter().map(|image| image.reference.as_str()).collect();
        // An image whose tag has moved to a newer one.
        references.retain(|reference| !reference.starts_with('<'));
        references.sort_unstable();
    }
    if references.is_empty() {
        return Ok(vec![Soaked {
            reference: None,
            seeded: false,
        }]);
    }
    Ok(references.into_iter().map(soaked).collect())
}

/// Runs one round. Returns its line of output and the memory of its `rcup up`.
async fn once(engine: &Engine, subject: &Subject, wanted: &Wanted, keys: &Keys) -> Outcome<(String, u64)> {
    let up = subject.up(wanted).await?;
    let used = Instant::now();
    let commands = burst::use_all(&up.report, keys).await?;
    let used = used.elapsed();
    let down = subject.down(&wanted.name).await?;
    let left = engine.objects(&wanted.name).await?;
    if !left.is_empty() {
        return Err(format!("with the label {CLUSTER}={} there are left {left:?}", wanted.name).into());
    }
    let line = format!(
        "up {:>5.2} s, {commands} commands in {:.2} s, down {:.2} s",
        up.took.as_secs_f64(),
        used.as_secs_f64(),
        down.as_secs_f64()
    );
    Ok((line, up.peak.unwrap_or_default()))
}

/// Prints the last log lines of the nodes of a failed round.
async fn show_logs(wanted: &Wanted) {
    let Ok(docker) = Docker::find() else { return };
    for index in 1..=wanted.masters * (wanted.replicas + 1) {
        let name = format!("rcup-{}-{index}", wanted.name);
        let request = LogRequest {
            tail: Some(LOG_LINES),
            ..LogRequest::default()
        };
        let lines: Vec<_> = docker
            .logs(&name, request)
            .try_collect()
            .await
            .unwrap_or_default();
        for line in lines {
            println!("  {name}: {}", line.text);
        }
    }
}
