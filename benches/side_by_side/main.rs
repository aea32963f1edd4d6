//! Compares rcup with its alternatives in one run. The alternatives take turns, so that load on the machine affects all
//! of them.
//!
//! `cargo bench --bench side_by_side -- --help` lists the options. This program owns all clusters named `bench-…` on
//! the container engine: it removes them before and after the run.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose product is what it prints"
)]

mod classic;
mod raw;
mod report;
mod stats;
#[path = "../subject/mod.rs"]
mod subject;
mod target;
mod ways;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use classic::Compose;
use futures_util::FutureExt as _;
use raw::{Order, Way};
use report::Size;
use stats::{Samples, median};
use subject::{Engine, Outcome, Subject, Up, Wanted, run_to};
use target::{Machine, Target};
use tokio::signal::unix::{SignalKind, signal};

use rcup::spec::profile::Profile;
use rcup::topology::layout::Topology;
use rcup::{Cluster, Docker};

/// The name prefix of all clusters of this program.
const PREFIX: &str = "bench-";

/// The largest cluster for the classic setup: larger ones take minutes and show nothing new.
const CLASSIC: usize = 6;

/// The number of containers to remove at a time. `--ways` shows that this is the fastest.
const REMOVED_AT_ONCE: usize = 8;

/// Compares rcup with the raw API and the classic setup.
#[derive(Clone, Debug, Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
struct Options {
    /// Rounds at each size
    #[arg(long, env = "RCUP_BENCH_ROUNDS", default_value_t = 5)]
    rounds: usize,
    /// Sizes in nodes, with one replica for each master
    #[arg(
        long,
        env = "RCUP_BENCH_SIZES",
        value_delimiter = ',',
        default_value = "6,12,30,60"
    )]
    sizes: Vec<usize>,
    /// The image (default: chosen by rcup)
    #[arg(long, env = "RCUP_BENCH_IMAGE")]
    image: Option<String>,
    /// Two rounds with 6 nodes
    #[arg(long, env = "RCUP_BENCH_QUICK")]
    quick: bool,
    /// Measure the library in this process instead of the binary
    #[arg(long, env = "RCUP_BENCH_LIBRARY")]
    library: bool,
    /// Find the fastest use of the raw API instead
    #[arg(long)]
    ways: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        options.rounds = 2;
        options.sizes = vec![6];
    }
    match guarded(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the measurement, and always removes its objects.
async fn guarded(options: Options) -> Outcome<()> {
    let engine = Engine::find().await?;
    engine.sweep(PREFIX).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let work = AssertUnwindSafe(measure(engine.clone(), options)).catch_unwind();
    let outcome = tokio::select! {
        outcome = work => outcome.unwrap_or_else(|_| Err("the measurement panicked".into())),
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        _ = terminated.recv() => Err("terminated".into()),
    };
    let swept = engine.sweep(PREFIX).await;
    outcome.and(swept)
}

/// The data of every measurement.
struct Bench {
    engine: Engine,
    subject: Subject,
    compose: Option<Compose>,
    /// The topology that rcup created with the image on this machine.
    like: Topology,
    image: String,
}

async fn measure(engine: Engine, options: Options) -> Outcome<()> {
    let subject = if options.library {
        Subject::Library
    } else {
        Subject::binary()
    };
    let like = warm_up(&engine, &subject, options.image).await?;
    if options.ways {
        return ways::compare(&engine, &like, &options.sizes, options.rounds).await;
    }
    let bench = Bench {
        compose: Compose::find().await,
        image: like.placement.image.reference.clone(),
        engine,
        subject,
        like,
    };
    if bench.compose.is_none() {
        eprintln!("no compose program is here: the classic way is left out");
    }
    let mut sizes = Vec::new();
    for nodes in &options.sizes {
        sizes.push(bench.size(*nodes, options.rounds).await?);
    }
    let mut targets = bench.targets(&sizes);
    if let Subject::Binary(path) = &bench.subject {
        targets.extend(of_the_binary(path).await?);
    }
    let version = bench.compose.as_ref().map(|compose| compose.version.clone());
    let machine = Machine::look(&bench.engine.version, &bench.image, version);
    report::print(&machine, &sizes, &targets);
    let path = report::write(&machine, &sizes, &targets)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// Runs one start that is not counted. It loads caches, shows which image rcup uses and how it creates a container, and
/// checks that the containers of the raw API are created the same way.
async fn warm_up(engine: &Engine, subject: &Subject, image: Option<String>) -> Outcome<Topology> {
    let wanted = Wanted {
        name: "bench-warm-up".to_owned(),
        image,
        masters: 3,
        replicas: 1,
        formation: None,
        tls: false,
        profile: Profile::default(),
    };
    subject.up(&wanted).await?;
    let attached = Cluster::attach(Docker::find()?, &wanted.name.parse()?).await?;
    let like = attached.topology().clone();
    let floor = raw::beside(&like, "bench-floor", 3, 1).await?;
    raw::up(engine, &floor, unlimited(Order::Staged)).await?;
    raw::same_make(engine, &like.nodes[0].name, &floor.nodes[0].name).await?;
    engine.sweep(PREFIX).await?;
    Ok(like)
}

/// Sends all requests at once: a limit has not made either order faster.
fn unlimited(order: Order) -> Way {
    Way {
        at_once: usize::MAX,
        order,
    }
}

/// A measured operation of a round.
#[derive(Clone, Copy)]
enum Contender {
    /// The raw API in one of two orders; the faster one is the lower bound.
    Floor(Order),
    /// `up`, `up` again, `down`.
    Rcup,
    /// `up`, then removal with the raw API.
    RemovedRaw,
    Classic,
    /// `up` of a cluster with additional features, then removal with the raw API.
    Dressed(Guise),
}

/// Additional features of a cluster, and their maximum cost.
#[derive(Clone, Copy)]
enum Guise {
    Tls,
    Of(Profile),
}

impl Guise {
    const ALL: [Self; 3] = [
        Self::Tls,
        Self::Of(Profile::Staging),
        Self::Of(Profile::Production),
    ];

    /// Returns the name of its samples.
    fn name(self) -> String {
        match self {
            Self::Tls => "up --tls".to_owned(),
            Self::Of(profile) => format!("up --profile {profile}"),
        }
    }
}

impl Bench {
    async fn size(&self, nodes: usize, rounds: usize) -> Outcome<Size> {
        let mut contenders = vec![
            Contender::Floor(Order::Staged),
            Contender::Rcup,
            Contender::Floor(Order::Chained),
            Contender::RemovedRaw,
        ];
        if self.compose.is_some() && nodes <= CLASSIC {
            contenders.push(Contender::Classic);
        }
        if nodes <= CLASSIC {
            contenders.extend(Guise::ALL.map(Contender::Dressed));
        }
        let mut samples = Samples::default();
        for round in 0..rounds {
            for turn in 0..contenders.len() {
                match contenders[(turn + round) % contenders.len()] {
                    Contender::Floor(order) => self.floor(nodes, order, &mut samples).await?,
                    Contender::Rcup => self.rcup(nodes, &mut samples).await?,
                    Contender::RemovedRaw => self.removed_raw(nodes, &mut samples).await?,
                    Contender::Classic => self.classic(nodes, &mut samples).await?,
                    Contender::Dressed(guise) => self.dressed(nodes, guise, &mut samples).await?,
                }
            }
            lower_is_floor(&mut samples);
            let told: Vec<String> = ["floor", "up", "classic", "again", "down", "raw down"]
                .iter()
                .filter_map(|what| Some(format!("{what} {:.2}", samples.median(what)?)))
                .collect();
            eprintln!(
                "{nodes} nodes, round {} of {rounds}; medians: {}",
                round + 1,
                told.join(", ")
            );
        }
        Ok(Size { nodes, samples })
    }

    async fn floor(&self, nodes: usize, order: Order, samples: &mut Samples) -> Outcome<()> {
        let topology = raw::beside(&self.like, "bench-floor", nodes / 2, 1).await?;
        let floor = raw::up(&self.engine, &topology, unlimited(order)).await?;
        let name = order.as_str();
        samples.time(name, floor.total);
        let rest = floor.total.saturating_sub(floor.network);
        samples.time(&format!("{name} without network"), rest);
        self.engine.sweep(PREFIX).await
    }

    async fn rcup(&self, nodes: usize, samples: &mut Samples) -> Outcome<()> {
        let wanted = self.wanted("bench-rcup", nodes);
        let up = self.subject.up(&wanted).await?;
        count("up", &up, samples);
        count("again", &self.subject.up(&wanted).await?, samples);
        samples.time("validate", self.subject.validate(&wanted.name, "smoke").await?);
        samples.time("down", self.subject.down(&wanted.name).await?);
        let left = self.engine.objects(&wanted.name).await?;
        if !left.is_empty() {
            return Err(format!("`rcup down` has left {left:?}").into());
        }
        Ok(())
    }

    async fn removed_raw(&self, nodes: usize, samples: &mut Samples) -> Outcome<()> {
        let wanted = self.wanted("bench-raw", nodes);
        let up = self.subject.up(&wanted).await?;
        count("up", &up, samples);
        let objects = self.engine.objects(&wanted.name).await?;
        let begun = Instant::now();
        self.engine.remove(&objects, REMOVED_AT_ONCE).await?;
        samples.time("raw down", begun.elapsed());
        Ok(())
    }

    async fn classic(&self, nodes: usize, samples: &mut Samples) -> Outcome<()> {
        let Some(compose) = &self.compose else {
            return Ok(());
        };
        let topology = raw::beside(&self.like, "bench-classic", nodes / 2, 1).await?;
        let classic = compose.up(&topology).await?;
        samples.time("classic", classic.total);
        samples.time("classic compose", classic.compose);
        self.engine.sweep(PREFIX).await
    }

    async fn dressed(&self, nodes: usize, guise: Guise, samples: &mut Samples) -> Outcome<()> {
        let mut wanted = self.wanted("bench-dressed", nodes);
        match guise {
            Guise::Tls => wanted.tls = true,
            Guise::Of(profile) => wanted.profile = profile,
        }
        let up = self.subject.up(&wanted).await?;
        samples.time(&guise.name(), up.took);
        self.engine.sweep(PREFIX).await
    }

    fn wanted(&self, name: &str, nodes: usize) -> Wanted {
        Wanted {
            name: name.to_owned(),
            image: Some(self.image.clone()),
            masters: nodes / 2,
            replicas: 1,
            formation: None,
            tls: false,
            profile: Profile::default(),
        }
    }

    fn targets(&self, sizes: &[Size]) -> Vec<Target> {
        let mut targets = Vec::new();
        for Size { nodes, samples } in sizes {
            let of = |what: &str| format!("{what}, {nodes} nodes");
            targets.push(Target::at_most(
                of("up / floor"),
                1.15,
                "",
                samples.ratio("up", "floor"),
            ));
            if self.compose.is_some() && *nodes <= CLASSIC {
                let ratio = samples.ratio("classic", "up");
                targets.push(Target::at_least(of("classic / up"), 4.0, "", ratio));
            }
            if *nodes <= CLASSIC {
                targets.extend(Guise::ALL.map(|guise| {
                    let ratio = samples.ratio(&guise.name(), "up");
                    Target::at_most(format!("{} / up", guise.name()), 1.2, "", ratio)
                }));
            }
            targets.push(Target::at_most(
                of("up again"),
                0.15,
                "s",
                samples.median("again"),
            ));
            let most = if *nodes <= 6 { 0.5 } else { 2.0 };
            targets.push(Target::at_most(
                of("validate --suite smoke"),
                most,
                "s",
                samples.median("validate"),
            ));
            let ratio = samples.ratio("down", "raw down");
            targets.push(Target::at_most(of("down / raw removal"), 1.2, "", ratio));
            let peak = samples.greatest("peak memory");
            targets.push(Target::at_most(of("peak memory"), 50.0, "MB", peak));
        }
        targets
    }
}

/// Uses the order with the lower median as the lower bound.
fn lower_is_floor(samples: &mut Samples) {
    let median = |order: Order| samples.median(order.as_str()).unwrap_or(f64::INFINITY);
    let best = if median(Order::Chained) < median(Order::Staged) {
        Order::Chained
    } else {
        Order::Staged
    };
    samples.copy(best.as_str(), "floor");
    samples.copy(
        &format!("{} without network", best.as_str()),
        "floor without network",
    );
}

/// Records the duration of a start, measured from outside and as reported by rcup.
fn count(what: &str, up: &Up, samples: &mut Samples) {
    samples.time(what, up.took);
    if let Some(peak) = up.peak {
        samples.add("peak memory", megabytes(peak));
    }
    let mut own = 0.0;
    let timings = up.report["timings"].as_object();
    for (phase, ms) in timings.into_iter().flatten() {
        let seconds = ms.as_f64().unwrap_or_default() / 1000.0;
        samples.add(&format!("{what}: {phase}"), seconds);
        if phase == "total" {
            own = seconds;
        }
    }
    // The time that rcup cannot measure: the start and the exit of the process.
    samples.add(&format!("{what}: outside"), up.took.as_secs_f64() - own);
}

/// The number of measurements of a command without a cluster.
const CALLS: usize = 20;

/// Measures the targets of the binary itself, and of commands without a cluster.
async fn of_the_binary(path: &PathBuf) -> Outcome<Vec<Target>> {
    // A host with wrong settings is not a failure of `rcup doctor`.
    let verbs = [
        ("rcup --help", "--help", 20.0, &[0][..]),
        ("rcup doctor", "doctor --output json", 500.0, &[0, 4]),
        (
            "rcup export compose",
            "export compose --masters 3 --replicas 1",
            50.0,
            &[0],
        ),
        (
            "rcup export swarm",
            "export swarm --machines a,b --masters 3 --replicas 1",
            50.0,
            &[0],
        ),
    ];
    let mut targets = Vec::new();
    for (told, words, limit, codes) in verbs {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let mut times = Vec::new();
        for _ in 0..CALLS {
            times.push(run_to(path, &words, codes).await?.took.as_secs_f64() * 1000.0);
        }
        targets.push(Target::at_most(told, limit, "ms", median(&times)));
    }
    let size = megabytes(std::fs::metadata(path)?.len());
    targets.push(Target::at_most("the binary", 15.0, "MB", Some(size)));
    Ok(targets)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
