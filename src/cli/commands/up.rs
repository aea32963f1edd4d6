//! `rcup up`: starts or adopts a cluster and prints how to connect.

use std::io::Write as _;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::checks::status::Report;
use crate::cli::args::spec::Start;
use crate::cli::args::{Output, Up};
use crate::cli::executor::{engine, find_engine};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::interrupt;
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::table::wrap;
use crate::cli::terminal::{Terminal, checks, columns, duration, json, nodes};
use crate::cluster::handle::Cluster;
use crate::lifecycle::options::UpOptions;
use crate::spec::cluster::ClusterSpec;
use crate::spec::expiry::Owner;

/// The phases in execution order, which is not alphabetical.
const PHASES: [&str; 7] = ["engine", "image", "network", "create", "start", "form", "prove"];

pub async fn run(args: Up, terminal: &Terminal) -> Outcome {
    let spec = args.spec.build(args.name)?;
    if args.start.dry_run {
        return dry_run(&spec, terminal).await;
    }
    let progress = Progress::new(terminal);
    let mut options = UpOptions::default()
        .timeout(args.start.timeout)
        .keep_on_failure(args.start.keep_on_failure)
        .strict(args.start.strict)
        .cancel(interrupt::token(terminal, spec.name()))
        .observer(progress.clone());
    options.ttl = args.start.ttl;
    options.owner = args.owner.map(Owner::process).transpose()?;
    let docker = find_engine(terminal)?;
    let started = if args.reuse {
        Box::pin(Cluster::reuse(docker, &spec, &options)).await
    } else {
        Box::pin(Cluster::up(docker, &spec, &options)).await
    };
    progress.stop();
    let mut cluster = started?;
    // Keep the cluster from here on, even if printing fails.
    if args.owner.is_some() {
        cluster.release();
    } else {
        cluster.keep();
    }
    let says_how_long = args.start.ttl.is_some() || args.owner.is_some();
    if says_how_long && cluster.was_adopted() && !args.reuse {
        terminal.warn("the cluster already existed; its TTL is unchanged");
    }
    let report = cluster.report();
    match terminal.output {
        Output::Human => human(&cluster, &report, &args.start, terminal)?,
        Output::Json => json::print(terminal, &report)?,
        Output::Ndjson => json::print_line(
            terminal,
            &Ready {
                event: "ready",
                report: &report,
            },
        )?,
    }
    Ok(Exit::DONE)
}

/// The last line of the events.
#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    #[serde(flatten)]
    report: &'a Report,
}

async fn dry_run(spec: &ClusterSpec, terminal: &Terminal) -> Outcome {
    let progress = Progress::without_notes(terminal);
    let plan = Cluster::plan(&engine(terminal).await?, spec, &*progress).await?;
    if terminal.is_json() {
        json::print(terminal, &plan)?;
    } else {
        write!(terminal.out(), "{plan}")?;
    }
    Ok(Exit::DONE)
}

fn human(cluster: &Cluster, report: &Report, start: &Start, terminal: &Terminal) -> Result<(), Failure> {
    let mut out = terminal.out();
    let width = columns();
    if !terminal.quiet {
        if !start.no_validate {
            let checks = checks::text(cluster.checks(), 1, terminal.verbose, width);
            writeln!(out, "\n{checks}")?;
        }
        writeln!(out, "{}", nodes::table(report, terminal.verbose).render(width))?;
    }
    let was = if cluster.was_adopted() {
        "already existed and is ready"
    } else {
        "is ready"
    };
    let timings = report.timings.as_ref();
    let total = timings
        .and_then(|timings| timings.get("total"))
        .map_or(String::new(), |ms| format!(", in {}", duration(*ms)));
    writeln!(
        out,
        "{} cluster {} {was}: {}{total}",
        "✓".green(),
        report.name.bold(),
        nodes::shape(report)
    )?;
    if terminal.quiet {
        return Ok(());
    }
    // A phase and its time stay on one line.
    let phases: Vec<String> = PHASES
        .iter()
        .filter_map(|phase| Some(format!("{phase} {}", duration(*timings?.get(*phase)?))))
        .map(|phase| phase.replace(' ', "\u{a0}"))
        .collect();
    for line in wrap(&phases.join(", "), width.unwrap_or(80).saturating_sub(2)) {
        writeln!(out, "  {}", line.replace('\u{a0}', " ").dimmed())?;
    }
    connect(&mut out, report, cluster)?;
    Ok(())
}

/// Prints how to connect. Cluster clients need the advertised addresses.
fn connect(out: &mut impl std::io::Write, report: &Report, cluster: &Cluster) -> std::io::Result<()> {
    let Some(first) = report.nodes.first() else {
        return Ok(());
    };
    let Some((host, port)) = first.advertised.rsplit_once(':') else {
        return Ok(());
    };
    let client = match report.engine {
        "valkey" => "valkey-cli",
        _ => "redis-cli",
    };
    let name = &report.name;
    writeln!(out, "\nConnect with")?;
    let (locked, tls) = (cluster.credentials().is_some(), cluster.certificates().is_some());
    if locked || tls {
        // The password is printed only on request, because the output of `up` is often logged.
        writeln!(out, "  rcup cli {name}")?;
        writeln!(out, "  eval \"$(rcup env {name})\"")?;
        if locked {
            writeln!(out, "A password is required; `rcup env {name}` prints it.")?;
        }
        if tls {
            writeln!(
                out,
                "TLS is enabled; `rcup certs export DIR {name}` writes the certificates for clients."
            )?;
        }
        return Ok(());
    }
    writeln!(out, "  redis://{host}:{port}")?;
    writeln!(out, "  {client} -c -h {host} -p {port}")?;
    writeln!(out, "  rcup cli {name}")?;
    writeln!(out, "  eval \"$(rcup env {name})\"")?;
    Ok(())
}
