//! Support for running inside a container on the same Docker host, such as a CI job with a mounted Docker socket.
//! Such a container cannot reach the host's bridges or its loopback address, only its own networks.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{ContainerInspectResponse, EndpointSettings, NetworkConnectRequest, NetworkInspect};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::client::{Docker, QUICK, call, late};
use crate::runtime::docker::translate;
use crate::runtime::faults::Faults as _;
use crate::runtime::interface::OwnContainer;

/// Marks an endpoint that rcup created for its own container. Drivers ignore unknown options.
const GUEST: &str = "rcup.guest";

/// Files mounted into every container from a directory named after the container's id.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Length of a container id.
const DIGITS: usize = 64;

/// Returns the container id in these mounts (`/proc/self/mountinfo`: the fourth field is the source, the fifth the
/// mount point, see proc(5)). It may belong to another container engine.
fn container_in(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (what, at) = (fields.next()?, fields.next()?);
        let is_id = |part: &&str| part.len() == DIGITS && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        MOUNTED
            .contains(&at)
            .then(|| what.split('/').find(is_id))
            .flatten()
    })
}

/// Converts a container, unless it has no network of its own.
fn own(seen: ContainerInspectResponse) -> Option<OwnContainer> {
    let mode = seen.host_config?.network_mode.unwrap_or_default();
    if mode == "host" || mode == "none" {
        return None;
    }
    let networks = seen.network_settings?.networks.unwrap_or_default();
    Some(OwnContainer {
        name: seen.name?.trim_start_matches('/').to_owned(),
        networks: networks.into_keys().collect(),
    })
}

impl Docker {
    pub(crate) async fn find_own_container(&self) -> Result<Option<OwnContainer>> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let Some(id) = container_in(&mounts) else {
            return Ok(None);
        };
        let what = "inspect the container of this process";
        let asked = tokio::time::timeout(QUICK, self.inspect_in_any_state(id)).await;
        let seen = match asked {
            Ok(Ok((seen, _))) => seen,
            // The container belongs to another container engine, for example with Docker in Docker.
            Ok(Err(error)) if translate::is_missing(&error) => return Ok(None),
            Ok(Err(error)) => return Err(translate::error(what, error)),
            Err(_) => return Err(late(what, QUICK)),
        };
        let mode = seen
            .host_config
            .as_ref()
            .and_then(|host| host.network_mode.clone());
        // A container that shares another's network namespace has its networks.
        match mode.as_deref().and_then(|mode| mode.strip_prefix("container:")) {
            None => Ok(own(seen)),
            Some(other) => {
                let asked = self.inspect_in_any_state(other);
                call(
                    "inspect the container whose network this process uses",
                    QUICK,
                    asked,
                )
                .await
                .map(|(seen, _)| own(seen))
            }
        }
    }

    /// Connects a container to a network with the first free address.
    pub(crate) async fn connect_guest(
        &self,
        container: &str,
        network: &str,
        addresses: &[Ipv4Addr],
    ) -> Result<()> {
        let what = format!("connect this process's container {container} to network {network}");
        let mut taken = None;
        for address in addresses {
            let request = NetworkConnectRequest {
                container: container.to_owned(),
                endpoint_config: Some(EndpointSettings {
                    driver_opts: Some(HashMap::from([(GUEST.to_owned(), "true".to_owned())])),
                    ..translate::endpoint(*address)
                }),
            };
            match call(&what, QUICK, self.client.connect_network(network, request)).await {
                Err(error) if error.kind() == ErrorKind::Subnet => taken = Some(error),
                answer => return answer,
            }
        }
        Err(taken.unwrap_or_else(|| {
            Error::new(
                ErrorKind::Subnet,
                format!("cannot {what}: no free address on the network"),
            )
            .hint("Use a larger --subnet.")
        }))
    }

    /// Disconnects the containers that rcup has connected. Returns whether only such containers were connected.
    pub(crate) async fn disconnect_guests(&self, network: &NetworkInspect) -> Result<bool> {
        let name = network.name.as_deref().unwrap_or_default();
        let on_it = network.containers.iter().flatten();
        let (mut guests, mut others) = (0, 0);
        for (id, _) in on_it {
            let asked = self.inspect_in_any_state(id);
            let (seen, _) = call(&format!("inspect container {id}"), QUICK, asked).await?;
            let networks = seen.network_settings.and_then(|settings| settings.networks);
            let options = networks
                .and_then(|mut networks| networks.remove(name))
                .and_then(|endpoint| endpoint.driver_opts);
            if !options.is_some_and(|options| options.contains_key(GUEST)) {
                others += 1;
                continue;
            }
            self.disconnect(id, name).await?;
            guests += 1;
        }
        Ok(guests > 0 && others == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_container_is_known_by_the_files_that_its_engine_mounts() {
        let docker = format!(
            "812 811 0:64 / / rw - overlay overlay rw\n\
             830 812 254:1 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n"
        );
        assert_eq!(container_in(&docker), Some(ID));
        let podman = format!(
            "9 8 0:30 /containers/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - btrfs x rw\n"
        );
        assert_eq!(container_in(&podman), Some(ID));
        // The Docker host itself sees the mounts of all containers.
        let host = format!(
            "30 29 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             31 29 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(container_in(&host), None);
        assert_eq!(container_in("nonsense\n\n"), None);
    }

    #[test]
    fn one_without_a_network_of_its_own_cannot_join_another() {
        let seen = |mode: &str| -> ContainerInspectResponse {
            serde_json::from_value(serde_json::json!({
                "Name": "/job",
                "HostConfig": {"NetworkMode": mode},
                "NetworkSettings": {"Networks": {"bridge": {}}},
            }))
            .unwrap()
        };
        let found = own(seen("default")).unwrap();
        assert_eq!(
            (found.name.as_str(), found.networks),
            ("job", vec!["bridge".to_owned()])
        );
        assert!(own(seen("host")).is_none() && own(seen("none")).is_none());
    }
}
