//! Diagnosis of foreign clusters and servers from one address.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::patient::{Cause, Patient, Symptom, missing_causes, missing_symptoms};
use super::surgery::{self, Wall, on_this_machine};
use super::{connect, image, turn};
use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::diagnose::finding::Diagnosis;
use rcup::checks::finding::Status::{Fail, Warn};
use rcup::checks::options::SuiteOptions;
use rcup::connect::endpoint::Endpoint;
use rcup::server::wire::access::{Access, Credentials};
use rcup::server::wire::connection::Address;
use rcup::spec::secret::Secret;
use rcup::spec::server::Engine;

fn address(text: &str) -> Address {
    let (host, port) = text.rsplit_once(':').unwrap();
    Address::new(host, port.parse().unwrap())
}

/// Returns the diagnosis of an endpoint, as `rcup diagnose --endpoint` creates it.
async fn seen(at: &str, access: &Access) -> Diagnosis {
    Box::pin(Endpoint::look_at(&[address(at)], access).await.diagnose()).await
}

/// Checks the cluster of an endpoint until it shows all symptoms and causes.
async fn shows(at: &str, symptoms: &[Symptom<'_>], causes: &[Cause<'_>]) {
    let begun = std::time::Instant::now();
    loop {
        let endpoint = Endpoint::enter(&address(at), &Access::open()).await.unwrap();
        let options = SuiteOptions::default()
            .selection(Selection::of(Suite::Standard))
            .write(false);
        let outcome = Box::pin(endpoint.validate(&options)).await;
        let diagnosis = Box::pin(endpoint.diagnose()).await;
        let missing = (
            missing_symptoms(&outcome, symptoms),
            missing_causes(&diagnosis, causes),
        );
        if missing.0.is_empty() && missing.1.is_empty() {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{missing:?} in {:#?} {diagnosis:#?}",
            outcome.checks
        );
    }
}

/// Makes all nodes forget a node, and waits until no gossip from a node that still knows it adds it again.
async fn forgotten(patient: &Patient, id: &str) {
    let begun = std::time::Instant::now();
    loop {
        let mut known = 0;
        for node in &patient.report.nodes {
            let mut connection = connect(&node.advertised).await;
            let nodes: String = redis::cmd("CLUSTER")
                .arg("NODES")
                .query_async(&mut connection)
                .await
                .unwrap();
            if nodes.contains(id) {
                known += 1;
                let _: redis::RedisResult<()> = redis::cmd("CLUSTER")
                    .arg("FORGET")
                    .arg(id)
                    .query_async(&mut connection)
                    .await;
            }
        }
        if known == 0 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{id} comes back");
    }
    patient.recovers("a node that was there for a while").await;
}

async fn id_at(at: &str) -> String {
    let mut connection = connect(at).await;
    redis::cmd("CLUSTER")
        .arg("MYID")
        .query_async(&mut connection)
        .await
        .unwrap()
}

/// Waits until a server answers.
async fn answers(at: &str) {
    let begun = std::time::Instant::now();
    while TcpStream::connect(at).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{at} does not answer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_cluster_of_somebody_else_is_found() {
    let _turn = turn().await;
    let patient = &Patient::new("foreign").await;
    let first = patient.node(1);
    // A clock that is ahead: a proxy changes the time in the answers of the first node.
    let proxy = ahead_of_its_time(&first.address).await;
    shows(
        &proxy,
        &[("clock", Fail, " ms ahead of ")],
        &[("clock", " ms ahead of ")],
    )
    .await;
    // A replica on the same host as its master.
    let beside = format!("{}:7990", surgery::ip(first));
    surgery::second_server(&first.name, "7990", true);
    answers(&beside).await;
    patient
        .tell(1, &["CLUSTER", "MEET", surgery::ip(first), "7990"])
        .await;
    let mut second = connect(&beside).await;
    let begun = std::time::Instant::now();
    loop {
        let follows: redis::RedisResult<()> = redis::cmd("CLUSTER")
            .arg("REPLICATE")
            .arg(patient.id(1))
            .query_async(&mut second)
            .await;
        if follows.is_ok() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{follows:?}");
    }
    shows(
        &first.address,
        &[("anti-affinity", Warn, "on the same host")],
        &[("anti-affinity", "on the same host")],
    )
    .await;
    let id = id_at(&beside).await;
    let _: redis::RedisResult<()> = redis::cmd("SHUTDOWN")
        .arg("NOSAVE")
        .query_async(&mut second)
        .await;
    forgotten(patient, &id).await;
    // A node with a different server version.
    let other = format!("{}-other", patient.name.0);
    on_this_machine(
        "docker",
        &[
            "run",
            "-d",
            "--rm",
            "--name",
            &other,
            "--network",
            &patient.report.network.name,
            "-w",
            "/tmp",
            "--entrypoint",
            "redis-server",
            &image(Engine::Redis, 7, 0).await,
            "--cluster-enabled",
            "yes",
            "--protected-mode",
            "no",
            "--save",
            "",
        ],
    );
    let removed = Removed(other.clone());
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let ip = on_this_machine("docker", &["inspect", "-f", format, &other])
        .trim()
        .to_owned();
    answers(&format!("{ip}:6379")).await;
    patient.tell(1, &["CLUSTER", "MEET", &ip, "6379"]).await;
    shows(
        &first.address,
        &[("versions", Warn, "Redis 7.0.15 on")],
        &[("versions", "Redis 7.0.15 on")],
    )
    .await;
    let id = id_at(&format!("{ip}:6379")).await;
    drop(removed);
    forgotten(patient, &id).await;
}

/// A container that is removed on drop.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker")
            .args(["rm", "-f", &self.0])
            .output();
    }
}

/// Starts a proxy to a server that adds nine seconds to every answer to TIME. It ends with the test.
async fn ahead_of_its_time(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let to = to.to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&to).await else {
                return;
            };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut bytes = vec![0_u8; 65536];
                while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
                    let told = later(&bytes[..count]);
                    if to_client.write_all(&told).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    at
}

/// Returns the answer with nine seconds added if it answers TIME: two strings, of which the first has ten digits.
fn later(bytes: &[u8]) -> Vec<u8> {
    const HEAD: &[u8] = b"*2\r\n$10\r\n";
    let mut told = bytes.to_vec();
    let at = told.windows(HEAD.len()).position(|window| window == HEAD);
    if let Some(at) = at.map(|at| at + HEAD.len())
        && let Some(digits) = told.get(at..at + 10)
        && let Ok(seconds) = String::from_utf8_lossy(digits).parse::<u64>()
    {
        told.splice(at..at + 10, (seconds + 9).to_string().into_bytes());
    }
    told
}

#[test]
fn only_the_time_is_changed() {
    let time = b"+OK\r\n*2\r\n$10\r\n1764203102\r\n$6\r\n123456\r\n";
    assert_eq!(later(time), b"+OK\r\n*2\r\n$10\r\n1764203111\r\n$6\r\n123456\r\n");
    assert_eq!(
        later(b"*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"),
        b"*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_of_somebody_else_that_let_nobody_in_are_told_by_the_reason() {
    let _turn = turn().await;
    let patient = &Patient::new("strange").await;
    let node = patient.node(5);
    let only = async |at: &str, access: &Access, cause: Cause<'_>| {
        let diagnosis = seen(at, access).await;
        assert!(!diagnosis.healthy);
        assert!(missing_causes(&diagnosis, &[cause]).is_empty(), "{diagnosis:#?}");
        assert!(
            diagnosis.findings[0].nodes.iter().any(|node| node == at),
            "{diagnosis:#?}"
        );
    };
    // A closed port.
    let closed = format!("{}:1", surgery::ip(node));
    only(&closed, &Access::open(), ("connection-refused", "ss -ltnp")).await;
    // A server without cluster mode or other nodes.
    let alone = format!("{}:7991", surgery::ip(node));
    surgery::second_server(&node.name, "7991", false);
    answers(&alone).await;
    only(&alone, &Access::open(), ("no-cluster", "cluster-enabled yes")).await;
    // A user with almost no permissions. With the rule that rcup prints, the diagnosis succeeds.
    patient
        .tell_all(&["ACL", "SETUSER", "weak", "on", ">weak", "+ping", "~*"])
        .await;
    let weak = Access::open().with_credentials(Credentials {
        user: Some("weak".to_owned()),
        password: Secret::new("weak"),
    });
    only(
        &node.address,
        &weak,
        ("no-permission", "ACL SETUSER NAME +cluster"),
    )
    .await;
    for rule in "+cluster +info +config|get +ping".split(' ') {
        patient.tell_all(&["ACL", "SETUSER", "weak", rule]).await;
    }
    let diagnosis = seen(&node.address, &weak).await;
    assert!(diagnosis.of("no-permission").next().is_none(), "{diagnosis:#?}");
    // TLS against a server without TLS.
    let tls = Access::open().with_tls();
    only(&node.address, &tls, ("tls-mismatch", "the TLS handshake fails")).await;
    // A firewall drops the packets to this port.
    let rule = ["INPUT", "-p", "tcp", "--dport", "7991", "-j", "DROP"];
    let wall = Wall::raise(&node.name, &rule).await;
    only(&alone, &Access::open(), ("unreachable", "ufw allow 7991/tcp")).await;
    wall.lift();
    answers(&alone).await;
    let healthy = seen(&node.address, &Access::open()).await;
    assert!(healthy.healthy, "{healthy:#?}");
}
