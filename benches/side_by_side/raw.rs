//! The lower bound: the time in which the raw API of the container engine creates and starts the containers of a
//! cluster.
//!
//! The containers equal those that rcup would create from the same plan, except that they have no files and therefore
//! no volume: the servers get their settings as arguments, and never form a cluster.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig, Mount,
    MountType, NetworkCreateRequest, NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters as query;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::subject::{Engine, Outcome, Reply, Wire};
use rcup::Docker;
use rcup::plan;
use rcup::runtime::interface::{Runtime as _, Scope};
use rcup::runtime::request::ContainerRequest;
use rcup::topology::address::{TakenPort, TakenSubnet, choose_ports, choose_subnet};
use rcup::topology::hardware::Machine;
use rcup::topology::layout::{Node, Placement, Topology};

/// The timeout from the start of a container to the first answer of its server.
const PATIENCE: Duration = Duration::from_mins(1);

/// The poll interval for a server that does not listen yet.
const DIAL: Duration = Duration::from_millis(2);

/// The order in which containers are created and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Creates the network, then all containers, then starts all.
    Staged,
    /// Creates the network, then starts each container as soon as it is created.
    Chained,
}

impl Order {
    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Chained => "chained",
        }
    }
}

/// A way to use the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The maximum number of concurrent requests.
    pub at_once: usize,
    /// The order of creation and start.
    pub order: Order,
}

/// The timings of one start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// Creation of the network.
    pub network: Duration,
    /// Creation of the containers (0 if it cannot be measured separately).
    pub create: Duration,
    /// From the first request to the first answer of the last server.
    pub total: Duration,
}

/// Returns the topology of a cluster like `like`, in a free placement and with a name that begins with `name`, because
/// an engine may still have the network of the previous one.
pub async fn beside(like: &Topology, name: &str, masters: usize, replicas: usize) -> Outcome<Topology> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{name}-{}-{number}", std::process::id());
    let image = like.placement.image.reference.clone();
    let spec = rcup::spec::cluster::ClusterSpec::builder()
        .name(name.parse()?)
        .masters(masters)
        .replicas(replicas)
        .image(image)
        .build()?;
    let observed = Docker::find()?.observe(&Scope::Everything).await?;
    // Does not use the placement that rcup tries first, because a concurrent start may use it.
    let by = || "rcup".to_owned();
    let mut ports = observed.taken_ports();
    ports.extend((7000..20_000).map(|port| TakenPort { port, by: by() }));
    let mut subnets = observed.taken_subnets();
    subnets.push(TakenSubnet {
        subnet: "10.213.0.0/17".parse()?,
        by: by(),
    });
    let mut probe = |port| {
        TcpListener::bind(("127.0.0.1", port))
            .err()
            .map(|error| error.to_string())
    };
    let place = Placement {
        subnet: choose_subnet(&spec, &subnets)?,
        first_port: choose_ports(&spec, &ports, &mut probe)?,
        machine: Machine::default(),
        seed: [u8::try_from(masters % 256)?; 16],
        ..like.placement.clone()
    };
    Ok(Topology::new(&spec, &place)?)
}

/// Creates and starts the containers. Returns when each server has answered a PING at its address.
pub async fn up(engine: &Engine, topology: &Topology, way: Way) -> Outcome<Floor> {
    let bodies: Vec<_> = topology
        .nodes
        .iter()
        .map(|node| (node, body(topology, node)))
        .collect();
    let begun = Instant::now();
    engine.client.create_network(network(topology)).await?;
    let network = begun.elapsed();
    let mut created = network;
    match way.order {
        Order::Staged => {
            stream::iter(bodies)
                .map(|(node, body)| make(engine, node, body))
                .buffer_unordered(way.at_once)
                .try_collect::<()>()
                .await?;
            created = begun.elapsed();
            run(topology, way, |node| start(engine, node)).await?;
        }
        Order::Chained => {
            let bodies: HashMap<usize, ContainerCreateBody> = bodies
                .into_iter()
                .map(|(node, body)| (node.index, body))
                .collect();
            run(topology, way, |node| {
                let body = bodies.get(&node.index).cloned().unwrap_or_default();
                async move {
                    make(engine, node, body).await?;
                    start(engine, node).await
                }
            })
            .await?;
        }
    }
    Ok(Floor {
        network,
        create: created.saturating_sub(network),
        total: begun.elapsed(),
    })
}

/// Starts a limited number of nodes at a time. Waits for their answers without blocking other starts.
async fn run<'a, F>(topology: &'a Topology, way: Way, work: impl Fn(&'a Node) -> F) -> Outcome<()>
where
    F: Future<Output = Outcome<()>> + 'a,
{
    let answers = tokio::sync::Mutex::new(tokio::task::JoinSet::new());
    stream::iter(&topology.nodes)
        .map(|node| {
            let begun = work(node);
            let answers = &answers;
            async move {
                begun.await?;
                answers.lock().await.spawn(answered(address(topology, node)));
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            }
        })
        .buffer_unordered(way.at_once)
        .try_collect::<()>()
        .await?;
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.join_next().await {
        answer??;
    }
    Ok(())
}

async fn make(engine: &Engine, node: &Node, body: ContainerCreateBody) -> Outcome<()> {
    let options = query::CreateContainerOptionsBuilder::default()
        .name(&node.name)
        .build();
    engine.client.create_container(Some(options), body).await?;
    Ok(())
}

async fn start(engine: &Engine, node: &Node) -> Outcome<()> {
    let options = None::<query::StartContainerOptions>;
    engine.client.start_container(&node.name, options).await?;
    Ok(())
}

/// Returns the address of a node that this machine can reach.
pub fn address(topology: &Topology, node: &Node) -> SocketAddr {
    if topology.placement.bridge_reachable {
        node.address().into()
    } else {
        node.host_address().into()
    }
}

/// Waits for the first PONG.
pub async fn answered(address: SocketAddr) -> Outcome<()> {
    let dialled = async {
        loop {
            if let Ok(mut wire) = Wire::open(address).await
                && matches!(wire.ask(&["PING"]).await, Ok(Reply::Text(text)) if text == "PONG")
            {
                return;
            }
            tokio::time::sleep(DIAL).await;
        }
    };
    tokio::time::timeout(PATIENCE, dialled)
        .await
        .map_err(|_| format!("no answer from {address}").into())
}

/// Returns the arguments for a server of the kind that rcup starts.
pub fn command(topology: &Topology, node: &Node) -> Vec<String> {
    let port = node.port.to_string();
    let ip = node.ip.to_string();
    [
        topology.placement.image.server.engine.server(),
        "--port",
        &port,
        "--cluster-enabled",
        "yes",
        "--cluster-announce-ip",
        &ip,
        "--cluster-node-timeout",
        "5000",
        "--protected-mode",
        "no",
        "--save",
        "",
        "--appendonly",
        "no",
        "--repl-diskless-sync-delay",
        "0",
        // In the official images this is a volume, which the plan replaces with a tmpfs; in rcup's own images it is a
        // directory of the nodes' user.
        "--dir",
        "/data",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn network(topology: &Topology) -> NetworkCreateRequest {
    let request = plan::request::network(topology);
    NetworkCreateRequest {
        name: request.name,
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(request.subnet.to_string()),
                gateway: Some(request.gateway.to_string()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        labels: Some(request.labels.into_iter().collect()),
        ..NetworkCreateRequest::default()
    }
}

/// Returns the options that rcup uses. [`same_make`] checks that they are equal.
fn body(topology: &Topology, node: &Node) -> ContainerCreateBody {
    let request: ContainerRequest = plan::request::container(topology, node);
    let command = command(topology, node);
    let port = format!("{}/tcp", request.port);
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(request.port.to_string()),
    };
    let limit = request.open_files.and_then(|limit| i64::try_from(limit).ok());
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(request.ip.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    let scratch = request.scratch.iter().map(|target| Mount {
        target: Some(target.clone()),
        typ: Some(MountType::TMPFS),
        ..Mount::default()
    });
    ContainerCreateBody {
        hostname: Some(request.name),
        image: Some(request.image),
        user: Some(request.user),
        entrypoint: Some(command[..1].to_vec()),
        cmd: Some(command[1..].to_vec()),
        exposed_ports: Some(vec![port.clone()]),
        labels: Some(request.labels.into_iter().collect()),
        host_config: Some(HostConfig {
            network_mode: Some(request.network.clone()),
            port_bindings: Some(HashMap::from([(port, Some(vec![binding]))])),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            sysctls: Some(request.sysctls.into_iter().collect()),
            ulimits: limit.map(|limit| {
                vec![ResourcesUlimits {
                    name: Some("nofile".to_owned()),
                    soft: Some(limit),
                    hard: Some(limit),
                }]
            }),
            mounts: Some(scratch.collect()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(request.network, endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Fails unless the engine reports the same options for two containers, except for their addresses and the volume with
/// the files. Otherwise, the measurement would not be a lower bound.
pub async fn same_make(engine: &Engine, one: &str, other: &str) -> Outcome<()> {
    let one = make_of(engine, one).await?;
    let other = make_of(engine, other).await?;
    if one == other {
        return Ok(());
    }
    Err(format!("the containers compared are not made alike: {one} and {other}").into())
}

async fn make_of(engine: &Engine, name: &str) -> Outcome<Value> {
    let options = None::<query::InspectContainerOptions>;
    let seen = engine.client.inspect_container(name, options).await?;
    let mut make = serde_json::to_value(seen.host_config)?;
    if let Some(fields) = make.as_object_mut() {
        fields.retain(|field, _| !["NetworkMode", "PortBindings"].contains(&field.as_str()));
        if let Some(mounts) = fields.get_mut("Mounts").and_then(Value::as_array_mut) {
            mounts.retain(|mount| mount["Type"] != "volume");
        }
        // An empty list is equal to a missing field.
        fields.retain(|_, value| *value != json!([]) && !value.is_null());
    }
    let user = seen.config.and_then(|config| config.user);
    make["user"] = serde_json::to_value(user)?;
    Ok(make)
}
