//! Runs apt with a separate state directory. It uses the proxies and mirrors of the machine, and changes none of its
//! files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::error::{Error, ErrorKind, Result};
use crate::image::archive::temporary;
use crate::image::machine::Distribution;
use crate::image::mirrors::Mirror;
use crate::image::packages::Package;
use crate::image::{mirrors, packages, process};

const QUERY: Duration = Duration::from_mins(1);
const UPDATE: Duration = Duration::from_mins(2);
const DOWNLOAD: Duration = Duration::from_mins(5);

/// The maximum depth of library dependencies. Real chains end after four.
const DEPTH: usize = 12;

/// A state directory of apt for one suite.
#[derive(Debug)]
pub(crate) struct Apt {
    workspace: TempDir,
    /// The directory as the loader prints it, with symbolic links resolved.
    top: PathBuf,
    suite: String,
}

/// Asks the machine's apt for its package sources.
pub(crate) async fn mirrors() -> Result<Vec<Mirror>> {
    let mut command = Command::new("apt-get");
    command.args(["update", "--print-uris"]);
    let said = process::run(&mut command, "asking apt for its mirrors", QUERY).await?;
    Ok(mirrors::parse(&said))
}

/// Returns the distribution's name of the architecture whose packages run on this machine.
pub(crate) async fn architecture() -> Result<String> {
    let mut command = Command::new("dpkg");
    command.arg("--print-architecture");
    let said = process::run(&mut command, "asking dpkg for its architecture", QUERY).await?;
    Ok(said.trim().to_owned())
}

impl Apt {
    /// Creates the directory. This downloads nothing.
    pub(crate) fn new(suite: &str) -> Result<Self> {
        let workspace = temporary("rcup-packages-")?;
        let top =
            fs::canonicalize(workspace.path()).map_err(|error| failed("use", workspace.path(), error))?;
        for directory in [
            "state/lists/partial",
            "cache/archives/partial",
            "log",
            "none",
            "packages",
            "tree",
        ] {
            let path = top.join(directory);
            fs::create_dir_all(&path).map_err(|error| failed("make", &path, error))?;
        }
        let apt = Self {
            workspace,
            top,
            suite: suite.to_owned(),
        };
        apt.write("status", "")?;
        apt.write("apt.conf", &configuration(&apt.top, suite))?;
        Ok(apt)
    }

    /// Downloads the indices of `sources`.
    pub(crate) async fn update(&self, sources: &str) -> Result<()> {
        self.write("sources.list", sources)?;
        let what = format!("reading the package index of {}", self.suite);
        let mut command = self.command("apt-get");
        command.args(["-q", "update"]);
        process::run(&mut command, &what, UPDATE).await.map(drop)
    }

    /// Checks whether the suite itself, and not its base suite, offers the package.
    pub(crate) async fn offers(&self, package: &str) -> Result<bool> {
        let mut command = self.command("apt-cache");
        command.args(["madison", package]);
        let said = process::run(&mut command, "searching the package index", QUERY).await?;
        Ok(packages::is_offered(&said, &self.suite))
    }

    /// Returns the named packages and the library packages that they depend on. Names that no source offers are
    /// omitted: the loader later reports any library that is really missing.
    pub(crate) async fn closure(&self, names: &[&str]) -> Result<BTreeMap<String, Package>> {
        let mut known = BTreeMap::new();
        let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        for _ in 0..DEPTH {
            let mut command = self.command("apt-cache");
            command.args(["show", "--no-all-versions"]).args(&wanted);
            let said = process::run(&mut command, "reading the packages' needs", QUERY).await?;
            for name in wanted {
                known.entry(name.clone()).or_insert(Package {
                    name,
                    ..Package::default()
                });
            }
            for package in packages::stanzas(&said) {
                known.insert(package.name.clone(), package);
            }
            wanted = packages::missing(&known);
            if wanted.is_empty() {
                break;
            }
        }
        known.retain(|_, package| !package.version.is_empty());
        Ok(known)
    }

    /// Downloads the known versions of the packages and unpacks them. Maintainer scripts do not run.
    pub(crate) async fn unpack(&self, packages: &BTreeMap<String, Package>) -> Result<PathBuf> {
        let directory = self.top.join("packages");
        let mut command = self.command("apt-get");
        command
            .args(["-q", "download"])
            .args(
                packages
                    .values()
                    .map(|package| format!("{}={}", package.name, package.version)),
            )
            .current_dir(&directory);
        process::run(&mut command, "downloading the packages", DOWNLOAD).await?;
        let tree = self.top.join("tree");
        let mut archives: Vec<PathBuf> = fs::read_dir(&directory)
            .map_err(|error| failed("read", &directory, error))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "deb"))
            .collect();
        archives.sort();
        for archive in archives {
            let mut command = Command::new("dpkg-deb");
            command.arg("--extract").arg(&archive).arg(&tree);
            process::run(&mut command, "unpacking a package", QUERY).await?;
        }
        Ok(tree)
    }

    /// Returns the directory, so that the caller can keep the unpacked files.
    pub(crate) fn into_workspace(self) -> TempDir {
        self.workspace
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // apt reads a configuration file from the command line after the machine's, so that it can clear lists.
        command.arg("-c").arg(self.top.join("apt.conf"));
        command
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.top.join(name);
        fs::write(&path, text).map_err(|error| failed("write", &path, error))
    }
}

fn failed(verb: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {verb} {}", path.display()))
        .because(error)
        .hint("Point TMPDIR at a directory that is writable and has 300 MB of room.")
}

/// Returns the options of a source: only packages of this architecture, signed with the archive's key.
pub(crate) fn source_options(distribution: &Distribution, architecture: &str) -> String {
    let mut options = format!("arch={architecture} target=Packages");
    if let Some(keyring) = distribution.family.keyring() {
        options.push_str(" signed-by=");
        options.push_str(&keyring.to_string_lossy());
    }
    options
}

/// Returns the configuration of apt.
///
/// It clears the hooks, because they would change the machine's own caches, and the pins, because they apply to another
/// suite. Only a backports suite becomes the default release: a default release takes precedence over its own security
/// updates.
fn configuration(top: &Path, suite: &str) -> String {
    let top = top.display();
    let preferred = if mirrors::base(suite) == suite { "" } else { suite };
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "{top}/sources.list";
Dir::Etc::sourceparts "{top}/none";
Dir::Etc::preferences "{top}/none/preferences";
Dir::Etc::preferencesparts "{top}/none";
Dir::State "{top}/state";
Dir::State::lists "{top}/state/lists";
Dir::State::status "{top}/status";
Dir::Cache "{top}/cache";
Dir::Log "{top}/log";
APT::Default-Release "{preferred}";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_backports_outrank_the_suite_beneath() {
        let configuration = |suite| configuration(Path::new("/t"), suite);
        assert!(configuration("bookworm").contains("APT::Default-Release \"\";"));
        assert!(configuration("bookworm-backports").contains("APT::Default-Release \"bookworm-backports\";"));
    }

    #[test]
    fn no_path_of_the_machines_own_state_is_written() {
        let text = configuration(Path::new("/t"), "sid");
        for line in text.lines().filter(|line| line.starts_with("Dir::")) {
            assert!(line.contains("\"/t/"), "{line}");
        }
    }
}
