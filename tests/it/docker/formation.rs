//! Every shape on every local server, with both formations: a cluster that is reported as ready is ready.

use std::collections::BTreeSet;

use super::{Name, any_image, assert_ready, connect, images, turn, up};
use rcup::checks::finding::{Status, all_passed};
use rcup::spec::modes::{AnnounceChoice, FormationChoice};
use rcup::topology::layout::Role;
use rcup::{ClusterSpec, Phase};

async fn shape(image: &str, masters: usize, replicas: usize, formation: FormationChoice) {
    let _turn = turn().await;
    let name = Name::new("shape");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .masters(masters)
        .replicas(replicas)
        .formation(formation)
        .build()
        .unwrap();
    let cluster = up(&spec).await;
    assert_ready(&cluster).await;
    assert!(all_passed(cluster.checks()), "{:#?}", cluster.checks());
    assert!(cluster.checks().iter().all(|check| check.status == Status::Pass));
    let report = cluster.report();
    let roles: Vec<Role> = report.nodes.iter().map(|node| node.role).collect();
    assert!(
        roles[..masters].iter().all(|role| *role == Role::Master),
        "masters first"
    );
    assert!(roles[masters..].iter().all(|role| *role == Role::Replica));
    for node in &report.nodes[masters..] {
        assert_eq!(node.replica_of, Some((node.index - 1) % masters + 1), "{node:#?}");
        assert_eq!(node.link, Some("up"));
    }
    let slots: usize = report
        .masters()
        .flat_map(|node| &node.slots)
        .map(|range| range.len())
        .sum();
    assert_eq!(slots, 16384);
    let ids: BTreeSet<&str> = report.nodes.iter().map(|node| node.id.0.as_str()).collect();
    assert_eq!(ids.len(), masters * (replicas + 1));
    // Settings that apply only during the formation are reset, in the server and in its file.
    for node in &report.nodes {
        let mut connection = connect(&node.advertised).await;
        let (_, timeout): (String, String) = redis::cmd("CONFIG")
            .arg("GET")
            .arg("cluster-node-timeout")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(timeout, "5000", "{}", node.name);
        let (_, coverage): (String, String) = redis::cmd("CONFIG")
            .arg("GET")
            .arg("cluster-require-full-coverage")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(coverage, "yes", "{}", node.name);
    }
    drop(cluster);
    name.assert_gone().await;
}

macro_rules! shapes {
    ($($test:ident: $image:literal $masters:literal x $replicas:literal $formation:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            shape(&images().await[$image], $masters, $replicas, FormationChoice::$formation).await;
        })*
    };
}

shapes! {
    redis_7_3x1_seeded: 0 3 x 1 Seeded;
    redis_7_3x1_commands: 0 3 x 1 Commands;
    redis_7_3x0_seeded: 0 3 x 0 Seeded;
    redis_7_3x0_commands: 0 3 x 0 Commands;
    redis_7_1x0_seeded: 0 1 x 0 Seeded;
    redis_7_3x2_seeded: 0 3 x 2 Seeded;
    redis_8_3x1_seeded: 1 3 x 1 Seeded;
    redis_8_3x1_commands: 1 3 x 1 Commands;
    redis_8_1x0_seeded: 1 1 x 0 Seeded;
    redis_8_1x0_commands: 1 1 x 0 Commands;
    redis_8_1x1_seeded: 1 1 x 1 Seeded;
    redis_8_2x0_seeded: 1 2 x 0 Seeded;
    redis_8_2x1_seeded: 1 2 x 1 Seeded;
    redis_8_2x1_commands: 1 2 x 1 Commands;
    redis_8_3x2_seeded: 1 3 x 2 Seeded;
    redis_8_5x1_seeded: 1 5 x 1 Seeded;
    valkey_8_3x1_seeded: 2 3 x 1 Seeded;
    valkey_8_3x1_commands: 2 3 x 1 Commands;
    valkey_8_3x0_seeded: 2 3 x 0 Seeded;
    valkey_8_3x2_seeded: 2 3 x 2 Seeded;
    valkey_8_1x1_seeded: 2 1 x 1 Seeded;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_nodes_become_one_cluster() {
    let _turn = super::alone().await;
    let name = Name::new("sixty");
    let cluster = up(&name.shape(30, 1).await).await;
    assert_eq!(cluster.report().nodes.len(), 60);
    assert_ready(&cluster).await;
    drop(cluster);
    name.assert_gone().await;
}

/// Large enough for the start-up behavior of large clusters, on the servers that the cluster of sixty nodes does not
/// cover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_cluster_is_formed_on_every_server() {
    let [redis_7, _, valkey] = images().await;
    for image in [redis_7, valkey] {
        let _turn = super::alone().await;
        let name = Name::new("large");
        let spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(image)
            .masters(17)
            .replicas(1)
            .build()
            .unwrap();
        let cluster = up(&spec).await;
        assert_eq!(cluster.report().nodes.len(), 34);
        assert_ready(&cluster).await;
        drop(cluster);
        name.assert_gone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_announcement_leads_to_the_right_node() {
    let [redis_7, redis_8, valkey] = images().await;
    for (image, announce, host) in [
        (&redis_7, AnnounceChoice::Hostname, "127.0.0.1"),
        (&redis_8, AnnounceChoice::Hostname, "127.0.0.1"),
        (&valkey, AnnounceChoice::Hostname, "127.0.0.1"),
        (&valkey, AnnounceChoice::ClientIpv4, "127.0.0.1"),
        (&redis_8, AnnounceChoice::Ip, "10."),
    ] {
        let _turn = turn().await;
        let name = Name::new("announce");
        let spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(image)
            .announce(announce)
            .build()
            .unwrap();
        let cluster = up(&spec).await;
        let report = cluster.report();
        assert!(
            report.nodes.iter().all(|node| node.advertised.starts_with(host)),
            "{image} {announce:?}"
        );
        assert_ready(&cluster).await;
        // The server advertises the address that the report contains.
        let mut connection = connect(&report.nodes[0].host_address).await;
        let slots: redis::Value = redis::cmd("CLUSTER")
            .arg("SLOTS")
            .query_async(&mut connection)
            .await
            .unwrap();
        let told = format!("{slots:?}");
        let (host, _) = report.nodes[0].advertised.rsplit_once(':').unwrap();
        assert!(told.contains(host), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_sets_is_set_on_every_node() {
    let _turn = turn().await;
    let name = Name::new("set");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .masters(1)
        .replicas(1)
        .set("maxmemory=64mb".parse().unwrap())
        .set("maxmemory-policy=allkeys-lru".parse().unwrap())
        .set("repl-diskless-sync-delay=3".parse().unwrap())
        .set("save=900 1 300 10".parse().unwrap())
        .node_timeout(std::time::Duration::from_secs(2))
        .build()
        .unwrap();
    let cluster = up(&spec).await;
    for node in &cluster.report().nodes {
        let mut connection = connect(&node.advertised).await;
        for (directive, wanted) in [
            ("maxmemory", "67108864"),
            ("maxmemory-policy", "allkeys-lru"),
            ("repl-diskless-sync-delay", "3"),
            ("save", "900 1 300 10"),
            ("cluster-node-timeout", "2000"),
        ] {
            let (_, value): (String, String) = redis::cmd("CONFIG")
                .arg("GET")
                .arg(directive)
                .query_async(&mut connection)
                .await
                .unwrap();
            assert_eq!(value, wanted, "{directive} on {}", node.name);
        }
    }
    let timings = cluster.report().timings.unwrap();
    for phase in [
        Phase::Engine,
        Phase::Image,
        Phase::Network,
        Phase::Create,
        Phase::Start,
        Phase::Form,
        Phase::Prove,
    ] {
        assert!(timings.contains_key(phase.as_str()), "{timings:?}");
    }
    assert!(timings["total"] >= timings["start"]);
}
