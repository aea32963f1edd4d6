//! A cluster into which tests inject faults.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;

use super::peer::{Complaint, complaints};
use super::{Name, any_image, connect, docker, up};
use rcup::checks::catalogue::{Selection, Suite};
use rcup::checks::diagnose::finding::{Diagnosis, Finding};
use rcup::checks::finding::{Check, Status};
use rcup::checks::options::SuiteOptions;
use rcup::checks::status::{NodeReport, Report};
use rcup::checks::suite::validation::Validation;
use rcup::connect::attached::Attached;
use rcup::runtime::interface::{ExecRequest, Output, Runtime as _};
use rcup::{Cluster, ClusterSpec};

/// The timeout until the nodes show a fault or its repair.
const PATIENCE: Duration = Duration::from_mins(2);

/// The timeout of a `redis-cli --cluster check`. It waits forever for a paused node.
const PEER: Duration = Duration::from_secs(6);

/// The timeout for its search for several owners of one slot, once its other checks have ended in time.
const THOROUGH_PEER: Duration = Duration::from_secs(20);

/// Replaces the output of a `redis-cli` that timed out.
const NOT_ENDED: &str = "redis-cli has not ended";

/// An expected check result during a fault: its id, its status, and text of its evidence.
pub type Symptom<'a> = (&'a str, Status, &'a str);

/// An expected cause in the diagnosis during a fault: its id, and text of the finding.
pub type Cause<'a> = (&'a str, &'a str);

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A cluster into which tests inject faults.
pub struct Patient {
    pub name: Name,
    pub cluster: Cluster,
    pub report: Report,
}

impl Patient {
    pub async fn new(test: &str) -> Self {
        // Long enough for a node on a busy machine, and short enough to wait for.
        Self::with(test, Duration::from_secs(2), &[]).await
    }

    /// Starts a cluster with this node timeout and additional settings of its servers.
    pub async fn with(test: &str, node_timeout: Duration, settings: &[&str]) -> Self {
        let name = Name::new(test);
        let mut spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(any_image().await)
            .node_timeout(node_timeout)
            .set("appendonly=yes".parse().unwrap());
        for setting in settings {
            spec = spec.set(setting.parse().unwrap());
        }
        Self::of(name, &spec.build().unwrap()).await
    }

    pub async fn of(name: Name, spec: &ClusterSpec) -> Self {
        let cluster = up(spec).await;
        let report = cluster.report();
        Self {
            name,
            cluster,
            report,
        }
    }

    pub fn node(&self, index: usize) -> &NodeReport {
        &self.report.nodes[index - 1]
    }

    pub fn id(&self, index: usize) -> &str {
        &self.node(index).id.0
    }

    /// Sends a command to a node, which must accept it.
    pub async fn tell(&self, index: usize, command: &[&str]) {
        let mut connection = connect(&self.node(index).advertised).await;
        let mut cmd = redis::Cmd::new();
        for word in command {
            cmd.arg(*word);
        }
        let answer: redis::RedisResult<redis::Value> = cmd.query_async(&mut connection).await;
        answer.unwrap_or_else(|error| panic!("{command:?} on node {index}: {error}"));
    }

    /// Starts a snapshot on a node. Waits for a snapshot in progress first, because it does not count.
    pub async fn save(&self, index: usize) {
        let mut connection = connect(&self.node(index).advertised).await;
        let begun = Instant::now();
        loop {
            let answer: redis::RedisResult<redis::Value> = redis::cmd("BGSAVE")
                .arg("SCHEDULE")
                .query_async(&mut connection)
                .await;
            let Err(error) = answer else { return };
            assert!(
                error.to_string().contains("already in progress") && begun.elapsed() < PATIENCE,
                "node {index}: {error}"
            );
        }
    }

    /// Returns the value of a directive of the first node.
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

    /// Returns the number of keys on all nodes.
    pub async fn keys(&self) -> u64 {
        let mut all = 0;
        for node in &self.report.nodes {
            let mut connection = connect(&node.advertised).await;
            let own: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
            all += own;
        }
        all
    }

    pub async fn validate(&self, options: &SuiteOptions) -> Validation {
        self.attached().await.validate_with(options).await
    }

    pub async fn standard(&self) -> Validation {
        let selection = Selection::new(Suite::Standard, Vec::new(), words(&["latency"])).unwrap();
        self.validate(&SuiteOptions::default().selection(selection)).await
    }

    pub async fn attached(&self) -> Attached {
        Cluster::attach(docker(), &self.name.0)
            .await
            .expect("it is there")
    }

    /// Injects a fault until every symptom and every cause is reported, then repairs it until the cluster is healthy.
    /// During the fault, rcup must report every complaint of `redis-cli --cluster check` too. The fault is injected
    /// again before each check, because servers repair some faults themselves.
    pub async fn suffers(
        &self,
        breach: impl AsyncFn(),
        symptoms: &[Symptom<'_>],
        causes: &[Cause<'_>],
        remedy: impl AsyncFn(),
    ) {
        Box::pin(self.falls_ill(&breach, symptoms)).await;
        Box::pin(self.is_diagnosed_while(&breach, causes)).await;
        Box::pin(remedy()).await;
        Box::pin(self.recovers(symptoms[0].0)).await;
    }

    /// Waits until a diagnosis reports this cause with this text.
    pub async fn is_diagnosed(&self, cause: &str, told: &str) -> Finding {
        let diagnosis = Box::pin(self.is_diagnosed_while(&async || {}, &[(cause, told)])).await;
        let found = diagnosis.of(cause).find(|finding| holds(finding, told));
        found.expect("it was found").clone()
    }

    async fn is_diagnosed_while(&self, breach: &impl AsyncFn(), causes: &[Cause<'_>]) -> Diagnosis {
        let begun = Instant::now();
        loop {
            Box::pin(breach()).await;
            let diagnosis = Box::pin(self.attached().await.diagnose()).await;
            let missing = missing_causes(&diagnosis, causes);
            if missing.is_empty() {
                return diagnosis;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{missing:?} is not found: {diagnosis:#?}"
            );
        }
    }

    /// Runs `rcup diagnose --fix --yes`, which must succeed. The cluster must be healthy afterwards.
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
        self.recovers(by[0]).await;
    }

    async fn falls_ill(&self, breach: &impl AsyncFn(), symptoms: &[Symptom<'_>]) {
        let begun = Instant::now();
        // `redis-cli` may hang for seconds where rcup does not, so it runs after rcup has found everything.
        loop {
            Box::pin(breach()).await;
            let outcome = Box::pin(self.standard()).await;
            let missing = missing_symptoms(&outcome, symptoms);
            if missing.is_empty() {
                for (id, ..) in symptoms {
                    let check = outcome.checks.iter().find(|check| check.id == *id);
                    assert!(check.is_some_and(|check| check.hint.is_some()), "{check:#?}");
                }
                break;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{missing:?} do not show: {:#?}",
                outcome.checks
            );
        }
        loop {
            Box::pin(breach()).await;
            let (outcome, peer) = tokio::join!(Box::pin(self.standard()), Box::pin(self.complaints(true)));
            // The cluster may change between the two checks, so a complaint must be found in one of several rounds.
            let unheard: Vec<&Complaint> = peer
                .iter()
                .filter(|complaint| !heard(&outcome, complaint))
                .collect();
            if unheard.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{unheard:?} of redis-cli is not found: {:#?}",
                outcome.checks
            );
        }
    }

    pub async fn recovers(&self, after: &str) {
        let begun = Instant::now();
        loop {
            let outcome = Box::pin(self.standard()).await;
            let peer = Box::pin(self.complaints(false)).await;
            if outcome.count(Status::Fail) + outcome.count(Status::Warn) == 0 && peer.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no recovery after {after}: {peer:?} {:#?}",
                outcome.checks
            );
        }
    }

    /// Checks that this check fails with this text when it runs alone.
    pub async fn fails_alone(&self, id: &str, told: &str, options: SuiteOptions) {
        let selection = Selection::new(Suite::Standard, words(&[id]), Vec::new()).unwrap();
        let outcome = Box::pin(self.validate(&options.selection(selection))).await;
        let [check] = outcome.checks.as_slice() else {
            panic!("one check was asked for: {outcome:#?}")
        };
        assert!(
            missing_symptoms(&outcome, &[(id, Status::Fail, told)]).is_empty(),
            "{check:#?}"
        );
        assert!(!outcome.passed);
    }

    /// Returns the complaints of `redis-cli --cluster check`, run in a container of a running node. The search for
    /// several owners of one slot takes seconds, and is skipped if the other checks have timed out.
    async fn complaints(&self, thorough: bool) -> Vec<Complaint> {
        for node in self
            .report
            .nodes
            .iter()
            .cycle()
            .skip(1)
            .take(self.report.nodes.len())
        {
            let Some(quick) = self.peer(node, false).await else {
                continue;
            };
            if !thorough || quick == NOT_ENDED {
                return complaints(&quick);
            }
            if let Some(printed) = self.peer(node, true).await {
                return complaints(&printed);
            }
        }
        complaints("[ERR] could not connect to any node, none of which runs")
    }

    /// Returns its output on this node; `None` if the container cannot run programs.
    async fn peer(&self, node: &NodeReport, thorough: bool) -> Option<String> {
        let port = node.advertised.rsplit_once(':').unwrap().1;
        let mut command = words(&["redis-cli", "--cluster", "check", &format!("127.0.0.1:{port}")]);
        if thorough {
            command.push("--cluster-search-multiple-owners".to_owned());
        }
        if self.cluster.certificates().is_some() {
            command.extend(words(&["--tls", "--insecure"]));
        }
        let request = ExecRequest {
            command,
            ..ExecRequest::default()
        };
        let session = docker().exec(&node.name, &request).await.ok()?;
        let patience = if thorough { THOROUGH_PEER } else { PEER };
        let pieces = session.output.try_collect::<Vec<Output>>();
        let Ok(pieces) = tokio::time::timeout(patience, pieces).await else {
            return Some(NOT_ENDED.to_owned());
        };
        let pieces = pieces.ok()?.into_iter();
        let bytes: Vec<u8> = pieces
            .flat_map(|piece| match piece {
                Output::Stdout(bytes) | Output::Stderr(bytes) => bytes,
            })
            .collect();
        let printed = String::from_utf8_lossy(&bytes).into_owned();
        let code = docker().exec_code(&session.id).await.expect("it has ended");
        let known = complaints(&printed);
        assert!(
            (code == 0 || !known.is_empty()) && known.iter().all(|complaint| !complaint.checks.is_empty()),
            "redis-cli says something new, and ends with {code}: {printed}"
        );
        Some(printed)
    }
}

/// Returns whether a failed check covers a complaint of redis-cli.
fn heard(outcome: &Validation, complaint: &Complaint) -> bool {
    let bad = |check: &Check| matches!(check.status, Status::Fail | Status::Warn);
    outcome
        .checks
        .iter()
        .any(|check| bad(check) && complaint.checks.contains(&check.id))
}

/// Returns the symptoms that do not appear.
pub fn missing_symptoms<'a, 'b>(outcome: &Validation, symptoms: &'b [Symptom<'a>]) -> Vec<&'b Symptom<'a>> {
    let shows = |(id, status, told): &Symptom<'_>| {
        outcome.checks.iter().any(|check| {
            let mut texts = std::iter::once(&check.summary).chain(&check.detail);
            check.id == *id && check.status == *status && texts.any(|text| text.contains(told))
        })
    };
    symptoms.iter().filter(|symptom| !shows(symptom)).collect()
}

/// Returns the causes that are not found. Checks that each finding has evidence and a repair.
pub fn missing_causes<'a, 'b>(diagnosis: &Diagnosis, causes: &'b [Cause<'a>]) -> Vec<&'b Cause<'a>> {
    let found = |(id, told): &Cause<'_>| {
        let mut findings = diagnosis.findings.iter().filter(|finding| finding.id == *id);
        findings.any(|finding| {
            let whole = holds(finding, told);
            assert!(
                !whole || !finding.remedy.is_empty() && !finding.evidence.is_empty(),
                "{finding:#?}"
            );
            whole
        })
    };
    causes.iter().filter(|cause| !found(cause)).collect()
}

/// Returns whether a finding contains the text.
fn holds(finding: &Finding, told: &str) -> bool {
    let texts = [&finding.what, &finding.why]
        .into_iter()
        .chain(&finding.evidence)
        .chain(&finding.remedy);
    texts.into_iter().any(|text| text.contains(told))
}
