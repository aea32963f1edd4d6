//! Conversion between Docker's types and rcup's: errors, lists, requests.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;

use bollard::errors::Error as DockerError;
use bollard::models::{
    ContainerCreateBody, ContainerSummary, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam,
    IpamConfig, Mount, MountType, MountVolumeOptions, Network, NetworkCreateRequest, NetworkInspect,
    NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum, SystemVersion,
    Volume, VolumeCreateRequest,
};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::observed::{Activity, ContainerSeen, NetworkSeen, VolumeSeen};
use crate::runtime::request::{ContainerRequest, File, FilesRequest, NetworkRequest, USER, VolumeRequest};

/// Converts an error of the container engine. `what` is a fragment such as `create container rcup-a-1`.
pub(crate) fn error(what: &str, source: DockerError) -> Error {
    let message = match &source {
        DockerError::DockerResponseServerError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let (kind, hint) = classify(&source, &message);
    let error = Error::new(kind, format!("cannot {what}"));
    // The container engine's message is the cause; bollard's wrapper adds nothing.
    let error = match source {
        DockerError::DockerResponseServerError { .. } => error.because(message.trim().to_owned()),
        other => error.because(other),
    };
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn classify(source: &DockerError, message: &str) -> (ErrorKind, Option<&'static str>) {
    let says = |part: &str| message.contains(part);
    if says("Pool overlaps") || says("invalid pool request") {
        return (
            ErrorKind::Subnet,
            Some("Another network uses the subnet: choose one with --subnet."),
        );
    }
    if says("all predefined address pools have been fully subnetted") {
        return (
            ErrorKind::Subnet,
            Some("Remove unused networks with `docker network prune`."),
        );
    }
    if says("only when connecting to networks with user configured subnets") {
        return (
            ErrorKind::Usage,
            Some(
                "Fixed container addresses need a network that was created with a subnet: `docker \
                 network create --subnet 10.88.0.0/24 NAME`.",
            ),
        );
    }
    if says("cannot assign requested address") {
        return (
            ErrorKind::Usage,
            Some("Pass an address of the Docker host with --publish, or omit the flag."),
        );
    }
    if says("Address already in use") {
        return (
            ErrorKind::Subnet,
            Some("Another container took the address on the network: run the command again."),
        );
    }
    if says("port is already allocated")
        || says("address already in use")
        || says("Ports are not available")
        || says("bind: Only one usage of each socket address")
    {
        return (
            ErrorKind::Port,
            Some("Choose another first port with --port, or omit the flag."),
        );
    }
    if says("is already in use by container") || says("already exists") {
        return (
            ErrorKind::NameTaken,
            Some("Another rcup may be starting the same cluster."),
        );
    }
    if says("executable file not found") || (says("exec:") && says("no such file or directory")) {
        return (
            ErrorKind::Image,
            Some("The image does not contain the server: choose a Redis or Valkey image with --image."),
        );
    }
    if says("setting rlimit") {
        return (
            ErrorKind::Limit,
            Some("Raise the open file limit of the Docker daemon (LimitNOFILE)."),
        );
    }
    // Rootless container engines and old kernels refuse some sysctls, with different messages that all name the sysctl.
    if says("sysctl") || says("/proc/sys/") {
        return (
            ErrorKind::Sysctl,
            Some("The container engine or the kernel does not support this sysctl per container."),
        );
    }
    if says("no space left on device") || says("disk quota exceeded") {
        return (
            ErrorKind::Engine,
            Some(
                "The Docker host's disk is full: `docker system df` shows the usage, `docker system prune` frees space.",
            ),
        );
    }
    match source {
        DockerError::IOError { .. }
        | DockerError::HyperResponseError { .. }
        | DockerError::HyperLegacyError { .. }
        | DockerError::SocketNotFoundError(_) => (
            ErrorKind::EngineUnavailable,
            Some("The connection to the container engine was lost: check `docker info`, then try again."),
        ),
        DockerError::RequestTimeoutError => (
            ErrorKind::EngineUnavailable,
            Some("The container engine does not respond in time; the host may be overloaded."),
        ),
        _ => (ErrorKind::Engine, None),
    }
}

/// Returns whether the response reports that the object does not exist.
pub(crate) fn is_missing(error: &DockerError) -> bool {
    matches!(
        error,
        DockerError::DockerResponseServerError { status_code: 404, .. }
    )
}

/// Returns whether the response reports that the object is already being removed.
pub(crate) fn is_being_removed(error: &DockerError) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code: 409, message }
        if message.contains("is already in progress"))
}

/// Returns whether a network was not removed because it is in use, by Docker's or Podman's message.
pub(crate) fn is_held(error: &DockerError) -> bool {
    matches!(error, DockerError::DockerResponseServerError { message, .. }
        if message.contains("active endpoints") || message.contains("network is being used"))
}

/// Creates the error for a network that cannot be removed because it is in use. Docker 20.10 sometimes counts an
/// endpoint long after its container was removed, until the daemon restarts.
pub(crate) fn held(network: NetworkInspect, source: DockerError) -> Error {
    let name = network.name.unwrap_or_default();
    let mut on_it: Vec<String> = network
        .containers
        .unwrap_or_default()
        .into_iter()
        .map(|(id, endpoint)| endpoint.name.unwrap_or(id))
        .collect();
    on_it.sort();
    let error = error(&format!("remove network {name}"), source);
    let hint = match on_it.first() {
        Some(first) => format!(
            "Connected containers: {}. Remove or disconnect them, for example with `docker network disconnect \
             --force {name} {first}`; then try again.",
            on_it.join(", ")
        ),
        None => "No container is connected; the daemon's state is stale. Restart it (`systemctl restart docker`), \
                 then try again."
            .to_owned(),
    };
    error.hint(hint)
}

/// Returns the network endpoint of a container with a fixed address.
pub(crate) fn endpoint(address: Ipv4Addr) -> EndpointSettings {
    EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    }
}

pub(crate) fn network_seen(network: Network) -> NetworkSeen {
    let subnets = network
        .ipam
        .and_then(|ipam| ipam.config)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|config| config.subnet?.parse().ok())
        .collect();
    NetworkSeen {
        id: network.id.unwrap_or_default(),
        name: network.name.unwrap_or_default(),
        subnets,
        labels: network.labels.unwrap_or_default().into_iter().collect(),
    }
}

pub(crate) fn container_seen(container: ContainerSummary, activity: Activity) -> ContainerSeen {
    let name = container
        .names
        .unwrap_or_default()
        .into_iter()
        .next()
        .unwrap_or_default();
    ContainerSeen {
        id: container.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        activity,
        labels: container.labels.unwrap_or_default().into_iter().collect(),
        ports: container
            .ports
            .unwrap_or_default()
            .into_iter()
            .filter_map(|port| port.public_port)
            .collect(),
    }
}

pub(crate) fn volume_seen(volume: Volume) -> VolumeSeen {
    VolumeSeen {
        name: volume.name,
        labels: volume.labels.into_iter().collect(),
    }
}

pub(crate) fn network_request(request: &NetworkRequest) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: request.name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(request.subnet.to_string()),
                gateway: Some(request.gateway.to_string()),
                ip_range: request.others.map(|range| range.to_string()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        labels: Some(request.labels.clone().into_iter().collect()),
        ..NetworkCreateRequest::default()
    }
}

pub(crate) fn volume_request(request: &VolumeRequest) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(request.name.clone()),
        labels: Some(request.labels.clone().into_iter().collect()),
        ..VolumeCreateRequest::default()
    }
}

pub(crate) fn container_request(request: &ContainerRequest) -> ContainerCreateBody {
    let port = format!("{}/tcp", request.port);
    let binding = PortBinding {
        host_ip: Some(request.published.to_string()),
        host_port: Some(request.port.to_string()),
    };
    let open_files = request.open_files.and_then(|limit| i64::try_from(limit).ok());
    let memory = request.memory.and_then(|bytes| i64::try_from(bytes).ok());
    let endpoint = endpoint(request.ip);
    let scratch = request.scratch.iter().map(|target| Mount {
        target: Some(target.clone()),
        typ: Some(MountType::TMPFS),
        ..Mount::default()
    });
    ContainerCreateBody {
        hostname: Some(request.name.clone()),
        image: Some(request.image.clone()),
        user: Some(request.user.clone()),

        entrypoint: Some(request.command.iter().take(1).cloned().collect()),
        cmd: Some(request.command.iter().skip(1).cloned().collect()),
        exposed_ports: Some(vec![port.clone()]),
        labels: Some(request.labels.clone().into_iter().collect()),
        host_config: Some(HostConfig {
            network_mode: Some(request.network.clone()),
            port_bindings: Some(HashMap::from([(port, Some(vec![binding]))])),
            // Restarts the nodes after a crash or a restart of the daemon, with the same addresses.
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            memory,
            // Memory plus swap: no swap.
            memory_swap: memory,
            ulimits: open_files.map(|limit| {
                vec![ResourcesUlimits {
                    name: Some("nofile".to_owned()),
                    soft: Some(limit),
                    hard: Some(limit),
                }]
            }),
            sysctls: Some(request.sysctls.iter().cloned().collect()),
            mounts: Some(
                std::iter::once(mount(&request.volume, &request.mount))
                    .chain(scratch)
                    .collect(),
            ),
            // An unprivileged server needs none of Docker's default capabilities.
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(request.network.clone(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Returns a volume mount. If the volume was removed meanwhile, Docker recreates it; the labels then identify it.
fn mount(volume: &VolumeRequest, target: &str) -> Mount {
    Mount {
        volume_options: Some(MountVolumeOptions {
            labels: Some(volume.labels.clone().into_iter().collect()),
            ..MountVolumeOptions::default()
        }),
        source: Some(volume.name.clone()),
        target: Some(target.to_owned()),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    }
}

/// Returns the mount point of a volume in the container that copies the files.
pub(crate) fn carrier_mount(nth: usize) -> String {
    format!("/volumes/{nth}")
}

/// Returns the request for a container that never runs and needs no network.
pub(crate) fn carrier_request(request: &FilesRequest) -> ContainerCreateBody {
    let volumes = request.volumes.iter().enumerate();
    ContainerCreateBody {
        image: Some(request.image.clone()),
        labels: Some(request.labels.clone().into_iter().collect()),
        // Creating a container fails if neither the image nor the request has a command.
        cmd: Some(vec!["none".to_owned()]),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(
                volumes
                    .map(|(nth, one)| mount(&one.volume, &carrier_mount(nth)))
                    .collect(),
            ),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Whether the container engine is Podman.
pub(crate) fn is_podman(version: &SystemVersion) -> bool {
    let components = version.components.as_deref().unwrap_or_default();
    components
        .iter()
        .any(|component| component.name.starts_with("Podman"))
}

/// Returns the files of all volumes with their paths in the container that copies them.
pub(crate) fn at_mounts(request: &FilesRequest) -> Vec<File> {
    let volumes = request.volumes.iter().enumerate();
    volumes
        .flat_map(|(nth, one)| {
            one.files.iter().map(move |file| File {
                path: carrier_mount(nth) + &file.path,
                ..file.clone()
            })
        })
        .collect()
}

/// Returns the files as a tar archive whose entries belong to the nodes' user.
pub(crate) fn archive(files: &[File]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut append = |file: &File| -> std::io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode);
        header.set_uid(USER.into());
        header.set_gid(USER.into());
        header.set_mtime(0);
        let contents = file.contents.as_deref().unwrap_or_default();
        header.set_entry_type(if file.contents.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        header.set_size(contents.len() as u64);
        let path = Path::new(&file.path);
        archive.append_data(
            &mut header,
            path.strip_prefix("/").unwrap_or(path),
            contents.as_bytes(),
        )
    };
    let pack = |error: std::io::Error| Error::new(ErrorKind::Io, "cannot pack a node's files").because(error);
    for file in files {
        append(file).map_err(pack)?;
    }
    archive.into_inner().map_err(pack)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use bollard::models::EndpointResource;

    use super::*;

    fn answer(status_code: u16, message: &str) -> DockerError {
        DockerError::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_holds_a_network_is_named() {
        let refused = || answer(403, "network rcup-a id 3f has active endpoints");
        assert!(is_held(&refused()) && !is_held(&answer(403, "not allowed")));
        let on_it = |names: &[&str]| NetworkInspect {
            name: Some("rcup-a".to_owned()),
            containers: Some(
                names
                    .iter()
                    .map(|name| {
                        let endpoint = EndpointResource {
                            name: Some((*name).to_owned()),
                            ..EndpointResource::default()
                        };
                        (format!("id of {name}"), endpoint)
                    })
                    .collect(),
            ),
            ..NetworkInspect::default()
        };
        let error = held(on_it(&["web", "app"]), refused());
        assert_eq!(error.to_string(), "cannot remove network rcup-a");
        let hint = error.hint_text().unwrap();
        assert!(
            hint.starts_with("Connected containers: app, web.") && hint.contains("--force rcup-a app"),
            "{hint}"
        );
        let hint = held(on_it(&[]), refused()).hint_text().unwrap().to_owned();
        assert!(hint.contains("systemctl restart docker"), "{hint}");
    }

    #[test]
    fn the_engines_clashes_are_told_apart() {
        for (message, kind) in [
            (
                "Pool overlaps with other one on this address space",
                ErrorKind::Subnet,
            ),
            (
                "driver failed programming external connectivity on endpoint rcup-a-1 (3f): Bind for 127.0.0.1:7001 failed: port is already allocated",
                ErrorKind::Port,
            ),
            (
                "driver failed programming external connectivity on endpoint x: Error starting userland proxy: listen tcp4 127.0.0.1:7001: bind: address already in use",
                ErrorKind::Port,
            ),
            (
                "Conflict. The container name \"/rcup-a-1\" is already in use by container \"6e\".",
                ErrorKind::NameTaken,
            ),
            (
                "user specified IP address is supported only when connecting to networks with user configured subnets",
                ErrorKind::Usage,
            ),
            ("Address already in use", ErrorKind::Subnet),
            (
                "driver failed programming external connectivity on endpoint x: Error starting userland proxy: listen tcp4 192.0.2.1:7001: bind: cannot assign requested address",
                ErrorKind::Usage,
            ),
            (
                "OCI runtime create failed: exec: \"redis-server\": executable file not found in $PATH: unknown",
                ErrorKind::Image,
            ),
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: open /proc/sys/net/core/somaxconn: permission denied: unknown",
                ErrorKind::Sysctl,
            ),
            (
                "invalid argument: sysctl \"net.core.somaxconn\" is not in a separate kernel namespace",
                ErrorKind::Sysctl,
            ),
            (
                "Error processing tar file(exit status 1): write /rcup/redis.conf: no space left on device",
                ErrorKind::Engine,
            ),
        ] {
            let error = error("start container rcup-a-1", answer(500, message));
            assert_eq!(error.kind(), kind, "{message}");
            assert_eq!(error.causes(), [message]);
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn the_archive_belongs_to_the_nodes_user() {
        let files = [
            File {
                path: "/rcup".to_owned(),
                mode: 0o700,
                contents: None,
            },
            File {
                path: "/rcup/redis.conf".to_owned(),
                mode: 0o600,
                contents: Some("port 1\n".to_owned()),
            },
        ];
        let bytes = archive(&files).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let directory = entries.next().unwrap().unwrap();
        assert!(directory.header().entry_type().is_dir());
        let mut file = entries.next().unwrap().unwrap();
        assert_eq!(file.path().unwrap(), Path::new("rcup/redis.conf"));
        assert_eq!(file.header().uid().unwrap(), 999);
        assert_eq!(file.header().mode().unwrap(), 0o600);
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "port 1\n");
    }
}
