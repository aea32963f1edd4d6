//! State and refusals of the fake container engine.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::fake::calls::{Call, Injection, Trouble};
use crate::runtime::interface::{EngineDetails, EngineInfo, ImageSeen, OwnContainer};
use crate::runtime::labels;
use crate::runtime::observed::{Activity, ContainerSeen, NetworkSeen, Observed, VolumeSeen};
use crate::runtime::request::{
    ContainerRequest, File, FilesRequest, NetworkRequest, ProbeRequest, VolumeRequest,
};

pub(crate) type Effect = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Default)]
pub(crate) struct Container {
    pub(crate) seen: ContainerSeen,
    pub(crate) network: String,
    pub(crate) volumes: Vec<String>,
    pub(crate) port: u16,
    pub(crate) open_files: Option<u64>,
    pub(crate) sysctls: usize,
    pub(crate) log: Vec<String>,
    pub(crate) exit_code: i64,
}

pub(crate) struct State {
    pub(crate) info: EngineInfo,
    pub(crate) details: EngineDetails,
    pub(crate) networks: Vec<NetworkSeen>,
    pub(crate) containers: Vec<Container>,
    pub(crate) volumes: Vec<VolumeSeen>,
    pub(crate) files: Vec<File>,
    pub(crate) images: Vec<ImageSeen>,
    pub(crate) held_subnets: Vec<Ipv4Net>,
    pub(crate) held_ports: Vec<u16>,
    pub(crate) most_open_files: u64,
    pub(crate) refuses_sysctls: bool,
    pub(crate) doomed: BTreeMap<String, Vec<String>>,
    pub(crate) made: usize,
    pub(crate) calls: Vec<Call>,
    pub(crate) injections: Vec<Injection>,
    pub(crate) late: Vec<(usize, Effect)>,
    /// The container in which this process runs.
    pub(crate) own: Option<OwnContainer>,
}

pub(crate) fn refused<T>(kind: ErrorKind, message: String) -> Result<T> {
    Err(Error::new(kind, message))
}

pub(crate) fn unknown<T>(what: &str, name: &str) -> Result<T> {
    refused(ErrorKind::Engine, format!("there is no {what} {name}"))
}

impl Container {
    fn runs(&self) -> bool {
        !matches!(self.seen.activity, Activity::Created | Activity::Exited)
    }
}

impl State {
    pub(crate) fn enter(&mut self, name: &'static str, on: &str) -> Option<Trouble> {
        let on = on.to_owned();
        self.calls.push(Call { name, on });
        let nth = self.count(name);
        self.injections
            .iter()
            .find_map(|injection| injection.hits(name, nth))
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.calls.iter().filter(|call| call.name == name).count()
    }

    pub(crate) fn seen(&self) -> Observed {
        let all = self.containers.iter().map(|one| one.seen.clone());
        let (probes, containers) =
            all.partition(|one: &ContainerSeen| one.labels.contains_key(labels::PROBE));
        Observed {
            networks: self.networks.clone(),
            containers,
            probes,
            volumes: self.volumes.clone(),
        }
    }

    /// Applies late effects after this number of further observations.
    pub(crate) fn catch_up(&mut self, looks: usize) {
        for (left, _) in &mut self.late {
            *left = left.saturating_sub(looks);
        }
        let (due, late) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(left, _)| *left == 0);
        self.late = late;
        for (_, effect) in due {
            effect(self);
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}", self.made)
    }

    pub(crate) fn find(&mut self, container: &str) -> Option<&mut Container> {
        self.containers
            .iter_mut()
            .find(|one| one.seen.id == container || one.seen.name == container)
    }

    pub(crate) fn container(&mut self, name: &str) -> Result<&mut Container> {
        self.find(name).map_or_else(|| unknown("container", name), Ok)
    }

    pub(crate) fn create_network(&mut self, request: NetworkRequest) -> Result<()> {
        let taken = self.networks.iter().flat_map(|network| &network.subnets);
        let overlaps = |other: &Ipv4Net| {
            other.contains(&request.subnet.network()) || request.subnet.contains(&other.network())
        };
        if let Some(other) = taken.chain(&self.held_subnets).find(|other| overlaps(other)) {
            let message = format!("subnet {} overlaps {other}", request.subnet);
            return refused(ErrorKind::Subnet, message);
        }
        if self.networks.iter().any(|network| network.name == request.name) {
            let message = format!("network {} already exists", request.name);
            return refused(ErrorKind::NameTaken, message);
        }
        let network = NetworkSeen {
            id: self.id("n"),
            name: request.name,
            subnets: vec![request.subnet],
            labels: request.labels,
        };
        self.networks.push(network);
        Ok(())
    }

    pub(crate) fn create_volume(&mut self, request: VolumeRequest) -> Result<()> {
        match self.volumes.iter().find(|one| one.name == request.name) {
            None => self.volumes.push(VolumeSeen {
                name: request.name,
                labels: request.labels,
            }),
            Some(other) if other.labels == request.labels => {}
            Some(_) => {
                let message = format!("volume {} already exists", request.name);
                return refused(ErrorKind::NameTaken, message);
            }
        }
        Ok(())
    }

    pub(crate) fn create_container(&mut self, request: ContainerRequest) -> Result<String> {
        if !self.images.iter().any(|image| image.reference == request.image) {
            return unknown("image", &request.image);
        }
        let network = self.networks.iter().find(|one| one.name == request.network);
        let Some(network) = network else {
            return unknown("network", &request.network);
        };
        if !network.subnets.iter().any(|subnet| subnet.contains(&request.ip)) {
            let message = format!("{} is not an address of {}", request.ip, request.network);
            return refused(ErrorKind::Engine, message);
        }
        if self.find(&request.name).is_some() {
            let message = format!("the name {} is already in use", request.name);
            return refused(ErrorKind::NameTaken, message);
        }
        self.mount(&request.volume);
        let id = self.id("c");
        self.containers.push(Container {
            seen: ContainerSeen {
                id: id.clone(),
                name: request.name,
                labels: request.labels,
                ..ContainerSeen::default()
            },
            network: request.network,
            volumes: vec![request.volume.name],
            port: request.port,
            open_files: request.open_files,
            sysctls: request.sysctls.len(),
            ..Container::default()
        });
        Ok(id)
    }

    /// Mounts a volume, and creates it if it is missing.
    fn mount(&mut self, volume: &VolumeRequest) {
        if !self.volumes.iter().any(|one| one.name == volume.name) {
            self.volumes.push(VolumeSeen {
                name: volume.name.clone(),
                labels: volume.labels.clone(),
            });
        }
    }

    pub(crate) fn put_files(&mut self, request: FilesRequest) -> Result<()> {
        if !self.images.iter().any(|image| image.reference == request.image) {
            return unknown("image", &request.image);
        }
        if self.find(&request.name).is_some() {
            let message = format!("the name {} is already in use", request.name);
            return refused(ErrorKind::NameTaken, message);
        }
        for one in &request.volumes {
            self.mount(&one.volume);
        }
        let id = self.id("c");
        self.containers.push(Container {
            seen: ContainerSeen {
                id,
                name: request.name,
                labels: request.labels,
                ..ContainerSeen::default()
            },
            volumes: request
                .volumes
                .iter()
                .map(|one| one.volume.name.clone())
                .collect(),
            ..Container::default()
        });
        // Paths as seen in a node's container.
        let files = request.volumes.into_iter().flat_map(|one| one.files);
        self.files.extend(files.map(|file| File {
            path: format!("/rcup{}", file.path),
            ..file
        }));
        Ok(())
    }

    pub(crate) fn create_probe(&mut self, request: ProbeRequest) -> String {
        let id = self.id("c");
        self.containers.push(Container {
            seen: ContainerSeen {
                id: id.clone(),
                name: request.name,
                labels: request.labels,
                ..ContainerSeen::default()
            },
            network: request.network.unwrap_or_default(),
            ..Container::default()
        });
        id
    }

    pub(crate) fn start(&mut self, name: &str) -> Result<()> {
        let container = self.container(name)?;
        if container.runs() {
            return Ok(());
        }
        let (port, files) = (container.port, container.open_files);
        let sysctls = container.sysctls;
        let network = container.network.clone();
        if !self.networks.iter().any(|one| one.name == network) {
            return unknown("network", &network);
        }
        if files.is_some_and(|files| files > self.most_open_files) {
            return refused(ErrorKind::Limit, format!("{name}: error setting rlimit"));
        }
        if sysctls > 0 && self.refuses_sysctls {
            return refused(ErrorKind::Sysctl, format!("{name}: sysctl is not allowed"));
        }
        let published = self.containers.iter().flat_map(|one| &one.seen.ports);
        if published.chain(&self.held_ports).any(|taken| *taken == port) {
            let message = format!("port {port} is already allocated");
            return refused(ErrorKind::Port, message);
        }
        let log = self.doomed.get(name).cloned();
        let container = self.container(name)?;
        if let Some(log) = log {
            container.log = log;
            container.exit_code = 1;
            container.seen.activity = Activity::Exited;
        } else {
            container.seen.activity = Activity::Running;
            container.seen.ports = vec![port];
        }
        Ok(())
    }

    /// Reads a file on the volumes, which any container can read.
    pub(crate) fn read_file(&mut self, container: &str, path: &str) -> Result<Option<String>> {
        self.container(container)?;
        let mut matching = self.files.iter().filter(|file| file.path == path);
        Ok(matching.next_back().and_then(|file| file.contents.clone()))
    }

    pub(crate) fn remove_network(&mut self, id: &str) -> Result<()> {
        let network = self.networks.iter().find(|one| one.id == id || one.name == id);
        let Some((id, name)) = network.map(|one| (one.id.clone(), one.name.clone())) else {
            return Ok(());
        };
        if self.containers.iter().any(|one| one.network == name) {
            return refused(ErrorKind::Engine, format!("network {name} has active endpoints"));
        }
        self.networks.retain(|one| one.id != id);
        if let Some(own) = &mut self.own {
            own.networks.retain(|one| *one != name);
        }
        Ok(())
    }

    pub(crate) fn remove_volume(&mut self, name: &str) -> Result<()> {
        if self
            .containers
            .iter()
            .any(|one| one.volumes.iter().any(|volume| volume == name))
        {
            return refused(ErrorKind::Engine, format!("volume {name} is in use"));
        }
        self.volumes.retain(|one| one.name != name);
        Ok(())
    }
}
