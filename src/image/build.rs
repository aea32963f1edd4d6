//! Builds an image from a recipe: finds the programs, reads their version, collects their libraries, writes the
//! archive.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::image::artifact::Artifact;
use crate::image::layout::Layout;
use crate::image::programs::{Programs, Root};
use crate::image::recipe::{Recipe, Source};
use crate::image::suite::{Refusal, Suites, too_old};
use crate::image::{archive, closure, host};
use crate::spec::server::{Engine, Server};

/// The timeout of the busybox download, which is optional.
const BUSYBOX_PATIENCE: Duration = Duration::from_mins(1);

/// Builds the image that `recipe` describes.
///
/// `progress` receives a short line before each slow step. Dropping the future stops the child processes and deletes
/// the temporary files.
pub async fn build(recipe: &Recipe, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Artifact> {
    let mut programs = find(recipe, progress).await?;
    let server = programs.server().await?;
    check(recipe.engine, server, &programs.origin)?;
    if programs.busybox.is_none() && matches!(programs.root, Root::Host) {
        add_busybox(&mut programs, progress).await;
    }

    progress(&format!("packing {server} and the libraries that it loads"));
    let files: Vec<&Path> = programs.files.iter().map(|(_, file)| &**file).collect();
    let libraries = closure::of(&programs.root, &files).await?;
    let mut layout = Layout::base(recipe.engine);
    for (name, file) in &programs.files {
        layout.program(name, file.clone());
    }
    for (path, file) in libraries {
        layout.library(&path, file);
    }
    if let Some(busybox) = programs.busybox.clone() {
        layout.tools(busybox);
    }
    let (archive, bytes) = archive::write(layout).await?;
    Ok(Artifact::new(server, programs.origin, archive, bytes))
}

async fn find(recipe: &Recipe, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Programs> {
    match &recipe.source {
        Source::Host => host::programs(recipe.engine),
        Source::Suite(suite) => Ok(Suites::of_this_machine()
            .await?
            .programs(suite, recipe.engine, progress)
            .await?),
        Source::Auto => nearest(recipe.engine, progress).await,
    }
}

/// Returns the host's server if it is new enough, or that of the first suite that offers one.
async fn nearest(engine: Engine, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Programs> {
    if host::has(engine) {
        let programs = host::programs(engine)?;
        let server = programs.server().await?;
        match check(engine, server, &programs.origin) {
            Ok(()) => return Ok(programs),
            Err(error) => progress(&format!("passing over the installed server: {error}")),
        }
    }
    let suites = Suites::of_this_machine().await?;
    let mut refusals = Vec::new();
    for suite in suites.distribution.candidates() {
        match suites.programs(&suite, engine, progress).await {
            Ok(programs) => return Ok(programs),
            Err(Refusal::NotOffered(error)) => {
                progress(&error.to_string());
                refusals.push(error.to_string());
            }
            Err(Refusal::Failed(error)) => return Err(error),
        }
    }
    Err(
        Error::new(ErrorKind::Image, format!("no suite within reach offers {engine}"))
            .details(refusals)
            .hint("Name a suite with `--from`, or install the server here and use `--from host`."),
    )
}

fn check(wanted: Engine, server: Server, origin: &str) -> Result<()> {
    if server.engine != wanted {
        return Err(
            Error::new(ErrorKind::Image, format!("{origin} is not {wanted} but {server}"))
                .hint(format!("Ask for it with `--engine {}`.", server.engine.as_str())),
        );
    }
    if !server.is_supported() {
        return Err(too_old(&format!("{server} ({origin})")));
    }
    Ok(())
}

/// Adds a busybox from the machine's own suite to programs of the host. It is optional: an image without it still works
/// for every cluster that rcup itself starts.
async fn add_busybox(programs: &mut Programs, progress: &(dyn Fn(&str) + Send + Sync)) {
    let fetched = async {
        let suites = Suites::of_this_machine().await?;
        Ok::<_, Error>(suites.busybox(progress).await?)
    };
    let reason = match tokio::time::timeout(BUSYBOX_PATIENCE, fetched).await {
        Ok(Ok(fetched)) => {
            programs.kept.extend(fetched.kept);
            programs.busybox = fetched.busybox;
            "its package is empty".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the mirror is too slow".to_owned(),
    };
    if programs.busybox.is_none() {
        progress(&format!(
            "no busybox can be had, so the image will have no shell: {reason}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::spec::server::Version;

    #[test]
    fn a_server_under_another_name_is_refused() {
        let valkey = Server::new(Engine::Valkey, Version::new(8, 1, 1));
        let error = check(Engine::Redis, valkey, "this host's /usr/bin/redis-server").unwrap_err();
        assert_eq!(
            error.to_string(),
            "this host's /usr/bin/redis-server is not Redis but Valkey 8.1.1"
        );
        assert!(check(Engine::Valkey, valkey, "").is_ok());
    }

    #[test]
    fn a_server_that_is_too_old_is_refused() {
        let old = Server::new(Engine::Redis, Version::new(6, 0, 16));
        let error = check(Engine::Redis, old, "Debian bullseye").unwrap_err();
        assert_eq!(error.to_string(), "Redis 6.0.16 (Debian bullseye) is too old");
    }

    #[tokio::test]
    #[ignore = "downloads packages"]
    async fn redis_of_bookworm_becomes_an_archive() {
        let told = Mutex::new(Vec::new());
        let recipe = Recipe {
            engine: Engine::Redis,
            source: "bookworm".parse().unwrap(),
        };
        let artifact = build(&recipe, &|line| told.lock().unwrap().push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(artifact.server.engine, Engine::Redis);
        assert_eq!(artifact.repository(), "rcup/redis");
        assert_eq!(artifact.tag(), artifact.server.version.to_string());
        assert!(artifact.bytes < 40_000_000, "{} bytes", artifact.bytes);
        assert!(
            artifact
                .origin
                .starts_with("Debian bookworm, redis-server 5:7.0.")
        );
        let mut reader = tar::Archive::new(std::fs::File::open(artifact.archive.path()).unwrap());
        let names: Vec<String> = reader
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        for name in ["usr/bin/redis-server", "usr/bin/redis-cli", "usr/bin/busybox"] {
            assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
        }
        assert!(names.iter().any(|name| name.ends_with("/libc.so.6")));
        assert!(!told.lock().unwrap().is_empty());
    }
}
