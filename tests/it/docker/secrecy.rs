//! Secrets appear only where they are required.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bollard::query_parameters as query;
use futures_util::TryStreamExt as _;

use super::{Name, any_image, docker, turn};
use rcup::Cluster;
use rcup::runtime::interface::{ExecRequest, LogRequest, Output as Printed, Runtime as _};
use rcup::spec::secret::Secret;
use rcup::spec::service_user::ServiceUser;

/// The secret to search for. It does not occur anywhere by chance.
const SECRET: &str = "Xq7-not-to-be-seen-9Zk";

/// Everything that others can see, with its source; and the directory with `rcup.toml`, if there is one.
#[derive(Default)]
struct Seen(Vec<(String, String)>, Option<PathBuf>);

impl Seen {
    fn at(home: &Path) -> Self {
        Self(Vec::new(), Some(home.to_owned()))
    }

    /// Returns rcup, with the secrets in the environment, as a script would set them.
    fn rcup(&self, arguments: &[&str]) -> Command {
        let Some(home) = &self.1 else {
            return rcup(arguments);
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
        command
            .args(arguments)
            .current_dir(home)
            .env("APP_PASSWORD", OF_THE_APP);
        command
    }

    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    /// Records the output of a command, which must exit with `code`.
    #[track_caller]
    fn command(&mut self, code: i32, arguments: &[&str]) -> String {
        let output = self.rcup(arguments).output().expect("rcup runs");
        let text = all_of(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        self.add(format!("rcup {}", arguments.join(" ")), text.clone());
        text
    }

    /// Records the output of a command that checks the cluster. The result may be a failure, because a busy machine can
    /// cause one.
    #[track_caller]
    fn judgement(&mut self, arguments: &[&str]) {
        let output = self.rcup(arguments).output().expect("rcup runs");
        let text = all_of(&output);
        let judged = matches!(output.status.code(), Some(0 | 3));
        assert!(judged && text.len() > 20, "{arguments:?}: {text}");
        self.add(format!("rcup {}", arguments.join(" ")), text);
    }

    /// Fails if any secret was seen. Each secret has a name, and is too long to occur by chance.
    fn assert_clean(&self, secrets: &[(String, String)]) {
        assert!(self.0.len() > 20, "something was looked at");
        for (what, secret) in secrets {
            assert!(secret.len() > 15, "{what} is long enough to be looked for");
            for (place, text) in &self.0 {
                assert!(!text.contains(secret), "{what} stands in: {place}\n{text}");
            }
        }
    }
}

/// Returns the secrets of a cluster: the given ones, and the generated ones from the files of its nodes.
async fn secrets_of(name: &Name, given: &[(&str, &str)]) -> Vec<(String, String)> {
    let attached = Cluster::attach(docker(), &name.0).await.expect("it is there");
    let all = attached.secrets().await.expect("its files say");
    let mut secrets: Vec<(String, String)> = given
        .iter()
        .map(|(what, secret)| ((*what).to_owned(), (*secret).to_owned()))
        .collect();
    let mut add = |what: String, secret: &Secret| secrets.push((what, secret.expose().to_owned()));
    add(
        "the generated password".to_owned(),
        all.password.as_ref().expect("one"),
    );
    for user in ServiceUser::ALL {
        add(format!("the password of {}", user.name()), &all.own[&user]);
    }
    for (user, hash) in &all.users {
        add(format!("the hash of the password of {user}"), hash);
    }
    let certificates = all.certificates.as_ref().expect("with TLS");
    let client = certificates.client.as_ref().expect("made by rcup");
    for (what, key) in [
        ("the nodes' key", &certificates.node_key),
        ("a client's key", &client.key),
    ] {
        let lines: Vec<&str> = key.expose().lines().collect();
        assert!(lines.len() > 3 && lines[0].contains("PRIVATE KEY"), "{what}");
        add(what.to_owned(), &Secret::new(lines[lines.len() / 2]));
    }
    assert_eq!(
        secrets.len(),
        given.len() + 1 + ServiceUser::ALL.len() + all.users.len() + 2
    );
    secrets
}

/// Records what the container engine, the nodes and the processes show of a cluster of two nodes while a client waits
/// for input.
async fn look_around(name: &Name, seen: &mut Seen) {
    let cluster = name.0.as_str();
    let mut client = seen
        .rcup(&["cli", cluster, "--user", "operator"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rcup runs");
    let mut input = client.stdin.take().expect("an input");
    input.write_all(b"PING\n").expect("it listens");
    let mut answer = [0; 4];
    let mut output = client.stdout.take().expect("an output");
    output.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"PONG");
    seen.add("the arguments of all processes", command_lines());
    for node in 1..=2 {
        let container = name.0.container(node);
        look_into(&container, seen).await;
        let environment = run_in(&container, &["env"]).await;
        assert!(environment.contains("PATH="), "{environment}");
        seen.add(format!("the environment in {container}"), environment);
        let directory = format!("/rcup/{node}");
        let open = run_in(&container, &["busybox", "stat", "-c", "%a %u", &directory]).await;
        assert_eq!(open.trim(), "700 999");
    }
    drop(input);
    client.wait().expect("it ends");
    let engine = bollard::Docker::connect_with_defaults().expect("an engine");
    let remains = name.remains().await;
    seen.add("everything labelled", format!("{remains:?}"));
    for volume in &remains.volumes {
        let inspected = engine.inspect_volume(&volume.name).await.unwrap();
        seen.add("inspect volume", serde_json::to_string(&inspected).unwrap());
    }
    for network in &remains.networks {
        let inspected = engine
            .inspect_network(&network.id, None::<query::InspectNetworkOptions>)
            .await;
        seen.add(
            "inspect network",
            serde_json::to_string(&inspected.unwrap()).unwrap(),
        );
    }
}

/// Records starts that fail: with another password of a user, and with a server that cannot parse its configuration.
fn see_failing_starts(seen: &mut Seen, again: &[&str], image: &str) {
    let other = seen
        .rcup(again)
        .env("APP_PASSWORD", format!("{OF_THE_APP}-other"))
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(1), "{}", all_of(&other));
    seen.add("up with another password", all_of(&other));
    let broken = Name::new("guarded-broken");
    let failing = ["up", broken.0.as_str(), "--image", image, "--verbose", "--set"];
    let told = seen.command(
        1,
        &[&failing[..], &["client-output-buffer-limit=nonsense"]].concat(),
    );
    assert!(
        told.contains("client-output-buffer-limit"),
        "the server's words are shown: {told}"
    );
}

const OF_THE_APP: &str = "Jk3-of-the-app-from-a-variable-8Qw";
const OF_THE_JOB: &str = "Jk3-of-the-job-from-a-file-8Qw";
const OF_THE_FILE: &str = "Jk3-of-the-file-itself-8Qw";

/// Sets users in every supported way, TLS, and a generated password.
const FILE: &str = "profile = \"production\"\ntls = true\npassword = true\nmemory = \"64mb\"\nmasters = 1\n\
                    node-timeout = \"2s\"\n\n[users.app]\nrules = \"~app:* +@read +@write\"\npassword-env = \
                    \"APP_PASSWORD\"\n\n[users.job]\nrules = \"~job:* +@all -@dangerous\"\npassword-file = \
                    \"job\"\n\n[users.doc]\nrules = \"~doc:* +get\"\npassword = \"Jk3-of-the-file-itself-8Qw\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_guarded_cluster_is_seen_where_nobody_asks_for_it() {
    let _turn = turn().await;
    let name = Name::new("guarded");
    let image = any_image().await;
    let cluster = name.0.as_str();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("rcup.toml"), FILE).unwrap();
    std::fs::write(home.path().join("job"), format!("{OF_THE_JOB}\n")).unwrap();
    let mut seen = Seen::at(home.path());
    let up = ["up", cluster, "--image", &image, "--verbose"];
    let with = |more: &[&'static str]| [&up[..], more].concat();
    let forms = |words: &[&'static str]| -> [Vec<&'static str>; 2] {
        ["human", "json"].map(|form| [words, &["--output", form]].concat())
    };

    for form in ["human", "json"] {
        seen.command(0, &with(&["--dry-run", "--output", form]));
        seen.command(
            0,
            &["config", "show", cluster, "--image", &image, "--output", form],
        );
    }
    seen.command(0, &with(&[]));
    let secrets = secrets_of(
        &name,
        &[
            ("the password of app", OF_THE_APP),
            ("the password of job", OF_THE_JOB),
            ("the password of doc", OF_THE_FILE),
        ],
    )
    .await;
    seen.command(0, &with(&["--output", "json"]));
    seen.command(0, &with(&["--dry-run"]));
    seen.command(1, &with(&["--replicas", "0"]));
    for words in [
        &["status", "NAME"][..],
        &["list"],
        &["validate", "NAME"],
        &["verify", "NAME"],
        &["diagnose", "NAME"],
        &["export", "compose", "NAME"],
    ] {
        for words in forms(words) {
            let words: Vec<&str> = words
                .iter()
                .map(|word| if *word == "NAME" { cluster } else { word })
                .collect();
            seen.judgement(&[&words[..], &["--verbose"]].concat());
        }
    }
    // This export has several files and requires an output directory.
    seen.command(2, &["export", "conf", cluster]);
    for form in ["human", "json"] {
        let doctor = seen
            .rcup(&["doctor", "--profile", "production", "--output", form])
            .output()
            .unwrap();
        seen.add("rcup doctor", all_of(&doctor));
    }
    let bundle = home.path().join("bundle.tar.gz");
    seen.judgement(&["diagnose", cluster, "--bundle", bundle.to_str().unwrap()]);
    let unpacked = Command::new("tar").arg("-xzOf").arg(&bundle).output().unwrap();
    assert!(unpacked.status.success() && unpacked.stdout.len() > 1000);
    seen.add("the bundle of rcup diagnose", all_of(&unpacked));
    seen.command(0, &["logs", cluster]);
    seen.command(0, &["restart", cluster, "--node", "2", "--verbose"]);

    see_failing_starts(&mut seen, &with(&[]), &image);
    look_around(&name, &mut seen).await;
    seen.assert_clean(&secrets);
    // The searched secrets are the real ones: commands that are meant to show them do so.
    let env = seen.rcup(&["env", cluster]).output().unwrap();
    let generated = &secrets
        .iter()
        .find(|(what, _)| what == "the generated password")
        .unwrap()
        .1;
    assert!(all_of(&env).contains(generated), "{}", all_of(&env));
    let app = ["cli", cluster, "--", "ACL", "WHOAMI"];
    assert!(all_of(&seen.rcup(&app).output().unwrap()).contains("default"));
    name.down().await;
}

/// Returns rcup with the password in its environment, as a script would set it.
fn rcup(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
    command.args(arguments).env("RCUP_PASSWORD", SECRET);
    command
}

fn all_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns the output of a program in a node.
async fn run_in(container: &str, command: &[&str]) -> String {
    let request = ExecRequest {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        ..ExecRequest::default()
    };
    let session = docker().exec(container, &request).await.expect("it runs");
    let pieces: Vec<Printed> = session.output.try_collect().await.expect("it prints");
    let bytes = pieces.into_iter().flat_map(|piece| match piece {
        Printed::Stdout(bytes) | Printed::Stderr(bytes) => bytes,
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

/// Returns the arguments of all processes of this machine, including those in containers.
fn command_lines() -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(entry.path().join("cmdline")) {
            let _ = file.read_to_end(&mut bytes);
        }
        let _ = std::fmt::Write::write_fmt(
            &mut all,
            format_args!("{}\n", String::from_utf8_lossy(&bytes).replace('\0', " ")),
        );
    }
    all
}

/// Records what the container engine reports about a container, its processes and its output.
async fn look_into(container: &str, seen: &mut Seen) {
    let engine = bollard::Docker::connect_with_defaults().expect("an engine");
    let inspected = engine
        .inspect_container(container, None::<query::InspectContainerOptions>)
        .await
        .expect("it is there");
    seen.add(
        format!("inspect {container}"),
        serde_json::to_string(&inspected).expect("JSON"),
    );
    for id in inspected.exec_ids.unwrap_or_default() {
        let exec = engine.inspect_exec(&id).await.expect("it is there");
        seen.add(
            format!("inspect exec of {container}"),
            serde_json::to_string(&exec).expect("JSON"),
        );
    }
    let log: Vec<_> = docker()
        .logs(container, LogRequest::default())
        .try_collect()
        .await
        .expect("a log");
    let log: Vec<String> = log.into_iter().map(|line| line.text).collect();
    assert!(!log.is_empty());
    seen.add(format!("log of {container}"), log.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_seen_nowhere_but_where_it_is_asked_for() {
    let _turn = turn().await;
    let name = Name::new("secrecy");
    let image = any_image().await;
    let cluster = name.0.as_str();
    let mut seen = Seen::default();
    let up = ["up", cluster, "--image", &image, "--verbose"];
    let with = |more: &[&'static str]| [&up[..], more].concat();

    seen.command(0, &with(&["--dry-run"]));
    seen.command(0, &with(&["--dry-run", "--output", "json"]));
    seen.command(2, &with(&["--masters", "0"]));
    seen.command(2, &with(&["--pasword"]));
    seen.command(0, &with(&[]));
    seen.command(0, &with(&["--output", "json"]));
    seen.command(0, &with(&["--output", "ndjson"]));
    seen.command(0, &with(&["--dry-run"]));
    seen.command(1, &with(&["--replicas", "0"]));
    for verb in ["status", "validate", "list"] {
        let named: &[&str] = if verb == "list" { &[] } else { &[cluster] };
        for form in ["human", "json"] {
            seen.judgement(&[&[verb], named, &["--output", form, "--verbose"]].concat());
        }
    }
    seen.command(0, &["logs", cluster]);

    // While a client waits for input, its password is only in its environment.
    let mut client = rcup(&["cli", cluster])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("rcup runs");
    let mut input = client.stdin.take().expect("an input");
    let mut output = client.stdout.take().expect("an output");
    input.write_all(b"PING\n").expect("it listens");
    input.flush().expect("it listens");
    let mut answer = [0; 4];
    output.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"PONG");
    let lines = command_lines();
    assert!(
        lines.contains("redis-cli") && lines.contains(&format!("cli {cluster}")),
        "{lines}"
    );
    seen.add("the arguments of all processes", lines);
    for node in 1..=6 {
        look_into(&name.0.container(node), &mut seen).await;
    }
    drop(input);
    client.wait().expect("it ends");

    let engine = bollard::Docker::connect_with_defaults().expect("an engine");
    let remains = name.remains().await;
    seen.add("everything labelled", format!("{remains:?}"));
    for network in &remains.networks {
        let inspected = engine
            .inspect_network(&network.id, None::<query::InspectNetworkOptions>)
            .await;
        seen.add(
            "inspect network",
            serde_json::to_string(&inspected.unwrap()).unwrap(),
        );
    }
    for volume in &remains.volumes {
        let inspected = engine.inspect_volume(&volume.name).await.unwrap();
        seen.add("inspect volume", serde_json::to_string(&inspected).unwrap());
    }
    let environment = run_in(&name.0.container(1), &["env"]).await;
    assert!(environment.contains("PATH="), "{environment}");
    seen.add("the environment in a node", environment);

    let other = rcup(&with(&[]))
        .env("RCUP_PASSWORD", format!("{SECRET}-other"))
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(1));
    seen.add("up with another password", all_of(&other));
    seen.assert_clean(&[("the password".to_owned(), SECRET.to_owned())]);

    // `rcup env` shows the secret, and only its owner can read its file.
    let env = rcup(&["env", cluster]).output().unwrap();
    assert!(all_of(&env).contains(SECRET));
    assert_kept(&name).await;
    name.down().await;
}

/// Checks that one file of every node contains the secret, and that only the node's user can read it.
async fn assert_kept(name: &Name) {
    for node in 1..=6 {
        let container = name.0.container(node);
        let directory = format!("/rcup/{node}");
        let modes = run_in(
            &container,
            &[
                "busybox",
                "stat",
                "-c",
                "%a %u %n",
                &directory,
                &format!("{directory}/secrets.json"),
            ],
        )
        .await;
        let lines: Vec<&str> = modes.lines().map(str::trim).collect();
        assert_eq!(lines[0], format!("700 999 {directory}"));
        assert_eq!(lines[1], format!("600 999 {directory}/secrets.json"));
        let holders = run_in(&container, &["busybox", "grep", "-rl", SECRET, &directory]).await;
        let mut holders: Vec<&str> = holders.lines().map(str::trim).collect();
        holders.sort_unstable();
        // The server itself stores only the SHA-256 of the password.
        assert_eq!(holders, [format!("{directory}/secrets.json")]);
    }
}
