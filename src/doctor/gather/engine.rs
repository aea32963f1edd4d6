//! Detects the kind of container engine, and reads its disk, clock and bridge reachability.

use std::io::ErrorKind;
use std::net::SocketAddrV4;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::doctor::facts::{Disk, Kind};
use crate::doctor::finding::Fact;
use crate::doctor::gather::this_machine::is_own_address;
use crate::runtime::interface::{EngineDetails, EngineInfo};
use crate::runtime::labels;
use crate::runtime::observed::{Activity, Observed};
use crate::topology::address::gateway;

/// Timeout for a connection to a node over a bridge of the same machine.
const NEAR: Duration = Duration::from_millis(500);

/// Detects the kind from the container engine's own information. `own_kernel` is the release of this
/// machine's kernel, if it is Linux.
pub(crate) fn kind(info: &EngineInfo, details: &EngineDetails, own_kernel: Option<&str>) -> Kind {
    if !info.local {
        return Kind::Remote;
    }
    let says = |text: &str, part: &str| text.to_lowercase().contains(part);
    let product = if says(&details.system, "docker desktop") || says(&details.kernel, "linuxkit") {
        Some("Docker Desktop")
    } else if says(&details.system, "orbstack") || says(&details.kernel, "orbstack") {
        Some("OrbStack")
    } else if says(&details.name, "colima") {
        Some("Colima")
    } else if says(&details.name, "rancher-desktop") || says(&details.system, "rancher desktop") {
        Some("Rancher Desktop")
    } else if details.name.starts_with("lima-") {
        Some("Lima")
    } else {
        None
    };
    match product {
        Some(product) => Kind::Machine(product.to_owned()),
        // Two machines may have the same kernel release; their default settings are then the same too.
        None if own_kernel.is_some_and(|own| own == details.kernel) => {
            if details.rootless {
                Kind::Rootless
            } else {
                Kind::Native
            }
        }
        None if details.podman => Kind::Machine("Podman".to_owned()),
        None => Kind::Machine("an unknown product".to_owned()),
    }
}

/// Returns the release of this machine's kernel, if it is Linux.
pub(crate) fn own_kernel() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

/// Reads the disk that holds the container engine's data directory, on this machine.
pub(crate) fn disk(root: &str) -> Fact<Disk> {
    let space = rustix::fs::statvfs(root).map_err(|error| format!("{root}: {error}"))?;
    Ok(Disk {
        path: root.to_owned(),
        free: space.f_bavail.saturating_mul(space.f_frsize),
        rotational: rotational(root),
    })
}

/// Returns whether the disk is rotational. The kernel reports it per disk; the directory of a partition is
/// inside that of its disk. For a virtual disk, the kernel reports only its default, so the result is `None`.
fn rotational(path: &str) -> Option<bool> {
    let device = std::fs::metadata(path).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let block = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let name = block.file_name()?.to_string_lossy().into_owned();
    if name.starts_with("vd") || name.starts_with("xvd") {
        return None;
    }
    let tell = |directory: &Path| std::fs::read_to_string(directory.join("queue/rotational")).ok();
    let text = tell(&block).or_else(|| tell(block.parent()?))?;
    Some(text.trim() == "1")
}

/// Returns how many milliseconds the Docker host's clock is ahead, and the maximum error: the request was
/// sent at `asked` and answered at `answered`.
pub(crate) fn ahead(time: Option<SystemTime>, asked: SystemTime, answered: SystemTime) -> Fact<(i64, u64)> {
    let time = time.ok_or_else(|| "the container engine does not report the time".to_owned())?;
    let ms = |time: SystemTime| -> i64 {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    let (asked, answered) = (ms(asked), ms(answered));
    let exact = answered.saturating_sub(asked).unsigned_abs() / 2 + 1;
    Ok((ms(time) - i64::midpoint(asked, answered), exact))
}

/// Number of nodes to try before the bridge counts as unreachable: a node may be shutting down.
const TRIED: usize = 4;

/// Checks whether this machine can reach an address on a bridge of the container engine: that of a running
/// node, otherwise the gateway of the default bridge.
pub(crate) async fn bridge(observed: &Observed, kind: &Kind, podman: bool) -> Fact<(bool, String)> {
    let mut silent = None;
    for (name, address) in running_nodes(observed).take(TRIED) {
        match tokio::time::timeout(NEAR, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok((true, format!("{name} answers at {address}"))),
            // Only the node's kernel can refuse the connection, so the address is reachable.
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Ok((
                    true,
                    format!("{name} refuses the connection at {address}, so it is reachable"),
                ));
            }
            Ok(Err(error)) => silent = Some(format!("{name} does not answer at {address}: {error}")),
            Err(_) => {
                let ms = NEAR.as_millis();
                silent = Some(format!("{name} does not answer at {address} for {ms} ms"));
            }
        }
    }
    if let Some(silent) = silent {
        return Ok((false, silent));
    }
    if let Some(known) = bridge_by_kind(kind, podman) {
        return Ok(known);
    }
    let subnet = observed
        .networks
        .iter()
        .find(|network| network.name == "bridge" || network.name == "podman")
        .and_then(|network| network.subnets.first())
        .ok_or_else(|| "there is no default bridge and no running node".to_owned())?;
    let address = gateway(*subnet);
    Ok(if is_own_address(address) {
        (
            true,
            format!("the default bridge's address {address} is this machine's"),
        )
    } else {
        (
            false,
            format!("the default bridge's address {address} is not this machine's"),
        )
    })
}

/// Returns the reachability where the default bridge does not show it: that of a rootless container engine may have the
/// address of a bridge of this machine, and Podman creates its default bridge only while a container uses it.
fn bridge_by_kind(kind: &Kind, podman: bool) -> Option<(bool, String)> {
    match kind {
        Kind::Rootless => Some((
            false,
            "a rootless container engine has its bridges in a network namespace of its own".to_owned(),
        )),
        Kind::Native if podman => Some((true, "Podman's bridges are on this machine".to_owned())),
        _ => None,
    }
}

fn running_nodes(observed: &Observed) -> impl Iterator<Item = (String, SocketAddrV4)> {
    observed
        .containers
        .iter()
        .filter(|container| container.activity == Activity::Running)
        .filter_map(|container| {
            let topology = labels::topology(&container.labels).ok()?;
            let node = topology
                .nodes
                .into_iter()
                .find(|node| node.name == container.name)?;
            Some((container.name.clone(), node.address()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(local: bool) -> EngineInfo {
        EngineInfo {
            endpoint: "unix:///x".to_owned(),
            found_by: "a test".to_owned(),
            version: "28.0.1".to_owned(),
            api: "1.48".to_owned(),
            local,
            user_socket: false,
            podman: false,
        }
    }

    #[test]
    fn bridge_of_rootless_engines_and_podman_is_known_by_kind() {
        let reachable = |kind, podman| bridge_by_kind(&kind, podman).map(|(reachable, _)| reachable);
        assert_eq!(reachable(Kind::Rootless, false), Some(false));
        assert_eq!(reachable(Kind::Rootless, true), Some(false));
        assert_eq!(reachable(Kind::Native, true), Some(true));
        assert_eq!(reachable(Kind::Native, false), None);
        assert_eq!(reachable(Kind::Machine("Podman".to_owned()), true), None);
    }

    #[test]
    fn the_kind_follows_from_what_the_engine_says() {
        let details = |system: &str, name: &str, kernel: &str, rootless| EngineDetails {
            system: system.to_owned(),
            name: name.to_owned(),
            kernel: kernel.to_owned(),
            rootless,
            ..EngineDetails::default()
        };
        let machine = |product: &str| Kind::Machine(product.to_owned());
        for (details, wanted) in [
            (details("Debian GNU/Linux 12", "vm", "6.1.0", false), Kind::Native),
            (
                details("Debian GNU/Linux 12", "vm", "6.1.0", true),
                Kind::Rootless,
            ),
            (
                details("Docker Desktop", "docker-desktop", "6.1.0", false),
                machine("Docker Desktop"),
            ),
            (
                details("Alpine Linux", "x", "6.6.12-linuxkit", false),
                machine("Docker Desktop"),
            ),
            (
                details("OrbStack", "orbstack", "6.12.0-orbstack", false),
                machine("OrbStack"),
            ),
            (
                details("Ubuntu 24.04", "colima", "6.8.0", false),
                machine("Colima"),
            ),
            (
                details("Ubuntu 24.04", "lima-docker", "6.8.0", false),
                machine("Lima"),
            ),
            (
                EngineDetails {
                    podman: true,
                    ..details("fedora", "localhost.localdomain", "6.12.7", true)
                },
                machine("Podman"),
            ),
            (
                details("Ubuntu 24.04", "vm", "6.8.0", false),
                machine("an unknown product"),
            ),
        ] {
            assert_eq!(kind(&info(true), &details, Some("6.1.0")), wanted, "{details:?}");
        }
        let details = details("Debian GNU/Linux 12", "vm", "6.1.0", false);
        assert_eq!(kind(&info(false), &details, Some("6.1.0")), Kind::Remote);
        assert_eq!(kind(&info(true), &details, None), machine("an unknown product"));
    }

    #[test]
    fn a_clock_is_compared_with_the_middle_of_the_question() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(ahead(Some(at(1_005)), at(1_000), at(1_010)), Ok((0, 6)));
        assert_eq!(ahead(Some(at(3_000)), at(5_000), at(5_020)), Ok((-2_010, 11)));
        assert!(ahead(None, at(0), at(0)).is_err());
    }
}
