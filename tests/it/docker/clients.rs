//! Common clients, four at once, with every server and every way to advertise addresses: each client writes and reads
//! ten thousand keys in all slots during a failover and the migration of a slot with keys. No client gets an error.
//!
//! By default one cell of each server's matrix runs; `RCUP_MATRIX=all` runs all cells.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::wiring::Env;
use super::{Name, Told, alone, connect_as_client, docker, images, options, python};
use rcup::spec::modes::AnnounceChoice;
use rcup::spec::security::Password;
use rcup::topology::layout::Announce;
use rcup::topology::slots::slot_of;
use rcup::{Cluster, ClusterSpec};

/// The clients. Their names are part of their keys.
const CLIENTS: [&str; 4] = ["python", "rust", "cli", "inside"];

/// The number of keys of each client.
const KEYS: usize = 10_000;

/// The number of writes of every client after which the failover and the migration begin.
const TROUBLE: usize = 200;

/// The number of keys in one pass through the slots.
const ROUND: usize = 500;

/// The timeout for a pass over all keys on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The image of a server, the advertised addresses, and whether TLS and a password are enabled.
#[derive(Clone, Copy, Debug)]
struct Cell(usize, AnnounceChoice, bool);

/// Returns the matrix of a server, or only the cell that runs by default.
fn cells(image: usize, usual: (AnnounceChoice, bool)) -> Vec<Cell> {
    if std::env::var("RCUP_MATRIX").is_ok_and(|which| which == "all") {
        let valkey = (image == 2).then_some(AnnounceChoice::ClientIpv4);
        [AnnounceChoice::Ip, AnnounceChoice::Hostname]
            .into_iter()
            .chain(valkey)
            .flat_map(|announce| [false, true].map(|locked| Cell(image, announce, locked)))
            .collect()
    } else {
        vec![Cell(image, usual.0, usual.1)]
    }
}

/// The operation of a client on every key in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Write,
    Read,
}

impl Pass {
    fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// Returns the n-th key of a client. The n-th keys of all clients are in the same slot.
fn key(client: &str, nth: usize) -> String {
    format!("{{k{nth}}}:{client}")
}

fn slot(nth: usize) -> u16 {
    slot_of(key("any", nth).as_bytes())
}

/// The progress of each client in its pass.
#[derive(Debug, Default)]
struct Steps([AtomicUsize; 4]);

impl Steps {
    fn begin(&self) {
        self.0.iter().for_each(|one| one.store(0, Ordering::Relaxed));
    }

    fn set(&self, who: usize, done: usize) {
        self.0[who].store(done, Ordering::Relaxed);
    }

    fn get(&self) -> [usize; 4] {
        self.0.each_ref().map(|one| one.load(Ordering::Relaxed))
    }

    /// Waits until no client is more than a round behind, so that all clients are active during the failover.
    async fn keep(&self, nth: usize) {
        eventually("the others keep up", async || {
            self.get().iter().all(|done| done + ROUND >= nth)
        })
        .await;
    }
}

/// Waits until a condition holds that other tasks bring about.
async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "in vain: {what}");
}

/// redis-py with the code that `rcup env` prints. It runs one pass for each line of its input.
const IN_PYTHON: &str = r#"
import sys

for line in sys.stdin:
    word, keys = line.split()
    for n in range(int(keys)):
        key = f"{{k{n}}}:{sys.argv[1]}"
        if word == "write":
            assert client.set(key, n)
        else:
            read = client.get(key)
            assert read is not None and int(read) == n, (key, read)
        if n % 100 == 99:
            print(n + 1, flush=True)
    print("done", flush=True)
"#;

/// A program with redis-py, on the host or in a container.
struct Python {
    who: usize,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Python {
    fn start(who: usize, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            who,
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn on_the_host(env: &Env) -> Self {
        let code = env.print(&["--format", "redis-py"]) + IN_PYTHON;
        let mut command = Command::new(python());
        command.args(["-c", &code, CLIENTS[0]]).envs(env.settings("host"));
        Self::start(0, command)
    }

    /// Starts the program in a container on the network, with the interpreter of this host and the flags of
    /// `rcup env --format docker`.
    fn on_the_network(env: &Env, image: &str) -> Self {
        let code = env.print(&["--format", "redis-py", "--from", "network"]) + IN_PYTHON;
        let python = python();
        let venv = python.parent().and_then(Path::parent).unwrap().to_str().unwrap();
        let prefix = std::process::Command::new(&python)
            .args(["-c", "import sys; print(sys.base_prefix)"])
            .output()
            .unwrap();
        let prefix = String::from_utf8(prefix.stdout).unwrap();
        let own = [venv, prefix.trim(), env.home()];
        let mounts = BTreeSet::from(["/usr", "/bin", "/lib", "/lib64"])
            .union(&BTreeSet::from(own))
            .copied()
            .collect::<Vec<_>>();
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "-i", "--network", &env.network()]);
        for mount in mounts.iter().filter(|path| Path::new(path).exists()) {
            command.args(["-v", &format!("{mount}:{mount}:ro")]);
        }
        for (name, value) in env.settings("network") {
            command.args(["-e", &name]).env(name, value);
        }
        command.args(["--entrypoint", &format!("{venv}/bin/python"), image, "-c", &code]);
        command.arg(CLIENTS[3]);
        Self::start(3, command)
    }

    async fn pass(&mut self, pass: Pass, keys: usize, steps: &Steps) {
        let order = format!("{} {keys}\n", pass.word());
        // If the program has exited, its last output explains why.
        let _ = self.input.write_all(order.as_bytes()).await;
        while let Some(line) = self.output.next_line().await.unwrap() {
            if line == "done" {
                return;
            }
            let done = line.parse();
            steps.set(
                self.who,
                done.unwrap_or_else(|_| panic!("{}: {line}", CLIENTS[self.who])),
            );
        }
        let mut complaint = Vec::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stderr, &mut complaint).await;
        }
        panic!(
            "{}, {pass:?}: {}",
            CLIENTS[self.who],
            String::from_utf8_lossy(&complaint)
        );
    }
}

/// `redis-cli -c` with the keys on its input. It opens a new connection for each redirection, so it uses the slots in
/// order, in several rounds.
struct Cli {
    who: usize,
    command: Box<dyn Fn() -> Command + Send + Sync>,
}

impl Cli {
    /// Starts redis-cli in a container in the host's network namespace, where it reaches what a program on the host
    /// reaches.
    fn on_the_host(env: &Env, cluster: &Cluster, image: &str) -> Self {
        Self::new(2, env, cluster, image, "host")
    }

    fn on_the_network(env: &Env, cluster: &Cluster, image: &str) -> Self {
        Self::new(3, env, cluster, image, "network")
    }

    fn new(who: usize, env: &Env, cluster: &Cluster, image: &str, from: &'static str) -> Self {
        let program = cluster.topology().placement.image.server.engine.client();
        let network = if from == "host" {
            "host".to_owned()
        } else {
            env.network()
        };
        let settings = env.settings(from);
        let authority = settings.get("REDIS_TLS_CA_CERT").cloned();
        let password = settings.get("REDIS_PASSWORD").cloned();
        let first = settings["REDIS_CLUSTER_NODES"].split(',').next().unwrap();
        let (host, port) = first.split_once(':').unwrap();
        let place: Vec<String> = ["-c", "-h", host, "-p", port].map(str::to_owned).to_vec();
        let image = image.to_owned();
        let command = move || {
            let mut command = Command::new("docker");
            command.args(["run", "--rm", "-i", "--network", &network]);
            if let Some(authority) = &authority {
                command.args(["-v", &format!("{authority}:{authority}:ro")]);
            }
            if let Some(password) = &password {
                command
                    .args(["-e", "REDISCLI_AUTH"])
                    .env("REDISCLI_AUTH", password);
            }
            command.args(["--entrypoint", program, &image]).args(&place);
            if let Some(authority) = &authority {
                command.args(["--tls", "--cacert", authority]);
            }
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.kill_on_drop(true);
            command
        };
        Self {
            who,
            command: Box::new(command),
        }
    }

    async fn pass(&self, pass: Pass, keys: usize, steps: &Steps) {
        let mut order: Vec<usize> = (0..keys).collect();
        order.sort_by_key(|nth| (nth / ROUND, slot(*nth)));
        let client = CLIENTS[self.who];
        let line = |nth: &usize| match pass {
            Pass::Write => format!("SET {} {nth}\n", key(client, *nth)),
            Pass::Read => format!("GET {}\n", key(client, *nth)),
        };
        let mut child = (self.command)().spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let feed = async {
            for (round, keys) in order.chunks(ROUND).enumerate() {
                steps.keep(round * ROUND).await;
                // If redis-cli exits early, its answers explain why.
                let lines: String = keys.iter().map(line).collect();
                if input.write_all(lines.as_bytes()).await.is_err() {
                    break;
                }
            }
            drop(input);
        };
        let check = async {
            let mut wrong = Vec::new();
            let mut done = 0;
            while let Some(line) = output.next_line().await.unwrap() {
                // Some versions report redirections.
                if line.starts_with("-> Redirected to slot") {
                    continue;
                }
                let expected = match pass {
                    Pass::Write => "OK".to_owned(),
                    Pass::Read => order.get(done).map(ToString::to_string).unwrap_or_default(),
                };
                if line != expected {
                    wrong.push(format!("{line} instead of {expected}"));
                }
                done += 1;
                steps.set(self.who, done);
            }
            (done, wrong)
        };
        let ((), (done, wrong)) = tokio::join!(feed, check);
        let ended = child.wait_with_output().await.unwrap();
        let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(
            ended.status.success() && done == keys && wrong.is_empty(),
            "{client}, {pass:?}: {done} answers, {wrong:?}\n{complaint}"
        );
    }

    /// Returns the output for one key of every master.
    async fn says(&self) -> String {
        let mut child = (self.command)().spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let keys: Vec<String> = (0..20).map(|nth| format!("GET {}", key("nobody", nth))).collect();
        let keys = keys.join("\n") + "\n";
        input.write_all(keys.as_bytes()).await.unwrap();
        drop(input);
        let ended = child.wait_with_output().await.unwrap();
        String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr)
    }
}

/// Connects redis-rs with its default settings: only the first address and the authority are set.
async fn in_rust(cluster: &Cluster) -> redis::cluster_async::ClusterConnection {
    let mut client = redis::cluster::ClusterClient::builder(cluster.urls());
    if let Some(certificates) = cluster.certificates() {
        client = client.certs(rcup::server::wire::connection::trust(&certificates.authority));
    }
    let client = client.build().unwrap();
    client.get_async_connection().await.unwrap()
}

async fn rust_pass(
    connection: &mut redis::cluster_async::ClusterConnection,
    pass: Pass,
    keys: usize,
    steps: &Steps,
) {
    use redis::AsyncCommands as _;
    for nth in 0..keys {
        steps.keep(nth).await;
        let key = key(CLIENTS[1], nth);
        match pass {
            Pass::Write => {
                let () = connection
                    .set(&key, nth)
                    .await
                    .unwrap_or_else(|error| panic!("{key}: {error}"));
            }
            Pass::Read => {
                let read: Option<usize> = connection
                    .get(&key)
                    .await
                    .unwrap_or_else(|error| panic!("{key}: {error}"));
                assert_eq!(read, Some(nth), "{key}");
            }
        }
        steps.set(1, nth + 1);
    }
}

/// A client inside the network: one that needs no configuration, or one that uses the address map of `rcup env`.
enum Inside {
    Cli(Cli),
    Python(Box<Python>),
}

impl Inside {
    async fn pass(&mut self, pass: Pass, keys: usize, steps: &Steps) {
        match self {
            Self::Cli(cli) => cli.pass(pass, keys, steps).await,
            Self::Python(python) => python.pass(pass, keys, steps).await,
        }
    }
}

/// Sends a command to a node. The answer must not be an error.
async fn tell<T: redis::FromRedisValue>(cluster: &Cluster, node: usize, words: &[String]) -> T {
    let mut connection = connect_as_client(cluster, &cluster.urls()[node - 1]).await;
    let mut command = redis::cmd(&words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    let answer = command.query_async(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{words:?} on node {node}: {error}"))
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Returns how many commands of a name a node has executed.
async fn calls(cluster: &Cluster, node: usize, command: &str) -> usize {
    let info: String = tell(cluster, node, &words("INFO commandstats")).await;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// A slot in migration from the second to the third master.
struct Move {
    slot: u16,
    from: String,
    to: String,
    /// The numbers of the keys in the slot.
    keys: Vec<usize>,
}

impl Move {
    /// Fills a slot and migrates half of its keys. From then on, the second master answers requests for these keys with
    /// ASK, until [`Move::finish`].
    async fn begin(cluster: &Cluster) -> Self {
        let range = cluster.topology().shards[1].slots;
        let (slot, keys) = (0..KEYS)
            .filter(|nth| range.contains(slot(*nth)))
            .map(|nth| {
                let of = slot(nth);
                (
                    of,
                    (nth..KEYS).filter(|other| slot(*other) == of).collect::<Vec<_>>(),
                )
            })
            .find(|(_, keys)| keys.len() > 1)
            .expect("two keys in a slot");
        let (from, to) = (
            tell(cluster, 2, &words("CLUSTER MYID")).await,
            tell(cluster, 3, &words("CLUSTER MYID")).await,
        );
        let moving = Self { slot, from, to, keys };
        for nth in &moving.keys {
            for client in CLIENTS {
                let set = ["SET".to_owned(), key(client, *nth), "old".to_owned()];
                let () = tell(cluster, 2, &set).await;
            }
        }
        let Self { slot, from, to, .. } = &moving;
        let () = tell(
            cluster,
            3,
            &words(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}")),
        )
        .await;
        let () = tell(
            cluster,
            2,
            &words(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}")),
        )
        .await;
        moving.migrate(cluster, &moving.keys[..1]).await;
        moving
    }

    async fn migrate(&self, cluster: &Cluster, keys: &[usize]) {
        let node = &cluster.topology().nodes[2];
        let mut migrate = words(&format!("MIGRATE {} {}  0 10000", node.ip, node.port));
        if let Some(credentials) = cluster.credentials() {
            migrate.extend(["AUTH".to_owned(), credentials.password.expose().to_owned()]);
        }
        migrate.push("KEYS".to_owned());
        migrate.extend(
            keys.iter()
                .flat_map(|nth| CLIENTS.map(|client| key(client, *nth))),
        );
        let answer: String = tell(cluster, 2, &migrate).await;
        assert_eq!(answer, "OK");
    }

    /// Migrates the remaining keys and assigns the slot to its new owner.
    async fn finish(self, cluster: &Cluster) {
        self.migrate(cluster, &self.keys[1..]).await;
        for node in [3, 2, 1] {
            let to = format!("CLUSTER SETSLOT {} NODE {}", self.slot, self.to);
            // The first node is a replica by now and learns the new owner by gossip.
            if node != 1 {
                let () = tell(cluster, node, &words(&to)).await;
            }
        }
        let left: usize = tell(
            cluster,
            2,
            &words(&format!("CLUSTER COUNTKEYSINSLOT {}", self.slot)),
        )
        .await;
        let there: usize = tell(
            cluster,
            3,
            &words(&format!("CLUSTER COUNTKEYSINSLOT {}", self.slot)),
        )
        .await;
        assert_eq!((left, there), (0, self.keys.len() * CLIENTS.len()));
        let _ = self.from;
    }
}

/// Triggers a manual failover to the replica of the first master.
async fn fail_over(cluster: &Cluster) {
    let () = tell(cluster, 4, &words("CLUSTER FAILOVER")).await;
    eventually("the replica takes over", async || {
        let info: String = tell(cluster, 4, &words("INFO replication")).await;
        info.contains("role:master")
    })
    .await;
}

/// Checks the messages of `up` and `verify` about clients on the network that cannot use the advertised addresses.
async fn inside_is_warned_of(told: &Told, name: &Name, env: &Env, cluster: &Cluster, image: &str) {
    let notes = told.notes();
    let what = format!("`rcup env {} --from network --format LIBRARY`", name.0);
    assert!(
        notes.contains("do not work inside containers") && notes.contains(&what),
        "{notes}"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_rcup"))
        .args(["verify", name.0.as_str(), "--from", "network"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("Clients in containers need the address map"),
        "{text}"
    );
    let said = Cli::on_the_network(env, cluster, image).says().await;
    assert!(
        said.contains("Could not connect") && said.contains("127.0.0.1"),
        "{said}"
    );
}

async fn works(cell: Cell) {
    let Cell(image, announce, locked) = cell;
    let _alone = alone().await;
    let name = Name::new("clients");
    let image = &images().await[image];
    let mut spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .announce(announce)
        .tls(locked);
    if locked {
        spec = spec.password(Password::Any);
    }
    let told = Told::default();
    let options = options().observer(Arc::new(told.clone()));
    let cluster = Cluster::up(docker(), &spec.build().unwrap(), &options)
        .await
        .unwrap();
    let env = Env::of(&name);
    let mut python = Python::on_the_host(&env);
    let mut rust = in_rust(&cluster).await;
    let cli = Cli::on_the_host(&env, &cluster, image);
    let mut inside = if cluster.topology().announce == Announce::Ip {
        Inside::Cli(Cli::on_the_network(&env, &cluster, image))
    } else {
        inside_is_warned_of(&told, &name, &env, &cluster, image).await;
        Inside::Python(Box::new(Python::on_the_network(&env, image)))
    };
    let moving = Move::begin(&cluster).await;
    let steps = Steps::default();
    let trouble = async {
        eventually("all clients write", async || {
            steps.get().iter().all(|done| *done >= TROUBLE)
        })
        .await;
        fail_over(&cluster).await;
        let done = steps.get();
        assert!(
            done.iter().all(|done| *done < KEYS),
            "{cell:?}: the failover came too late: {done:?}"
        );
    };
    let all = async |python: &mut Python, rust: &mut _, inside: &mut Inside, pass: Pass, keys: usize| {
        steps.begin();
        let work = async {
            tokio::join!(
                python.pass(pass, keys, &steps),
                rust_pass(rust, pass, keys, &steps),
                cli.pass(pass, keys, &steps),
                inside.pass(pass, keys, &steps),
            )
        };
        let done = tokio::time::timeout(PATIENCE, work).await;
        assert!(
            done.is_ok(),
            "{cell:?}: {pass:?} takes too long: {:?}",
            steps.get()
        );
    };
    tokio::join!(
        all(&mut python, &mut rust, &mut inside, Pass::Write, KEYS),
        trouble
    );
    all(&mut python, &mut rust, &mut inside, Pass::Read, KEYS).await;
    // Each client got at least two ASK redirections for the migrated key: one for its write and one for its read.
    let asked = calls(&cluster, 3, "asking").await;
    assert!(asked >= 2 * CLIENTS.len(), "{cell:?}: {asked} times ASKING");
    let behind = moving.keys.iter().max().unwrap() + 1;
    moving.finish(&cluster).await;
    all(&mut python, &mut rust, &mut inside, Pass::Read, behind.max(1000)).await;
    drop((python, inside));
    drop(cluster);
    name.assert_gone().await;
}

async fn all_work(cells: Vec<Cell>) {
    for cell in cells {
        works(cell).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_goes_through_a_failover_and_a_move_on_redis_7() {
    all_work(cells(0, (AnnounceChoice::Hostname, true))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_goes_through_a_failover_and_a_move_on_redis_8() {
    all_work(cells(1, (AnnounceChoice::Ip, false))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_goes_through_a_failover_and_a_move_on_valkey_8() {
    all_work(cells(2, (AnnounceChoice::ClientIpv4, true))).await;
}
