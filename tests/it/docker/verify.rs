//! `rcup verify`: the checks pass with every server and every way to advertise addresses, and a wrong address is
//! detected.

use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

use super::{Name, connect_as_client, docker, images, turn, up};
use crate::schemas::assert_valid;
use rcup::checks::finding::Status;
use rcup::checks::reach::advertised::{Place, Source};
use rcup::checks::reach::clients::{ClientVerdict, Family};
use rcup::checks::reach::judge::{Outcome, Verification};
use rcup::runtime::interface::{Runtime as _, Scope};
use rcup::spec::modes::AnnounceChoice;
use rcup::topology::layout::Announce;
use rcup::{Cluster, ClusterSpec};

async fn verified(name: &Name, place: Option<Place>) -> Verification {
    let attached = Cluster::attach(docker(), &name.0).await.expect("it is there");
    attached.verify(place).await.expect("it can be verified")
}

fn statuses(told: &Verification, place: Place) -> Vec<Status> {
    let all = told.clients.iter().filter(|one| one.place == place);
    all.map(|one| one.status).collect()
}

fn of(told: &Verification, family: Family, place: Place) -> &ClientVerdict {
    let mut all = told.clients.iter();
    all.find(|one| one.family == family && one.place == place)
        .unwrap()
}

/// Checks that no probe container remains and that no slot is open.
async fn assert_untouched(name: &Name, cluster: &Cluster) {
    let seen = docker().observe(&Scope::Cluster(name.0.clone())).await.unwrap();
    assert!(seen.probes.is_empty(), "{:#?}", seen.probes);
    for url in &cluster.urls() {
        let mut connection = connect_as_client(cluster, url).await;
        let nodes: String = redis::cmd("CLUSTER")
            .arg("NODES")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(!nodes.contains('['), "a slot is open: {nodes}");
    }
}

async fn works(image: &str, announce: AnnounceChoice, locked: bool, expected: Announce) {
    let _turn = turn().await;
    let name = Name::new("verify");
    let mut spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .announce(announce)
        .tls(locked);
    if locked {
        spec = spec.password(rcup::spec::security::Password::Any);
    }
    let cluster = up(&spec.build().unwrap()).await;
    let told = verified(&name, None).await;
    assert!(told.passed, "{told:#?}");
    assert_eq!(
        (told.announce, &told.places[..]),
        (expected, &[Place::Host, Place::Network][..])
    );
    assert_eq!(statuses(&told, Place::Host), [Status::Pass; 5]);
    let inside = if expected == Announce::Ip {
        Status::Pass
    } else {
        Status::Warn
    };
    assert_eq!(statuses(&told, Place::Network), [inside; 5]);
    // Every node appears in every answer, and every source of addresses was used.
    let heard = |source: Source| {
        let all = told.addresses.iter().filter(|one| one.sources.contains(&source));
        all.map(|one| one.node.clone())
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    };
    let each = [
        Source::Shards,
        Source::Nodes,
        Source::NodeNames,
        Source::Moved,
        Source::Ask,
    ]
    .map(heard);
    assert_eq!(each, [6, 6, 6, 3, 3]);
    assert!(heard(Source::Slots) >= 3);
    for address in &told.addresses {
        assert!(address.planned, "{address:#?}");
        assert_eq!(address.seen[0].outcome, Outcome::Right);
    }
    if expected != Announce::Ip {
        let map = &of(&told, Family::Shards, Place::Network).nat_map;
        assert_eq!(map.len(), 6);
        for node in &cluster.report().nodes {
            assert_eq!(map[&node.advertised], node.address);
        }
        let insisted = verified(&name, Some(Place::Network)).await;
        assert!(!insisted.passed);
    }
    assert_untouched(&name, &cluster).await;
}

macro_rules! works {
    ($($test:ident: $image:literal $choice:ident $locked:literal gives $announce:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            works(&images().await[$image], AnnounceChoice::$choice, $locked, Announce::$announce).await;
        })*
    };
}

works! {
    redis_7_by_address: 0 Auto false gives Ip;
    redis_7_by_name: 0 Hostname false gives Hostname;
    redis_8_by_address: 1 Ip false gives Ip;
    redis_8_by_name: 1 Hostname false gives Hostname;
    valkey_8_by_address: 2 Auto false gives Ip;
    valkey_8_by_name: 2 Hostname false gives Hostname;
    valkey_8_by_an_address_for_clients: 2 ClientIpv4 false gives ClientIpv4;
    redis_7_by_name_over_tls: 0 Hostname true gives Hostname;
    valkey_8_by_an_address_for_clients_over_tls: 2 ClientIpv4 true gives ClientIpv4;
}

fn rcup(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command.args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_address_is_told_with_the_node_the_clients_and_the_setting() {
    let _turn = turn().await;
    let name = Name::new("verify-wrong");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(&images().await[1])
        .tls(true)
        .password(rcup::spec::security::Password::Any)
        .build()
        .unwrap();
    let cluster = up(&spec).await;
    let shown = name.0.to_string();
    let good = rcup(&["verify", &shown, "--output", "json"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert_valid("verify", &serde_json::from_slice(&good.stdout).unwrap());
    // An unused address of the same network.
    let node = &cluster.topology().nodes[1];
    let wrong = node.ip.to_string().replace(
        &format!(".{}", node.ip.octets()[3]),
        &format!(".{}", node.ip.octets()[3] + 40),
    );
    let set = |value: &str| {
        let output = rcup(&[
            "cli",
            &shown,
            "--node",
            "2",
            "--",
            "CONFIG",
            "SET",
            "cluster-announce-ip",
            value,
        ]);
        assert!(output.status.success(), "{output:?}");
    };
    set(&wrong);
    let heard = |address: String| {
        let nodes = ["cli", &shown, "--node", "1", "--", "CLUSTER", "NODES"].map(str::to_owned);
        async move {
            let told = async {
                loop {
                    let output = rcup(&nodes.each_ref().map(String::as_str));
                    if String::from_utf8_lossy(&output.stdout).contains(&address) {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let told = tokio::time::timeout(Duration::from_mins(1), told);
            told.await.expect("the others hear of it");
        }
    };
    heard(format!("{wrong}:")).await;
    let bad = rcup(&["verify", &shown, "--output", "json"]);
    assert_eq!(bad.status.code(), Some(3), "{bad:?}");
    let told: Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_valid("verify", &told);
    let clients = told["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 10);
    let setting = format!(
        "`rcup cli {shown} --node 2 -- CONFIG SET cluster-announce-ip {}`",
        node.ip
    );
    for client in clients {
        assert_eq!(client["status"], "fail", "{client:#}");
        let detail = client["detail"][0].as_str().unwrap();
        let whom = format!("{} is advertised as {wrong}:{} (", node.name, node.port);
        assert!(detail.starts_with(&whom), "{client:#}");
        assert!(
            client["remedies"][0].as_str().unwrap().contains(&setting),
            "{client:#}"
        );
        let way = client["nat_map"][format!("{wrong}:{}", node.port)]
            .as_str()
            .unwrap();
        assert!(way.ends_with(&format!(":{}", node.port)), "{client:#}");
    }
    let human = rcup(&["verify", &shown]);
    let text = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(text.contains("✗ fail") && text.contains(&setting), "{text}");
    // The suggested setting fixes it.
    set(&node.ip.to_string());
    heard(format!("{}:", node.ip)).await;
    // Each verification connects to every address from a container, with TLS, and takes seconds on a busy machine.
    let mended = tokio::time::timeout(Duration::from_mins(2), async {
        while !verified(&name, None).await.passed {}
    });
    mended.await.expect("it is mended");
    drop(cluster);
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_was_left_behind_goes_with_the_next_sweep() {
    let name = Name::new("verify-left");
    let image = super::any_image().await;
    // The probe of a process that was killed. Its owner, a child of this process, has exited.
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let owner = rcup::spec::expiry::Owner::process(child.id()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let life = rcup::spec::expiry::Life {
        owner: Some(owner),
        expires: None,
    };
    let run = format!("{}-run", name.0);
    let request = rcup::runtime::request::ProbeRequest {
        name: name.0.network(),
        image,
        command: vec!["sleep".to_owned(), "60".to_owned()],
        network: None,
        files: Vec::new(),
        labels: rcup::runtime::labels::of_probe(&name.0, &run, &life),
    };
    // Every concurrent start also prunes, and may remove the probe first.
    let mut ours = false;
    for _ in 0..20 {
        docker().create_probe(&request).await.unwrap();
        let swept = rcup::lifecycle::prune::prune(&docker(), &rcup::event::Silent)
            .await
            .unwrap();
        name.assert_gone().await;
        ours = swept
            .iter()
            .any(|one| one.leftover.name == name.0 && one.removed.containers == 1);
        if ours {
            break;
        }
    }
    assert!(ours, "no sweep of this test's has told it");
    // `down` also removes a probe whose owner is alive.
    let request = rcup::runtime::request::ProbeRequest {
        labels: rcup::runtime::labels::of_probe(&name.0, &run, &rcup::spec::expiry::Life::default()),
        ..request
    };
    docker().create_probe(&request).await.unwrap();
    assert_eq!(name.remains().await.probes.len(), 1);
    name.down().await;
}
