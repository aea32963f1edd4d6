//! Checks with side effects on a cluster that refuses them: commands that an ACL rule forbids, late answers, and
//! failovers that do not happen.

use std::time::Duration;

use super::patient::Patient;
use super::{connect, turn};
use rcup::checks::finding::Status::Fail;
use rcup::checks::latency::judge::Threshold;
use rcup::checks::options::SuiteOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_refuses_to_do_is_found() {
    let _turn = turn().await;
    let patient = &Patient::new("refuses").await;
    let acl = async |index: usize, rule: &str| {
        patient.tell(index, &["ACL", "SETUSER", "default", rule]).await;
    };
    // A diagnosis neither writes nor publishes, so it cannot find these faults.
    for (rule, id, told) in [
        ("-mset", "hash-tags", "permission"),
        ("-evalsha", "scripts", "EVALSHA that reads returns `NOPERM"),
        ("resetchannels", "pubsub", "NOPERM"),
    ] {
        patient
            .suffers(
                async || acl(2, rule).await,
                &[(id, Fail, told)],
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
        .fails_alone("throughput", "NOPERM", SuiteOptions::default())
        .await;
    acl(2, "+@all").await;
    acl(4, "-cluster|failover").await;
    patient
        .fails_alone("failover-command", "NOPERM", SuiteOptions::default())
        .await;
    acl(4, "+@all").await;
    patient.recovers("failover-command").await;
    assert_eq!(patient.keys().await, 0, "a key was left behind");
    if super::matrix() {
        Box::pin(late_answers(patient)).await;
    }
}

/// The third node answers only about thirty times per second; all others are as fast as before.
async fn late_answers(patient: &Patient) {
    let limit = |most: Duration| {
        let percentile = "p50".parse().unwrap();
        SuiteOptions::default().thresholds(vec![Threshold { percentile, most }])
    };
    let mut slow = connect(&patient.node(3).advertised).await;
    // The node is paused again right after it resumes. In between, it answers pending commands.
    let holding = async {
        loop {
            let held: redis::RedisResult<()> = redis::cmd("CLIENT")
                .arg("PAUSE")
                .arg(30)
                .query_async(&mut slow)
                .await;
            held.expect("it is held");
        }
    };
    let looking = async {
        patient
            .fails_alone(
                "latency",
                &format!("{}: p50 is ", patient.node(3).name),
                limit(Duration::from_millis(10)),
            )
            .await;
    };
    tokio::select! {
        () = holding => {}
        () = looking => {}
    }
    patient.tell(3, &["CLIENT", "UNPAUSE"]).await;
    patient.recovers("latency").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failovers_that_do_not_come_are_found() {
    let _turn = turn().await;
    let patient = &Patient::with("no-failover", Duration::from_secs(1), &[]).await;
    // A replica that may not be elected: the failover does not happen, and the master resumes its role.
    let set = async |value: &str| {
        patient
            .tell(4, &["CONFIG", "SET", "cluster-replica-no-failover", value])
            .await;
    };
    // Each failover method and each round uses the next master; here it is always the first one.
    let mut ways = vec![("failover-pause", 2)];
    if super::matrix() {
        ways.push(("failover-kill", 1));
    }
    for (id, round) in ways {
        set("yes").await;
        let options = SuiteOptions::default().round(round);
        patient
            .fails_alone(id, "writes to its slots did not resume", options)
            .await;
        set("no").await;
        patient.recovers(id).await;
        assert_eq!(patient.keys().await, 0, "a key was left behind");
    }
}
