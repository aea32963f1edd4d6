//! Proof that the suite can fail: a real cluster is broken in one way after the other, the check that is meant
//! to find it does so with the right words, the diagnosis names the cause, and all is well again after the remedy.
//! Whatever `redis-cli --cluster check` finds, rcup finds.

use std::time::Duration;

use bollard::query_parameters as query;
use rcup::check::{Status, Threshold};
use rcup::cluster::SuiteOptions;

use super::patient::{Patient, engine};
use super::{connect, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_slots_and_views_is_found() {
    let _turn = turn().await;
    let patient = &Patient::new("slots").await;
    assert!(patient.redis_cli_is_content().await);
    patient.recovers(&["nothing"]).await;
    // A slot without an owner: no node may hold it any more, or it would come back by gossip.
    patient
        .suffers(
            async || {
                for index in 1..=6 {
                    let mut connection = connect(&patient.node(index).advertised).await;
                    let _: redis::RedisResult<()> = redis::cmd("CLUSTER")
                        .arg("DELSLOTS")
                        .arg(100)
                        .query_async(&mut connection)
                        .await;
                }
            },
            &["slot-coverage", "cluster-state"],
            "without an owner: 100",
            &["orphan-slots"],
            async || patient.tell(1, &["CLUSTER", "ADDSLOTS", "100"]).await,
        )
        .await;
    patient
        .suffers(
            async || {
                patient
                    .tell(2, &["CLUSTER", "SETSLOT", "200", "IMPORTING", patient.id(1)])
                    .await;
                patient
                    .tell(1, &["CLUSTER", "SETSLOT", "200", "MIGRATING", patient.id(2)])
                    .await;
            },
            &["open-slots"],
            "slots are being moved: 200 to",
            &["open-slots"],
            async || {
                patient.tell(1, &["CLUSTER", "SETSLOT", "200", "STABLE"]).await;
                patient.tell(2, &["CLUSTER", "SETSLOT", "200", "STABLE"]).await;
            },
        )
        .await;
    // The claim of the lower epoch is put right by the servers, so it is made again each time.
    patient
        .suffers(
            async || {
                patient
                    .tell(1, &["CLUSTER", "SETSLOT", "6000", "NODE", patient.id(1)])
                    .await;
            },
            &["slot-owners", "agreement"],
            "slots 6000 are claimed by",
            &["disputed-slots"],
            async || {
                patient
                    .tell(1, &["CLUSTER", "SETSLOT", "6000", "NODE", patient.id(2)])
                    .await;
            },
        )
        .await;
    // A node that was introduced and is not there stays in handshake for a node timeout, and is then forgotten.
    let own = patient.node(6).address.rsplit_once(':').unwrap().0;
    patient
        .suffers(
            async || patient.tell(1, &["CLUSTER", "MEET", own, "9"]).await,
            &["node-count", "agreement"],
            "knows 7 nodes instead of 6",
            &["handshake"],
            async || (),
        )
        .await;
    patient
        .suffers(
            async || patient.tell(4, &["CLUSTER", "REPLICATE", patient.id(2)]).await,
            &["roles", "replica-balance"],
            "planned for shard 1",
            &["replica-astray"],
            async || patient.tell(4, &["CLUSTER", "REPLICATE", patient.id(1)]).await,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_single_servers_is_found() {
    let _turn = turn().await;
    let patient = &Patient::new("servers").await;
    let set = async |index: usize, name: &str, value: &str| {
        patient.tell(index, &["CONFIG", "SET", name, value]).await;
    };
    patient
        .suffers(
            async || set(3, "maxmemory-policy", "allkeys-lru").await,
            &["config-drift"],
            "maxmemory-policy is allkeys-lru on",
            &[],
            async || set(3, "maxmemory-policy", "noeviction").await,
        )
        .await;
    patient
        .suffers(
            async || {
                patient
                    .tell_all(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])
                    .await;
            },
            &["full-coverage"],
            "a lost shard is not seen",
            &[],
            async || {
                patient
                    .tell_all(&["CONFIG", "SET", "cluster-require-full-coverage", "yes"])
                    .await;
            },
        )
        .await;
    let limit = patient.setting("maxmemory").await;
    patient
        .suffers(
            async || set(2, "maxmemory", "1mb").await,
            &["memory", "write-read", "config-drift"],
            "refuses writes (noeviction)",
            &["maxmemory"],
            async || set(2, "maxmemory", &limit).await,
        )
        .await;
    patient
        .suffers(
            async || set(3, "appendonly", "no").await,
            &["persistence"],
            "appendonly is no, planned yes",
            &["persistence"],
            async || set(3, "appendonly", "yes").await,
        )
        .await;
    // A wrong password on one node: its link is closed, and it cannot open another.
    patient
        .suffers(
            async || {
                set(4, "masteruser", "nobody").await;
                set(4, "masterauth", "wrong").await;
                patient.tell(1, &["CLIENT", "KILL", "TYPE", "replica"]).await;
            },
            &["replication"],
            "master_link_status is not up",
            &["auth-mismatch"],
            async || {
                set(4, "masteruser", "").await;
                set(4, "masterauth", "").await;
            },
        )
        .await;
    // Clients are sent to a port where nobody listens.
    patient
        .suffers(
            async || set(3, "cluster-announce-port", "1").await,
            &["addresses", "redirection"],
            ":1: ",
            &["wrong-announce"],
            async || set(3, "cluster-announce-port", "0").await,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_refuses_to_do_is_found() {
    let _turn = turn().await;
    let patient = &Patient::new("refuses").await;
    let acl = async |index: usize, rule: &str| {
        patient.tell(index, &["ACL", "SETUSER", "default", rule]).await;
    };
    for (rule, id, told) in [
        ("-mset", "hash-tags", "permission"),
        ("-evalsha", "scripts", "EVALSHA that reads answers `NOPERM"),
        ("resetchannels", "pubsub", "NOPERM"),
    ] {
        patient
            .suffers(
                async || acl(2, rule).await,
                &[id],
                told,
                &[],
                async || {
                    acl(2, "+@all").await;
                    acl(2, "allchannels").await;
                },
            )
            .await;
    }
    acl(2, "-cluster|setslot").await;
    acl(2, "-set").await;
    patient
        .fails_alone("ask", "SETSLOT", SuiteOptions::default())
        .await;
    patient
        .fails_alone("throughput", "SET answers `NOPERM", SuiteOptions::default())
        .await;
    acl(2, "+@all").await;
    patient.recovers(&["ask", "throughput"]).await;
    let instant = Threshold {
        percentile: "p50".parse().unwrap(),
        most: Duration::from_nanos(1),
    };
    patient
        .fails_alone(
            "latency",
            "more than 0 µs",
            SuiteOptions::default().thresholds(vec![instant]),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_frozen_cut_off_or_not_replaced_are_found() {
    let _turn = turn().await;
    let patient = &Patient::new("nodes").await;
    let frozen = &patient.node(6).name;
    patient
        .suffers(
            async || {
                // The second time it is frozen already.
                let _ = engine().pause_container(frozen).await;
            },
            &["reachable", "node-count"],
            "its container is paused",
            &["node-paused"],
            async || engine().unpause_container(frozen).await.expect("goes on"),
        )
        .await;
    let network = patient.report.network.name.clone();
    let lonely = patient.node(5);
    let ip = lonely.address.rsplit_once(':').unwrap().0;
    patient
        .suffers(
            async || {
                let request = bollard::models::NetworkDisconnectRequest {
                    container: lonely.name.clone(),
                    force: Some(true),
                };
                // The second time it is cut off already.
                let _ = engine().disconnect_network(&network, request).await;
            },
            &["reachable", "bus-links", "node-count"],
            "no bus link to",
            &["node-cut-off"],
            async || {
                let config = bollard::models::EndpointSettings {
                    ipam_config: Some(bollard::models::EndpointIpamConfig {
                        ipv4_address: Some(ip.to_owned()),
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                let request = bollard::models::NetworkConnectRequest {
                    container: lonely.name.clone(),
                    endpoint_config: Some(config),
                };
                engine()
                    .connect_network(&network, request)
                    .await
                    .expect("is connected again");
            },
        )
        .await;
    // A replica that may not be elected: the failover does not come, and the master is itself again.
    patient
        .tell(4, &["CONFIG", "SET", "cluster-replica-no-failover", "yes"])
        .await;
    patient
        .fails_alone(
            "failover-pause",
            "writes to its slots did not work again",
            // The third of three masters is taken in round 1 of this way, the first in round 2.
            SuiteOptions::default().round(2),
        )
        .await;
    patient
        .tell(4, &["CONFIG", "SET", "cluster-replica-no-failover", "no"])
        .await;
    patient.recovers(&["failover-pause"]).await;
    // Nobody answers at all.
    for node in &patient.report.nodes {
        let kill = query::KillContainerOptionsBuilder::default()
            .signal("SIGKILL")
            .build();
        engine()
            .kill_container(&node.name, Some(kill))
            .await
            .expect("is killed");
    }
    let outcome = patient.standard().await;
    assert!(!outcome.passed);
    for check in &outcome.checks {
        let wanted = if check.id == "reachable" {
            Status::Fail
        } else {
            Status::Skip
        };
        assert_eq!(check.status, wanted, "{check:#?}");
    }
}
