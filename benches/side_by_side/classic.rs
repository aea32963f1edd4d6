//! The setup without rcup: a compose file, `docker-compose up -d`, `redis-cli --cluster create`, and waiting.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::raw::{address, answered, command};
use crate::subject::{Outcome, Reply, Wire, run};
use rcup::plan;
use rcup::runtime::labels;
use rcup::topology::layout::Topology;

/// The timeout until the nodes agree after redis-cli has finished.
const PATIENCE: Duration = Duration::from_mins(1);

/// The poll interval.
const ASK: Duration = Duration::from_millis(20);

/// The installed Compose program.
#[derive(Clone, Debug)]
pub struct Compose {
    program: PathBuf,
    first: Vec<String>,
    /// The version that it reports.
    pub version: String,
}

/// The timings of one start.
#[derive(Clone, Copy, Debug)]
pub struct Classic {
    /// `docker-compose up -d`.
    pub compose: Duration,
    /// Total time, until every node reports the state `ok` and knows all nodes.
    pub total: Duration,
}

impl Compose {
    /// Finds Compose v2, a plugin of the docker program, or the older standalone program.
    pub async fn find() -> Option<Self> {
        for (program, first) in [
            ("docker", vec!["compose".to_owned()]),
            ("docker-compose", Vec::new()),
        ] {
            let mut words = first.clone();
            words.extend(["version".to_owned(), "--short".to_owned()]);
            if let Ok(run) = run(program.as_ref(), &words).await {
                return Some(Self {
                    program: program.into(),
                    first,
                    version: String::from_utf8_lossy(&run.output).trim().to_owned(),
                });
            }
        }
        None
    }

    /// Starts the containers and creates the cluster of `topology`.
    pub async fn up(&self, topology: &Topology) -> Outcome<Classic> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("compose.json");
        std::fs::write(&file, serde_json::to_vec_pretty(&document(topology))?)?;
        let begun = Instant::now();
        let mut words = self.first.clone();
        words.extend(["-p".to_owned(), "bench".to_owned(), "-f".to_owned()]);
        words.extend([file.display().to_string(), "up".to_owned(), "-d".to_owned()]);
        run(&self.program, &words).await?;
        let compose = begun.elapsed();
        // A started container may not listen yet, and redis-cli fails if a node does not listen.
        try_join_all(
            topology
                .nodes
                .iter()
                .map(|node| answered(address(topology, node))),
        )
        .await?;
        let mut words: Vec<String> = [
            "exec",
            topology.nodes[0].name.as_str(),
            topology.placement.image.server.engine.client(),
            "--cluster-yes",
            "--cluster-replicas",
            &topology.spec.replicas().to_string(),
            "--cluster",
            "create",
        ]
        .map(str::to_owned)
        .to_vec();
        words.extend(topology.nodes.iter().map(|node| node.address().to_string()));
        run("docker".as_ref(), &words).await?;
        try_join_all(topology.nodes.iter().map(|node| well(topology, node.index))).await?;
        Ok(Classic {
            compose,
            total: begun.elapsed(),
        })
    }
}

/// Waits until a node reports the state `ok` and knows all nodes.
async fn well(topology: &Topology, index: usize) -> Outcome<()> {
    let node = topology.node(index).ok_or("no such node")?;
    let known = format!("cluster_known_nodes:{}", topology.nodes.len());
    let asked = async {
        let mut wire = Wire::open(address(topology, node)).await?;
        loop {
            if let Reply::Text(info) = wire.ask(&["CLUSTER", "INFO"]).await?
                && info.lines().any(|line| line == "cluster_state:ok")
                && info.lines().any(|line| line == known)
            {
                return Ok(());
            }
            sleep(ASK).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| format!("{} does not find the cluster well", node.name))?
}

/// Returns the compose file. JSON is valid YAML and needs no other quoting.
fn document(topology: &Topology) -> Value {
    let mut services = Map::new();
    for node in &topology.nodes {
        let request = plan::request::container(topology, node);
        let command = command(topology, node);
        let mut service = json!({
            "image": request.image,
            "container_name": request.name,
            "hostname": request.name,
            "user": request.user,
            "entrypoint": command[..1],
            "command": command[1..],
            "labels": request.labels,
            "ports": [format!("127.0.0.1:{0}:{0}", request.port)],
            "restart": "unless-stopped",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "tmpfs": request.scratch,
            "networks": { "nodes": { "ipv4_address": request.ip.to_string() } },
        });
        if !request.sysctls.is_empty() {
            service["sysctls"] = json!(
                request
                    .sysctls
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>()
            );
        }
        if let Some(limit) = request.open_files {
            service["ulimits"] = json!({ "nofile": { "soft": limit, "hard": limit } });
        }
        services.insert(format!("node{}", node.index), service);
    }
    let network = plan::request::network(topology);
    json!({
        "version": "2.4",
        "services": services,
        "networks": { "nodes": {
            "name": network.name,
            "driver": "bridge",
            "labels": labels::of_cluster(topology),
            "ipam": { "config": [{ "subnet": network.subnet.to_string(), "gateway": network.gateway.to_string() }] },
        } },
    })
}
