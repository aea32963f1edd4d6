//! Faults injected into a cluster from outside: into the processes, networks and files of its containers.

use std::process::Command;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::KillContainerOptionsBuilder;

use rcup::checks::status::NodeReport;

pub fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().expect("an engine")
}

/// Runs a program on this machine. Access to the processes and files of a container requires root.
pub fn on_this_machine(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the program is there");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs the command of a finding in a shell, as a user would.
pub fn obey(line: &str) {
    let rcup = std::path::Path::new(env!("CARGO_BIN_EXE_rcup"));
    let path = format!(
        "{}:{}",
        rcup.parent().expect("a folder").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("sh")
        .args(["-c", line])
        .env("PATH", path)
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{line}: {output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("ERR "), "{line}: {said}");
}

pub async fn process_of(container: &str) -> String {
    let seen = engine()
        .inspect_container(container, None)
        .await
        .expect("it is there");
    seen.state
        .and_then(|state| state.pid)
        .expect("it runs")
        .to_string()
}

/// Returns a node's own directory as a path on this machine.
pub async fn directory(container: &str, index: usize) -> String {
    let seen = engine()
        .inspect_container(container, None)
        .await
        .expect("it is there");
    let mounts = seen.mounts.unwrap_or_default();
    let home = mounts
        .into_iter()
        .find(|mount| mount.destination.as_deref() == Some("/rcup"));
    format!(
        "{}/{index}",
        home.and_then(|mount| mount.source).expect("a volume")
    )
}

/// A firewall rule in the network namespace of a node. It applies until it is removed or the node stops.
pub struct Wall {
    process: String,
    rule: Vec<String>,
}

impl Wall {
    pub async fn raise(container: &str, rule: &[&str]) -> Self {
        let wall = Self {
            process: process_of(container).await,
            rule: rule.iter().map(|word| (*word).to_owned()).collect(),
        };
        wall.change("-I");
        wall
    }

    pub fn lift(&self) {
        self.change("-D");
    }

    fn change(&self, how: &str) {
        let (chain, rest) = self.rule.split_first().expect("a chain");
        let arguments = ["-t", &self.process, "-n", "iptables", how, chain]
            .into_iter()
            .chain(rest.iter().map(String::as_str));
        on_this_machine("nsenter", &arguments.collect::<Vec<_>>());
    }
}

pub async fn kill(container: &str) {
    let kill = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
    engine()
        .kill_container(container, Some(kill))
        .await
        .expect("is killed");
}

pub async fn start(container: &str) {
    engine().start_container(container, None).await.expect("starts");
}

pub async fn unplug(network: &str, node: &NodeReport) {
    let request = NetworkDisconnectRequest {
        container: node.name.clone(),
        force: Some(true),
    };
    // On later calls, the node is disconnected already.
    let _ = engine().disconnect_network(network, request).await;
}

pub async fn plug_in(network: &str, node: &NodeReport) {
    let config = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(ip(node).to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = NetworkConnectRequest {
        container: node.name.clone(),
        endpoint_config: Some(config),
    };
    engine()
        .connect_network(network, request)
        .await
        .expect("is connected again");
}

/// Returns a node's address on the cluster's network.
pub fn ip(node: &NodeReport) -> &str {
    node.address.rsplit_once(':').expect("an address").0
}

/// Returns a node's client port.
pub fn port(node: &NodeReport) -> &str {
    node.address.rsplit_once(':').expect("an address").1
}

/// Starts a second server in a node's container, at the node's address and another port, without other cluster nodes.
/// It stops with the container.
pub fn second_server(container: &str, port: &str, cluster: bool) {
    let enabled = if cluster { "yes" } else { "no" };
    on_this_machine(
        "docker",
        &[
            "exec",
            "-d",
            "-w",
            "/tmp",
            container,
            "redis-server",
            "--port",
            port,
            "--cluster-enabled",
            enabled,
            "--protected-mode",
            "no",
            "--save",
            "",
            "--appendonly",
            "no",
            "--cluster-config-file",
            "second.conf",
        ],
    );
}
