//! A cluster to break and to mend.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rcup::check::diagnose::Finding;
use rcup::check::{Check, Selection, Status, Suite, Validation};
use rcup::cluster::{Attached, NodeReport, Report, SuiteOptions};
use rcup::runtime::{ExecRequest, Runtime as _};
use rcup::{Cluster, ClusterSpec};

use super::{Name, any_image, connect, docker, up};

/// How long views may take to show a breach, or its remedy.
const PATIENCE: Duration = Duration::from_secs(40);

pub fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().expect("an engine")
}

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A cluster to break and to mend.
pub struct Patient {
    pub name: Name,
    _cluster: Cluster,
    pub report: Report,
}

impl Patient {
    pub async fn new(test: &str) -> Self {
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

    pub fn node(&self, index: usize) -> &NodeReport {
        &self.report.nodes[index - 1]
    }

    pub fn id(&self, index: usize) -> &str {
        &self.node(index).id.0
    }

    /// Sends a command to a node, and wants it accepted.
    pub async fn tell(&self, index: usize, command: &[&str]) {
        let mut connection = connect(&self.node(index).advertised).await;
        let mut cmd = redis::Cmd::new();
        for word in command {
            cmd.arg(*word);
        }
        let answer: redis::RedisResult<redis::Value> = cmd.query_async(&mut connection).await;
        answer.unwrap_or_else(|error| panic!("{command:?} on node {index}: {error}"));
    }

    /// What the first node is set to.
    pub async fn setting(&self, name: &str) -> String {
        let mut connection = connect(&self.node(1).advertised).await;
        let (_, value): (String, String) = redis::cmd("CONFIG")
            .arg("GET")
            .arg(name)
            .query_async(&mut connection)
            .await
            .expect("the server tells its settings");
        value
    }

    pub async fn tell_all(&self, command: &[&str]) {
        for index in 1..=self.report.nodes.len() {
            self.tell(index, command).await;
        }
    }

    pub async fn validate(&self, options: &SuiteOptions) -> Validation {
        self.attached().await.validate_with(options).await
    }

    pub async fn standard(&self) -> Validation {
        let selection = Selection::new(Suite::Standard, Vec::new(), words(&["latency"])).unwrap();
        self.validate(&SuiteOptions::default().selection(selection)).await
    }

    /// Breaks the cluster until the check fails, or warns, with these words, and a diagnosis finds one of these
    /// causes; then mends it until all is well. While it is broken, `redis-cli --cluster check` finds nothing that
    /// rcup does not.
    pub async fn suffers(
        &self,
        breach: impl AsyncFn(),
        ids: &[&str],
        told: &str,
        causes: &[&str],
        remedy: impl AsyncFn(),
    ) {
        Box::pin(self.suffer(&breach, ids, told)).await;
        if !causes.is_empty() {
            Box::pin(self.is_diagnosed_while(&breach, causes, "")).await;
        }
        Box::pin(remedy()).await;
        Box::pin(self.recovers(ids)).await;
    }

    pub async fn attached(&self) -> Attached {
        Cluster::attach(docker(), &self.name.0)
            .await
            .expect("it is there")
    }

    /// Waits until a diagnosis finds one of these causes with these words, and says what mends it.
    pub async fn is_diagnosed(&self, causes: &[&str], told: &str) -> Finding {
        Box::pin(self.is_diagnosed_while(&async || {}, causes, told)).await
    }

    async fn is_diagnosed_while(&self, breach: &impl AsyncFn(), causes: &[&str], told: &str) -> Finding {
        let begun = Instant::now();
        loop {
            Box::pin(breach()).await;
            let diagnosis = Box::pin(self.attached().await.diagnose()).await;
            let found = diagnosis
                .findings
                .iter()
                .find(|finding| causes.contains(&finding.id) && holds(finding, told));
            if let Some(finding) = found {
                assert!(
                    !finding.remedy.is_empty() && !finding.evidence.is_empty(),
                    "{finding:#?}"
                );
                return finding.clone();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{causes:?} with `{told}` is not found: {diagnosis:#?}"
            );
        }
    }

    /// `rcup diagnose --fix --yes`, which must end well, and after which all is well.
    pub async fn is_fixed(&self, by: &[&str]) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_rcup"))
            .args([
                "diagnose",
                self.name.0.as_str(),
                "--fix",
                "--yes",
                "--output",
                "json",
            ])
            .output()
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        crate::schemas::assert_valid("diagnose", &told);
        assert_eq!(output.status.code(), Some(0), "{told:#}");
        assert_eq!(told["healthy"], true);
        let done: Vec<&str> = told["fixed"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|action| action["done"] == true)
            .filter_map(|action| action["id"].as_str())
            .collect();
        assert!(by.iter().all(|id| done.contains(id)), "{by:?} in {told:#}");
        self.recovers(by).await;
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

    pub async fn recovers(&self, after: &[&str]) {
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
    pub async fn fails_alone(&self, id: &str, told: &str, options: SuiteOptions) {
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
    pub async fn redis_cli_is_content(&self) -> bool {
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

/// Whether the words stand anywhere in a finding.
fn holds(finding: &Finding, told: &str) -> bool {
    let texts = [&finding.what, &finding.why]
        .into_iter()
        .chain(&finding.evidence)
        .chain(&finding.remedy);
    texts.into_iter().any(|text| text.contains(told))
}
