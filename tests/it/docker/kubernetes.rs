//! The scripts of the export for Kubernetes, in containers with the names, mounts, variables and privileges of the
//! pods. The tests do what Kubernetes does: they start the containers, run the probes, and call the preStop hook before
//! a pod ends.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use rcup::spec::server::Engine;
use tempfile::TempDir;

use super::own_engine::{eventually, run};
use super::{any_image, image, turn};

/// The containers of the pods and their shared data.
struct Pods {
    /// The prefix of all names on the container engine.
    prefix: String,
    image: String,
    directory: TempDir,
    /// The first three octets of the network's addresses.
    subnet: String,
    /// The number of addresses assigned to pods so far. Docker would reuse free addresses.
    given: AtomicUsize,
}

/// Creates a network that has a free subnet, by the first three numbers of its addresses.
fn network(name: &str) -> String {
    for third in (0..=255)
        .cycle()
        .skip(std::process::id() as usize % 256)
        .take(256)
    {
        let subnet = format!("10.229.{third}");
        let created = Command::new("docker")
            .args(["network", "create", "--subnet", &format!("{subnet}.0/24"), name])
            .output()
            .unwrap();
        if created.status.success() {
            return subnet;
        }
        let error = String::from_utf8_lossy(&created.stderr).into_owned();
        assert!(error.contains("overlap"), "{error}");
    }
    panic!("all subnets are in use");
}

impl Pods {
    fn new(test: &str, image: String, flags: &[&str]) -> Self {
        let prefix = format!("it-pods-{test}-{}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let written = Command::new(cargo_bin("rcup"))
            .current_dir(directory.path())
            .env("DOCKER_HOST", "unix:///nonexistent.sock")
            .args(["export", "kubernetes", "orders", "-o", "out", "--quiet"])
            .args(["--image", &image])
            .args(flags)
            .status()
            .unwrap();
        assert!(written.success());
        let pods = Self {
            subnet: network(&prefix),
            prefix,
            image,
            directory,
            given: AtomicUsize::new(0),
        };
        // With the modes of the kubelet's ConfigMap and Secret volumes: readable for the user of the pods.
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
            let files = files.iter().map(|file| pods.path("out").join(file));
            for file in files.filter(|file| file.exists()) {
                let place = pods.path(map);
                std::fs::create_dir_all(&place).unwrap();
                std::fs::copy(&file, place.join(file.file_name().unwrap())).unwrap();
            }
        }
        pods
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.directory.path().join(below)
    }

    /// Returns the options for those of the environment variables that the pods have.
    fn variables(&self, names: &[&str]) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("out/shards.yaml")).unwrap();
        let value = |name: &str| {
            let (_, rest) = text.split_once(&format!("name: {name}, value: "))?;
            Some(rest.split_once(" }")?.0.trim_matches('\''))
        };
        let given = names.iter().filter_map(|name| Some((name, value(name)?)));
        given
            .flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")])
            .collect()
    }

    /// Returns the input lines of the job.
    fn shards(&self) -> String {
        let text = std::fs::read_to_string(self.path("out/create.yaml")).unwrap();
        let block = text.split_once("value: |-\n").unwrap().1;
        let lines = block
            .lines()
            .take_while(|line| line.starts_with("                "));
        lines.map(str::trim).collect::<Vec<_>>().join("\n")
    }

    /// Returns the options of every container of the export.
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
        all.extend(["-v".to_owned(), mount(map, "/etc/redis")]);
        if self.path("secret").exists() {
            all.extend(["-v".to_owned(), mount("secret", "/run/secrets/redis")]);
        }
        all.extend(self.variables(&["SERVER", "CLI", "PORT"]));
        all
    }

    fn container(&self, pod: &str) -> String {
        format!("{}-{pod}", self.prefix)
    }

    fn start(&self, pod: &str) {
        self.start_apart_from(pod, None);
    }

    /// Starts a pod that cannot resolve the name of another pod.
    fn start_apart_from(&self, pod: &str, other: Option<&str>) {
        let (name, alias) = (
            self.container(pod),
            format!("rcup-orders-shard-{pod}.rcup-orders"),
        );
        let data = format!("{name}:/data");
        // Lower addresses are for containers without a fixed address.
        let address = 50 + self.given.fetch_add(1, Ordering::Relaxed) % 200;
        let address = format!("{}.{address}", self.subnet);
        let mut options = [
            self.common("conf"),
            self.variables(&["PEERS", "MONITOR", "MONITOR_RULES"]),
        ]
        .concat();
        if let Some(other) = other {
            let peers = options.iter_mut().find(|option| option.starts_with("PEERS="));
            let peers = peers.unwrap();
            *peers = peers.replace(&format!("rcup-orders-shard-{other}.rcup-orders"), "");
        }
        let mut arguments = vec![
            "run",
            "-d",
            "--name",
            &name,
            "--network-alias",
            &alias,
            "--ip",
            &address,
            "-v",
            &data,
        ];
        arguments.extend(options.iter().map(String::as_str));
        arguments.extend(["--entrypoint", "sh", &self.image, "-c"]);
        arguments.push("POD_IP=$(hostname -i) exec sh /etc/redis/start.sh");
        run("docker", &arguments);
    }

    /// Replaces all pods at once, with the same data and names and with new addresses.
    fn replace_all(&self) {
        let before = PODS.map(|pod| self.address(pod));
        let all = |act: &(dyn Fn(&str) + Sync)| {
            std::thread::scope(|scope| {
                for pod in PODS {
                    scope.spawn(move || act(pod));
                }
            });
        };
        all(&|pod| drop(run("docker", &["rm", "-f", &self.container(pod)])));
        all(&|pod| self.start(pod));
        let after = PODS.map(|pod| self.address(pod));
        let moved = before.iter().zip(&after).all(|(before, after)| before != after);
        assert!(moved, "{before:?} {after:?}");
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

    /// Sends a command to a pod's server. Returns an empty answer if the server does not reply.
    fn ask(&self, pod: &str, command: &str) -> String {
        let login = "if cd /run/secrets/redis 2>/dev/null; then export REDISCLI_AUTH=$(cat password); fi";
        let shell = format!("{login}; exec \"$CLI\" {command}");
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

    /// Runs the probes of every pod, as the kubelets do: the readiness probe also repairs.
    fn all_ready(&self) -> bool {
        let ready = PODS.map(|pod| {
            self.script(pod, &["/etc/redis/probe.sh", "ready"])
                && self.script(pod, &["/etc/redis/probe.sh", "alive"])
                && !self.ask(pod, "cluster nodes").contains("disconnected")
        });
        ready.iter().all(|ready| *ready)
    }
}

/// Waits until all pods are ready. Three minutes, because the machine may be busy.
fn wait_until_ready(pods: &Pods, when: &str) {
    let begun = Instant::now();
    while !pods.all_ready() {
        let states = || {
            PODS.map(|pod| {
                let commands = ["cluster info", "info replication", "cluster nodes"];
                format!(
                    "{pod}: {}",
                    commands.map(|command| pods.ask(pod, command)).join("\n")
                )
            })
        };
        let in_time = begun.elapsed() < Duration::from_mins(3);
        assert!(in_time, "not ready {when}:\n{}", states().join("\n"));
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

/// Returns a client that uses the current addresses of the pods.
fn client(pods: &Pods) -> redis::cluster::ClusterClient {
    let password = std::fs::read_to_string(pods.path("secret/password")).unwrap();
    let password = password.trim();
    let urls = PODS.map(|pod| format!("redis://:{password}@{}:6379", pods.address(pod)));
    redis::cluster::ClusterClient::new(urls).unwrap()
}

/// Checks that the job creates the cluster once and changes nothing when it runs again.
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
    wait_until_ready(pods, "after the job");
    // The user of the exporter can read metrics, but no keys.
    let seen = |command: &str| {
        let login = "REDISCLI_AUTH=$(cat /run/secrets/redis/monitor)";
        let shell = format!("{login} exec redis-cli --user rcup-monitor {command}");
        run("docker", &["exec", &pods.container("1-0"), "sh", "-c", &shell])
    };
    assert!(seen("info server").contains("redis_version"));
    assert!(seen("get a").contains("NOPERM"));
}

/// Writes during a graceful shutdown of a master, as by Kubernetes. Returns the acknowledged writes.
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
    wait_until_ready(pods, "after a restart");
    done.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert!(!written.is_empty());
    written
}

/// With more masters in the plan, the existing cluster does not change: the job reports the new nodes, and they get no
/// slots.
fn is_not_enlarged(pods: &Pods) {
    let more = "0 4095 rcup-orders-shard-1-0.rcup-orders rcup-orders-shard-1-1.rcup-orders\n\
                4096 8191 rcup-orders-shard-2-0.rcup-orders rcup-orders-shard-2-1.rcup-orders\n\
                8192 12287 rcup-orders-shard-3-0.rcup-orders rcup-orders-shard-3-1.rcup-orders\n\
                12288 16383 rcup-orders-shard-4-0.rcup-orders";
    pods.start("4-0");
    let output = pods.create(more);
    assert!(!output.status.success(), "{}", told(&output));
    for part in [
        "a cluster exists already, and rcup-orders-shard-4-0.rcup-orders has no slots",
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_form_probe_and_hand_over() {
    let _turn = turn().await;
    let flags = ["--password", "--service-monitor", "--node-timeout", "2s"];
    let pods = Pods::new("scripts", any_image().await, &flags);
    for pod in PODS {
        pods.start(pod);
    }
    forms(&pods);
    let written = hands_over_under_load(&pods).await;
    is_not_enlarged(&pods);
    pods.replace_all();
    wait_until_ready(&pods, "with new addresses");
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

/// After the replacement, no node knows the address of another, and a replica may use its master's old address.
/// `RCUP_ROUNDS` repeats it.
fn recovers_from_new_addresses(pods: &Pods) {
    for pod in PODS {
        pods.start(pod);
    }
    let output = pods.create(&pods.shards());
    assert!(output.status.success(), "{}", told(&output));
    wait_until_ready(pods, "after the job");
    assert_eq!(pods.ask("1-0", "-c set a 1"), "OK");
    let rounds = std::env::var("RCUP_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    for round in 1..=rounds {
        pods.replace_all();
        wait_until_ready(pods, &format!("in round {round}"));
        assert_eq!(pods.ask("1-0", "-c get a"), "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_pods_with_new_addresses_recover() {
    let _turn = turn().await;
    let image = image(Engine::Redis, 7, 0).await;
    recovers_from_new_addresses(&Pods::new("redis", image, &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_pods_with_new_addresses_recover() {
    let _turn = turn().await;
    let image = image(Engine::Valkey, 8, 1).await;
    recovers_from_new_addresses(&Pods::new("valkey", image, &["--password"]));
}

/// The replica cannot reach its master for a node timeout, then learns the new address by gossip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_follows_an_address_learned_from_gossip() {
    let _turn = turn().await;
    let pods = Pods::new("gossip", any_image().await, &["--node-timeout", "2s"]);
    for pod in PODS {
        pods.start(pod);
    }
    assert!(pods.create(&pods.shards()).status.success());
    wait_until_ready(&pods, "after the job");
    for pod in PODS {
        run("docker", &["rm", "-f", &pods.container(pod)]);
    }
    pods.start_apart_from("1-1", Some("1-0"));
    let failed = || pods.ask("1-1", "cluster nodes").matches("fail?").count() == 5;
    eventually("the replica marks the others as failed", failed);
    pods.start_apart_from("1-0", Some("1-1"));
    for pod in &PODS[2..] {
        pods.start(pod);
    }
    wait_until_ready(&pods, "with new addresses");
    let master = format!("master_host:{}", pods.address("1-0"));
    assert!(pods.ask("1-1", "info replication").contains(&master));
}

/// All pods end at once, as with `kubectl delete pod`: no master waits for a replica that ends too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_all_end_do_not_wait_for_each_other() {
    let _turn = turn().await;
    let pods = Pods::new("end", image(Engine::Redis, 7, 0).await, &[]);
    for pod in PODS {
        pods.start(pod);
    }
    assert!(pods.create(&pods.shards()).status.success());
    wait_until_ready(&pods, "after the job");
    for pod in PODS.iter().filter(|pod| !pod.starts_with("1-")) {
        run("docker", &["kill", &pods.container(pod)]);
    }
    // The replica exists, but no majority of masters can vote for it.
    let votes = || pods.ask("1-0", "cluster nodes").matches("fail").count() >= 4;
    eventually("the other masters are marked as failed", votes);
    let since = Instant::now();
    assert!(pods.script("1-0", &["/etc/redis/stop.sh"]));
    assert!(since.elapsed() < Duration::from_secs(20), "it tried failovers");
    assert!(pods.ask("1-0", "role").starts_with("master"));
}
