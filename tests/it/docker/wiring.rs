//! `rcup env`: the printed code connects to the intended addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Name, any_image, image, python, turn, up};
use rcup::spec::builder::ClusterSpecBuilder;
use rcup::spec::modes::AnnounceChoice;
use rcup::spec::secret::Secret;
use rcup::spec::security::Password;
use rcup::{Cluster, ClusterSpec};

/// Contains characters that code, a shell or a URL must quote.
const ODD: &str = "o'd d $p%a#s:s@/é";

/// The output of `rcup env`, and the directory where it stores a certificate.
pub struct Env {
    home: tempfile::TempDir,
    name: String,
}

impl Env {
    pub fn of(name: &Name) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            name: name.0.to_string(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
        command
            .args(["env", &self.name])
            .args(arguments)
            .env("XDG_DATA_HOME", self.home.path())
            .env_remove("GITHUB_ENV");
        command
    }

    /// Returns the directory with the certificate.
    pub fn home(&self) -> &str {
        self.home.path().to_str().unwrap()
    }

    /// Returns the network of the cluster.
    pub fn network(&self) -> String {
        format!("rcup-{}", self.name)
    }

    /// Returns the settings of a program that runs in this location.
    pub fn settings(&self, from: &str) -> BTreeMap<String, String> {
        serde_json::from_str(&self.print(&["--format", "json", "--from", from])).unwrap()
    }

    pub fn print(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a program with the settings of the cluster. Returns its connections when it prints that it is done.
    fn run(&self, command: &mut Command) -> BTreeSet<SocketAddrV4> {
        let mut child = command
            .envs(self.settings("host"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let dialled = connections(child.id());
        drop(child.stdin.take());
        let mut complaint = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaint)
            .unwrap();
        let ended = child.wait().unwrap();
        assert!(ended.success() && line == "done\n", "{line}{complaint}");
        dialled
    }
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Returns the remote addresses of a process in this network namespace.
fn connections(pid: u32) -> BTreeSet<SocketAddrV4> {
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .trim_end_matches(']')
                    .to_owned(),
            )
        })
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(9).is_some_and(|inode| sockets.contains(*inode)))
        .map(|fields| {
            let (ip, port) = fields[2].split_once(':').unwrap();
            let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).unwrap().swap_bytes());
            SocketAddrV4::new(ip, u16::from_str_radix(port, 16).unwrap())
        })
        .collect()
}

pub const IN_PYTHON: &str = r#"
for n in range(2000):
    client.set(f"python:{n}", n)
assert [int(client.get(f"python:{n}")) for n in range(2000)] == list(range(2000))
print("done", flush=True)
input_ended = __import__("sys").stdin.read()
"#;

fn in_python(env: &Env, from: &str) -> BTreeSet<SocketAddrV4> {
    let snippet = env.print(&["--format", "redis-py", "--from", from]);
    env.run(Command::new(python()).args(["-c", &(snippet + IN_PYTHON)]))
}

pub const IN_RUST: &str = r#"
fn main() {
    use std::io::Read as _;
    let client = client().unwrap();
    let mut connection = client.get_connection().unwrap();
    for n in 0..2000 {
        let () = redis::cmd("SET").arg(format!("rust:{n}")).arg(n).query(&mut connection).unwrap();
        let read: u32 = redis::cmd("GET").arg(format!("rust:{n}")).query(&mut connection).unwrap();
        assert_eq!(read, n);
    }
    println!("done");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
"#;

/// Compiles the printed code and runs it.
fn in_rust(env: &Env, from: &str) -> BTreeSet<SocketAddrV4> {
    let source = env.print(&["--format", "redis-rs", "--from", from]) + IN_RUST;
    env.run(&mut Command::new(compiled(&source, env.home.path())))
}

/// Compiles a program into a directory, against the redis crate that was built for this test.
pub fn compiled(source: &str, home: &Path) -> PathBuf {
    let (file, program) = (home.join("client.rs"), home.join("client"));
    std::fs::write(&file, source).unwrap();
    let this = std::env::current_exe().unwrap();
    let built = this.parent().unwrap();
    let mut candidates: Vec<PathBuf> = std::fs::read_dir(built)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            stem.starts_with("libredis-") && path.extension().is_some_and(|kind| kind == "rlib")
        })
        .collect();
    // Earlier builds of the crate may be in the same directory.
    candidates.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().modified().unwrap()));
    let mut complaints = String::new();
    for redis in candidates {
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition", "2024", "-o"])
            .arg(&program)
            .arg("-L")
            .arg(format!("dependency={}", built.display()))
            .arg("--extern")
            .arg(format!("redis={}", redis.display()))
            .arg(&file)
            .output()
            .unwrap();
        if output.status.success() {
            return program;
        }
        complaints += &said(&output);
    }
    panic!("{complaints}");
}

const IN_NODE: &str = r"
for (let n = 0; n < 2000; n++) await client.set(`node:${n}`, String(n));
for (let n = 0; n < 2000; n++) {
  const read = await client.get(`node:${n}`);
  if (read !== String(n)) throw new Error(`${n}: ${read}`);
}
console.log('done');
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
";

/// Runs node-redis from the directory in which `scripts/ensure-node.sh` installs it.
fn in_node(env: &Env, from: &str) -> BTreeSet<SocketAddrV4> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/node");
    assert!(
        home.join("node_modules/redis").exists(),
        "there is no node-redis: make it with scripts/ensure-node.sh"
    );
    let code = env.print(&["--format", "node-redis", "--from", from]) + IN_NODE;
    let mut command = Command::new("node");
    // Debian's Node.js modules are only found in their own directory.
    command.current_dir(home).env("NODE_PATH", "/usr/share/nodejs");
    env.run(command.args(["--input-type=module", "-e", &code]))
}

/// Returns the addresses of all masters of the report, of this kind.
fn at(cluster: &Cluster, field: fn(&rcup::checks::status::NodeReport) -> &String) -> BTreeSet<SocketAddrV4> {
    let report = cluster.report();
    report
        .masters()
        .map(|node| field(node).parse().unwrap())
        .collect()
}

fn spec(name: &Name, image: &str) -> ClusterSpecBuilder {
    ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .replicas(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_rust_and_node_connect_as_they_are_told() {
    let _turn = turn().await;
    let name = Name::new("wiring");
    let cluster = up(&spec(&name, &any_image().await).build().unwrap()).await;
    let env = Env::of(&name);
    let nodes = at(&cluster, |node| &node.advertised);
    assert_eq!(in_python(&env, "host"), nodes);
    assert_eq!(in_rust(&env, "host"), nodes);
    assert_eq!(in_node(&env, "host"), nodes);
    drop(cluster);
    name.assert_gone().await;
}

/// On this machine, both kinds of addresses are reachable, so only the sockets show which one a client uses.
async fn mapped(image: &str, announce: AnnounceChoice) {
    let _turn = turn().await;
    let name = Name::new("wiring-nat");
    let wanted = spec(&name, image)
        .announce(announce)
        .tls(true)
        .password(Password::Given(Secret::new(ODD)));
    let cluster = up(&wanted.build().unwrap()).await;
    let env = Env::of(&name);
    for (from, nodes) in [
        ("network", at(&cluster, |node| &node.address)),
        ("host", at(&cluster, |node| &node.host_address)),
    ] {
        assert_eq!(in_python(&env, from), nodes, "from {from}");
        assert_eq!(in_rust(&env, from), nodes, "from {from}");
        // Versions that use the addresses of CLUSTER NODES connect through the bridge, which this host reaches.
        let dialled = in_node(&env, from);
        let bridge = at(&cluster, |node| &node.address);
        assert!(dialled == nodes || dialled == bridge, "from {from}: {dialled:?}");
    }
    for format in [
        "docker",
        "redis-py",
        "redis-rs",
        "ioredis",
        "node-redis",
        "go-redis",
        "jedis",
        "lettuce",
        "stackexchange-redis",
        "spring",
    ] {
        let text = env.print(&["--format", format]);
        assert!(!text.contains(ODD) && !text.contains("o%27d"), "{text}");
        let json = env.print(&["--format", format, "--output", "json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["format"], format);
        assert_eq!(json["text"], text);
    }
    github(&env);
    drop(cluster);
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_rust_and_node_go_by_the_map_on_redis() {
    mapped(&any_image().await, AnnounceChoice::Hostname).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_rust_and_node_go_by_the_map_on_valkey() {
    mapped(
        &image(rcup::spec::server::Engine::Valkey, 8, 1).await,
        AnnounceChoice::ClientIpv4,
    )
    .await;
}

/// Checks that with the file, the lines are written to it and the masks are printed; without it, everything is printed.
fn github(env: &Env) {
    let file = env.home.path().join("github-env");
    std::fs::write(&file, "BEFORE=1\n").unwrap();
    let output = env
        .command(&["--format", "github"])
        .env("GITHUB_ENV", &file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let masks = String::from_utf8(output.stdout).unwrap();
    assert!(
        masks.lines().all(|line| line.starts_with("::add-mask::")),
        "{masks}"
    );
    let escaped = ODD.replace('%', "%25");
    assert!(
        masks.lines().any(|line| line == format!("::add-mask::{escaped}")),
        "{masks}"
    );
    let lines = std::fs::read_to_string(&file).unwrap();
    assert!(lines.starts_with("BEFORE=1\nREDIS_CLUSTER_NODES="), "{lines}");
    assert!(lines.contains(&format!("\nREDIS_PASSWORD={ODD}\n")), "{lines}");
    let lines = lines.strip_prefix("BEFORE=1\n").unwrap();
    assert_eq!(env.print(&["--format", "github"]), format!("{masks}{lines}"));
}

/// With these flags, a container reaches every node by its address and by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_with_the_flags_for_docker_reaches_every_node() {
    let _turn = turn().await;
    let name = Name::new("wiring-docker");
    let image = any_image().await;
    let cluster = up(&spec(&name, &image).build().unwrap()).await;
    let flags = Env::of(&name).print(&["--format", "docker"]);
    let script = format!(
        "docker run --rm --entrypoint sh {} {image} -c 'for node in $(echo $REDIS_CLUSTER_NODES | tr , \" \"); do \
         redis-cli -h ${{node%:*}} -p ${{node#*:}} PING; done; redis-cli -u $REDIS_CLUSTER_URL -c SET greeting hello; \
         redis-cli -h {} -p {} PING'",
        flags.trim(),
        name.0.container(2),
        cluster.topology().nodes[1].port,
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(said(&output), "PONG\nPONG\nPONG\nOK\nPONG\n");
    drop(cluster);
    name.assert_gone().await;
}
