//! The validation suite detects faults: each test breaks a real cluster, the expected checks fail with the right text,
//! the diagnosis names the cause, and the cluster is healthy again after the repair. rcup finds everything that
//! `redis-cli --cluster check` finds. `tests/it/proofs.rs` maps checks and causes to tests.

use std::cell::Cell;
use std::time::Duration;

use super::patient::Patient;
use super::surgery::{self, Wall, directory, engine, kill, on_this_machine, start};
use super::{connect, turn, waiting};
use rcup::checks::finding::Status::{Fail, Skip, Warn};

/// Injects a fault once, however often it is called.
async fn once(done: &Cell<bool>, breach: impl AsyncFnOnce()) {
    if !done.replace(true) {
        breach().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_slots_is_found() {
    let _turn = turn().await;
    let patient = &Patient::new("slots").await;
    patient.recovers("nothing").await;
    // A slot without an owner. No node may keep it, or gossip would restore it.
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
            &[
                ("slot-coverage", Fail, "without an owner: 100"),
                ("cluster-state", Fail, "cluster_state:fail"),
            ],
            &[
                ("orphan-slots", "slots 100 have no owner"),
                ("state-fail", "orphan-slots: slots 100 have no owner"),
            ],
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
            &[("open-slots", Fail, "slots are migrating or importing: 200 to")],
            &[("open-slots", "slot 200 is in migrating or importing state")],
            async || {
                patient.tell(1, &["CLUSTER", "SETSLOT", "200", "STABLE"]).await;
                patient.tell(2, &["CLUSTER", "SETSLOT", "200", "STABLE"]).await;
            },
        )
        .await;
    // The servers resolve the conflict in favor of the higher epoch, so the fault is injected again before each check.
    patient
        .suffers(
            async || {
                patient
                    .tell(1, &["CLUSTER", "SETSLOT", "6000", "NODE", patient.id(1)])
                    .await;
            },
            &[
                ("slot-owners", Fail, "slots 6000 are claimed by"),
                ("agreement", Fail, "disagree about"),
            ],
            &[("disputed-slots", "slots 6000 are claimed by")],
            async || {
                patient
                    .tell(1, &["CLUSTER", "SETSLOT", "6000", "NODE", patient.id(2)])
                    .await;
            },
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_views_is_found() {
    let _turn = waiting().await;
    let patient = &Patient::new("views").await;
    // A node that was added with CLUSTER MEET but does not exist stays in handshake for a node timeout, and is then
    // forgotten.
    let own = surgery::ip(patient.node(6));
    patient
        .suffers(
            async || patient.tell(1, &["CLUSTER", "MEET", own, "9"]).await,
            &[
                ("node-count", Fail, "knows 7 nodes instead of 6"),
                ("agreement", Fail, "disagree about"),
            ],
            &[("handshake", ":9 does not complete the handshake")],
            async || (),
        )
        .await;
    patient
        .suffers(
            async || patient.tell(4, &["CLUSTER", "REPLICATE", patient.id(2)]).await,
            &[
                ("roles", Fail, "of shard 2, planned for shard 1"),
                ("replica-balance", Warn, "has 0 replicas, others have 2"),
            ],
            &[("replica-astray", "but belongs to")],
            async || patient.tell(4, &["CLUSTER", "REPLICATE", patient.id(1)]).await,
        )
        .await;
    // All masters have the same epoch, as after restoring old files. The nodes are isolated from each other, because
    // otherwise they would resolve the collision at once.
    let files = &nodes_conf(patient).await;
    let alike: Vec<String> = files.iter().map(|(_, text)| one_epoch(text)).collect();
    let (alike, broken) = (&alike, &Cell::new(false));
    let restart = async |texts: Vec<&String>| {
        for node in &patient.report.nodes {
            kill(&node.name).await;
        }
        for ((path, _), text) in files.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        for node in &patient.report.nodes {
            start(&node.name).await;
        }
    };
    patient
        .suffers(
            async || once(broken, async || restart(alike.iter().collect()).await).await,
            &[
                ("epochs", Fail, "share configuration epoch 77"),
                ("bus-links", Fail, "no bus link to"),
                ("cluster-state", Fail, "cluster_state:fail"),
            ],
            &[
                ("epochs", "share configuration epoch 77"),
                ("bus-link", "announces a wrong bus port or address"),
            ],
            async || restart(files.iter().map(|(_, text)| text).collect()).await,
        )
        .await;
    // Two nodes with copies of the same file.
    let files = &nodes_conf(patient).await;
    let (copy, copied) = (&files[5].0, &Cell::new(false));
    let clone = async || {
        kill(&patient.node(6).name).await;
        std::fs::write(copy, &files[4].1).unwrap();
        start(&patient.node(6).name).await;
    };
    patient
        .suffers(
            async || once(copied, clone).await,
            &[("node-ids", Fail, "all have the id")],
            &[("same-id", "have the same id")],
            async || {
                let found = patient.is_diagnosed("same-id", "the other's nodes.conf").await;
                let copy = &patient.node(6).name;
                let rcup = found
                    .remedy
                    .iter()
                    .find_map(|line| Some(&line[line.find("rcup cli")?..]));
                surgery::obey(rcup.expect("how it begins anew"));
                let restart = found.remedy.iter().find(|line| line.ends_with(copy.as_str()));
                surgery::obey(restart.expect("that it has to start again"));
                patient.is_fixed(&["replica-astray"]).await;
            },
        )
        .await;
}

/// Returns the path of every node's `nodes.conf` on this machine, and its content.
async fn nodes_conf(patient: &Patient) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (nth, node) in patient.report.nodes.iter().enumerate() {
        let path = format!("{}/nodes.conf", directory(&node.name, nth + 1).await);
        let text = std::fs::read_to_string(&path).unwrap();
        all.push((path, text));
    }
    all
}

/// Returns the file with one epoch for all masters, and with a closed bus port for all other nodes.
fn one_epoch(text: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if words[0] == "vars" {
            "77".clone_into(&mut words[2]);
        } else {
            if words[2].contains("master") {
                "77".clone_into(&mut words[6]);
            }
            if !words[2].contains("myself") {
                let (address, rest) = words[1].split_once('@').unwrap();
                let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
                words[1] = format!("{address}@9{after}");
            }
        }
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_single_servers_is_found() {
    let _turn = turn().await;
    // Servers reject a change of the directory at run time unless protected configs are enabled.
    let patient = &Patient::with(
        "servers",
        Duration::from_secs(2),
        &["enable-protected-configs=yes"],
    )
    .await;
    let set = async |index: usize, name: &str, value: &str| {
        patient.tell(index, &["CONFIG", "SET", name, value]).await;
    };
    patient
        .suffers(
            async || set(3, "maxmemory-policy", "allkeys-lru").await,
            &[("config-drift", Fail, "maxmemory-policy is allkeys-lru on")],
            &[("config-drift", "maxmemory-policy is allkeys-lru on")],
            async || set(3, "maxmemory-policy", "noeviction").await,
        )
        .await;
    let coverage = "cluster-require-full-coverage";
    patient
        .suffers(
            async || patient.tell_all(&["CONFIG", "SET", coverage, "no"]).await,
            &[("full-coverage", Warn, "do not notice a lost shard")],
            &[("full-coverage", "do not notice a lost shard")],
            async || patient.tell_all(&["CONFIG", "SET", coverage, "yes"]).await,
        )
        .await;
    let limit = patient.setting("maxmemory").await;
    patient
        .suffers(
            async || set(2, "maxmemory", "1mb").await,
            &[
                ("memory", Fail, "rejects writes (noeviction)"),
                ("write-read", Fail, "OOM"),
                ("config-drift", Fail, "maxmemory is"),
            ],
            &[
                ("maxmemory", "has reached maxmemory and rejects writes"),
                ("config-drift", "maxmemory is"),
            ],
            async || set(2, "maxmemory", &limit).await,
        )
        .await;
    patient
        .suffers(
            async || set(3, "appendonly", "no").await,
            &[("persistence", Fail, "appendonly is no, planned yes")],
            &[("persistence", "appendonly is no, planned yes")],
            async || set(3, "appendonly", "yes").await,
        )
        .await;
    // A wrong password on one node: its replication link is closed, and it cannot connect again.
    patient
        .suffers(
            async || {
                set(4, "masteruser", "nobody").await;
                set(4, "masterauth", "wrong").await;
                patient.tell(1, &["CLIENT", "KILL", "TYPE", "replica"]).await;
            },
            &[("replication", Fail, "master_link_status is not up")],
            &[("auth-mismatch", "cannot authenticate with its master")],
            async || {
                set(4, "masteruser", "").await;
                set(4, "masterauth", "").await;
            },
        )
        .await;
    Box::pin(a_replica_without_its_master(patient)).await;
    // Clients are redirected to a closed port.
    patient
        .suffers(
            async || set(3, "cluster-announce-port", "1").await,
            &[
                ("addresses", Fail, ":1: "),
                ("redirection", Fail, "leads to no node"),
            ],
            &[("wrong-announce", "announces a wrong address")],
            async || set(3, "cluster-announce-port", "0").await,
        )
        .await;
    if super::matrix() {
        Box::pin(a_disk_fills_up(patient)).await;
    }
}

/// A replica that cannot connect to its master's client port.
async fn a_replica_without_its_master(patient: &Patient) {
    let (ip, port) = (surgery::ip(patient.node(2)), surgery::port(patient.node(2)));
    let rule = [
        "OUTPUT",
        "-d",
        ip,
        "-p",
        "tcp",
        "--dport",
        port,
        "-j",
        "REJECT",
        "--reject-with",
        "tcp-reset",
    ];
    let wall = Wall::raise(&patient.node(5).name, &rule).await;
    patient
        .suffers(
            async || patient.tell(2, &["CLIENT", "KILL", "TYPE", "replica"]).await,
            &[("replication", Fail, "master_link_status is not up")],
            &[("replica-link", "is not connected to its master")],
            async || wall.lift(),
        )
        .await;
}

/// The directory of the third node is on a file system of one megabyte, and its keys are larger.
async fn a_disk_fills_up(patient: &Patient) {
    let node = patient.node(3);
    let process = surgery::process_of(&node.name).await;
    let mount = |options: &str| {
        let words = [
            "-t", &process, "-m", "busybox", "mount", "-o", options, "-t", "tmpfs", "rcup", "/rcup/3",
        ];
        on_this_machine("nsenter", &words);
    };
    mount("size=1m,mode=700,uid=999,gid=999");
    // After a second CONFIG SET, the server uses the directory that is mounted there now.
    patient.tell(3, &["CONFIG", "SET", "dir", "/rcup/3"]).await;
    patient.tell(3, &["CONFIG", "SET", "rdbcompression", "no"]).await;
    // `{4}` hashes to a slot of the third master.
    for key in ["{4}a", "{4}b", "{4}c"] {
        patient.tell(3, &["SETRANGE", key, "500000", "x"]).await;
    }
    patient
        .suffers(
            async || {
                patient.tell(3, &["CONFIG", "SET", "save", "3600 1"]).await;
                patient.save(3).await;
            },
            &[
                ("persistence", Fail, "the last snapshot failed"),
                ("write-read", Fail, "MISCONF"),
            ],
            &[("disk-full", "No space left on device")],
            async || {
                let found = patient
                    .is_diagnosed("disk-full", "Free disk space for /rcup/3")
                    .await;
                mount("remount,size=16m");
                let save = found.remedy[0].split_once("then: ").expect("what to do then").1;
                surgery::obey(save);
                patient.tell(3, &["CONFIG", "SET", "rdbcompression", "yes"]).await;
                patient.tell(3, &["CONFIG", "SET", "save", ""]).await;
            },
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_frozen_or_cut_off_are_found() {
    let _turn = waiting().await;
    let patient = &Patient::new("nodes").await;
    let frozen = &patient.node(6).name;
    patient
        .suffers(
            async || {
                // On the second call the container is paused already.
                let _ = engine().pause_container(frozen).await;
            },
            &[
                ("reachable", Fail, "its container is paused"),
                ("node-count", Fail, "fail"),
            ],
            &[("node-paused", "docker unpause")],
            async || engine().unpause_container(frozen).await.expect("goes on"),
        )
        .await;
    let (network, lonely) = (&patient.report.network.name, patient.node(5));
    patient
        .suffers(
            async || surgery::unplug(network, lonely).await,
            &[
                ("reachable", Fail, &lonely.name),
                ("bus-links", Fail, "no bus link to"),
                ("node-count", Fail, "fail"),
            ],
            &[("node-cut-off", "docker network connect --ip")],
            async || surgery::plug_in(network, lonely).await,
        )
        .await;
    // No node answers.
    for node in &patient.report.nodes {
        kill(&node.name).await;
    }
    let outcome = patient.standard().await;
    assert!(!outcome.passed);
    for check in &outcome.checks {
        let wanted = if check.id == "reachable" { Fail } else { Skip };
        assert_eq!(check.status, wanted, "{check:#?}");
    }
    let outcome = patient.attached().await.diagnose().await;
    let stopped = outcome.of("node-stopped").next().expect("they do not run");
    assert_eq!(stopped.nodes.len(), 6, "{outcome:#?}");
    surgery::obey(&stopped.remedy[0]);
    patient.recovers("node-stopped").await;
}
