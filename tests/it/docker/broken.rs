//! Proof that the suite can fail: a real cluster is broken in one way after the other, the check that is meant
//! to find it does so with the right words, and all is well again after the remedy. Whatever `redis-cli
//! --cluster check` finds, rcup finds.

use std::time::{Duration, Instant};

use bollard::query_parameters as query;
use futures_util::StreamExt as _;
use rcup::check::{Check, Selection, Status, Suite, Threshold, Validation};
use rcup::cluster::{NodeReport, Report, SuiteOptions};
use rcup::runtime::{ExecRequest, Runtime as _};
use rcup::{Cluster, ClusterSpec};

use super::{Name, any_image, connect, docker, turn, up};

/// How long views may take to show a breach, or its remedy.
const PATIENCE: Duration = Duration::from_secs(40);

fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().expect("an engine")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A cluster to break and to mend.
struct Patient {
    name: Name,
    _cluster: Cluster,
    report: Report,
}

impl Patient {
    async fn new(test: &str) -> Self {
        let name = Name::new(test);
        let spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(any_image().await)
            .node_timeout(Duration::from_secs(1))
            .set("appendonly=yes".parse().unwrap())
            .build()
            .unwrap();
        let cluster = up(&spec).await;
        let report = cluster.report();
        Self {
            name,
            _cluster: cluster,
            report,
        }
    }

    fn node(&self, index: usize) -> &NodeReport {
        &self.report.nodes[index - 1]
    }

    fn id(&self, index: usize) -> &str {
        &self.node(index).id.0
    }

    /// Sends a command to a node, and wants it accepted.
    async fn tell(&self, index: usize, command: &[&str]) {
        let mut connection = connect(&self.node(index).advertised).await;
        let mut cmd = redis::Cmd::new();
        for word in command {
            cmd.arg(*word);
        }
        let answer: redis::RedisResult<redis::Value> = cmd.query_async(&mut connection).await;
        answer.unwrap_or_else(|error| panic!("{command:?} on node {index}: {error}"));
    }

    /// What the first node is set to.
    async fn setting(&self, name: &str) -> String {
        let mut connection = connect(&self.node(1).advertised).await;
        let (_, value): (String, String) = redis::cmd("CONFIG")
            .arg("GET")
            .arg(name)
            .query_async(&mut connection)
            .await
            .expect("the server tells its settings");
        value
    }

    async fn tell_all(&self, command: &[&str]) {
        for index in 1..=self.report.nodes.len() {
            self.tell(index, command).await;
        }
    }

    async fn validate(&self, options: &SuiteOptions) -> Validation {
        let attached = Cluster::attach(docker(), &self.name.0)
            .await
            .expect("it is there");
        attached.validate_with(options).await
    }

    async fn standard(&self) -> Validation {
        let selection = Selection::new(Suite::Standard, Vec::new(), words(&["latency"])).unwrap();
        self.validate(&SuiteOptions::default().selection(selection)).await
    }

    /// Breaks the cluster until the check fails, or warns, with these words; then mends it until all is well.
    /// While it is broken, `redis-cli --cluster check` finds nothing that rcup does not.
    async fn suffers(&self, breach: impl AsyncFn(), ids: &[&str], told: &str, remedy: impl AsyncFn()) {
        Box::pin(self.suffer(&breach, ids, told)).await;
        Box::pin(remedy()).await;
        Box::pin(self.recovers(ids)).await;
    }

    async fn suffer(&self, breach: &impl AsyncFn(), ids: &[&str], told: &str) {
        let begun = Instant::now();
        loop {
            Box::pin(breach()).await;
            let (outcome, peer) =
                tokio::join!(Box::pin(self.standard()), Box::pin(self.redis_cli_is_content()));
            assert!(
                peer || !outcome.passed || Box::pin(self.redis_cli_is_content()).await,
                "redis-cli finds what rcup does not: {:#?}",
                outcome.checks
            );
            let bad = |check: &&Check| matches!(check.status, Status::Fail | Status::Warn);
            let of = |id: &&str| outcome.checks.iter().filter(bad).find(|check| check.id == *id);
            let found: Vec<&Check> = ids.iter().filter_map(of).collect();
            let evidence = |check: &&Check| {
                check.summary.contains(told) || check.detail.iter().any(|line| line.contains(told))
            };
            if found.len() == ids.len() && found.iter().any(evidence) {
                assert!(found.iter().all(|check| check.hint.is_some()), "{found:#?}");
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{ids:?} do not tell `{told}`: {:#?}",
                outcome.checks
            );
        }
    }

    async fn recovers(&self, after: &[&str]) {
        let begun = Instant::now();
        loop {
            let outcome = Box::pin(self.standard()).await;
            if outcome.count(Status::Fail) + outcome.count(Status::Warn) == 0 {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no recovery after {after:?}: {:#?}",
                outcome.checks
            );
        }
    }

    /// Fails with these words when only this check is made.
    async fn fails_alone(&self, id: &str, told: &str, options: SuiteOptions) {
        let selection = Selection::new(Suite::Standard, words(&[id]), Vec::new()).unwrap();
        let outcome = Box::pin(self.validate(&options.selection(selection))).await;
        let [check] = outcome.checks.as_slice() else {
            panic!("one check was asked for: {outcome:#?}")
        };
        assert_eq!(check.status, Status::Fail, "{check:#?}");
        let all = format!("{}\n{}", check.summary, check.detail.join("\n"));
        assert!(all.contains(told), "{check:#?}");
        assert!(!outcome.passed);
    }

    /// Whether `redis-cli --cluster check`, asked from inside, finds all in order.
    async fn redis_cli_is_content(&self) -> bool {
        let at = &self.node(2);
        let port = at.advertised.rsplit_once(':').unwrap().1;
        let request = ExecRequest {
            command: words(&["redis-cli", "--cluster", "check", &format!("127.0.0.1:{port}")]),
            ..ExecRequest::default()
        };
        let session = docker().exec(&at.name, &request).await.expect("redis-cli runs");
        let mut output = session.output;
        let ended = async { while output.next().await.is_some() {} };
        // It waits for ever for a node that is frozen, which is no praise either.
        match tokio::time::timeout(Duration::from_secs(3), ended).await {
            Ok(()) => docker().exec_code(&session.id).await.expect("it has ended") == 0,
            Err(_) => false,
        }
    }
}

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
            async || (),
        )
        .await;
    patient
        .suffers(
            async || patient.tell(4, &["CLUSTER", "REPLICATE", patient.id(2)]).await,
            &["roles", "replica-balance"],
            "planned for shard 1",
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
            async || set(2, "maxmemory", &limit).await,
        )
        .await;
    patient
        .suffers(
            async || set(3, "appendonly", "no").await,
            &["persistence"],
            "appendonly is no, planned yes",
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
