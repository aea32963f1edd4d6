//! The `Runtime` trait, implemented in memory.

use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::fake::Fake;
use crate::runtime::fake::calls::held;
use crate::runtime::fake::engine::{Container, State, refused, unknown};
use crate::runtime::interface::{
    EngineDetails, EngineInfo, ExecRequest, ExecSession, ImageSeen, LogLine, LogRequest, NodeState,
    OwnContainer, PullProgress, Runtime, Scope,
};
use crate::runtime::labels;
use crate::runtime::network::NetworkDetails;
use crate::runtime::observed::{Activity, Observed};
use crate::runtime::request::{ContainerRequest, FilesRequest, NetworkRequest, ProbeRequest, VolumeRequest};

impl Runtime for Fake {
    async fn describe(&self) -> Result<EngineInfo> {
        self.call("describe", "", |state| Ok(state.info.clone())).await
    }

    async fn details(&self) -> Result<EngineDetails> {
        self.call("details", "", |state| Ok(state.details.clone())).await
    }

    async fn observe(&self, scope: &Scope) -> Result<Observed> {
        let wanted = scope.clone();
        self.call("observe", &format!("{scope:?}"), move |state| {
            let mut seen = state.seen();
            state.catch_up(1);
            let ours = |labels: &labels::Labels| labels.contains_key(labels::CLUSTER);
            Ok(match wanted {
                Scope::Everything => seen,
                Scope::Clusters => {
                    seen.networks.retain(|one| ours(&one.labels));
                    seen.containers.retain(|one| ours(&one.labels));
                    seen.volumes.retain(|one| ours(&one.labels));
                    seen.probes.retain(|one| ours(&one.labels));
                    seen
                }
                Scope::Cluster(name) => seen.of(&name),
                Scope::Run(run) => seen.of_run(&run),
            })
        })
        .await
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkDetails>> {
        let wanted = name.to_owned();
        self.call("network", name, move |state| {
            let network = state.networks.iter().find(|one| one.name == wanted);
            Ok(network.map(|network| NetworkDetails {
                driver: "bridge".to_owned(),
                subnet: network.subnets.first().copied(),
                labels: network.labels.clone(),
                ..NetworkDetails::default()
            }))
        })
        .await
    }

    async fn own_container(&self) -> Result<Option<OwnContainer>> {
        Ok(held(&self.state).own.clone())
    }

    async fn join(&self, container: &str, network: &str, addresses: &[Ipv4Addr]) -> Result<()> {
        let (network, free) = (network.to_owned(), !addresses.is_empty());
        self.call("join", container, move |state| match &mut state.own {
            Some(own) if free => {
                own.networks.push(network);
                Ok(())
            }
            _ => refused(ErrorKind::Subnet, "no address is left".to_owned()),
        })
        .await
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageSeen>> {
        let wanted = reference.to_owned();
        self.call("image", reference, move |state| {
            Ok(state
                .images
                .iter()
                .find(|image| image.reference == wanted)
                .cloned())
        })
        .await
    }

    async fn local_images(&self) -> Result<Vec<ImageSeen>> {
        self.call("local_images", "", |state| {
            let made = state.images.iter();
            Ok(made
                .filter(|image| image.labels.contains_key("rcup.image"))
                .cloned()
                .collect())
        })
        .await
    }

    /// Pulls an image. There is no registry: only existing images can be pulled.
    async fn pull(
        &self,
        reference: &str,
        _patience: Duration,
        _progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<()> {
        let wanted = reference.to_owned();
        self.call("pull", reference, move |state| {
            if state.images.iter().any(|image| image.reference == wanted) {
                return Ok(());
            }
            refused(ErrorKind::Image, format!("cannot pull image {wanted}"))
        })
        .await
    }

    async fn import(&self, _archive: &Path, reference: &str, _changes: &[String]) -> Result<()> {
        let reference = reference.to_owned();
        self.call("import", &reference.clone(), |state| {
            state.images.push(ImageSeen {
                reference,
                ..ImageSeen::default()
            });
            Ok(())
        })
        .await
    }

    async fn run_once(&self, request: &ProbeRequest) -> Result<String> {
        let wanted = request.image.clone();
        self.call("run_once", &request.command.join(" "), move |state| {
            if state.images.iter().any(|image| image.reference == wanted) {
                return Ok("Redis server v=8.0.2 sha=0".to_owned());
            }
            unknown("image", &wanted)
        })
        .await
    }

    async fn create_probe(&self, request: &ProbeRequest) -> Result<String> {
        let wanted = request.clone();
        self.call("create_probe", &request.name, move |state| {
            Ok(state.create_probe(wanted))
        })
        .await
    }

    async fn create_network(&self, request: &NetworkRequest) -> Result<()> {
        let wanted = request.clone();
        let effect = |state: &mut State| state.create_network(wanted);
        self.call("create_network", &request.name, effect).await
    }

    async fn create_volume(&self, request: &VolumeRequest) -> Result<()> {
        let wanted = request.clone();
        let effect = |state: &mut State| state.create_volume(wanted);
        self.call("create_volume", &request.name, effect).await
    }

    async fn create_container(&self, request: &ContainerRequest) -> Result<String> {
        let wanted = request.clone();
        let effect = |state: &mut State| state.create_container(wanted);
        self.call("create_container", &request.name, effect).await
    }

    async fn put_files(&self, request: &FilesRequest) -> Result<()> {
        let wanted = request.clone();
        let effect = |state: &mut State| state.put_files(wanted);
        self.call("put_files", &request.name, effect).await
    }

    async fn read_file(&self, container: &str, path: &str) -> Result<Option<String>> {
        let (name, path) = (container.to_owned(), path.to_owned());
        self.call("read_file", container, move |state| state.read_file(&name, &path))
            .await
    }

    async fn start(&self, container: &str) -> Result<()> {
        let name = container.to_owned();
        self.call("start", container, move |state| state.start(&name))
            .await
    }

    async fn resume(&self, container: &str) -> Result<()> {
        let name = container.to_owned();
        self.call("resume", container, move |state| {
            let container = state.container(&name)?;
            if container.seen.activity != Activity::Paused {
                return refused(ErrorKind::Engine, format!("container {name} is not paused"));
            }
            container.seen.activity = Activity::Running;
            Ok(())
        })
        .await
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let name = id.to_owned();
        self.call("remove_container", id, move |state| {
            let other = |one: &Container| one.seen.id != name && one.seen.name != name;
            state.containers.retain(other);
            Ok(())
        })
        .await
    }

    async fn remove_network(&self, id: &str) -> Result<()> {
        let name = id.to_owned();
        let effect = move |state: &mut State| state.remove_network(&name);
        self.call("remove_network", id, effect).await
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        let wanted = name.to_owned();
        let effect = move |state: &mut State| state.remove_volume(&wanted);
        self.call("remove_volume", name, effect).await
    }

    async fn state(&self, container: &str) -> Result<NodeState> {
        let name = container.to_owned();
        self.call("state", container, move |state| {
            let container = state.container(&name)?;
            Ok(NodeState {
                activity: container.seen.activity.clone(),
                exit_code: container.exit_code,
                ..NodeState::default()
            })
        })
        .await
    }

    fn logs(
        &self,
        container: &str,
        request: LogRequest,
    ) -> Pin<Box<dyn Stream<Item = Result<LogLine>> + Send>> {
        let (engine, name) = (self.clone(), container.to_owned());
        let read = async move {
            let wanted = name.clone();
            let effect = move |state: &mut State| Ok(state.container(&wanted)?.log.clone());
            let all = engine.call("logs", &name, effect).await?;
            let tail = request
                .tail
                .map_or(all.len(), |tail| usize::try_from(tail).unwrap_or(usize::MAX));
            let from = all.len().saturating_sub(tail);
            let lines = all.into_iter().skip(from).map(|text| Ok(LogLine { text }));
            Ok::<_, Error>(stream::iter(lines))
        };
        stream::once(read).try_flatten().boxed()
    }

    /// Runs a program that prints nothing and succeeds.
    async fn exec(&self, container: &str, _request: &ExecRequest) -> Result<ExecSession> {
        let name = container.to_owned();
        self.call("exec", container, move |state| {
            Ok(ExecSession {
                id: state.container(&name)?.seen.id.clone(),
                output: stream::empty().boxed(),
                input: Box::pin(tokio::io::sink()),
            })
        })
        .await
    }

    async fn exec_resize(&self, id: &str, _columns: u16, _rows: u16) -> Result<()> {
        self.call("exec_resize", id, |_| Ok(())).await
    }

    async fn exec_code(&self, id: &str) -> Result<i64> {
        self.call("exec_code", id, |_| Ok(0)).await
    }
}
