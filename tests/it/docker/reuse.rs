//! A cluster that the next test reuses: it is reset, has one user at a time, matches the specification, and is removed
//! when its TTL has expired and no test uses it.

use std::process::{Command, Stdio};
use std::time::Duration;

use redis::AsyncCommands as _;

use super::{any_image, docker, turn};
use rcup::cluster::builder::Builder;
use rcup::cluster::handle::down;
use rcup::event::Silent;
use rcup::lifecycle::prune::prune;
use rcup::runtime::interface::{Runtime as _, Scope};
use rcup::{Cluster, ClusterName};

/// Returns a setting that no other run of these tests uses.
fn memory(nth: u32) -> String {
    format!(
        "maxmemory={}",
        50_000_000 + u64::from(std::process::id()) * 8 + u64::from(nth)
    )
}

async fn builder(nth: u32) -> Builder {
    Cluster::builder()
        .image(any_image().await)
        .replicas(0)
        .set(memory(nth).parse().unwrap())
        .timeout(Duration::from_secs(90))
}

async fn is_there(name: &ClusterName) -> bool {
    let seen = docker().observe(&Scope::Cluster(name.clone())).await.unwrap();
    !seen.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_test_gets_the_same_cluster_as_new_and_never_at_the_same_time() {
    let _turn = turn().await;
    let one = builder(1).await.reuse().await.unwrap();
    let name = one.name().clone();
    assert!(!one.was_adopted());
    let mut client = one.client().await.unwrap();
    let () = client.set("left", "behind").await.unwrap();
    one.node(2).unwrap().kill().await.unwrap();
    let other = builder(1).await.reuse().await.unwrap();
    let second = other.name().clone();
    assert_ne!(second, name, "the first is in use");
    drop((one, client));
    let again = builder(1).await.reuse().await.unwrap();
    assert_eq!((again.name(), again.was_adopted()), (&name, true));
    assert_eq!(again.report().nodes.len(), 3);
    let mut client = again.client().await.unwrap();
    let left: Option<String> = client.get("left").await.unwrap();
    assert_eq!(left, None);
    // A cluster that cannot be reset is created again.
    let container = again.node(3).unwrap().plan().name.clone();
    docker().remove_container(&container).await.unwrap();
    drop(again);
    let anew = builder(1).await.reuse().await.unwrap();
    assert_eq!((anew.name(), anew.was_adopted()), (&name, false));
    let different = builder(2).await.reuse().await.unwrap();
    let third = different.name().clone();
    assert!(![&name, &second].contains(&&third));
    drop((anew, other, different));
    for name in [name, second, third] {
        assert!(is_there(&name).await, "{name} stays for the next");
        down(&docker(), &name, false, &Silent).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_past_its_time_goes_but_not_from_under_its_user() {
    let _turn = turn().await;
    let used = builder(3).await.ttl(Duration::ZERO).reuse().await.unwrap();
    let name = used.name().clone();
    prune(&docker(), &Silent).await.unwrap();
    assert!(is_there(&name).await, "it is in use");
    drop(used);
    prune(&docker(), &Silent).await.unwrap();
    assert!(!is_there(&name).await);
}

/// Returns rcup with arguments for clusters of this test.
async fn rcup(verb: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
    command
        .args([
            verb,
            "--image",
            &any_image().await,
            "--replicas",
            "0",
            "--set",
            &memory(4),
        ])
        .args(["--quiet", "--reuse"])
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Returns the output of a successful command.
fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_its_owners_as_long_as_that_lives() {
    let _turn = turn().await;
    let up = |owner: u32| async move {
        let told = said(rcup("up", &["--owner", &owner.to_string(), "--output", "json"]).await);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        told["name"].as_str().unwrap().parse::<ClusterName>().unwrap()
    };
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let first = up(owner.id()).await;
    let run = [
        "--",
        "sh",
        "-c",
        "echo $RCUP_CLUSTER; exec \"$RCUP\" cli \"$RCUP_CLUSTER\" -- SET a 1",
    ];
    let run = || async {
        let mut command = rcup("run", &run).await;
        command.env("RCUP", env!("CARGO_BIN_EXE_rcup"));
        let told = said(command);
        assert!(told.contains("OK"), "{told}");
        told.lines().next().unwrap().parse::<ClusterName>().unwrap()
    };
    let second = run().await;
    assert_ne!(second, first, "the first is its owner's");
    assert_eq!(up(owner.id()).await, first, "who asks again gets its own");
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_eq!(run().await, first);
    for name in [first, second] {
        assert!(is_there(&name).await);
        down(&docker(), &name, false, &Silent).await.unwrap();
    }
}
