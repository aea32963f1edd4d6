//! The sockets of common container engines, for users who select no endpoint.

use std::io;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::error::{Error, ErrorKind};
use crate::runtime::docker::endpoint::DEFAULT_SOCKET;

/// Directories that contain sockets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directories {
    pub(crate) home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, or its usual value.
    pub(crate) runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, or its default.
    pub(crate) config: Option<PathBuf>,
    /// `XDG_DATA_HOME`, or its default.
    pub(crate) data: Option<PathBuf>,
    /// `COLIMA_HOME`.
    pub(crate) colima: Option<PathBuf>,
    /// `LIMA_HOME`, or its default.
    pub(crate) lima: Option<PathBuf>,
    /// The user's own directory for temporary files, on macOS.
    pub(crate) temporary: Option<PathBuf>,
}

impl Directories {
    pub(crate) fn of_this_process() -> Self {
        let directory = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let user = rustix::process::getuid().as_raw();
        // `su` and cron set no XDG_RUNTIME_DIR.
        let usual = || cfg!(target_os = "linux").then(|| PathBuf::from(format!("/run/user/{user}")));
        Self {
            runtime: directory("XDG_RUNTIME_DIR").or_else(usual),
            config: directory("XDG_CONFIG_HOME").or_else(|| in_home(".config")),
            data: directory("XDG_DATA_HOME").or_else(|| in_home(".local/share")),
            colima: directory("COLIMA_HOME"),
            lima: directory("LIMA_HOME").or_else(|| in_home(".lima")),
            // Another user could put a socket into a shared /tmp.
            temporary: directory("TMPDIR").filter(|_| cfg!(target_os = "macos")),
            home,
        }
    }
}

/// A socket that may exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    /// The product that the socket belongs to, for messages.
    pub(crate) product: String,
}

impl Candidate {
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.path.display())
    }
}

/// Returns the Docker CLI's socket.
pub(crate) fn default_socket() -> Candidate {
    Candidate {
        path: PathBuf::from(DEFAULT_SOCKET),
        product: "the default socket".to_owned(),
    }
}

/// Returns all candidates, in the order in which they are tried. Machines of Colima, Lima and Podman are listed if
/// their sockets exist.
pub(crate) fn candidates(directories: &Directories) -> Vec<Candidate> {
    let mut all = vec![default_socket()];
    let mut add = |directory: Option<&Path>, socket: &str, product: &str| {
        all.extend(directory.map(|directory| Candidate {
            path: directory.join(socket),
            product: product.to_owned(),
        }));
    };
    let (home, runtime) = (directories.home.as_deref(), directories.runtime.as_deref());
    add(runtime, "docker.sock", "rootless Docker");
    // Rootless Docker uses this path too if it is installed without XDG_RUNTIME_DIR.
    add(home, ".docker/run/docker.sock", "Docker Desktop");
    add(home, ".docker/desktop/docker.sock", "Docker Desktop for Linux");
    let colima = match &directories.colima {
        Some(colima) => vec![colima.clone()],
        None => home
            .map(|home| home.join(".colima"))
            .into_iter()
            .chain(directories.config.as_ref().map(|config| config.join("colima")))
            .collect(),
    };
    let first = colima.first().map(PathBuf::as_path);
    add(first, "default/docker.sock", "Colima");
    for (at, directory) in colima.iter().enumerate() {
        for profile in with(Some(directory), "docker.sock") {
            if (at, profile.as_str()) != (0, "default") {
                let socket = format!("{profile}/docker.sock");
                add(Some(directory), &socket, &format!("Colima profile `{profile}`"));
            }
        }
    }
    add(home, ".orbstack/run/docker.sock", "OrbStack");
    add(home, ".rd/docker.sock", "Rancher Desktop");
    let lima = directories.lima.as_deref();
    for socket in ["sock/docker.sock", "sock/podman.sock"] {
        for instance in with(lima, socket) {
            let product = format!("Lima instance `{instance}`");
            add(lima, &format!("{instance}/{socket}"), &product);
        }
    }
    add(runtime, "podman/podman.sock", "rootless Podman");
    let machines = directories
        .data
        .as_ref()
        .map(|data| data.join("containers/podman/machine"));
    let machines = machines.as_deref();
    add(machines, "podman.sock", "Podman machine");
    for machine in with(machines, "podman.sock") {
        let product = format!("Podman machine `{machine}`");
        add(machines, &format!("{machine}/podman.sock"), &product);
    }
    for directory in [directories.temporary.as_deref(), runtime] {
        let directory = directory.map(|directory| directory.join("podman"));
        for name in directory.as_deref().map(names).unwrap_or_default() {
            if let Some(machine) = name.strip_suffix("-api.sock") {
                add(
                    directory.as_deref(),
                    &name,
                    &format!("Podman machine `{machine}`"),
                );
            }
        }
    }
    add(Some(Path::new("/run/podman")), "podman.sock", "rootful Podman");
    all
}

/// Returns the names in a directory, sorted. Lima and Colima use directories that begin with an underscore for
/// other files.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with(['_', '.']))
        .collect();
    names.sort();
    names
}

/// Returns the directories in a directory that contain `socket`.
fn with(directory: Option<&Path>, socket: &str) -> Vec<String> {
    let Some(directory) = directory else {
        return Vec::new();
    };
    let mut names = names(directory);
    names.retain(|name| std::fs::symlink_metadata(directory.join(name).join(socket)).is_ok());
    names
}

/// Result of connecting to a candidate.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It accepts connections.
    Accepts,
    /// It does not exist, or is in a directory that this user may not read.
    Absent,
    /// It exists, but no connection is possible.
    Fails(io::Error),
}

/// Connects to a socket. Nothing is sent.
pub(crate) fn try_connect(path: &Path) -> Answer {
    let error = match connect(path) {
        // The process listens, but its queue is full.
        Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INPROGRESS) => return Answer::Accepts,
        Err(error) => error,
    };
    let exists = if error == rustix::io::Errno::ACCESS {
        std::fs::metadata(path).is_ok()
    } else {
        std::fs::symlink_metadata(path).is_ok()
    };
    if exists {
        Answer::Fails(error.into())
    } else {
        Answer::Absent
    }
}

/// Connects without blocking: a blocking call would wait for a stopped process.
fn connect(path: &Path) -> rustix::io::Result<()> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::net::connect(&socket, &address)
}

/// Creates the error for a container engine that this user may not use.
pub(crate) fn not_permitted(at: &str) -> Error {
    Error::new(
        ErrorKind::EnginePermission,
        format!("permission denied for the container engine at {at}"),
    )
    .hint(
        "Add yourself to the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), or \
         use rootless Docker.",
    )
}

/// Creates the error for the first of several candidates that exist, none of which accepts a connection.
pub(crate) fn none_accepts(mut failed: Vec<(Candidate, io::Error)>) -> Option<Error> {
    if failed.is_empty() {
        return None;
    }
    let (first, cause) = failed.remove(0);
    let at = format!("{} ({})", first.endpoint(), first.product);
    let error = if cause.kind() == io::ErrorKind::PermissionDenied {
        not_permitted(&at)
    } else {
        Error::new(
            ErrorKind::EngineUnavailable,
            format!("the container engine at {at} does not respond"),
        )
        .hint("Start it (`sudo systemctl start docker`), or set DOCKER_HOST to a running one.")
    };
    let others = failed
        .iter()
        .map(|(candidate, cause)| format!("nor {} ({}): {cause}", candidate.endpoint(), candidate.product));
    Some(error.because(cause).details(others))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn sockets_of_products_are_tried_in_their_order() {
        let home = tempfile::tempdir().unwrap();
        let of = |path: &str| home.path().join(path);
        for machine in [
            ".colima/default/docker.sock",
            ".colima/work/docker.sock",
            ".colima/_lima/x/docker.sock",
            ".colima/_x/docker.sock",
            ".config/colima/default/docker.sock",
            ".lima/docker/sock/docker.sock",
            ".lima/lab/sock/docker.sock",
            ".lima/podman/sock/podman.sock",
            ".lima/_config/sock/docker.sock",
            ".local/share/containers/podman/machine/default/podman.sock",
            "tmp/podman/podman-machine-default-api.sock",
            "tmp/podman/gvproxy.sock",
        ] {
            touch(&of(machine));
        }
        let directories = Directories {
            home: Some(of("")),
            runtime: Some(of("run")),
            config: Some(of(".config")),
            data: Some(of(".local/share")),
            colima: None,
            lima: Some(of(".lima")),
            temporary: Some(of("tmp")),
        };
        let found: Vec<String> = candidates(&directories)
            .iter()
            .map(|candidate| {
                let path = candidate
                    .path
                    .strip_prefix(home.path())
                    .unwrap_or(&candidate.path);
                format!("{}: {}", candidate.product, path.display())
            })
            .collect();
        assert_eq!(
            found,
            [
                "the default socket: /var/run/docker.sock",
                "rootless Docker: run/docker.sock",
                "Docker Desktop: .docker/run/docker.sock",
                "Docker Desktop for Linux: .docker/desktop/docker.sock",
                "Colima: .colima/default/docker.sock",
                "Colima profile `work`: .colima/work/docker.sock",
                "Colima profile `default`: .config/colima/default/docker.sock",
                "OrbStack: .orbstack/run/docker.sock",
                "Rancher Desktop: .rd/docker.sock",
                "Lima instance `docker`: .lima/docker/sock/docker.sock",
                "Lima instance `lab`: .lima/lab/sock/docker.sock",
                "Lima instance `podman`: .lima/podman/sock/podman.sock",
                "rootless Podman: run/podman/podman.sock",
                "Podman machine: .local/share/containers/podman/machine/podman.sock",
                "Podman machine `default`: .local/share/containers/podman/machine/default/podman.sock",
                "Podman machine `podman-machine-default`: tmp/podman/podman-machine-default-api.sock",
                "rootful Podman: /run/podman/podman.sock",
            ]
        );
        let elsewhere = Directories {
            colima: Some(of("elsewhere")),
            ..directories
        };
        touch(&of("elsewhere/lab/docker.sock"));
        let colima: Vec<PathBuf> = candidates(&elsewhere)
            .into_iter()
            .filter(|candidate| candidate.product.starts_with("Colima"))
            .map(|candidate| candidate.path)
            .collect();
        assert_eq!(
            colima,
            [
                of("elsewhere/default/docker.sock"),
                of("elsewhere/lab/docker.sock")
            ]
        );
    }

    #[test]
    fn only_a_listening_socket_accepts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        assert!(matches!(try_connect(&path), Answer::Absent));
        assert!(matches!(try_connect(&path.join("below")), Answer::Absent));
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(try_connect(&path), Answer::Accepts));
        drop(listener);
        let Answer::Fails(error) = try_connect(&path) else {
            panic!("a stale socket accepts")
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // Docker Desktop leaves a link to its socket when it exits.
        let link = directory.path().join("link.sock");
        std::os::unix::fs::symlink(directory.path().join("gone"), &link).unwrap();
        assert!(matches!(try_connect(&link), Answer::Fails(_)));
    }

    #[test]
    fn a_full_queue_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let held: Vec<_> = (0..3)
            .map(|_| {
                let client = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
                rustix::io::ioctl_fionbio(&client, true).unwrap();
                let _ = rustix::net::connect(&client, &SocketAddrUnix::new(&path).unwrap());
                client
            })
            .collect();
        assert!(matches!(try_connect(&path), Answer::Accepts));
        drop(held);
    }

    #[test]
    fn the_first_error_is_kept_and_the_others_listed() {
        let candidate = |product: &str| Candidate {
            path: PathBuf::from(format!("/{product}")),
            product: product.to_owned(),
        };
        assert!(none_accepts(Vec::new()).is_none());
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = none_accepts(vec![(candidate("a"), denied()), (candidate("b"), refused())]).unwrap();
        assert_eq!(error.kind(), ErrorKind::EnginePermission);
        assert!(error.to_string().contains("unix:///a (a)"), "{error}");
        assert_eq!(error.detail_lines(), ["nor unix:///b (b): connection refused"]);
        let error = none_accepts(vec![(candidate("b"), refused()), (candidate("a"), denied())]).unwrap();
        assert_eq!(error.kind(), ErrorKind::EngineUnavailable);
    }
}
