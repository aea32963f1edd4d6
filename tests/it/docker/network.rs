//! Clusters on a network of the user: other containers on it reach the nodes, and rcup never removes it.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use super::{Name, any_image, assert_ready, docker, options, turn, up};
use rcup::cluster::handle::down;
use rcup::error::ErrorKind;
use rcup::event::Silent;
use rcup::{Cluster, ClusterSpec};

/// A network that is removed on drop.
struct Network(String);

impl Network {
    /// Creates a network with `docker network create` and these flags.
    fn new(test: &str, flags: &[&str]) -> Self {
        let name = format!("it-{test}-{}", std::process::id());
        let made = Command::new("docker")
            .args(["network", "create"])
            .args(flags)
            .arg(&name)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        Self(name)
    }

    fn inspect(&self, format: &str) -> Output {
        Command::new("docker")
            .args(["network", "inspect", "-f", format, &self.0])
            .output()
            .unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["network", "rm", &self.0]).output();
    }
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn spec(name: &Name, network: &str) -> ClusterSpec {
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await);
    spec.replicas(0).network(network).build().unwrap()
}

fn rcup(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_lives_on_a_network_of_the_users() {
    let _turn = turn().await;
    let network = Network::new("network", &["--subnet", "10.197.16.0/24"]);
    let name = Name::new("on-network");
    let spec = spec(&name, &network.0).await;
    let told = rcup(&[
        "up",
        name.0.as_str(),
        "--replicas",
        "0",
        "--network",
        &network.0,
        "--image",
        &any_image().await,
        "--dry-run",
    ]);
    assert!(
        told.contains("10.197.16.252:") && !told.contains("create network"),
        "{told}"
    );
    let mut cluster = up(&spec).await;
    assert_ready(&cluster).await;
    let report = cluster.report();
    assert_eq!(report.network.name, network.0);
    assert_eq!(
        (report.network.subnet.as_str(), report.network.gateway.as_str()),
        ("10.197.16.0/24", "10.197.16.1")
    );
    let addresses: Vec<&str> = report
        .nodes
        .iter()
        .map(|node| node.address.split(':').next().unwrap())
        .collect();
    assert_eq!(addresses, ["10.197.16.252", "10.197.16.253", "10.197.16.254"]);
    // A program in a container connects by addresses and by names.
    let asks = report.nodes.iter().map(|node| {
        let port = node.address.rsplit_once(':').unwrap().1;
        format!(
            "redis-cli -h {} -p {port} PING; redis-cli -h {} -p {port} PING; ",
            node.name,
            node.address.split(':').next().unwrap()
        )
    });
    let asks: String = asks.collect();
    let script = format!(
        "{asks} redis-cli -c -u redis://{} SET greeting hello",
        report.nodes[0].advertised
    );
    let output = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--network",
            &network.0,
            "--entrypoint",
            "sh",
            &any_image().await,
            "-c",
            &script,
        ])
        .output()
        .unwrap();
    assert_eq!(said(&output), format!("{}OK\n", "PONG\n".repeat(6)));
    // The same specification is the same cluster; on another network it is a different one.
    cluster.keep();
    drop(cluster);
    let again = up(&spec).await;
    assert!(again.was_adopted());
    let plain = ClusterSpec::builder()
        .name(name.0.clone())
        .replicas(0)
        .image(any_image().await);
    assert!(
        up(&plain.clone().build().unwrap()).await.was_adopted(),
        "where it is, is left to rcup"
    );
    let elsewhere = plain.network("elsewhere").build().unwrap();
    let error = Cluster::up(docker(), &elsewhere, &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different);
    assert!(
        error.detail_lines()[0].contains(&network.0),
        "{:?}",
        error.detail_lines()
    );
    let status: serde_json::Value =
        serde_json::from_str(&rcup(&["status", name.0.as_str(), "--output", "json"])).unwrap();
    assert_eq!(status["network"]["name"], network.0);
    let compose = rcup(&["export", "compose", name.0.as_str()]);
    assert!(
        compose.contains(&format!("name: '{}'\n    external: true", network.0)),
        "{compose}"
    );
    // `down` removes the cluster, but not the network.
    let removed = down(&docker(), &name.0, false, &Silent).await.unwrap();
    assert_eq!((removed.containers, removed.networks), (3, 0));
    name.assert_gone().await;
    assert_eq!(said(&network.inspect("{{len .Containers}}")), "0\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_share_a_network() {
    let _turn = turn().await;
    let network = Network::new("shared", &["--subnet", "10.197.17.0/28"]);
    let names = [Name::new("share-a"), Name::new("share-b")];
    let specs = [
        spec(&names[0], &network.0).await,
        spec(&names[1], &network.0).await,
    ];
    let clusters = tokio::join!(up(&specs[0]), up(&specs[1]));
    let all: BTreeSet<String> = [&clusters.0, &clusters.1]
        .iter()
        .flat_map(|cluster| cluster.report().nodes)
        .map(|node| node.address)
        .collect();
    assert_eq!(all.len(), 6, "{all:?}");
    let third = Name::new("share-c");
    let wide = spec(&third, &network.0).await;
    let wide = ClusterSpec::builder()
        .name(third.0.clone())
        .image(wide.image().unwrap())
        .masters(8)
        .replicas(0);
    let error = Cluster::up(docker(), &wide.network(&*network.0).build().unwrap(), &options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Subnet);
    assert!(
        error.to_string().contains("has 7 free addresses for 8 nodes"),
        "{error}"
    );
    drop(clusters);
    for name in names {
        name.assert_gone().await;
    }
}

/// Data is restored on the same addresses. If the network was removed, the start reports it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_comes_back_on_the_users_network() {
    let _turn = turn().await;
    let network = Network::new("data", &["--subnet", "10.197.18.0/24"]);
    let name = Name::new("network-data");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .replicas(0)
        .persist(true);
    let spec = spec.network(&*network.0).build().unwrap();
    let mut cluster = up(&spec).await;
    let before = cluster.report();
    cluster.keep();
    drop(cluster);
    down(&docker(), &name.0, true, &Silent).await.unwrap();
    let mut cluster = up(&spec).await;
    let addresses = |report: &rcup::checks::status::Report| {
        report
            .nodes
            .iter()
            .map(|node| node.address.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(addresses(&cluster.report()), addresses(&before));
    cluster.keep();
    drop(cluster);
    down(&docker(), &name.0, true, &Silent).await.unwrap();
    drop(network);
    let error = Cluster::up(docker(), &spec, &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(
        error.hint_text().unwrap().contains("--subnet 10.197.18.0/24"),
        "{error}"
    );
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_cannot_carry_a_cluster_is_refused_and_nothing_is_left() {
    let _turn = turn().await;
    let name = Name::new("network-refused");
    let internal = Network::new("internal", &["--internal", "--subnet", "10.197.19.0/24"]);
    let chosen = Network::new("chosen", &[]);
    for (network, says) in [
        ("it-there-is-no-such-network", "does not exist"),
        (&internal.0, "is internal"),
        (&chosen.0, "cannot start container"),
    ] {
        let error = Cluster::up(docker(), &spec(&name, network).await, &options())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint_text().unwrap().contains("network"), "{error}");
        name.assert_gone().await;
    }
    assert!(internal.inspect("{{.Name}}").status.success() && chosen.inspect("{{.Name}}").status.success());
}

/// A container of the user that is removed on drop.
struct App(String);

impl Drop for App {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", &self.0]).output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_container_takes_no_stopped_nodes_address() {
    let _turn = turn().await;
    let name = Name::new("joined");
    let image = any_image().await;
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(&*image)
        .masters(1)
        .replicas(0)
        .build()
        .unwrap();
    let mut cluster = up(&spec).await;
    cluster.keep();
    let first = cluster.topology().nodes[0].ip;
    rcup(&["stop", name.0.as_str()]);
    let app = App(format!("{}-app", name.0));
    let network = cluster.topology().network();
    let started = Command::new("docker")
        .args(["run", "-d", "--name", &app.0, "--network", &network])
        .args(["--entrypoint", "redis-server", &image])
        .output()
        .unwrap();
    assert!(started.status.success(), "{}", said(&started));
    let address = Command::new("docker")
        .args(["inspect", "-f"])
        .arg("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
        .arg(&app.0)
        .output()
        .unwrap();
    let address: std::net::Ipv4Addr = said(&address).trim().parse().unwrap();
    assert!(address > first, "{address}");
    rcup(&["start", name.0.as_str()]);
    drop(app);
    name.down().await;
    name.assert_gone().await;
}
