//! Runs `action.yml` as GitHub's runner does: the steps whose conditions hold, each script in a shell with the options
//! and files that the runner provides.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use saphyr::{LoadableYamlNode as _, Yaml};

use super::{Name, any_image, turn};

/// A password that every format has to quote.
const PASSWORD: &str = "o'd d%";

/// The same password in a URL.
const ENCODED: &str = "o%27d%20d%25";

struct Step {
    condition: String,
    script: Option<String>,
    uses: Option<String>,
    env: BTreeMap<String, String>,
}

fn text(yaml: &Yaml<'_>) -> Option<String> {
    yaml.as_str().map(str::to_owned)
}

fn steps() -> Vec<Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml");
    let file = std::fs::read_to_string(path).unwrap();
    let action = Yaml::load_from_str(&file).unwrap();
    let all = action[0]["runs"]["steps"].as_sequence().unwrap();
    let step = |step: &Yaml<'_>| Step {
        condition: step
            .as_mapping_get("if")
            .and_then(text)
            .unwrap_or_else(|| "always()".to_owned()),
        script: step.as_mapping_get("run").and_then(text),
        uses: step.as_mapping_get("uses").and_then(text),
        env: step
            .as_mapping_get("env")
            .and_then(|env| env.as_mapping())
            .into_iter()
            .flatten()
            .map(|(name, value)| (text(name).unwrap(), text(value).unwrap()))
            .collect(),
    };
    all.iter().map(step).collect()
}

/// A job that uses the action.
struct Job {
    home: tempfile::TempDir,
    /// The values of expressions, by their names.
    known: BTreeMap<String, String>,
}

impl Job {
    fn new(inputs: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let defaults = [
            ("name", "ci"),
            ("masters", "3"),
            ("replicas", "1"),
            ("engine", "redis"),
            ("tls", "false"),
            ("password", ""),
            ("image", ""),
            ("args", ""),
            ("ttl", "2h"),
            ("rcup", env!("CARGO_BIN_EXE_rcup")),
            ("remove", "false"),
        ];
        let mut known: BTreeMap<String, String> = defaults
            .iter()
            .chain(inputs)
            .map(|(name, value)| (format!("inputs.{name}"), (*value).to_owned()))
            .collect();
        known.insert(
            "github.action_path".to_owned(),
            env!("CARGO_MANIFEST_DIR").to_owned(),
        );
        known.insert("job.status".to_owned(), "success".to_owned());
        Self { home, known }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.known.insert(name.to_owned(), value.to_owned());
    }

    fn value(&self, name: &str) -> &str {
        let value = self.known.get(name.trim());
        value.unwrap_or_else(|| panic!("nobody knows `{name}`"))
    }

    /// Evaluates a condition. Supports only what this action uses; functions such as `failure()`, which the runner
    /// would apply to the state of the action's own steps, are an error here.
    fn holds(&self, condition: &str) -> bool {
        condition.split("&&").map(str::trim).all(|part| {
            let compared = |operator| {
                let (name, value): (&str, &str) = part.split_once(operator)?;
                Some(self.value(name) == value.trim().trim_matches('\''))
            };
            match part {
                "always()" => true,
                _ => compared("==")
                    .or_else(|| compared("!=").map(|same| !same))
                    .unwrap_or_else(|| panic!("not understood: {part}")),
            }
        })
    }

    /// Returns a text in which the expressions are replaced with their values.
    fn filled(&self, text: &str) -> String {
        let mut rest = text;
        let mut filled = String::new();
        while let Some((before, after)) = rest.split_once("${{") {
            let (name, after) = after.split_once("}}").unwrap();
            filled.push_str(before);
            filled.push_str(self.value(name));
            rest = after;
        }
        filled + rest
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn read(&self, name: &str) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
        let line = |line: &str| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        text.lines().filter_map(line).collect()
    }

    /// Runs the steps. Returns their output and the other actions that were used.
    fn run(&mut self) -> (String, Vec<String>) {
        let (mut told, mut used) = (String::new(), Vec::new());
        for step in steps() {
            if !self.holds(&step.condition) {
                continue;
            }
            used.extend(step.uses);
            let Some(script) = step.script else { continue };
            let env = step.env.iter().map(|(name, value)| (name, self.filled(value)));
            // With the options that the runner uses.
            let output = Command::new("bash")
                .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script])
                .envs(env)
                .env("RUNNER_TEMP", self.home.path())
                .env("GITHUB_ENV", self.file("env"))
                .env("GITHUB_OUTPUT", self.file("output"))
                .output()
                .unwrap();
            told += &said(&output);
            assert!(output.status.success(), "{told}");
            if let Some(path) = self.read("output").get("path") {
                self.set("steps.program.outputs.path", &path.clone());
            }
        }
        (told, used)
    }
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_action_starts_tells_keeps_what_a_failure_needs_and_removes() {
    let _turn = turn().await;
    let name = Name::new("action");
    let image = any_image().await;
    let mut job = Job::new(&[
        ("name", name.0.as_str()),
        ("image", &image),
        ("replicas", "0"),
        ("tls", "true"),
        ("password", PASSWORD),
        ("args", "--no-validate --memory 50mb"),
    ]);
    let (told, used) = job.run();
    assert_eq!(used, [] as [String; 0]);
    for masked in [PASSWORD, ENCODED] {
        let mask = format!("::add-mask::{}", masked.replace('%', "%25"));
        assert!(told.lines().any(|line| line == mask), "{told}");
    }
    // Each line of the environment file is a name and an unquoted value.
    let env = job.read("env");
    assert_eq!(env["REDIS_PASSWORD"], PASSWORD);
    assert!(Path::new(&env["REDIS_TLS_CA_CERT"]).exists());
    let outputs = job.read("output");
    assert_eq!(outputs["nodes"], env["REDIS_CLUSTER_NODES"]);
    assert_eq!(outputs["nodes"].split(',').count(), 3);
    assert_eq!(outputs["url"], env["REDIS_CLUSTER_URL"]);
    assert!(
        outputs["url"].starts_with(&format!("rediss://default:{ENCODED}@")),
        "{outputs:?}"
    );
    // The settings are sufficient to connect to the cluster.
    let client = redis::cluster::ClusterClient::builder(vec![env["REDIS_CLUSTER_URL"].clone()])
        .certs(rcup::server::wire::connection::trust(
            &std::fs::read_to_string(&env["REDIS_TLS_CA_CERT"]).unwrap(),
        ))
        .build()
        .unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    let () = redis::cmd("SET")
        .arg("a")
        .arg(1)
        .query_async(&mut connection)
        .await
        .unwrap();
    // The owner of the cluster is the job, whose process is the parent of the steps' shells.
    let owner = name
        .remains()
        .await
        .all_labels()
        .find_map(|labels| rcup::runtime::labels::life(labels).owner)
        .unwrap();
    assert_eq!(owner.pid, std::process::id());

    // The last step of a failed job.
    job.set("inputs.remove", "true");
    job.set("job.status", "failure");
    let (told, used) = job.run();
    assert!(
        used.len() == 1 && used[0].starts_with("actions/upload-artifact@"),
        "{used:?}"
    );
    let folder = job.file("rcup-diagnostics");
    let diagnosis = std::fs::read_to_string(folder.join("diagnosis.json")).unwrap();
    let diagnosis: serde_json::Value = serde_json::from_str(&diagnosis).unwrap();
    crate::schemas::assert_valid("diagnose", &diagnosis);
    let bundle = std::fs::read(folder.join(format!("{}.tar.gz", name.0))).unwrap();
    assert!(bundle.len() > 1000 && bundle.starts_with(&[0x1f, 0x8b]), "{told}");
    name.assert_gone().await;

    // The last step of a successful job.
    job.set("job.status", "success");
    assert_eq!(job.run().1, [] as [String; 0], "nothing is uploaded");
}
