//! Clusters accessed by their endpoint: with a password, with TLS, as a user with few permissions; and with nodes that
//! are down, unknown or have another identity.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use super::{Name, any_image, connect, docker, turn, up, waiting};
use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::finding::Status;
use rcup::checks::options::SuiteOptions;
use rcup::connect::endpoint::Endpoint;
use rcup::runtime::faults::Faults as _;
use rcup::runtime::interface::{ExecRequest, Runtime as _};
use rcup::server::wire::access::Access;
use rcup::server::wire::connection::Address;
use rcup::spec::secret::Secret;
use rcup::spec::security::Password;
use rcup::spec::user::{Login, User};
use rcup::{Cluster, ClusterSpec};

/// Characters that a shell or a URL must quote.
const PASSWORD: &str = "o'd $p%a#s:s@/é";

fn rcup(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
    command
        .args(arguments)
        .env("ENTRY", PASSWORD)
        .env("WRONG", "another");
    command
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn check<'a>(told: &'a Value, id: &str) -> &'a Value {
    let checks = told["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["id"] == id);
    found.unwrap_or_else(|| panic!("no check {id} in {told:#}"))
}

fn address(text: &str) -> Address {
    let (host, port) = text.rsplit_once(':').expect("a host and a port");
    Address::new(host, port.parse().expect("a port"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_when_the_node_that_was_given_dies() {
    let _turn = waiting().await;
    let name = Name::new("watch");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .node_timeout(Duration::from_secs(1))
        .build();
    let cluster = up(&spec.unwrap()).await;
    let seed = cluster.report().nodes[5].clone();
    let mut watch = rcup(&[
        "validate",
        "--endpoint",
        &seed.advertised,
        "--watch",
        "100ms",
        "--suite",
        "smoke",
        "--output",
        "json",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .expect("rcup runs");
    let stdout = watch.stdout.take().expect("a pipe");
    let (sender, mut rounds) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let reader = std::thread::spawn(move || {
        for round in serde_json::Deserializer::from_reader(stdout).into_iter::<Value>() {
            if sender
                .send(round.expect("each round is a value of its own"))
                .is_err()
            {
                return;
            }
        }
    });
    let mut next = async || {
        let round = tokio::time::timeout(Duration::from_secs(30), rounds.recv()).await;
        round.expect("another round comes").expect("the watch goes on")
    };
    assert_eq!(next().await["passed"], true);
    docker().kill(&seed.name).await.unwrap();
    let mut round = next().await;
    while check(&round, "reachable")["status"] == "pass" {
        round = next().await;
    }
    let reachable = check(&round, "reachable")["summary"].as_str().unwrap().to_owned();
    assert!(
        reachable.starts_with(&format!("{}: ", seed.address)),
        "{reachable}"
    );
    assert_eq!(round["nodes"].as_array().map(Vec::len), Some(6), "{round:#}");
    // The next round reports the same result: rcup queries the other nodes instead.
    let again = next().await;
    assert_eq!(check(&again, "reachable")["status"], "fail");
    assert_ne!(check(&again, "agreement")["status"], "skip", "{again:#}");
    let process = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let mut more = async || while rounds.recv().await.is_some() {};
    tokio::time::timeout(Duration::from_secs(30), more())
        .await
        .expect("it ends");
    assert_eq!(watch.wait().unwrap().code(), Some(3), "as the last round ended");
    reader.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_cluster_is_entered_with_what_it_asks_for() {
    let _turn = turn().await;
    let name = Name::new("entry");
    let rules = "+ping +info +cluster|info +cluster|nodes +cluster|slots +cluster|shards +cluster|myid";
    let watcher = User::new("watcher", rules, Login::with(&Secret::new(PASSWORD))).unwrap();
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .password(Password::Given(Secret::new(PASSWORD)))
        .user(watcher)
        .tls(true)
        .build();
    let cluster = up(&spec.unwrap()).await;
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), &cluster.certificates().unwrap().authority).unwrap();
    let authority = authority.path().to_str().unwrap();
    let at = cluster.report().nodes[0].advertised.clone();
    let enter = |endpoint: &str, variable: &str, more: &[&str]| {
        let mut words = vec!["validate", "--endpoint", endpoint, "--password-env", variable];
        words.extend(["--tls-ca", authority, "--output", "json"]);
        words.extend(more);
        rcup(&words).output().expect("rcup runs")
    };
    let whole = enter(&at, "ENTRY", &[]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    assert_eq!(told(&whole)["nodes"].as_array().map(Vec::len), Some(6));
    // The second address is closed: rcup reports it, and the first address is sufficient.
    let half = enter(&format!("{at},127.0.0.1:1"), "ENTRY", &[]);
    assert_eq!(half.status.code(), Some(3), "{half:?}");
    let reachable = check(&told(&half), "reachable").clone();
    assert!(
        reachable["summary"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:1: "),
        "{reachable:#}"
    );
    // For a user with read-only permissions, rcup reports what the user may not read, and no check fails because of it.
    let few = enter(&at, "ENTRY", &["--username", "watcher"]);
    assert_eq!(few.status.code(), Some(0), "{few:?}");
    let few = told(&few);
    for (id, status) in [
        ("agreement", "pass"),
        ("addresses", "pass"),
        ("latency", "pass"),
        ("memory", "pass"),
        ("config-drift", "skip"),
        ("redirection", "skip"),
        ("clock", "skip"),
    ] {
        assert_eq!(check(&few, id)["status"], status, "{:#}", check(&few, id));
    }
    let wrong = enter(&at, "WRONG", &[]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        said.contains("refuses the user or the password") && !said.contains("another\""),
        "{said}"
    );
    for output in [&whole, &half, &wrong] {
        let all = [output.stdout.as_slice(), &output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains(PASSWORD));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_mended_and_two_servers_with_one_id_are_told() {
    let _turn = turn().await;
    let name = Name::new("mended");
    let cluster = up(&name.shape(3, 1).await).await;
    let at = cluster.report().nodes[0].advertised.clone();
    for node in cluster.report().nodes {
        let mut connection = connect(&node.advertised).await;
        // Some nodes have learned it by gossip already.
        let _: redis::RedisResult<()> = redis::cmd("CLUSTER")
            .arg("DELSLOTS")
            .arg(100)
            .query_async(&mut connection)
            .await;
    }
    let broken = rcup(&["validate", "--endpoint", &at, "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(broken.status.code(), Some(3), "{broken:?}");
    assert_eq!(check(&told(&broken), "slot-coverage")["status"], "fail");
    let mended = rcup(&[
        "diagnose",
        "--endpoint",
        &at,
        "--fix",
        "--yes",
        "--output",
        "json",
    ])
    .output()
    .unwrap();
    assert_eq!(mended.status.code(), Some(0), "{mended:?}");
    assert_eq!(told(&mended)["fixed"][0]["done"], true);
    let whole = rcup(&["validate", "--endpoint", &at, "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");

    twin(&cluster).await;
    let first = &cluster.topology().nodes[0];
    let twin = Address::new(first.ip, 7777);
    let standard = SuiteOptions::default()
        .selection(Selection::new(Suite::Standard, vec!["node-ids".to_owned()], Vec::new()).unwrap())
        .write(false);
    let endpoint = Endpoint::enter_at(&[address(&at), twin], &Access::open())
        .await
        .unwrap();
    let outcome = endpoint.validate(&standard).await;
    assert_eq!(outcome.checks[0].status, Status::Fail, "{outcome:#?}");
    assert!(
        outcome.checks[0].summary.contains("all have the id"),
        "{:#?}",
        outcome.checks
    );
}

/// Starts a second server with a copy of the first node's nodes.conf, as after cloning a machine.
async fn twin(cluster: &Cluster) {
    let node = &cluster.topology().nodes[0];
    let table = rcup::server::conf::paths::conf_path(node).replace("redis.conf", "nodes.conf");
    let server = cluster.topology().placement.image.server.engine.server();
    let script = format!(
        "cp {table} /tmp/twin.conf && exec {server} --port 7777 --cluster-enabled yes --cluster-config-file /tmp/twin.conf \
         --protected-mode no --save '' --dir /tmp"
    );
    let request = ExecRequest {
        command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        ..ExecRequest::default()
    };
    let mut session = docker()
        .exec(&node.name, &request)
        .await
        .expect("the twin starts");
    let ready = async {
        let mut said = String::new();
        while let Some(Ok(
            rcup::runtime::interface::Output::Stdout(bytes) | rcup::runtime::interface::Output::Stderr(bytes),
        )) = session.output.next().await
        {
            said.push_str(&String::from_utf8_lossy(&bytes));
            if said.contains("Ready to accept connections") {
                return;
            }
        }
        panic!("the twin has ended: {said}");
    };
    tokio::time::timeout(Duration::from_secs(20), ready)
        .await
        .expect("the twin answers");
}
