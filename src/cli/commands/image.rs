//! `rcup image`: builds and lists images for offline use.

use std::io::Write as _;

use owo_colors::Style;
use serde::Serialize;

use crate::cli::args::ImageVerb;
use crate::cli::executor::engine;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::table::{Cell, Table};
use crate::cli::terminal::{Terminal, columns, json, size};
use crate::error::Error;
use crate::image::artifact::Artifact;
use crate::image::build::build;
use crate::image::recipe::{Recipe, Source};
use crate::runtime::docker::client::Docker;
use crate::runtime::interface::{ImageSeen, Runtime as _};
use crate::spec::server::Engine;

pub async fn run(verb: ImageVerb, terminal: &Terminal) -> Outcome {
    // Fail without a container engine before any download.
    let docker = engine(terminal).await?;
    match verb {
        ImageVerb::Build { engine, from } => make(&docker, engine, from, terminal).await,
        ImageVerb::List => list(&docker, terminal).await,
    }
}

/// JSON output of the built image.
#[derive(Serialize)]
struct Made<'a> {
    reference: &'a str,
    engine: &'static str,
    version: String,
    bytes: u64,
    origin: &'a str,
    architecture: &'a str,
}

async fn make(docker: &Docker, engine: Engine, source: Source, terminal: &Terminal) -> Outcome {
    let progress = Progress::new(terminal);
    let made = made(docker, &Recipe { engine, source }, &progress).await;
    progress.stop();
    let artifact = made?;
    if terminal.is_json() {
        let made = Made {
            reference: &artifact.reference,
            engine: artifact.server.engine.as_str(),
            version: artifact.server.version.to_string(),
            bytes: artifact.bytes,
            origin: &artifact.origin,
            architecture: &artifact.architecture,
        };
        json::print(terminal, &made)?;
    } else {
        writeln!(
            terminal.out(),
            "built image {} ({}) from {}",
            artifact.reference,
            size(artifact.bytes),
            artifact.origin
        )?;
    }
    Ok(Exit::DONE)
}

async fn made(docker: &Docker, recipe: &Recipe, progress: &Progress) -> Result<Artifact, Error> {
    let artifact = build(recipe, &|line| progress.doing(line)).await?;
    progress.doing(&format!("importing image {}", artifact.reference));
    docker
        .import(artifact.archive.path(), &artifact.reference, &artifact.changes())
        .await?;
    Ok(artifact)
}

/// A local image.
#[derive(Serialize)]
struct Local {
    reference: String,
    engine: Option<String>,
    version: Option<String>,
    bytes: u64,
    origin: Option<String>,
}

/// The image that `rcup up` prefers.
#[derive(Serialize)]
struct Official {
    reference: &'static str,
    engine: &'static str,
    present: bool,
}

/// JSON output.
#[derive(Serialize)]
struct Images {
    images: Vec<Local>,
    official: Vec<Official>,
}

async fn list(docker: &Docker, terminal: &Terminal) -> Outcome {
    let mut locals: Vec<Local> = docker.local_images().await?.into_iter().map(local).collect();
    locals.sort_by(|a, b| a.reference.cmp(&b.reference));
    let mut officials = Vec::new();
    for engine in [Engine::Redis, Engine::Valkey] {
        let reference = engine.official_image();
        officials.push(Official {
            reference,
            engine: engine.as_str(),
            present: docker.image(reference).await?.is_some(),
        });
    }
    if terminal.is_json() {
        let images = Images {
            images: locals,
            official: officials,
        };
        json::print(terminal, &images)?;
        return Ok(Exit::DONE);
    }
    let mut out = terminal.out();
    if locals.is_empty() {
        terminal.say("no local images; build one with `rcup image build`");
    } else {
        out.write_all(table(&locals).render(columns()).as_bytes())?;
        writeln!(out)?;
    }
    for official in officials {
        let is = if official.present {
            "is present"
        } else {
            "is not present"
        };
        writeln!(out, "official image {} {is}", official.reference)?;
    }
    Ok(Exit::DONE)
}

fn local(image: ImageSeen) -> Local {
    let label = |name: &str| image.labels.get(name).cloned();
    Local {
        engine: label("rcup.engine"),
        version: label("rcup.engine-version"),
        origin: label("rcup.image.origin"),
        reference: image.reference,
        bytes: image.bytes,
    }
}

fn table(locals: &[Local]) -> Table {
    let mut table = Table::new(&["IMAGE", "SERVER", "SIZE", "ORIGIN"]).right(2);
    for image in locals {
        let server = match (&image.engine, &image.version) {
            (Some(engine), Some(version)) => format!("{engine} {version}"),
            _ => "unknown".to_owned(),
        };
        table.row([
            Cell::styled(&*image.reference, Style::new().bold()),
            server.into(),
            size(image.bytes).into(),
            image.origin.as_deref().unwrap_or("unknown").into(),
        ]);
    }
    table
}
