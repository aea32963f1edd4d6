//! Failures on a real container engine: each reports the right error and leaves no objects.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters as query;
use tokio_util::sync::CancellationToken;

use super::{Name, Told, any_image, docker, options, turn, up};
use crate::ports;
use rcup::error::ErrorKind;
use rcup::spec::modes::Pull;
use rcup::{Cluster, ClusterSpec, Error};

fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().expect("an engine")
}

async fn fails(spec: &ClusterSpec) -> Error {
    Cluster::up(docker(), spec, &options())
        .await
        .map(|_| ())
        .expect_err("this start cannot succeed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named_with_its_holder() {
    let _turn = turn().await;
    let name = Name::new("port");
    let (_listener, port) = ports::held();
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .port(port - 2)
        .build()
        .unwrap();
    let error = fails(&spec).await;
    assert_eq!(error.kind(), ErrorKind::Port);
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "port {port} on 127.0.0.1 is taken by process {}",
            std::process::id()
        )),
        "{text}"
    );
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_port_asked_for_the_start_goes_round_taken_ones() {
    let _turn = turn().await;
    let name = Name::new("around");
    let taken: Vec<TcpListener> = [7002, 7009]
        .iter()
        .filter_map(|port| TcpListener::bind(("127.0.0.1", *port)).ok())
        .collect();
    let cluster = up(&name.spec().await).await;
    let ports: Vec<u16> = cluster.topology().nodes.iter().map(|node| node.port).collect();
    assert!(!ports.contains(&7002) && !ports.contains(&7009), "{ports:?}");
    drop(taken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subnet_that_is_taken_is_named_with_its_holder() {
    let _turn = turn().await;
    let name = Name::new("subnet");
    let stranger = format!("stranger-{}", name.0);
    let request = NetworkCreateRequest {
        name: stranger.clone(),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some("10.219.0.0/24".to_owned()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        ..NetworkCreateRequest::default()
    };
    engine().create_network(request).await.unwrap();
    let spec = |subnet: &str| {
        let spec = ClusterSpec::builder().name(name.0.clone()).subnet(subnet);
        async { spec.image(any_image().await).build().unwrap() }
    };
    let by_network = fails(&spec("10.219.0.64/26").await).await;
    engine().remove_network(&stranger).await.unwrap();
    assert_eq!(by_network.kind(), ErrorKind::Subnet);
    assert!(
        by_network.to_string().contains(&format!("of network {stranger}")),
        "{by_network}"
    );
    name.assert_gone().await;
    // The network of this machine's default interface is a route.
    let table = std::fs::read_to_string("/proc/net/route").unwrap();
    let routed = table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = !words[0].starts_with("br-") && !words[0].starts_with("docker") && words[1] != "00000000";
        let octets = u32::from_str_radix(words[1], 16).unwrap().to_le_bytes();
        ours.then(|| format!("{}.{}.{}.0/26", octets[0], octets[1], octets[2]))
    });
    let by_route = fails(&spec(&routed.expect("this machine has a route of its own")).await).await;
    assert_eq!(by_route.kind(), ErrorKind::Subnet);
    assert!(by_route.to_string().contains("the route via"), "{by_route}");
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_others_are_refused_and_left_alone() {
    let _turn = turn().await;
    let name = Name::new("stranger");
    let container = name.0.container(3);
    let body = ContainerCreateBody {
        image: Some(any_image().await),
        cmd: Some(vec!["redis-server".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let named = query::CreateContainerOptionsBuilder::default()
        .name(&container)
        .build();
    let id = engine().create_container(Some(named), body).await.unwrap().id;
    let error = fails(&name.spec().await).await;
    name.assert_gone().await;
    let there = engine()
        .inspect_container(&id, None::<query::InspectContainerOptions>)
        .await;
    engine()
        .remove_container(&id, None::<query::RemoveContainerOptions>)
        .await
        .unwrap();
    assert!(there.is_ok());
    assert_eq!(error.kind(), ErrorKind::NameTaken);
    assert!(error.to_string().contains(&container), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_the_users_on_the_network_is_named_and_left_alone() {
    let _turn = turn().await;
    let name = Name::new("joined");
    let cluster = up(&name.shape(1, 0).await).await;
    let guest = format!("{}-guest", name.0);
    let body = ContainerCreateBody {
        image: Some(any_image().await),
        cmd: Some(vec!["redis-server".to_owned()]),
        host_config: Some(HostConfig {
            network_mode: Some(name.0.network()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let named = query::CreateContainerOptionsBuilder::default()
        .name(&guest)
        .build();
    engine().create_container(Some(named), body).await.unwrap();
    let start = None::<query::StartContainerOptions>;
    engine().start_container(&guest, start).await.unwrap();
    let refused = cluster.down().await.err();
    let there = engine()
        .inspect_container(&guest, None::<query::InspectContainerOptions>)
        .await;
    let forced = query::RemoveContainerOptionsBuilder::default()
        .force(true)
        .build();
    engine().remove_container(&guest, Some(forced)).await.unwrap();
    name.down().await;
    name.assert_gone().await;
    let runs = there.unwrap().state.and_then(|state| state.running);
    assert_eq!(runs, Some(true));
    let refused = refused.expect("a network cannot go while somebody is on it");
    let hint = refused.hint_text().unwrap_or_default();
    assert!(
        hint.contains(&format!("Connected containers: {guest}.")),
        "{refused}: {hint}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directive_that_the_server_rejects_is_shown_from_its_log() {
    let _turn = turn().await;
    let name = Name::new("directive");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .set("notify-keyspace-events=keep-everything".parse().unwrap())
        .build()
        .unwrap();
    let error = fails(&spec).await;
    assert_eq!(error.kind(), ErrorKind::NodeFailed);
    let log = error.detail_lines().join("\n");
    assert!(
        log.contains("FATAL CONFIG FILE ERROR") && log.contains("keep-everything"),
        "{log}"
    );
    assert!(error.hint_text().unwrap().contains("--set"));
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_missing_or_empty_is_told_apart() {
    let _turn = turn().await;
    let name = Name::new("image");
    let spec = |image: &str, pull| {
        ClusterSpec::builder()
            .name(name.0.clone())
            .image(image)
            .pull(pull)
            .build()
            .unwrap()
    };
    let absent = fails(&spec("localhost:1/rcup/none:1", Pull::Never)).await;
    assert_eq!(absent.kind(), ErrorKind::Image);
    assert!(absent.hint_text().unwrap().contains("rcup image build"));
    let begun = std::time::Instant::now();
    let unreachable = fails(&spec("localhost:1/rcup/none:1", Pull::Missing)).await;
    assert_eq!(unreachable.kind(), ErrorKind::Image);
    assert!(!unreachable.causes().is_empty());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "a registry that is not there costs seconds"
    );
    // An image with a program but without a server: a tar archive with one empty file.
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o755);
    archive
        .append_data(&mut header, "bin/true", std::io::empty())
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive.into_inner().unwrap()).unwrap();
    let reference = format!("rcup-test/{}:1", name.0);
    rcup::runtime::interface::Runtime::import(&docker(), file.path(), &reference, &[])
        .await
        .unwrap();
    let empty = fails(&spec(&reference, Pull::Missing)).await;
    engine()
        .remove_image(&reference, None::<query::RemoveImageOptions>, None)
        .await
        .unwrap();
    assert_eq!(empty.kind(), ErrorKind::Image);
    assert!(
        empty
            .to_string()
            .contains("holds neither redis-server nor valkey-server"),
        "{empty}"
    );
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_while_it_starts_is_named() {
    let _turn = turn().await;
    let name = Name::new("dies");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        // The server cannot resolve this address, so it logs an error and exits.
        .set("bind-source-addr=not-an-address".parse().unwrap())
        .set("oom-score-adj=yes".parse().unwrap())
        .set("loadmodule=/nowhere.so".parse().unwrap())
        .build()
        .unwrap();
    let error = fails(&spec).await;
    assert_eq!(error.kind(), ErrorKind::NodeFailed, "{error}");
    assert!(error.to_string().contains(&format!("rcup-{}", name.0)), "{error}");
    assert!(!error.detail_lines().is_empty());
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_can_be_cancelled_at_any_moment() {
    let name = Name::new("cancel");
    let spec = name.spec().await;
    for ms in [0, 30, 90, 160, 300, 600, 1000, 1400, 1600] {
        let _turn = turn().await;
        let cancel = CancellationToken::new();
        let told = Told::default();
        let options = options().cancel(cancel.clone()).observer(Arc::new(told.clone()));
        let trigger = async {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(Cluster::up(docker(), &spec, &options), trigger);
        match result {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error} after {ms} ms"),
            Ok(cluster) => drop(cluster),
        }
        name.assert_gone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_whose_future_is_dropped_leaves_nothing() {
    let name = Name::new("dropped");
    let spec = name.spec().await;
    for ms in [50, 200, 800, 1300] {
        let _turn = turn().await;
        let options = options();
        let start = Cluster::up(docker(), &spec, &options);
        let ended = tokio::time::timeout(Duration::from_millis(ms), start).await;
        drop(ended);
        // Objects that were still being created when the future was dropped may appear a moment later.
        tokio::time::timeout(Duration::from_secs(20), async {
            while !name.remains().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                name.down().await;
            }
        })
        .await
        .expect("what is left can be removed");
    }
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passes_undoes_the_start() {
    let name = Name::new("deadline");
    let spec = name.spec().await;
    // The first start ends before six containers can exist. The progress of the others depends on the machine.
    for (nth, ms) in [40, 250, 700].into_iter().enumerate() {
        let _turn = turn().await;
        let options = options().timeout(Duration::from_millis(ms));
        match Cluster::up(docker(), &spec, &options).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{error}"),
            Ok(cluster) => {
                assert!(nth > 0, "ready within {ms} ms");
                drop(cluster);
            }
        }
        name.assert_gone().await;
    }
}
