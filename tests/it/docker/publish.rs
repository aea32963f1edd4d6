//! Published ports on an address other than 127.0.0.1: clients use that address, and rcup warns that no firewall
//! protects it.

use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::sync::Arc;

use super::{Name, Told, assert_ready, docker, images, options, turn};
use rcup::error::ErrorKind;
use rcup::spec::builder::ClusterSpecBuilder;
use rcup::spec::security::Password;
use rcup::{Cluster, ClusterSpec};

/// Returns a non-loopback address of this machine. The default bridge always has one.
pub fn address() -> Ipv4Addr {
    let output = std::process::Command::new("docker")
        .args([
            "network",
            "inspect",
            "-f",
            "{{(index .IPAM.Config 0).Subnet}}",
            "bridge",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let subnet: ipnet::Ipv4Net = text.trim().parse().expect("the subnet of the default bridge");
    subnet.hosts().next().expect("an address")
}

fn spec(name: &Name, image: &str) -> ClusterSpecBuilder {
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .replicas(0);
    spec.publish(address())
}

/// Checks that clients use the published ports, with TLS too, and that no other address has an open port.
async fn published(image: &str, locked: bool) {
    let _turn = turn().await;
    let name = Name::new("publish");
    let mut wanted = spec(&name, image);
    if locked {
        wanted = wanted.password(Password::Any).tls(true);
    }
    let told = Told::default();
    let options = options().observer(Arc::new(told.clone()));
    let cluster = Cluster::up(docker(), &wanted.build().unwrap(), &options)
        .await
        .unwrap();
    let warning = format!(
        "published on {}: Docker's published ports bypass that host's firewall",
        address()
    );
    assert!(told.notes().contains(&warning), "{}", told.notes());
    assert_eq!(told.notes().contains("no password"), !locked);
    for node in cluster.report().nodes {
        assert_eq!(node.advertised, node.host_address);
        assert!(
            node.advertised.starts_with(&format!("{}:", address())),
            "{}",
            node.advertised
        );
        let port = node.advertised.rsplit_once(':').unwrap().1.parse().unwrap();
        assert!(TcpStream::connect((address(), port)).is_ok());
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(),
            "it is open elsewhere too"
        );
    }
    assert_ready(&cluster).await;
    drop(cluster);
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_redis_7_are_sent_to_the_published_address() {
    published(&images().await[0], false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_redis_8_are_sent_to_the_published_address() {
    published(&images().await[1], true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_valkey_8_are_sent_to_the_published_address() {
    published(&images().await[2], true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_is_another_cluster_and_a_strange_one_is_refused() {
    let _turn = turn().await;
    let name = Name::new("publish-other");
    let image = &images().await[1];
    let mut cluster = Cluster::up(docker(), &spec(&name, image).build().unwrap(), &options())
        .await
        .unwrap();
    let moved = spec(&name, image).publish(Ipv4Addr::LOCALHOST).build().unwrap();
    let error = Cluster::up(docker(), &moved, &options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Different);
    assert!(
        error.detail_lines()[0].starts_with("published on: "),
        "{:?}",
        error.detail_lines()
    );
    cluster.keep();
    drop(cluster);
    name.down().await;
    let strange = Ipv4Addr::new(192, 0, 2, 1);
    assert!(
        UdpSocket::bind((strange, 0)).is_err(),
        "an address for documentation"
    );
    let error = Cluster::up(
        docker(),
        &spec(&name, image).publish(strange).build().unwrap(),
        &options(),
    )
    .await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(error.to_string(), "192.0.2.1 is not an address of this host");
    name.assert_gone().await;
}
