//! Downloads the programs from the packages of a suite.

use crate::error::{Error, ErrorKind, Result};
use crate::image::apt::Apt;
use crate::image::machine::Distribution;
use crate::image::mirrors::Mirror;
use crate::image::programs::{Programs, Root};
use crate::image::{apt, mirrors, packages, programs};
use crate::spec::server::{Engine, Server, Version};

const BUSYBOX: &str = "busybox-static";

/// The distribution, mirrors and architecture, which are the same for every suite of this machine.
#[derive(Debug)]
pub(crate) struct Suites {
    pub(crate) distribution: Distribution,
    mirrors: Vec<Mirror>,
    architecture: String,
}

/// The reason why a suite provides no programs.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The suite does not exist, or has no such package. Another suite may have it.
    NotOffered(Error),
    /// An error that would also occur with another suite.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotOffered(error) | Refusal::Failed(error) => error,
        }
    }
}

type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

impl Suites {
    /// Reads the distribution and the package sources of this machine.
    pub(crate) async fn of_this_machine() -> Result<Self> {
        let Some(distribution) = Distribution::of_this_machine() else {
            return Err(Error::new(
                ErrorKind::Image,
                "cannot take packages from a suite on this machine",
            )
            .because("it is neither Debian nor Ubuntu, so it has no apt to fetch them")
            .hint(
                "Install the server here and use `--from host`, or bring an image with `docker load` and \
                 name it with `--image`.",
            ));
        };
        let mirrors = apt::mirrors().await.map_err(without_apt)?;
        let architecture = apt::architecture().await?;
        Ok(Self {
            distribution,
            mirrors,
            architecture,
        })
    }

    /// Downloads and unpacks the programs of `engine`.
    pub(crate) async fn programs(
        &self,
        suite: &str,
        engine: Engine,
        progress: Progress<'_>,
    ) -> Result<Programs, Refusal> {
        let apt = self.open(suite, progress).await?;
        let package = engine.server();
        if !apt.offers(package).await? {
            return Err(Refusal::NotOffered(
                Error::new(
                    ErrorKind::Image,
                    format!("{} has no package {package}", self.title(suite)),
                )
                .hint("Try another suite: bookworm has redis-server, trixie and sid have both servers."),
            ));
        }
        let tools = match engine {
            Engine::Redis => "redis-tools",
            Engine::Valkey => "valkey-tools",
        };
        let packages = apt.closure(&[package, tools, BUSYBOX]).await?;
        let version = packages
            .get(package)
            .map(|package| package.version.clone())
            .unwrap_or_default();
        let origin = format!("{}, {package} {version}", self.title(suite));
        if is_too_old(engine, &version) {
            return Err(Refusal::NotOffered(too_old(&origin)));
        }
        progress(&format!(
            "downloading {} packages: {package} {version}",
            packages.len()
        ));
        let tree = Root::tree(apt.unpack(&packages).await?);
        let files = programs::names(engine)
            .into_iter()
            .map(|name| match (&tree, tree.locate(&format!("/usr/bin/{name}"))) {
                // Keep the link and not its target: the server evaluates the name by which it is called.
                (Root::Tree { top, .. }, Some(_)) => Ok((name, top.join("usr/bin").join(name))),
                _ => Err(Error::new(ErrorKind::Image, format!("{origin} holds no {name}"))),
            })
            .collect::<Result<Vec<_>>>()?;
        let busybox = tree.locate("/bin/busybox");
        if busybox.is_none() {
            progress("the suite has no busybox-static, so the image will have no shell");
        }
        Ok(Programs {
            files,
            busybox,
            root: tree,
            origin,
            kept: vec![apt.into_workspace()],
        })
    }

    /// Downloads only busybox, from the machine's own suite.
    pub(crate) async fn busybox(&self, progress: Progress<'_>) -> Result<Programs, Refusal> {
        let suite = self.distribution.codename.as_deref().unwrap_or("stable");
        let apt = self.open(suite, progress).await?;
        let packages = apt.closure(&[BUSYBOX]).await?;
        // It is static, so its dependencies are not needed.
        let packages = packages.into_iter().filter(|(name, _)| name == BUSYBOX).collect();
        let tree = Root::tree(apt.unpack(&packages).await?);
        Ok(Programs {
            files: Vec::new(),
            busybox: tree.locate("/bin/busybox"),
            root: tree,
            origin: self.title(suite),
            kept: vec![apt.into_workspace()],
        })
    }

    /// Reads the index of a suite, with its updates if they are available, or of the suite alone.
    async fn open(&self, suite: &str, progress: Progress<'_>) -> Result<Apt, Refusal> {
        let Some(address) = mirrors::main_site(&self.mirrors, &self.distribution) else {
            return Err(Refusal::Failed(
                Error::new(ErrorKind::Image, "apt names no mirror to fetch packages from").hint(
                    "Configure a mirror in /etc/apt/sources.list, or use `--from host` with the server \
                     installed.",
                ),
            ));
        };
        progress(&format!("reading the package index of {}", self.title(suite)));
        let options = apt::source_options(&self.distribution, &self.architecture);
        let family = self.distribution.family;
        let own = self.distribution.codename.as_deref();
        let extras = mirrors::extras(suite, &self.mirrors, own);
        let apt = Apt::new(suite)?;
        if !extras.is_empty() {
            let sources = mirrors::sources(suite, address, &extras, &options, family);
            match apt.update(&sources).await {
                Ok(()) => return Ok(apt),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(self.explain(suite, error)),
            }
        }
        let sources = mirrors::sources(suite, address, &[], &options, family);
        match apt.update(&sources).await {
            Ok(()) => Ok(apt),
            Err(error) => Err(self.explain(suite, error)),
        }
    }

    fn title(&self, suite: &str) -> String {
        format!("{} {suite}", self.distribution.family.as_str())
    }

    /// Explains the cause of a failed update.
    fn explain(&self, suite: &str, error: Error) -> Refusal {
        if error.hint_text().is_some() {
            return Refusal::Failed(error);
        }
        let title = self.title(suite);
        if is_absent(&error) {
            return Refusal::NotOffered(
                because_of(
                    Error::new(ErrorKind::Image, format!("the mirror has no suite {title}")),
                    &error,
                )
                .hint("Check the suite's name. An image can come from bookworm, trixie or sid."),
            );
        }
        let hint = if said(&error, &["NO_PUBKEY", "not signed", "EXPKEYSIG", "signatures"]) {
            "This machine's keyring does not know the suite. Install the distribution's archive keyring, or \
             choose an older suite."
        } else {
            "Check that this machine reaches its package mirror (`apt-get update`), or use `--from host` with \
             the server installed."
        };
        Refusal::Failed(error.hint(hint))
    }
}

/// Moves the output of a process to an error that explains it.
fn because_of(error: Error, cause: &Error) -> Error {
    let error = error.details(cause.detail_lines().iter().cloned());
    match cause.causes().into_iter().next() {
        Some(cause) => error.because(cause),
        None => error,
    }
}

fn without_apt(error: Error) -> Error {
    if error.hint_text().is_none() {
        return error;
    }
    error.hint(
        "Packages are fetched with apt-get. Where it is missing, install the server and use `--from host`, or \
         bring an image with `docker load` and name it with `--image`.",
    )
}

fn said(error: &Error, any: &[&str]) -> bool {
    error
        .detail_lines()
        .iter()
        .any(|line| any.iter().any(|part| line.contains(part)))
}

fn is_absent(error: &Error) -> bool {
    said(error, &["does not have a Release file", "404 "])
        && !said(
            error,
            &["Could not resolve", "Could not connect", "Unable to connect"],
        )
}

fn is_too_old(engine: Engine, version: &str) -> bool {
    packages::upstream(version)
        .parse::<Version>()
        .is_ok_and(|version| !Server::new(engine, version).is_supported())
}

/// Returns the error for a server that rcup does not support.
pub(crate) fn too_old(what: &str) -> Error {
    Error::new(ErrorKind::Image, format!("{what} is too old"))
        .because("rcup needs Redis 7.0 or newer, or Valkey")
        .hint("Choose a newer suite, such as `--from trixie`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::machine::Family;

    fn suites() -> Suites {
        Suites {
            distribution: Distribution {
                family: Family::Debian,
                codename: Some("bookworm".to_owned()),
            },
            mirrors: Vec::new(),
            architecture: "amd64".to_owned(),
        }
    }

    fn update_failed(line: &str) -> Error {
        Error::new(ErrorKind::Image, "reading failed").detail(line)
    }

    #[test]
    fn a_suite_that_is_not_there_lets_the_search_go_on() {
        let line = "E: The repository 'http://m.test/debian nope Release' does not have a Release file.";
        let Refusal::NotOffered(error) = suites().explain("nope", update_failed(line)) else {
            panic!("the search would end");
        };
        assert_eq!(error.to_string(), "the mirror has no suite Debian nope");
        assert_eq!(error.detail_lines(), [line]);
    }

    #[test]
    fn a_mirror_that_is_not_there_ends_it() {
        for line in [
            "E: Failed to fetch http://m.test/x  Could not resolve 'm.test'",
            "W: GPG error: http://m.test sid InRelease: NO_PUBKEY 0123",
        ] {
            let refusal = suites().explain("sid", update_failed(line));
            let Refusal::Failed(error) = refusal else {
                panic!("{line}");
            };
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn what_is_too_old_is_known_before_the_download() {
        assert!(is_too_old(Engine::Redis, "5:6.0.16-1+deb11u2"));
        assert!(!is_too_old(Engine::Redis, "5:7.0.15-1~deb12u6"));
        assert!(!is_too_old(Engine::Valkey, "odd"));
    }
}
