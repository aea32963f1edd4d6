//! Selects the images of the nodes and determines the server in each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, Phase};
use crate::ownership::probe::run_once;
use crate::runtime::interface::{ImageSeen, PullProgress, Runtime};
use crate::spec::cluster::ClusterSpec;
use crate::spec::modes::Pull;
use crate::spec::server::{Engine, Server, Version};
use crate::topology::layout::Image;

/// The timeout until a registry starts to answer. It limits the wait on hosts without a registry.
const PATIENCE: Duration = Duration::from_secs(8);

/// The image of the cluster, and the images of nodes that have their own, by node index.
pub(crate) type Images = (Image, BTreeMap<usize, Image>);

/// Finds or pulls the images, and determines the server in each.
pub(crate) async fn resolve<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    may_pull: bool,
    observer: &dyn Observer,
) -> Result<Images> {
    let mut own: BTreeMap<usize, Image> = BTreeMap::new();
    for index in 1..=spec.nodes() {
        let Some(reference) = spec.own_image(index) else {
            continue;
        };
        let known = own.values().find(|image| image.reference == reference).cloned();
        let image = if let Some(image) = known {
            image
        } else {
            let seen = named(runtime, spec, reference, may_pull, observer).await?;
            inside(runtime, seen, observer).await?
        };
        own.insert(index, image);
    }
    let image = match own.get(&1).filter(|_| own.len() == spec.nodes()) {
        // If every node has its own image, the cluster's image is not needed.
        Some(first) => first.clone(),
        None => of_cluster(runtime, spec, may_pull, observer).await?,
    };
    Ok((image, own))
}

/// Returns the image of all nodes without their own.
pub(crate) async fn of_cluster<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    may_pull: bool,
    observer: &dyn Observer,
) -> Result<Image> {
    let seen = match spec.image() {
        Some(reference) => named(runtime, spec, reference, may_pull, observer).await?,
        None => chosen(runtime, spec, may_pull, observer).await?,
    };
    let image = inside(runtime, seen, observer).await?;
    if let Some(version) = spec
        .engine_version()
        .filter(|request| !request.matches(image.server.version))
    {
        return Err(Error::new(
            ErrorKind::Image,
            format!(
                "image {} holds {}, not version {version}",
                image.reference, image.server
            ),
        )
        .hint("Leave out --image or --engine-version, or make them fit."));
    }
    Ok(image)
}

/// Returns an image with the server in it.
async fn inside<R: Runtime>(runtime: &R, seen: ImageSeen, observer: &dyn Observer) -> Result<Image> {
    let server = server(runtime, &seen).await?;
    if !server.is_supported() {
        return Err(Error::new(
            ErrorKind::Image,
            format!("image {} holds {server}", seen.reference),
        )
        .hint("rcup needs Redis 7.0 or later, or Valkey: name another image with --image."));
    }
    observer.observe(&Event::note(format!("image {} with {server}", seen.reference)));
    Ok(Image {
        reference: seen.reference,
        server,
        volumes: seen.volumes,
    })
}

/// Returns the image that the user named. There is no alternative if it is not available.
async fn named<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    reference: &str,
    may_pull: bool,
    observer: &dyn Observer,
) -> Result<ImageSeen> {
    let here = runtime.image(reference).await?;
    match (here, spec.pull()) {
        (Some(image), Pull::Missing | Pull::Never) => Ok(image),
        (Some(image), Pull::Always) if !may_pull => Ok(image),
        (None, Pull::Never) => Err(absent(reference).hint(
            "--pull never forbids to get it: pull it yourself, or make a local image with `rcup image build`.",
        )),
        (None, _) if !may_pull => Err(absent(reference)
            .hint("A dry run pulls nothing: pull the image first, or name one that is here (`rcup image list`).")),
        _ => pull(runtime, reference, observer)
            .await
            .map_err(|error| not_pulled(error, reference)),
    }
}

/// Adds a hint, unless the container engine reports a specific cause, such as a refused login or a full disk.
fn not_pulled(error: Error, reference: &str) -> Error {
    if error.hint_text().is_some() {
        return error;
    }
    error.hint(format!(
        "Check the name and the network (`docker pull {reference}`), or make a local image with `rcup image build` \
         and leave --image out."
    ))
}

fn absent(reference: &str) -> Error {
    Error::new(
        ErrorKind::Image,
        format!("image {reference} is not on the engine"),
    )
}

/// Pulls an image and reports the bytes received.
async fn pull<R: Runtime>(runtime: &R, reference: &str, observer: &dyn Observer) -> Result<ImageSeen> {
    observer.observe(&Event::note(format!("pulling image {reference}")));
    let progress = |pulled: PullProgress| {
        let bytes = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        observer.observe(&Event::Progress {
            phase: Phase::Image,
            done: bytes(pulled.downloaded),
            units: bytes(pulled.total),
        });
    };
    runtime.pull(reference, PATIENCE, &progress).await?;
    runtime.image(reference).await?.ok_or_else(|| absent(reference))
}

/// Selects an image if the user named none: the official one if it exists locally or can be pulled, or one that rcup
/// built.
async fn chosen<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    may_pull: bool,
    observer: &dyn Observer,
) -> Result<ImageSeen> {
    let official = spec.official_image();
    let official = official.as_str();
    let here = runtime.image(official).await?;
    let refused = match (here, spec.pull()) {
        (Some(image), Pull::Missing | Pull::Never) => return Ok(image),
        (Some(image), Pull::Always) if !may_pull => return Ok(image),
        (None, Pull::Never) => Error::new(ErrorKind::Image, "--pull never forbids to get it"),
        (None, _) if !may_pull => Error::new(ErrorKind::Image, "a dry run pulls nothing"),
        (Some(_) | None, _) => match pull(runtime, official, observer).await {
            Ok(image) => return Ok(image),
            Err(error) => error,
        },
    };
    let Some(reference) = newest_local(runtime.local_images().await?, spec) else {
        return Err(no_image(official, spec.engine(), &refused));
    };
    observer.observe(&Event::note(format!(
        "taking local image {reference}, because {official}: {}",
        why(&refused)
    )));
    runtime.image(&reference).await?.ok_or_else(|| absent(&reference))
}

/// Returns the first cause, without the words that every failed pull has in common.
fn why(error: &Error) -> String {
    let cause = error.causes().into_iter().next();
    cause.unwrap_or_else(|| error.to_string())
}

/// Returns the error if the official image cannot be pulled and there is no local one.
fn no_image(official: &str, engine: Engine, refused: &Error) -> Error {
    let pull = match refused.hint_text() {
        Some(hint) => hint.to_owned(),
        None => format!("Pull it where a registry can be reached (`docker pull {official}`)."),
    };
    absent(official).because(why(refused)).hint(format!(
        "{pull} Or make a local image: `rcup image build --engine {}`. `rcup image list` shows local images.",
        engine.as_str()
    ))
}

/// Returns the newest local image built by rcup with the requested server and version.
fn newest_local(images: Vec<ImageSeen>, spec: &ClusterSpec) -> Option<String> {
    images
        .into_iter()
        .filter_map(|image| {
            let server = from_labels(&image)?;
            (spec.wants(server) && server.is_supported()).then_some((server.version, image.reference))
        })
        .max()
        .map(|(_, reference)| reference)
}

/// Determines the server in the image: from the labels (images built by rcup), from the environment (official images),
/// or from the output of the server.
async fn server<R: Runtime>(runtime: &R, image: &ImageSeen) -> Result<Server> {
    if let Some(server) = from_labels(image).or_else(|| from_environment(image)) {
        return Ok(server);
    }
    let mut failed = None;
    for engine in [Engine::Redis, Engine::Valkey] {
        let command = [engine.server().to_owned(), "--version".to_owned()];
        match run_once(runtime, &image.reference, &command).await {
            Ok(text) => {
                return from_version_text(&text).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Image,
                        format!(
                            "{} in image {} does not tell its version",
                            engine.server(),
                            image.reference
                        ),
                    )
                    .detail(text)
                });
            }
            // The image has no such program: try the other server. Any other error would occur again.
            Err(error) if error.kind() == ErrorKind::Image => failed = Some(error),
            Err(error) => return Err(error),
        }
    }
    let error = Error::new(
        ErrorKind::Image,
        format!(
            "image {} holds neither redis-server nor valkey-server",
            image.reference
        ),
    )
    .hint("Name an image with Redis 7.0 or later, or Valkey, with --image.");
    Err(match failed {
        Some(source) => error.because(source),
        None => error,
    })
}

fn from_labels(image: &ImageSeen) -> Option<Server> {
    let engine = image.labels.get("rcup.engine")?.parse().ok()?;
    let version = image.labels.get("rcup.engine-version")?.parse().ok()?;
    Some(Server::new(engine, version))
}

/// Reads the version from `REDIS_VERSION` (official images up to 7.4), `VALKEY_VERSION`, or the name of the source
/// archive (Redis 8).
fn from_environment(image: &ImageSeen) -> Option<Server> {
    let version = |name: &str| image.env.get(name).and_then(|text| text.parse::<Version>().ok());
    if let Some(version) = version("VALKEY_VERSION") {
        return Some(Server::new(Engine::Valkey, version));
    }
    if let Some(version) = version("REDIS_VERSION") {
        return Some(Server::new(Engine::Redis, version));
    }
    let source = image.env.get("REDIS_DOWNLOAD_URL")?;
    let name = source.rsplit('/').next()?.trim_start_matches("redis-");
    Some(Server::new(Engine::Redis, name.parse().ok()?))
}

/// Parses `Redis server v=7.0.15 sha=…` or `Valkey server v=8.1.1 sha=…`. Valkey's `redis-server` also prints `Valkey`.
fn from_version_text(text: &str) -> Option<Server> {
    let line = text.lines().find(|line| line.contains(" v="))?;
    let version = line
        .split(" v=")
        .nth(1)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    let engine = if line.starts_with("Valkey") {
        Engine::Valkey
    } else {
        Engine::Redis
    };
    Some(Server::new(engine, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(labels: &[(&str, &str)], env: &[(&str, &str)]) -> ImageSeen {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        ImageSeen {
            reference: "x:1".to_owned(),
            labels: map(labels),
            env: map(env),
            ..ImageSeen::default()
        }
    }

    fn redis(text: &str) -> Server {
        Server::new(Engine::Redis, text.parse().unwrap())
    }

    #[test]
    fn the_server_is_told_by_labels_or_the_environment() {
        let own = image(
            &[("rcup.engine", "valkey"), ("rcup.engine-version", "8.1.1")],
            &[],
        );
        assert_eq!(
            from_labels(&own),
            Some(Server::new(Engine::Valkey, Version::new(8, 1, 1)))
        );
        let seven = image(&[], &[("REDIS_VERSION", "7.2.4")]);
        assert_eq!(from_environment(&seven), Some(redis("7.2.4")));
        let eight = image(
            &[],
            &[(
                "REDIS_DOWNLOAD_URL",
                "https://example.org/redis/archive/refs/tags/8.0.2.tar.gz",
            )],
        );
        assert_eq!(from_environment(&eight), Some(redis("8.0.2")));
        let old = image(
            &[],
            &[(
                "REDIS_DOWNLOAD_URL",
                "http://example.org/releases/redis-7.0.15.tar.gz",
            )],
        );
        assert_eq!(from_environment(&old), Some(redis("7.0.15")));
        assert_eq!(from_environment(&image(&[], &[("PATH", "/bin")])), None);
    }

    #[test]
    fn the_server_tells_its_own_name() {
        let text = "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1";
        assert_eq!(
            from_version_text(text),
            Some(Server::new(Engine::Valkey, Version::new(8, 1, 1)))
        );
        assert_eq!(
            from_version_text("Redis server v=7.0.15 sha=0"),
            Some(redis("7.0.15"))
        );
        assert_eq!(from_version_text("hello"), None);
    }

    fn request(engine: Engine, version: Option<&str>) -> ClusterSpec {
        let spec = ClusterSpec::builder().engine(engine);
        match version {
            Some(version) => spec.engine_version(version.parse().unwrap()),
            None => spec,
        }
        .build()
        .unwrap()
    }

    #[test]
    fn the_newest_local_image_of_the_engine_wins() {
        let local = |reference: &str, engine: &str, version: &str| ImageSeen {
            reference: reference.to_owned(),
            ..image(&[("rcup.engine", engine), ("rcup.engine-version", version)], &[])
        };
        let images = vec![
            local("rcup/redis:7.0.15", "redis", "7.0.15"),
            local("rcup/redis:8.0.2", "redis", "8.0.2"),
            local("rcup/valkey:9.1.2", "valkey", "9.1.2"),
        ];
        assert_eq!(
            newest_local(images.clone(), &request(Engine::Redis, None)).as_deref(),
            Some("rcup/redis:8.0.2")
        );
        assert_eq!(
            newest_local(images.clone(), &request(Engine::Valkey, None)).as_deref(),
            Some("rcup/valkey:9.1.2")
        );
        assert_eq!(
            newest_local(images.clone(), &request(Engine::Redis, Some("7.0"))).as_deref(),
            Some("rcup/redis:7.0.15")
        );
        assert_eq!(newest_local(images, &request(Engine::Redis, Some("7.2"))), None);
        assert_eq!(newest_local(Vec::new(), &request(Engine::Redis, None)), None);
    }
    #[test]
    fn hint_of_a_failed_pull_is_kept() {
        let failed = || Error::new(ErrorKind::Image, "cannot pull image redis:8").because("no such host");
        let refused = failed().hint("The pull was anonymous.");
        let hint = |error: &Error| error.hint_text().unwrap().to_owned();
        assert_eq!(hint(&not_pulled(refused, "redis:8")), "The pull was anonymous.");
        assert!(hint(&not_pulled(failed(), "redis:8")).contains("`docker pull redis:8`"));

        let refused = failed().hint("The pull was anonymous.");
        let error = no_image("redis:8", Engine::Redis, &refused);
        assert_eq!(error.causes(), ["no such host"]);
        assert!(hint(&error).starts_with("The pull was anonymous. Or make a local image: "));
        let error = no_image("redis:8", Engine::Redis, &failed());
        assert!(hint(&error).contains("(`docker pull redis:8`). Or make a local image: "));
    }
}
