//! Broken clusters: the diagnosis names the cause with the right text, and `--fix` repairs what rcup can repair.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::patient::Patient;
use super::surgery::{self, Wall, directory, engine, obey, on_this_machine};
use super::{connect, turn, waiting};
use rcup::checks::diagnose::finding::Action;
use rcup::connect::endpoint::Endpoint;
use rcup::server::wire::access::Access;
use rcup::server::wire::connection::Address;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_are_orphaned_or_half_migrated_are_mended() {
    let _turn = turn().await;
    let patient = &Patient::new("mend-slots").await;
    let healthy = patient.attached().await.diagnose().await;
    assert!(healthy.healthy && healthy.findings.is_empty(), "{healthy:#?}");
    for index in 1..=6 {
        let mut connection = connect(&patient.node(index).advertised).await;
        let _: redis::RedisResult<()> = redis::cmd("CLUSTER")
            .arg("DELSLOTS")
            .arg(100)
            .arg(101)
            .arg(6000)
            .query_async(&mut connection)
            .await;
    }
    let finding = patient
        .is_diagnosed("orphan-slots", "slots 100-101 6000 have no owner")
        .await;
    assert_eq!(
        finding.actions.len(),
        2,
        "each goes to the shard it was planned for: {finding:#?}"
    );
    patient.is_diagnosed("state-fail", "orphan-slots").await;
    patient.is_fixed(&["orphan-slots"]).await;

    // `{3}` hashes to slot 1584 of the first master. Its key has been migrated to the second one already.
    let slot = rcup::topology::slots::slot_of(b"3").to_string();
    let (from, to) = (patient.id(1).to_owned(), patient.id(2).to_owned());
    patient
        .tell(2, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from])
        .await;
    patient
        .tell(1, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to])
        .await;
    let mut guest = connect(&patient.node(2).advertised).await;
    redis::pipe()
        .cmd("ASKING")
        .ignore()
        .cmd("SET")
        .arg("{3}moved")
        .arg("here")
        .ignore()
        .query_async::<()>(&mut guest)
        .await
        .expect("a write after ASKING");
    let finding = patient
        .is_diagnosed("open-slots", "is in migrating or importing state")
        .await;
    assert!(
        finding
            .evidence
            .iter()
            .any(|line| line.ends_with("importing, has 1 of its keys")),
        "{finding:#?}"
    );
    patient.is_fixed(&["open-slots"]).await;
    let mut home = connect(&patient.node(1).advertised).await;
    let kept: String = redis::cmd("GET")
        .arg("{3}moved")
        .query_async(&mut home)
        .await
        .expect("the key is back");
    assert_eq!(kept, "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_lost_stopped_or_cut_off_are_mended() {
    let _turn = waiting().await;
    let patient = &Patient::new("mend-nodes").await;
    // A replica that has lost its nodes.conf: it has a new id and knows no other node, and the old id is missing.
    patient.tell(6, &["CLUSTER", "RESET", "HARD"]).await;
    patient.is_diagnosed("strangers", "lists only itself").await;
    patient.is_diagnosed("dead-node", "it lost its nodes.conf").await;
    patient
        .is_fixed(&["strangers", "dead-node", "replica-astray"])
        .await;

    patient.tell(4, &["CLUSTER", "REPLICATE", patient.id(2)]).await;
    patient.is_diagnosed("replica-astray", "belongs to").await;
    patient.is_fixed(&["replica-astray"]).await;

    let stopped = &patient.node(5).name;
    engine().stop_container(stopped, None).await.expect("stops");
    engine()
        .pause_container(&patient.node(6).name)
        .await
        .expect("pauses");
    let finding = patient
        .is_diagnosed("node-stopped", "the container is exited")
        .await;
    assert_eq!(
        finding.actions,
        [Action::Start {
            node: stopped.clone()
        }]
    );
    patient.is_diagnosed("node-paused", "docker unpause").await;
    patient.is_fixed(&["node-stopped", "node-paused"]).await;

    surgery::unplug(&patient.report.network.name, patient.node(4)).await;
    patient
        .is_diagnosed("node-cut-off", "docker network connect --ip")
        .await;
    patient.is_fixed(&["node-cut-off"]).await;

    // The bus port of a master is blocked from outside: the other nodes mark it as failed, but it still answers
    // clients.
    let port = surgery::port(patient.node(4)).parse::<u16>().unwrap() + 10_000;
    let rule = ["INPUT", "-p", "tcp", "--dport", &port.to_string(), "-j", "DROP"];
    let wall = Wall::raise(&patient.node(4).name, &rule).await;
    let finding = patient.is_diagnosed("bus-link", "does not respond").await;
    assert!(finding.why.contains("A firewall drops packets"), "{finding:#?}");
    assert!(
        finding.remedy[0].contains(&format!("ufw allow {port}/tcp")),
        "{finding:#?}"
    );
    wall.lift();
    patient.recovers("bus-link").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_refuse_are_told_by_the_reason() {
    let _turn = turn().await;
    let patient = &Patient::new("refusing").await;
    let inside = async |index: usize, words: &[&str]| {
        let (name, index) = (patient.name.0.as_str(), index.to_string());
        let arguments = ["cli", name, "--node", &index, "--"]
            .into_iter()
            .chain(words.iter().copied());
        on_this_machine(env!("CARGO_BIN_EXE_rcup"), &arguments.collect::<Vec<_>>());
    };
    patient.tell(3, &["CONFIG", "SET", "bind", "127.0.0.1"]).await;
    let finding = patient
        .is_diagnosed("bind", "the server listens only on 127.0.0.1")
        .await;
    assert!(
        finding
            .evidence
            .iter()
            .any(|line| line.contains("Connection refused")),
        "{finding:#?}"
    );
    inside(3, &["CONFIG", "SET", "bind", "* -::*"]).await;
    patient.recovers("bind").await;

    patient.tell(3, &["CONFIG", "SET", "protected-mode", "yes"]).await;
    patient
        .is_diagnosed("protected-mode", "CONFIG SET protected-mode no")
        .await;
    inside(3, &["CONFIG", "SET", "protected-mode", "no"]).await;
    patient.recovers("protected-mode").await;

    patient
        .tell(5, &["CONFIG", "SET", "requirepass", "of its own"])
        .await;
    let finding = patient
        .is_diagnosed("wrong-password", "Its password differs from the other nodes'")
        .await;
    assert!(!format!("{finding:?}").contains("of its own"), "{finding:#?}");
    let (host, port) = patient.node(5).advertised.rsplit_once(':').unwrap();
    let mut own = super::connect_url(&format!("redis://:of%20its%20own@{host}:{port}"))
        .await
        .unwrap();
    let () = redis::cmd("CONFIG")
        .arg("SET")
        .arg("requirepass")
        .arg("")
        .query_async(&mut own)
        .await
        .unwrap();
    patient.recovers("wrong-password").await;

    // A directory has the name of the snapshot file: the save fails, and writes are refused.
    let directory = directory(&patient.node(1).name, 1).await;
    let obstacle = format!("{directory}/dump.rdb");
    on_this_machine("mkdir", &[&obstacle]);
    patient.tell(1, &["CONFIG", "SET", "save", "3600 1"]).await;
    let misconf = async {
        loop {
            patient.save(1).await;
            let diagnosis = patient.attached().await.diagnose().await;
            if let Some(finding) = diagnosis.of("misconf").next() {
                return finding.clone();
            }
        }
    };
    let finding = tokio::time::timeout(std::time::Duration::from_secs(40), misconf)
        .await
        .expect("MISCONF is found");
    assert!(finding.why.contains("MISCONF"), "{finding:#?}");
    let mut connection = connect(&patient.node(1).advertised).await;
    let refused: redis::RedisResult<()> = redis::cmd("SET")
        .arg("{3}")
        .arg(1)
        .query_async(&mut connection)
        .await;
    assert_eq!(refused.unwrap_err().code(), Some("MISCONF"));
    on_this_machine("rmdir", &[&obstacle]);
    patient.tell(1, &["CONFIG", "SET", "save", ""]).await;
    patient.save(1).await;
    patient.recovers("misconf").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_is_recognised_by_its_nodes_conf() {
    let _turn = turn().await;
    let one = &Patient::new("stale-one").await;
    let other = &Patient::new("stale-other").await;
    let address = |patient: &Patient, index: usize| {
        let (host, port) = patient.node(index).advertised.rsplit_once(':').unwrap();
        Address::new(host, port.parse().unwrap())
    };
    // Three nodes for a manual `--cluster create`, one of which still has data of another cluster.
    let members = [address(one, 1), address(one, 2), address(one, 3)];
    let endpoint = Endpoint::look_at(&members, &Access::open()).await;
    let diagnosis = endpoint.diagnose().await;
    assert!(diagnosis.healthy, "{diagnosis:#?}");
    let alone = address(other, 1);
    for index in 2..=6 {
        engine()
            .stop_container(&other.node(index).name, None)
            .await
            .expect("stops");
    }
    let all: Vec<Address> = members.into_iter().chain([alone.clone()]).collect();
    let diagnosis = Endpoint::look_at(&all, &Access::open()).await.diagnose().await;
    let stale: Vec<_> = diagnosis.of("stale-nodes-conf").collect();
    let [stale] = stale.as_slice() else {
        panic!("{diagnosis:#?}")
    };
    assert_eq!(stale.nodes, [alone.to_string()]);
    assert!(
        stale.evidence[0].contains("/rcup/1/nodes.conf assigns"),
        "{stale:#?}"
    );
    assert!(stale.why.contains("slot already covered"), "{stale:#?}");
    assert!(diagnosis.of("strangers").next().is_some(), "{diagnosis:#?}");
    assert!(diagnosis.of("disputed-slots").next().is_some(), "{diagnosis:#?}");
    // The printed commands run next to the server, where redis-cli is available.
    for line in &stale.remedy[..2] {
        let command = &line[line.find("redis-cli").expect("a command")..];
        obey(&format!("docker exec {} {command}", other.node(1).name));
    }
    let diagnosis = Endpoint::look_at(&all, &Access::open()).await.diagnose().await;
    assert!(
        diagnosis.of("stale-nodes-conf").next().is_none(),
        "{diagnosis:#?}"
    );
    assert!(diagnosis.of("disputed-slots").next().is_none(), "{diagnosis:#?}");
    // The node is empty and knows no other node, like a new one.
    let strangers = diagnosis
        .of("strangers")
        .next()
        .expect("it can be introduced now");
    assert!(strangers.why.contains("lists only itself"), "{strangers:#?}");
}

/// Checks that no file in the folder contains a secret.
fn assert_without(folder: &Path, secrets: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for secret in secrets {
            assert!(!text.contains(secret), "{}", path.display());
        }
    }
}

/// Unpacks an archive and returns the folder in it.
fn unpacked(archive: &Path, folder: &str) -> PathBuf {
    let at = archive.parent().unwrap();
    let words = ["-xzf", archive.to_str().unwrap(), "-C", at.to_str().unwrap()];
    on_this_machine("tar", &words);
    at.join(folder)
}

/// The files of each node in a bundle.
const OF_EACH_NODE: [&str; 19] = [
    "log",
    "inspect.json",
    "redis.conf",
    "users.acl",
    "nodes.conf",
    "config",
    "nodes",
    "cluster-info",
    "slots",
    "shards",
    "links",
    "info",
    "clients",
    "latency",
    "latency-doctor",
    "latency-histogram",
    "memory-doctor",
    "slowlog",
    "acl-log",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_tells_of_every_node_and_of_no_password() {
    let _turn = turn().await;
    let name = super::Name::new("bundle");
    let password =
        rcup::spec::security::Password::Given(rcup::spec::secret::Secret::new("s3cret-of-the-bundle"));
    let spec = rcup::spec::cluster::ClusterSpec::builder()
        .name(name.0.clone())
        .image(super::any_image().await)
        .password(password)
        .build()
        .unwrap();
    let _cluster = super::up(&spec).await;
    engine()
        .pause_container(&name.0.container(6))
        .await
        .expect("pauses");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(["diagnose", name.0.as_str(), "--bundle", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "one node is paused: {output:?}");
    let inside = unpacked(&file, &format!("rcup-{}", name.0));
    let read = |name: &str| {
        std::fs::read_to_string(inside.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for index in 1..=6 {
        let node = name.0.container(index);
        for ending in OF_EACH_NODE {
            let text = read(&format!("{node}.{ending}"));
            assert!(!text.is_empty(), "{node}.{ending}");
            assert!(
                !text.contains("NOPERM"),
                "{node}.{ending}: the operator may not ask: {text}"
            );
        }
    }
    let of_first = |ending: &str| read(&format!("{}.{ending}", name.0.container(1)));
    assert!(of_first("redis.conf").contains("\nmasterauth (masked)\n"));
    assert!(of_first("users.acl").contains("user rcup-operator on #(masked) "));
    assert!(of_first("nodes.conf").contains("myself,master"));
    assert!(of_first("clients").contains("user=rcup-operator"));
    let events = read("engine-events.ndjson");
    let paused = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .any(|event| {
            event["Action"] == "pause" && event["Actor"]["Attributes"]["name"] == *name.0.container(6)
        });
    assert!(paused, "{events}");
    assert!(events.contains(r#""Type":"network""#), "{events}");
    assert!(read(&format!("{}.config", name.0.container(1))).contains("\nmasterauth (masked)\n"));
    assert!(read(&format!("{}.nodes", name.0.container(1))).contains("myself,master"));
    assert!(read(&format!("{}.nodes", name.0.container(6))).contains("paused"));
    assert!(read("diagnosis.json").contains("node-paused"));
    let attached = rcup::cluster::handle::Cluster::attach(super::docker(), &name.0)
        .await
        .unwrap();
    let own = &attached.secrets().await.unwrap().own;
    assert!(!own.is_empty());
    let mut secrets: Vec<&str> = own.values().map(rcup::spec::secret::Secret::expose).collect();
    secrets.push("s3cret-of-the-bundle");
    assert_without(&inside, &secrets);

    // The same cluster by its endpoint, as a foreign cluster. Its nodes report everything except their own files.
    let address = attached.topology().nodes[0].address().to_string();
    let file = folder.path().join("endpoint.tar.gz");
    let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(["diagnose", "--endpoint", &address, "--password-env", "OF_BUNDLE"])
        .args(["--bundle", file.to_str().unwrap()])
        .env("OF_BUNDLE", "s3cret-of-the-bundle")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let inside = unpacked(&file, "rcup-endpoint");
    let said = std::fs::read_to_string(inside.join(format!("{address}.nodes"))).unwrap();
    assert!(said.contains("myself,master"), "{said}");
    assert!(
        std::fs::read_to_string(inside.join("diagnosis.json"))
            .unwrap()
            .contains("findings")
    );
    assert_without(&inside, &secrets);
}
