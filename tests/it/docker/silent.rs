//! Nodes of an rcup cluster that do not answer: the diagnosis reports the reason, and the printed commands fix it.

use std::time::Duration;

use bollard::models::{ContainerCreateBody, EndpointIpamConfig, EndpointSettings, NetworkingConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};

use super::patient::Patient;
use super::surgery::{self, Wall, engine, kill, obey, on_this_machine, process_of, start};
use super::{Name, any_image, connect, waiting};
use rcup::ClusterSpec;
use rcup::checks::finding::Status::Fail;
use rcup::checks::latency::judge::Threshold;
use rcup::checks::options::SuiteOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_cannot_be_reached_from_here_are_told_by_the_reason() {
    let _turn = waiting().await;
    let patient = &Patient::new("silent").await;
    let node = patient.node(5);
    // An established connection stays open when the port is closed.
    let kept = connect(&node.advertised).await;
    let listen = async |port: &str| {
        let set: redis::RedisResult<()> = redis::cmd("CONFIG")
            .arg("SET")
            .arg("port")
            .arg(port)
            .query_async(&mut kept.clone())
            .await;
        set.expect("the port is set");
    };
    patient
        .suffers(
            async || listen("0").await,
            &[("reachable", Fail, &node.name)],
            &[("not-listening", "nothing is listening on the client port")],
            async || listen(surgery::port(node)).await,
        )
        .await;
    // A node that cannot be reached fails the latency check with any threshold.
    let percentile = "max".parse().unwrap();
    let most = Duration::from_mins(1);
    let generous = SuiteOptions::default().thresholds(vec![Threshold { percentile, most }]);
    listen("0").await;
    patient
        .fails_alone("latency", &format!("{}: not measured: ", node.name), generous)
        .await;
    listen(surgery::port(node)).await;
    patient.recovers("latency").await;
    // Rejects connections from outside the container, through the bridge or the published port.
    let rule = [
        "INPUT",
        "!",
        "-i",
        "lo",
        "-p",
        "tcp",
        "--dport",
        surgery::port(node),
        "-j",
        "REJECT",
        "--reject-with",
        "tcp-reset",
    ];
    let wall = Wall::raise(&node.name, &rule).await;
    patient
        .suffers(
            async || (),
            &[("reachable", Fail, &node.name)],
            &[(
                "port-filtered",
                "answers inside its container but not from this host",
            )],
            async || wall.lift(),
        )
        .await;
    // The same rule for a container that was recreated without its published port.
    Box::pin(made_anew_without_its_port(patient, 5)).await;
    let wall = Wall::raise(&node.name, &rule).await;
    patient
        .suffers(
            async || (),
            &[("reachable", Fail, &node.name)],
            &[("port-not-published", "the port is not published on this host")],
            async || wall.lift(),
        )
        .await;
    if super::matrix() {
        // The server hangs: the kernel accepts connections, but the server does not answer.
        let process = process_of(&node.name).await;
        patient
            .suffers(
                async || drop(on_this_machine("kill", &["-STOP", &process])),
                &[("reachable", Fail, &node.name)],
                &[("not-listening", "or is hung")],
                async || drop(on_this_machine("kill", &["-CONT", &process])),
            )
            .await;
    }
}

/// Replaces the container of a node with one that has the same name, files and address, but no published port.
async fn made_anew_without_its_port(patient: &Patient, index: usize) {
    let node = patient.node(index);
    let seen = engine().inspect_container(&node.name, None).await.unwrap();
    let config = serde_json::to_value(seen.config.unwrap()).unwrap();
    let mut body: ContainerCreateBody = serde_json::from_value(config).unwrap();
    let mut host = seen.host_config.unwrap();
    host.port_bindings = None;
    body.host_config = Some(host);
    let own = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(surgery::ip(node).to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some([(patient.report.network.name.clone(), own)].into()),
    });
    remove(&node.name).await;
    let options = CreateContainerOptionsBuilder::default().name(&node.name).build();
    engine().create_container(Some(options), body).await.unwrap();
    start(&node.name).await;
    patient.recovers("a container made anew").await;
}

async fn remove(container: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    engine()
        .remove_container(container, Some(options))
        .await
        .expect("is removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_have_died_are_told_and_come_back() {
    let _turn = waiting().await;
    let name = Name::new("dying");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .node_timeout(Duration::from_secs(2))
        .persist(true)
        .build()
        .unwrap();
    let patient = &Patient::of(name, &spec).await;
    // All nodes stop at once, as when a host fails, and not all restart: the restarted nodes cannot reach a majority of
    // the masters.
    patient
        .suffers(
            async || {
                for node in &patient.report.nodes {
                    // On later calls, some of them are stopped already.
                    let _ = engine().kill_container(&node.name, None).await;
                }
                for index in [1, 4, 5, 6] {
                    start(&patient.node(index).name).await;
                }
            },
            &[("cluster-state", Fail, "cluster_state:fail")],
            &[("restarted", "CLUSTERDOWN after a restart")],
            async || {
                let stopped = patient.is_diagnosed("node-stopped", "rcup start").await;
                obey(&stopped.remedy[0]);
            },
        )
        .await;
    if super::matrix() {
        Box::pin(one_after_the_other(patient)).await;
    }
}

/// A master whose replica may not be promoted; a server that is killed because it is out of memory; a container that is
/// removed.
async fn one_after_the_other(patient: &Patient) {
    let set = async |value: &str| {
        patient
            .tell(4, &["CONFIG", "SET", "cluster-replica-no-failover", value])
            .await;
    };
    set("yes").await;
    kill(&patient.node(1).name).await;
    patient
        .suffers(
            async || (),
            &[
                ("slot-coverage", Fail, "of them ok, of 16384"),
                ("cluster-state", Fail, "cluster_state:fail"),
                ("reachable", Fail, &patient.node(1).name),
            ],
            &[
                ("master-down", "the owner of slots"),
                ("node-stopped", "It crashed or was killed."),
            ],
            async || {
                let found = patient
                    .is_diagnosed("master-down", "promote its replica now")
                    .await;
                let takeover = found.remedy[1].split_once("now: ").expect("a command").1;
                obey(takeover);
                let stopped = patient.is_diagnosed("node-stopped", "rcup start").await;
                obey(&stopped.remedy[0]);
                set("no").await;
            },
        )
        .await;
    Box::pin(out_of_memory(patient)).await;
    // A container that was removed manually; its data is on its volume.
    remove(&patient.node(6).name).await;
    patient
        .suffers(
            async || (),
            &[("reachable", Fail, "its container does not exist")],
            &[("node-gone", "the container is gone")],
            async || {
                let gone = patient.is_diagnosed("node-gone", "is still on its volume").await;
                obey(&gone.remedy[0]);
            },
        )
        .await;
}

/// The memory limit of the sixth node is too low for a script, and the restart policy does not restart it.
async fn out_of_memory(patient: &Patient) {
    let process = patient.node(6).name.clone();
    on_this_machine(
        "docker",
        &[
            "update",
            "--restart",
            "no",
            "--memory",
            "24m",
            "--memory-swap",
            "24m",
            &process,
        ],
    );
    patient
        .suffers(
            async || {
                let url = format!("redis://{}", patient.node(6).advertised);
                // On later calls, the kernel has killed it already.
                let Ok(mut connection) = super::connect_url(&url).await else {
                    return;
                };
                let _: redis::RedisResult<()> = redis::cmd("EVAL")
                    .arg("local all = {} for i = 1, 60 do all[i] = string.rep('x', 1048576) .. i end return #all")
                    .arg(0)
                    .query_async(&mut connection)
                    .await;
            },
            &[("reachable", Fail, &process)],
            &[("node-stopped", "The kernel killed it because it ran out of memory")],
            async || {
                on_this_machine(
                    "docker",
                    &["update", "--restart", "unless-stopped", "--memory", "512m", "--memory-swap", "512m", &process],
                );
                let stopped = patient.is_diagnosed("node-stopped", "rcup start").await;
                obey(&stopped.remedy[0]);
            },
        )
        .await;
}
