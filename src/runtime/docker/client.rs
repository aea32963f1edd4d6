//! Docker implementation of the `Runtime` trait, over the HTTP API.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bollard::Docker as Client;
use bollard::body_full;
use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters as query;
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::docker::find::{Environment, Place, find};
use crate::runtime::docker::unreachable::unreachable;
use crate::runtime::docker::{details, translate};
use crate::runtime::interface::{
    EngineDetails, EngineInfo, ExecRequest, ExecSession, ImageSeen, LogLine, LogRequest, NodeState, Output,
    OwnContainer, PullProgress, Runtime, Scope, host_of,
};
use crate::runtime::labels;
use crate::runtime::network::NetworkDetails;
use crate::runtime::observed::{ContainerSeen, Observed};
use crate::runtime::request::{ContainerRequest, FilesRequest, NetworkRequest, ProbeRequest, VolumeRequest};
use crate::spec::secret::Secret;

/// The oldest supported API: Docker Engine 20.10.
const OLDEST_API: (u32, u32) = (1, 41);

/// Timeout of a call that only reads or writes metadata.
pub(crate) const QUICK: Duration = Duration::from_secs(30);

/// Timeout of a call that starts, kills or removes a process. Up to sixty such calls may be queued.
pub(crate) const SLOW: Duration = Duration::from_mins(2);

/// A container engine with Docker's API.
#[derive(Clone, Debug)]
pub struct Docker {
    pub(crate) client: Client,
    pub(crate) place: Place,
}

impl Docker {
    /// Finds the container engine like the Docker CLI (`DOCKER_HOST`, then the context), and after that on
    /// the sockets of the usual products. Nothing is sent yet: [`Runtime::describe`] does that.
    ///
    /// # Errors
    /// [`ErrorKind::EngineUnavailable`] when there is nothing to connect to.
    pub fn find() -> Result<Self> {
        let place = find(&Environment::of_this_process())?;
        Self::connect(place)
    }

    /// Creates a container and returns its id.
    async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String> {
        let options = query::CreateContainerOptionsBuilder::default().name(name).build();
        let created = self.client.create_container(Some(options), body);
        Ok(call(&format!("create container {name}"), SLOW, created).await?.id)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn is_local(&self) -> bool {
        is_here(&self.place.endpoint)
    }
}

/// Returns whether an endpoint is a socket that belongs to an unprivileged user, as with a rootless container
/// engine.
fn is_user_socket(endpoint: &str) -> bool {
    #[cfg(unix)]
    if let Some(path) = endpoint.strip_prefix("unix://") {
        use std::os::unix::fs::MetadataExt as _;
        return std::fs::metadata(path).is_ok_and(|socket| socket.uid() != 0);
    }
    false
}

/// Returns whether an endpoint is on this host: a socket or a loopback address.
fn is_here(endpoint: &str) -> bool {
    match host_of(endpoint) {
        None => endpoint.starts_with("unix://") || endpoint.starts_with("npipe://"),
        Some(host) => {
            host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

/// Runs one call under its deadline and translates its error.
pub(crate) async fn call<T>(
    what: &str,
    deadline: Duration,
    call: impl Future<Output = Result<T, DockerError>> + Send,
) -> Result<T> {
    match tokio::time::timeout(deadline, call).await {
        Ok(result) => result.map_err(|source| translate::error(what, source)),
        Err(_) => Err(late(what, deadline)),
    }
}

pub(crate) fn late(what: &str, deadline: Duration) -> Error {
    Error::new(
        ErrorKind::EngineUnavailable,
        format!(
            "cannot {what}: no response from the container engine within {} s",
            deadline.as_secs()
        ),
    )
    .hint("Check that `docker info` responds and that the host is not overloaded.")
}

fn label_filter(scope: &Scope) -> Option<String> {
    match scope {
        Scope::Everything => None,
        Scope::Clusters => Some(labels::CLUSTER.to_owned()),
        Scope::Cluster(name) => Some(format!("{}={name}", labels::CLUSTER)),
        Scope::Run(run) => Some(format!("{}={run}", labels::RUN)),
    }
}

impl Runtime for Docker {
    async fn describe(&self) -> Result<EngineInfo> {
        let version = tokio::time::timeout(Duration::from_secs(10), self.client.version())
            .await
            .map_err(|_| late("connect to the container engine", Duration::from_secs(10)))?
            .map_err(|source| unreachable(&self.place, source))?;
        let podman = translate::is_podman(&version);
        let api = version.api_version.unwrap_or_default();
        let parsed = api
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        if parsed.is_none_or(|parsed: (u32, u32)| parsed < OLDEST_API) {
            return Err(Error::new(
                ErrorKind::EngineTooOld,
                format!(
                    "the container engine at {} has API {api}; rcup needs {}.{} or later",
                    self.place.endpoint, OLDEST_API.0, OLDEST_API.1
                ),
            )
            .hint("Update Docker to 20.10 or later."));
        }
        Ok(EngineInfo {
            endpoint: self.place.endpoint.clone(),
            found_by: self.place.found_by.clone(),
            version: version.version.unwrap_or_default(),
            api,
            local: self.is_local(),
            user_socket: is_user_socket(&self.place.endpoint),
            podman,
        })
    }

    async fn details(&self) -> Result<EngineDetails> {
        let info = call("query the container engine", QUICK, self.client.info()).await?;
        Ok(details::details(info))
    }

    async fn observe(&self, scope: &Scope) -> Result<Observed> {
        let label = label_filter(scope);
        let filters = label
            .as_ref()
            .map(|label| HashMap::from([("label", vec![label.as_str()])]));
        let with = || filters.clone().unwrap_or_default();
        let networks = query::ListNetworksOptionsBuilder::default()
            .filters(&with())
            .build();
        let containers = query::ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&with())
            .build();
        let volumes = query::ListVolumesOptionsBuilder::default()
            .filters(&with())
            .build();
        let (networks, containers, volumes) = tokio::try_join!(
            call("list networks", QUICK, self.client.list_networks(Some(networks))),
            call("list containers", QUICK, self.list(containers)),
            call("list volumes", QUICK, self.client.list_volumes(Some(volumes))),
        )?;
        let (probes, containers) = containers
            .into_iter()
            .map(|(container, activity)| translate::container_seen(container, activity))
            .partition(|container: &ContainerSeen| container.labels.contains_key(labels::PROBE));
        Ok(Observed {
            networks: networks.into_iter().map(translate::network_seen).collect(),
            containers,
            probes,
            volumes: volumes
                .volumes
                .unwrap_or_default()
                .into_iter()
                .map(translate::volume_seen)
                .collect(),
        })
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkDetails>> {
        let what = format!("inspect network {name}");
        let options = None::<query::InspectNetworkOptions>;
        let found = tokio::time::timeout(QUICK, self.client.inspect_network(name, options)).await;
        match found.map_err(|_| late(&what, QUICK))? {
            Ok(network) => Ok(Some(details::network(network))),
            Err(error) if translate::is_missing(&error) => Ok(None),
            Err(error) => Err(translate::error(&what, error)),
        }
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageSeen>> {
        let what = format!("inspect image {reference}");
        let found = tokio::time::timeout(QUICK, self.client.inspect_image(reference))
            .await
            .map_err(|_| late(&what, QUICK))?;
        let image = match found {
            Ok(image) => image,
            Err(error) if translate::is_missing(&error) => return Ok(None),
            Err(error) => return Err(translate::error(&what, error)),
        };
        let config = image.config.unwrap_or_default();
        let env = config
            .env
            .unwrap_or_default()
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Some(ImageSeen {
            reference: reference.to_owned(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            env,
            volumes: config.volumes.unwrap_or_default(),
            bytes: image
                .size
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or_default(),
        }))
    }

    async fn local_images(&self) -> Result<Vec<ImageSeen>> {
        let filters = HashMap::from([("label", vec!["rcup.image"])]);
        let options = query::ListImagesOptionsBuilder::default()
            .filters(&filters)
            .build();
        let images = call("list images", QUICK, self.client.list_images(Some(options))).await?;
        Ok(images
            .into_iter()
            .flat_map(|image| {
                let labels: std::collections::BTreeMap<_, _> = image.labels.into_iter().collect();
                let bytes = u64::try_from(image.size).unwrap_or_default();
                // An image whose tag was moved to a newer one has no name.
                let named = image
                    .repo_tags
                    .into_iter()
                    .filter(|tag| !tag.starts_with("<none>"));
                named.map(move |reference| ImageSeen {
                    reference,
                    labels: labels.clone(),
                    bytes,
                    ..ImageSeen::default()
                })
            })
            .collect())
    }

    async fn pull(
        &self,
        reference: &str,
        patience: Duration,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<()> {
        self.pull_image(reference, patience, progress).boxed().await
    }

    async fn import(&self, archive: &Path, reference: &str, changes: &[String]) -> Result<()> {
        let what = format!("import image {reference}");
        let bytes = tokio::fs::read(archive).await.map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot read {}", archive.display())).because(error)
        })?;
        let (name, tag) = split_reference(reference);
        let mut options = query::CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(name)
            .tag(tag)
            .build();
        options.changes = changes.to_vec();
        let stream = self
            .client
            .create_image(Some(options), Some(body_full(bytes.into())), None);
        let outcome = tokio::time::timeout(SLOW, stream.try_collect::<Vec<_>>())
            .await
            .map_err(|_| late(&what, SLOW))?;
        match outcome {
            Ok(_) => Ok(()),
            // A chunk boundary within the final line ending is reported as an error after a successful import.
            Err(_) if self.image(reference).await?.is_some() => Ok(()),
            Err(source) => Err(translate::error(&what, source)),
        }
    }

    async fn run_once(&self, request: &ProbeRequest) -> Result<String> {
        self.probe_once(request).await
    }

    async fn create_probe(&self, request: &ProbeRequest) -> Result<String> {
        self.make_probe(request).await
    }

    async fn create_network(&self, request: &NetworkRequest) -> Result<()> {
        let what = format!("create network {} ({})", request.name, request.subnet);
        call(
            &what,
            QUICK,
            self.client.create_network(translate::network_request(request)),
        )
        .await?;
        Ok(())
    }

    async fn own_container(&self) -> Result<Option<OwnContainer>> {
        self.find_own_container().boxed().await
    }

    async fn join(&self, container: &str, network: &str, addresses: &[Ipv4Addr]) -> Result<()> {
        self.connect_guest(container, network, addresses).boxed().await
    }

    async fn create_volume(&self, request: &VolumeRequest) -> Result<()> {
        let what = format!("create volume {}", request.name);
        let volume = call(
            &what,
            QUICK,
            self.client.create_volume(translate::volume_request(request)),
        )
        .await?;
        // Docker returns an existing volume without an error.
        if translate::volume_seen(volume).labels != request.labels {
            return Err(
                Error::new(ErrorKind::NameTaken, format!("cannot {what}: it already exists"))
                    .hint("Choose another cluster name, or remove the volume if it is unused."),
            );
        }
        Ok(())
    }

    async fn create_container(&self, request: &ContainerRequest) -> Result<String> {
        self.create(&request.name, translate::container_request(request))
            .await
    }

    async fn put_files(&self, request: &FilesRequest) -> Result<()> {
        let carrier = &request.name;
        self.create(carrier, translate::carrier_request(request)).await?;
        // Docker mounts all volumes of the container for each upload, and one at `/` reaches them all. Podman needs one
        // for each volume.
        if request.volumes.len() > 1 {
            let version = call("query the container engine", QUICK, self.client.version()).await?;
            if !translate::is_podman(&version) {
                return self.put(carrier, "/", &translate::at_mounts(request)).await;
            }
        }
        for (nth, one) in request.volumes.iter().enumerate() {
            self.put(carrier, &translate::carrier_mount(nth), &one.files)
                .await?;
        }
        Ok(())
    }

    async fn read_file(&self, container: &str, path: &str) -> Result<Option<String>> {
        self.get(container, path).await
    }

    async fn start(&self, container: &str) -> Result<()> {
        let what = format!("start container {container}");
        call(
            &what,
            SLOW,
            self.client
                .start_container(container, None::<query::StartContainerOptions>),
        )
        .await
    }

    async fn resume(&self, container: &str) -> Result<()> {
        call(
            &format!("resume container {container}"),
            QUICK,
            self.client.unpause_container(container),
        )
        .await
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let what = format!("remove container {id}");
        let options = query::RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let removed = tokio::time::timeout(SLOW, self.client.remove_container(id, Some(options)))
            .await
            .map_err(|_| late(&what, SLOW))?;
        match removed {
            Err(error) if !translate::is_missing(&error) && !translate::is_being_removed(&error) => {
                Err(translate::error(&what, error))
            }
            _ => Ok(()),
        }
    }

    async fn remove_network(&self, id: &str) -> Result<()> {
        let what = format!("remove network {id}");
        match tokio::time::timeout(QUICK, self.client.remove_network(id)).await {
            Err(_) => Err(late(&what, QUICK)),
            Ok(Err(error)) if translate::is_held(&error) => {
                // The connected containers are listed only by inspect.
                let options = None::<query::InspectNetworkOptions>;
                let seen = tokio::time::timeout(QUICK, self.client.inspect_network(id, options)).await;
                let Ok(Ok(network)) = seen else {
                    return Err(translate::error(&what, error));
                };
                if self.disconnect_guests(&network).boxed().await? {
                    return call(&what, QUICK, self.client.remove_network(id)).await;
                }
                Err(translate::held(network, error))
            }
            Ok(Err(error)) if !translate::is_missing(&error) => Err(translate::error(&what, error)),
            Ok(_) => Ok(()),
        }
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        let what = format!("remove volume {name}");
        let options = query::RemoveVolumeOptionsBuilder::default().build();
        match tokio::time::timeout(QUICK, self.client.remove_volume(name, Some(options))).await {
            Err(_) => Err(late(&what, QUICK)),
            Ok(Err(error)) if !translate::is_missing(&error) => Err(translate::error(&what, error)),
            Ok(_) => Ok(()),
        }
    }

    async fn state(&self, container: &str) -> Result<NodeState> {
        let what = format!("inspect container {container}");
        let (seen, activity) = call(&what, QUICK, self.inspect_in_any_state(container)).await?;
        let state = seen.state.unwrap_or_default();
        Ok(NodeState {
            activity,
            exit_code: state.exit_code.unwrap_or_default(),
            restarts: seen.restart_count.unwrap_or_default(),
            out_of_memory: state.oom_killed.unwrap_or_default(),
        })
    }

    fn logs(
        &self,
        container: &str,
        request: LogRequest,
    ) -> Pin<Box<dyn Stream<Item = Result<LogLine>> + Send>> {
        let what = format!("read logs of container {container}");
        let tail = request
            .tail
            .map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options = query::LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .follow(request.follow)
            .since(i32::try_from(request.since).unwrap_or(i32::MAX))
            .timestamps(request.timestamps)
            .tail(&tail)
            .build();
        let pieces = self.client.logs(container, Some(options));
        Box::pin(pieces.map(move |piece| {
            match piece {
                Ok(output) => Ok(LogLine {
                    text: String::from_utf8_lossy(&output.into_bytes())
                        .trim_end_matches(['\r', '\n'])
                        .to_owned(),
                }),
                Err(source) => Err(translate::error(&what, source)),
            }
        }))
    }

    async fn exec(&self, container: &str, request: &ExecRequest) -> Result<ExecSession> {
        let what = format!(
            "run {} in container {container}",
            request.command.first().map_or("a program", String::as_str)
        );
        let options = CreateExecOptions {
            cmd: Some(request.command.clone()),
            env: Some(request.env.iter().map(variable).collect()),
            attach_stdin: Some(request.input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.tty),
            ..CreateExecOptions::default()
        };
        let id = call(&what, QUICK, self.client.create_exec(container, options))
            .await?
            .id;
        let options = StartExecOptions {
            tty: request.tty,
            ..StartExecOptions::default()
        };
        let StartExecResults::Attached { output, input } =
            call(&what, QUICK, self.client.start_exec(&id, Some(options))).await?
        else {
            return Err(Error::new(
                ErrorKind::Engine,
                format!("cannot {what}: it was not attached"),
            ));
        };
        let output = output.map(move |piece| match piece {
            Ok(LogOutput::StdErr { message }) => Ok(Output::Stderr(message.to_vec())),
            Ok(other) => Ok(Output::Stdout(other.into_bytes().to_vec())),
            Err(source) => Err(translate::error(&what, source)),
        });
        Ok(ExecSession {
            id,
            output: Box::pin(output),
            input,
        })
    }

    async fn exec_resize(&self, id: &str, columns: u16, rows: u16) -> Result<()> {
        let size = ResizeExecOptions {
            height: rows,
            width: columns,
        };
        call("resize the terminal", QUICK, self.client.resize_exec(id, size)).await
    }

    async fn exec_code(&self, id: &str) -> Result<i64> {
        let seen = call("read the exit code", QUICK, self.client.inspect_exec(id)).await?;
        Ok(seen.exit_code.unwrap_or_default())
    }
}

/// Returns an environment variable in Docker's format.
fn variable((name, value): &(String, Secret)) -> String {
    format!("{name}={}", value.expose())
}

/// Splits an image reference into name and tag. A digest stays with the name; without a tag, it is `latest`, as in
/// Docker.
pub(crate) fn split_reference(reference: &str) -> (&str, &str) {
    if reference.contains('@') {
        return (reference, "");
    }
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_on_this_machine_by_the_whole_name_of_its_host() {
        for here in [
            "unix:///var/run/docker.sock",
            "npipe:////./pipe/docker_engine",
            "tcp://localhost:2375",
            "tcp://127.0.0.1:2375",
            "https://LOCALHOST",
            "tcp://[::1]:2375/",
        ] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "tcp://localhost.example:2376",
            "tcp://127.example:2376",
            "tcp://192.168.1.10:2376",
            "tcp://[fd00::1]:2376",
            "ssh://localhost@build.test",
            "ssh://me@build.test:22",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_reference_splits_at_its_tag_and_not_at_a_port() {
        assert_eq!(split_reference("redis"), ("redis", "latest"));
        assert_eq!(split_reference("redis:8-alpine"), ("redis", "8-alpine"));
        assert_eq!(
            split_reference("localhost:5000/redis"),
            ("localhost:5000/redis", "latest")
        );
        assert_eq!(
            split_reference("localhost:5000/redis:7"),
            ("localhost:5000/redis", "7")
        );
        assert_eq!(split_reference("redis@sha256:ab"), ("redis@sha256:ab", ""));
    }
}
