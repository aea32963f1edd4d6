//! The subject of the measurements: the released binary, or the library in this process. Its container engine and its
//! nodes are accessed without rcup, so that the results are verified independently.

mod engine;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::options::SuiteOptions;
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::spec::modes::FormationChoice;
use rcup::spec::profile::Profile;
use rcup::{Cluster, ClusterName, ClusterSpec, Docker, UpOptions};

pub use engine::Engine;

pub use wire::{Reply, Wire};

/// Any failure, with its own message.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The interval at which the memory of a running process is read.
const GLANCE: Duration = Duration::from_millis(50);

/// The timeout of any single step.
const PATIENCE: Duration = Duration::from_mins(3);

/// rcup as a binary or as a library.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A separate process for each command, as users run it.
    Binary(PathBuf),
    /// Calls in this process: no process start, no terminal, no JSON.
    Library,
}

/// The requested cluster.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// The image; chosen by rcup if `None`.
    pub image: Option<String>,
    /// The number of masters.
    pub masters: usize,
    /// The number of replicas of each master.
    pub replicas: usize,
    /// `seeded` or `commands`; chosen by rcup if `None`.
    pub formation: Option<&'static str>,
    /// Whether it uses TLS.
    pub tls: bool,
    /// Its profile.
    pub profile: Profile,
}

/// A cluster that rcup reports as up.
#[derive(Clone, Debug)]
pub struct Up {
    /// From the call to its return; for a process, from its start to its exit.
    pub took: Duration,
    /// The report of the cluster.
    pub report: Value,
    /// The peak memory of the process, in bytes.
    pub peak: Option<u64>,
}

impl Subject {
    /// Returns the binary of this build.
    pub fn binary() -> Self {
        Self::Binary(PathBuf::from(env!("CARGO_BIN_EXE_rcup")))
    }

    /// Starts a cluster, or adopts an existing one.
    pub async fn up(&self, wanted: &Wanted) -> Outcome<Up> {
        match self {
            Self::Binary(path) => {
                let run = run(path, &arguments(wanted)).await?;
                let report = serde_json::from_slice(&run.output)
                    .map_err(|error| format!("`rcup up` printed no report: {error}"))?;
                Ok(Up {
                    took: run.took,
                    report,
                    peak: run.peak,
                })
            }
            Self::Library => {
                let begun = Instant::now();
                let mut cluster = Box::pin(Cluster::up(
                    Docker::find()?,
                    &spec(wanted)?,
                    &UpOptions::default(),
                ))
                .await
                .map_err(|error| whole(&error))?;
                let took = begun.elapsed();
                cluster.keep();
                Ok(Up {
                    took,
                    report: serde_json::to_value(cluster.report())?,
                    peak: None,
                })
            }
        }
    }

    /// Validates a cluster and returns the duration.
    ///
    /// # Errors
    /// Every check that failed or warned: on a healthy cluster that is a false alarm.
    pub async fn validate(&self, name: &str, suite: &str) -> Outcome<Duration> {
        let (took, told) = match self {
            Self::Binary(path) => {
                let words = ["validate", name, "--suite", suite, "--output", "json"].map(str::to_owned);
                let run = run(path, &words).await?;
                (run.took, serde_json::from_slice(&run.output)?)
            }
            Self::Library => {
                let suite = match suite {
                    "smoke" => Suite::Smoke,
                    _ => Suite::Standard,
                };
                let begun = Instant::now();
                let attached = Cluster::attach(Docker::find()?, &name.parse()?).await?;
                let options = SuiteOptions::default().selection(Selection::of(suite));
                let told = Box::pin(attached.validate_with(&options)).await;
                (begun.elapsed(), serde_json::to_value(told)?)
            }
        };
        let checks: &[Value] = told["checks"].as_array().map_or(&[], Vec::as_slice);
        let alarms: Vec<String> = checks
            .iter()
            .filter(|check| check["status"] == "fail" || check["status"] == "warn")
            .map(ToString::to_string)
            .collect();
        if checks.is_empty() || !alarms.is_empty() {
            return Err(format!(
                "{name}, {suite}: {} of {} checks raise an alarm: {}",
                alarms.len(),
                checks.len(),
                alarms.join("\n")
            )
            .into());
        }
        Ok(took)
    }

    /// Removes a cluster and returns the duration.
    pub async fn down(&self, name: &str) -> Outcome<Duration> {
        match self {
            Self::Binary(path) => Ok(run(path, &["down".to_owned(), name.to_owned()]).await?.took),
            Self::Library => {
                let begun = Instant::now();
                let name: ClusterName = name.parse()?;
                Box::pin(down(&Docker::find()?, &name, false, &Silent)).await?;
                Ok(begun.elapsed())
            }
        }
    }
}

/// Returns an error with its causes and details, as the binary prints it.
fn whole(error: &rcup::Error) -> String {
    let mut lines = vec![error.to_string()];
    lines.extend(error.causes());
    lines.extend(error.detail_lines().iter().cloned());
    lines.join("\n  ")
}

fn arguments(wanted: &Wanted) -> Vec<String> {
    let mut words: Vec<String> = ["up", &wanted.name, "--no-validate", "--output", "json"]
        .map(str::to_owned)
        .to_vec();
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    flag("--masters", wanted.masters.to_string());
    flag("--replicas", wanted.replicas.to_string());
    if let Some(image) = &wanted.image {
        flag("--image", image.clone());
    }
    if let Some(formation) = wanted.formation {
        flag("--formation", formation.to_owned());
    }
    flag("--profile", wanted.profile.to_string());
    if wanted.tls {
        words.push("--tls".to_owned());
    }
    words
}

fn spec(wanted: &Wanted) -> Outcome<ClusterSpec> {
    let mut spec = ClusterSpec::builder()
        .name(wanted.name.parse()?)
        .masters(wanted.masters)
        .replicas(wanted.replicas)
        .tls(wanted.tls)
        .profile(wanted.profile)
        .formation(match wanted.formation {
            Some("seeded") => FormationChoice::Seeded,
            Some(_) => FormationChoice::Commands,
            None => FormationChoice::Auto,
        });
    if let Some(image) = &wanted.image {
        spec = spec.image(image.clone());
    }
    Ok(spec.build()?)
}

/// A process that has exited.
pub struct Run {
    /// From its start to its exit.
    pub took: Duration,
    /// Its output.
    pub output: Vec<u8>,
    /// The peak memory according to the kernel, in bytes (Linux only).
    pub peak: Option<u64>,
}

/// Runs a program without input until it exits.
///
/// # Errors
/// Its standard error, if it fails or times out.
pub async fn run(program: &Path, arguments: &[String]) -> Outcome<Run> {
    run_to(program, arguments, &[0]).await
}

/// Runs a program that may exit with any of these codes.
///
/// # Errors
/// As [`run`].
pub async fn run_to(program: &Path, arguments: &[String], codes: &[i32]) -> Outcome<Run> {
    let begun = Instant::now();
    let mut command = Command::new(program);
    // The measurements must not depend on the settings of this user.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RCUP_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let status = child.id().map(|id| format!("/proc/{id}/status"));
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let read = async {
        let out = async {
            match &mut stdout {
                Some(pipe) => pipe.read_to_end(&mut output).await,
                None => Ok(0),
            }
        };
        let err = async {
            match &mut stderr {
                Some(pipe) => pipe.read_to_end(&mut errors).await,
                None => Ok(0),
            }
        };
        tokio::try_join!(out, err)?;
        child.wait().await
    };
    // The peak value only increases, so the last reading is at most one interval old.
    let mut peak = None;
    let watch = async {
        loop {
            if let Some(text) = status
                .as_ref()
                .and_then(|path| std::fs::read_to_string(path).ok())
            {
                peak = high_water(&text).or(peak);
            }
            tokio::time::sleep(GLANCE).await;
        }
    };
    let code = tokio::select! {
        code = tokio::time::timeout(PATIENCE, read) => code,
        () = watch => return Err("the watch ended by itself".into()),
    };
    let took = begun.elapsed();
    let said = || {
        let words = arguments.join(" ");
        let errors = String::from_utf8_lossy(&errors);
        format!("`{} {words}`: {}", program.display(), errors.trim())
    };
    match code {
        Ok(Ok(status)) if status.code().is_some_and(|code| codes.contains(&code)) => {
            Ok(Run { took, output, peak })
        }
        Ok(Ok(code)) => Err(format!("{code} from {}", said()).into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(format!("no end after {} s of {}", PATIENCE.as_secs(), said()).into()),
    }
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
