//! The scripts of the export for Kubernetes, in containers that have the names, the mounts, the variables and the rights
//! which the pods would have. What a Kubernetes does itself, a test here does in its place: it starts, asks the probes,
//! and calls the hook before it ends a pod.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

use super::own_engine::{eventually, run};
use super::{any_image, turn};

/// The pods' containers, and what they have in common.
struct Pods {
    /// All names on the engine begin with it.
    prefix: String,
    image: String,
    directory: TempDir,
}

impl Pods {
    fn new(image: String) -> Self {
        let prefix = format!("it-pods-{}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let written = Command::new(cargo_bin("rcup"))
            .current_dir(directory.path())
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .args([
                "export",
                "kubernetes",
                "orders",
                "-o",
                "out",
                "--quiet",
                "--image",
                &image,
            ])
            .args(["--password", "--service-monitor", "--node-timeout", "2s"])
            .status()
            .unwrap();
        assert!(written.success());
        let pods = Self {
            prefix,
            image,
            directory,
        };
        // As the kubelet lays out the maps and the secret: readable for the pods' user.
        for (map, files) in [
            (
                "conf",
                &[
                    "redis.conf",
                    "scripts/start.sh",
                    "scripts/stop.sh",
                    "scripts/probe.sh",
                ][..],
            ),
            ("create", &["scripts/create.sh"]),
            ("secret", &["secrets/password", "secrets/monitor"]),
        ] {
            let place = pods.path(map);
            std::fs::create_dir(&place).unwrap();
            for file in files {
                let name = Path::new(file).file_name().unwrap();
                std::fs::copy(pods.path("out").join(file), Path::new(&place).join(name)).unwrap();
            }
        }
        run("docker", &["network", "create", &pods.prefix]);
        pods
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.directory.path().join(below)
    }

    /// What stands in a manifest after `key`, in quotes.
    fn quoted(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.path("out/shards.yaml")).unwrap();
        let rest = text.split_once(key).unwrap().1;
        rest.split('\'').nth(1).unwrap().to_owned()
    }

    /// The lines that the job gets.
    fn shards(&self) -> String {
        let text = std::fs::read_to_string(self.path("out/create.yaml")).unwrap();
        let block = text.split_once("value: |-\n").unwrap().1;
        let lines = block
            .lines()
            .take_while(|line| line.starts_with("                "));
        lines.map(str::trim).collect::<Vec<_>>().join("\n")
    }

    /// What every container of the export has.
    fn common(&self, map: &str) -> Vec<String> {
        let mount = |from: &str, to: &str| format!("{}:{to}:ro", self.path(from).display());
        let mut all: Vec<String> = [
            "--network",
            &self.prefix,
            "--user",
            "999:999",
            "--read-only",
            "--cap-drop",
            "ALL",
        ]
        .map(ToOwned::to_owned)
        .to_vec();
        for volume in [mount(map, "/etc/redis"), mount("secret", "/run/secrets/redis")] {
            all.extend(["-v".to_owned(), volume]);
        }
        for variable in ["SERVER=redis-server", "CLI=redis-cli", "PORT=6379"] {
            all.extend(["-e".to_owned(), variable.to_owned()]);
        }
        all
    }

    fn container(&self, pod: &str) -> String {
        format!("{}-{pod}", self.prefix)
    }

    fn start(&self, pod: &str) {
        let (name, alias) = (
            self.container(pod),
            format!("rcup-orders-shard-{pod}.rcup-orders"),
        );
        let data = format!("{name}:/data");
        let peers = format!("PEERS={}", self.quoted("name: PEERS, value: "));
        let rules = format!("MONITOR_RULES={}", self.quoted("name: MONITOR_RULES, value: "));
        let common = self.common("conf");
        let mut arguments = vec![
            "run",
            "-d",
            "--name",
            &name,
            "--network-alias",
            &alias,
            "--tmpfs",
            "/tmp",
        ];
        arguments.extend([
            "-v",
            &data,
            "-e",
            "MONITOR=rcup-monitor",
            "-e",
            &peers,
            "-e",
            &rules,
        ]);
        arguments.extend(common.iter().map(String::as_str));
        arguments.extend(["--entrypoint", "sh", &self.image, "-c"]);
        arguments.push("POD_IP=$(hostname -i) exec sh /etc/redis/start.sh");
        run("docker", &arguments);
    }

    fn create(&self, shards: &str) -> Output {
        let variable = format!("SHARDS={shards}");
        let name = self.container("create");
        Command::new("timeout")
            .args(["120", "docker", "run", "--rm", "--name", &name, "-e", &variable])
            .args(self.common("create"))
            .args(["--entrypoint", "sh", &self.image, "/etc/redis/create.sh"])
            .output()
            .unwrap()
    }

    fn script(&self, pod: &str, script: &[&str]) -> bool {
        let name = self.container(pod);
        let arguments = [&["exec", &name, "sh"], script].concat();
        Command::new("docker")
            .args(arguments)
            .output()
            .unwrap()
            .status
            .success()
    }

    /// A command to a pod's server; nothing where it does not answer.
    fn ask(&self, pod: &str, command: &str) -> String {
        let shell = format!("REDISCLI_AUTH=$(cat /run/secrets/redis/password) exec redis-cli {command}");
        let output = Command::new("docker")
            .args(["exec", &self.container(pod), "sh", "-c", &shell])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn address(&self, pod: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let told = run("docker", &["inspect", "--format", format, &self.container(pod)]);
        told.trim().to_owned()
    }

    fn all_ready(&self) -> bool {
        PODS.iter().all(|pod| {
            self.script(pod, &["/etc/redis/probe.sh", "ready"])
                && self.script(pod, &["/etc/redis/probe.sh", "alive"])
                && !self.ask(pod, "cluster nodes").contains("disconnected")
        })
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        let docker = |arguments: &[&str]| {
            let output = Command::new("docker").args(arguments).output();
            output.map_or_else(
                |_| String::new(),
                |output| String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        };
        let filter = format!("name=^{}-", self.prefix);
        for container in docker(&["ps", "-aq", "--filter", &filter]).lines() {
            docker(&["rm", "-f", container]);
        }
        for volume in docker(&["volume", "ls", "-q", "--filter", &filter]).lines() {
            docker(&["volume", "rm", volume]);
        }
        docker(&["network", "rm", &self.prefix]);
    }
}

const PODS: [&str; 6] = ["1-0", "1-1", "2-0", "2-1", "3-0", "3-1"];

fn told(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

/// Ready to be written to and read from, at the addresses that the pods have now.
fn client(pods: &Pods) -> redis::cluster::ClusterClient {
    let password = std::fs::read_to_string(pods.path("secret/password")).unwrap();
    let password = password.trim();
    let urls = PODS.map(|pod| format!("redis://:{password}@{}:6379", pods.address(pod)));
    redis::cluster::ClusterClient::new(urls).unwrap()
}

/// The job makes the cluster once, and changes nothing when it runs again.
fn forms(pods: &Pods) {
    assert!(
        !pods.script("1-0", &["/etc/redis/probe.sh", "ready"]),
        "there is no cluster yet"
    );
    let shards = pods.shards();
    for time in ["first", "second"] {
        let output = pods.create(&shards);
        assert!(output.status.success(), "{time}: {}", told(&output));
        let gives_slots = told(&output).contains("has slots 0-5460");
        assert_eq!(gives_slots, time == "first", "{}", told(&output));
    }
    eventually("all pods are ready", || pods.all_ready());
    // The exporter's user reads figures, and no key.
    let seen = |command: &str| {
        let login = "REDISCLI_AUTH=$(cat /run/secrets/redis/monitor)";
        let shell = format!("{login} exec redis-cli --user rcup-monitor {command}");
        run("docker", &["exec", &pods.container("1-0"), "sh", "-c", &shell])
    };
    assert!(seen("info server").contains("redis_version"));
    assert!(seen("get a").contains("NOPERM"));
}

/// Writes go on while a master is ended as a Kubernetes would end it. Returns what was acknowledged meanwhile.
async fn hands_over_under_load(pods: &Pods) -> Vec<u32> {
    let done = Arc::new(AtomicBool::new(false));
    let mut connection = client(pods).get_async_connection().await.unwrap();
    let writer = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut written = Vec::new();
            for n in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let answer: redis::RedisResult<()> =
                    redis::cmd("SET").arg(n).arg(n).query_async(&mut connection).await;
                if answer.is_ok() {
                    written.push(n);
                }
                tokio::task::yield_now().await;
            }
            written
        }
    });
    assert!(pods.script("1-0", &["/etc/redis/stop.sh"]));
    assert!(
        pods.ask("1-0", "role").starts_with("slave"),
        "it has handed its role over"
    );
    run("docker", &["stop", &pods.container("1-0")]);
    assert!(pods.ask("1-1", "role").starts_with("master"));
    run("docker", &["start", &pods.container("1-0")]);
    eventually("the pod is back", || pods.all_ready());
    done.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert!(!written.is_empty());
    written
}

/// With more masters in the plan, the cluster that stands is left as it is: the new ones are told of, and get nothing.
fn is_not_enlarged(pods: &Pods) {
    let more = "0 4095 rcup-orders-shard-1-0.rcup-orders rcup-orders-shard-1-1.rcup-orders\n\
                4096 8191 rcup-orders-shard-2-0.rcup-orders rcup-orders-shard-2-1.rcup-orders\n\
                8192 12287 rcup-orders-shard-3-0.rcup-orders rcup-orders-shard-3-1.rcup-orders\n\
                12288 16383 rcup-orders-shard-4-0.rcup-orders";
    pods.start("4-0");
    let output = pods.create(more);
    assert!(!output.status.success(), "{}", told(&output));
    for part in [
        "a cluster stands already, and rcup-orders-shard-4-0.rcup-orders has no slots",
        "--cluster add-node",
    ] {
        assert!(told(&output).contains(part), "{}", told(&output));
    }
    assert!(
        pods.ask("4-0", "cluster info")
            .contains("cluster_slots_assigned:0")
    );
    run("docker", &["rm", "-f", &pods.container("4-0")]);
}

/// All come back at once, each at another address.
fn comes_back_elsewhere(pods: &Pods) {
    let before = PODS.map(|pod| pods.address(pod));
    for pod in PODS {
        run("docker", &["rm", "-f", &pods.container(pod)]);
    }
    for pod in PODS.iter().rev() {
        pods.start(pod);
    }
    let after = PODS.map(|pod| pods.address(pod));
    assert!(
        before.iter().zip(&after).all(|(before, after)| before != after),
        "{before:?} {after:?}"
    );
    eventually("the pods are one cluster again", || pods.all_ready());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_form_probe_hand_over_and_find_each_other_again() {
    let _turn = turn().await;
    let pods = Pods::new(any_image().await);
    for pod in PODS {
        pods.start(pod);
    }
    forms(&pods);
    let written = hands_over_under_load(&pods).await;
    is_not_enlarged(&pods);
    comes_back_elsewhere(&pods);
    let mut connection = client(&pods).get_async_connection().await.unwrap();
    for n in written {
        let read: Option<u32> = redis::cmd("GET")
            .arg(n)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(read, Some(n));
    }
}
