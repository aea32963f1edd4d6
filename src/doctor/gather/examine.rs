//! Gathers all facts about the host. Runs slow queries concurrently.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::doctor::facts::{
    ClockFacts, Disk, EngineFacts, EngineTrouble, EnginesFacts, HostFacts, KernelFacts, Kind, LimitFacts,
    MachineFacts, PlaceFacts,
};
use crate::doctor::finding::Diagnosis;
use crate::doctor::finding::Fact;
use crate::doctor::fix::Seat;
use crate::doctor::gather::engine::{ahead, bridge, disk, kind, own_kernel};
use crate::doctor::gather::inside::running_nodes;
use crate::doctor::gather::kernel::{kernel_here, kernel_through, unknown};
use crate::doctor::gather::this_machine::open_files;
use crate::doctor::gather::this_machine::{neighbourhood, taken};
use crate::doctor::gather::{firewall, fsync, processes};
use crate::doctor::judge::{Asked, judge_host};
use crate::error::{Error, Result};
use crate::event::Silent;
use crate::image::select::of_cluster;
use crate::runtime::interface::{EngineDetails, EngineInfo, Runtime, Scope};
use crate::runtime::observed::Observed;
use crate::spec::cluster::{BUS_OFFSET, ClusterSpec};
use crate::spec::modes::Pull;
use crate::spec::profile::Profile;
use crate::topology::address::{choose_ports, choose_subnet};
use crate::topology::layout::Image;
use crate::topology::startup::callers;

/// Source of the kernel settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// This machine if the containers run on its kernel, otherwise a container.
    #[default]
    Nearest,
    /// A container.
    #[cfg_attr(
        not(any(test, feature = "test-util")),
        expect(
            dead_code,
            reason = "tests read the settings of every kind of container engine this way"
        )
    )]
    Container,
}

/// Options of an examination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// The profile.
    pub profile: Profile,
    /// Whether to measure the fsync latency, which takes up to three seconds.
    pub deep: bool,
    /// Source of the kernel settings.
    pub reading: Reading,
}

impl Look {
    /// Returns the default options for `profile`.
    pub fn of(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }

    /// Sets whether to measure the fsync latency.
    #[must_use]
    pub fn deep(mut self, deep: bool) -> Self {
        self.deep = deep;
        self
    }

    /// Sets the source of the kernel settings.
    #[must_use]
    #[cfg(any(test, feature = "test-util"))]
    pub fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }
}

/// Information from a container engine that responds.
struct Known<R> {
    runtime: R,
    info: EngineInfo,
    details: EngineDetails,
    observed: Observed,
    ahead: Fact<(i64, u64)>,
}

/// Examines the host and checks whether a cluster of `spec` can run on it. A container engine that is missing
/// or does not respond is reported as a finding.
pub async fn examine<R: Runtime>(
    runtime: Result<R>,
    engines: EnginesFacts,
    spec: &ClusterSpec,
    look: Look,
) -> Diagnosis {
    let mut facts = match ask(runtime).await {
        Ok(known) => gather(&known, spec, look).await,
        Err(error) => without_engine(&error),
    };
    facts.engines = engines;
    let asked = Asked {
        profile: look.profile,
        nodes: spec.nodes(),
    };
    judge_host(asked, &facts)
}

async fn ask<R: Runtime>(runtime: Result<R>) -> Result<Known<R>> {
    let runtime = runtime?;
    let before = SystemTime::now();
    // Take the time directly after this response: concurrent requests would increase the measurement error.
    let details = async {
        let details = runtime.details().await?;
        Ok::<_, Error>((details, SystemTime::now()))
    };
    let (info, (details, after), observed) =
        tokio::try_join!(runtime.describe(), details, runtime.observe(&Scope::Everything))?;
    Ok(Known {
        ahead: ahead(details.time, before, after),
        runtime,
        info,
        details,
        observed,
    })
}

async fn gather<R: Runtime>(known: &Known<R>, spec: &ClusterSpec, look: Look) -> HostFacts {
    let Known {
        runtime,
        info,
        details,
        observed,
        ..
    } = known;
    let kind = kind(info, details, own_kernel().as_deref());
    let here = matches!(kind, Kind::Native | Kind::Rootless);
    let (subnets, ports) = taken(info, observed);
    let subnet = choose_subnet(spec, &subnets);
    let mut probe = |port: u16| {
        crate::doctor::gather::this_machine::port_holder(std::net::Ipv4Addr::LOCALHOST, port)
            .filter(|_| info.local)
    };
    let first = choose_ports(spec, &ports, &mut probe);
    let range = first.map(|first| (first, first.saturating_add(count(spec) - 1)));
    let image = of_cluster(runtime, spec, false, &Silent);
    let rules = async {
        match (&subnet, &range) {
            _ if !here => Err("the rules are on the Docker host, not on this machine".to_owned()),
            (Ok(subnet), Ok((first, last))) => {
                let ports = [*first, *last, first + BUS_OFFSET, last + BUS_OFFSET];
                firewall::rules(*subnet, ports.to_vec()).await
            }
            _ => Err("there is no subnet or no port to check".to_owned()),
        }
    };
    let (image, rules, reached, nodes) = tokio::join!(
        image,
        rules,
        bridge(observed, &kind, details.podman),
        running_nodes(runtime, observed)
    );
    let absent = image.is_err() && matches!(runtime.image(&wanted_image(spec)).await, Ok(None));
    let reference = image.as_ref().ok().map(|image| image.reference.clone());
    let seat = seat(&kind, info, reference.as_ref());
    let (kernel, disk) = if here && look.reading == Reading::Nearest {
        (kernel_here(), disk(&details.root))
    } else {
        through(runtime, reference.as_deref(), &details.root).await
    };
    let fsync = if look.deep {
        Some(measure(runtime, image.as_ref().ok(), here, &details.root).await)
    } else {
        None
    };
    let processes = if here {
        Ok(processes::look())
    } else {
        Err(elsewhere())
    };
    HostFacts {
        engines: EnginesFacts::default(),
        engine: Ok(engine_facts(info, details, kind, reached)),
        kernel,
        machine: MachineFacts {
            cores: Ok(details.cores),
            memory: Ok(details.memory),
            disk,
            fsync,
        },
        limits: LimitFacts {
            engine: processes
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|seen| seen.engine_files.clone()),
            node: open_files(info.local),
        },
        place: PlaceFacts {
            subnet: subnet
                .map(|subnet| subnet.to_string())
                .map_err(|error| trouble(&error)),
            ports: range.map_err(|error| trouble(&error)),
            neighbour_limit: crate::doctor::gather::this_machine::neighbour_limit()
                .filter(|_| here)
                .ok_or_else(elsewhere),
            backlog: crate::doctor::gather::this_machine::backlog()
                .filter(|_| here)
                .ok_or_else(elsewhere),
            others: neighbourhood(spec, observed),
            callers: image
                .as_ref()
                .map_or(spec.nodes(), |image| callers(spec.nodes(), image.server)),
            may_pull: absent && spec.pull() != Pull::Never,
            image: image_fact(image, absent, spec),
        },
        firewall: rules,
        clock: ClockFacts {
            ahead: known.ahead.clone(),
            keeper: processes.map(|seen| seen.keeper),
        },
        nodes,
        seat,
    }
}

fn seat(kind: &Kind, info: &EngineInfo, image: Option<&String>) -> Seat {
    let image = image.cloned();
    match kind {
        Kind::Native | Kind::Rootless => Seat::Here,
        Kind::Machine(product) => Seat::Machine {
            product: product.clone(),
            image,
        },
        Kind::Remote => Seat::Elsewhere {
            endpoint: info.endpoint.clone(),
            image,
        },
    }
}

fn image_fact(image: Result<Image>, absent: bool, spec: &ClusterSpec) -> Result<String, EngineTrouble> {
    image.map(|image| image.reference).map_err(|error| {
        if absent {
            no_image(&error, spec)
        } else {
            trouble(&error)
        }
    })
}

fn elsewhere() -> String {
    "only readable on the Docker host".to_owned()
}

fn count(spec: &ClusterSpec) -> u16 {
    u16::try_from(spec.nodes()).unwrap_or(u16::MAX)
}

fn engine_facts(
    info: &EngineInfo,
    details: &EngineDetails,
    kind: Kind,
    bridge: Fact<(bool, String)>,
) -> EngineFacts {
    EngineFacts {
        version: info.version.clone(),
        api: info.api.clone(),
        endpoint: format!("{} ({})", info.endpoint, info.found_by),
        kind,
        podman: details.podman,
        driver: details.driver.clone(),
        cgroup: details.cgroup.clone(),
        limits_memory: details.limits_memory,
        bridge,
    }
}

async fn through<R: Runtime>(runtime: &R, image: Option<&str>, root: &str) -> (KernelFacts, Fact<Disk>) {
    let Some(image) = image else {
        let why = "no local image to read them with on the Docker host";
        return (unknown(why), Err(why.to_owned()));
    };
    let (kernel, free) = kernel_through(runtime, image).await;
    let disk = free.map(|free| Disk {
        path: format!("{root} of the Docker host"),
        free,
        rotational: None,
    });
    (kernel, disk)
}

async fn measure<R: Runtime>(
    runtime: &R,
    image: Option<&Image>,
    here: bool,
    root: &str,
) -> Fact<crate::doctor::facts::Fsync> {
    if here && rustix::fs::access(root, rustix::fs::Access::WRITE_OK).is_ok() {
        return fsync::direct(PathBuf::from(root)).await;
    }
    match image {
        Some(image) => fsync::through(runtime, &image.reference, image.server.engine.server()).await,
        None => Err("no local image to measure it with on the Docker host".to_owned()),
    }
}

/// Converts an error, keeping only its innermost cause: the intermediate causes refer to rcup's internals.
fn trouble(error: &Error) -> EngineTrouble {
    let message = match error.causes().pop() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    EngineTrouble {
        message,
        hint: error.hint_text().map(str::to_owned),
    }
}

/// Returns the failure for an image that is not present locally and has not been pulled yet.
fn no_image(error: &Error, spec: &ClusterSpec) -> EngineTrouble {
    EngineTrouble {
        message: error.to_string(),
        hint: Some(format!(
            "docker pull {} (or make a local image: rcup image build --engine {})",
            wanted_image(spec),
            spec.engine().as_str()
        )),
    }
}

fn wanted_image(spec: &ClusterSpec) -> String {
    spec.image().map_or_else(|| spec.official_image(), str::to_owned)
}

/// Returns the facts that are available without a container engine: those of this machine's kernel, if it is
/// Linux.
fn without_engine(error: &Error) -> HostFacts {
    let why = "no container engine responds";
    let none = || trouble(error);
    let linux = own_kernel().is_some();
    let processes = processes::look();
    HostFacts {
        seat: Seat::Here,
        engine: Err(none()),
        engines: EnginesFacts::default(),
        kernel: if linux { kernel_here() } else { unknown(why) },
        machine: MachineFacts {
            cores: std::thread::available_parallelism()
                .map(|cores| cores.get() as u64)
                .map_err(|error| error.to_string()),
            memory: memory_here(),
            disk: Err(why.to_owned()),
            fsync: None,
        },
        limits: LimitFacts {
            engine: processes.engine_files,
            node: open_files(true),
        },
        place: PlaceFacts {
            image: Err(none()),
            may_pull: false,
            subnet: Err(none()),
            ports: Err(none()),
            neighbour_limit: Err(why.to_owned()),
            backlog: Err(why.to_owned()),
            callers: 0,
            others: Vec::new(),
        },
        firewall: Err(why.to_owned()),
        clock: ClockFacts {
            ahead: Err(why.to_owned()),
            keeper: if linux {
                Ok(processes.keeper)
            } else {
                Err(why.to_owned())
            },
        },
        nodes: Vec::new(),
    }
}

fn memory_here() -> Fact<u64> {
    let table =
        std::fs::read_to_string("/proc/meminfo").map_err(|error| format!("/proc/meminfo: {error}"))?;
    table
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .map(|kib| kib * 1024)
        .ok_or_else(|| "/proc/meminfo has no total".to_owned())
}
