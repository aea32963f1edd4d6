//! The effective configuration of the nodes.

use std::collections::BTreeMap;

use super::{Name, assert_ready, connect_as_client, image, images, turn, up};
use rcup::runtime::interface::{LogRequest, Runtime as _};
use rcup::spec::directives;
use rcup::spec::profile::Profile;
use rcup::spec::security::Password;
use rcup::spec::service_user::ServiceUser;
use rcup::{Cluster, ClusterSpec};

/// Returns the answer of a node to `CONFIG GET`.
async fn configured(address: &str, pattern: &str) -> BTreeMap<String, String> {
    told(&mut super::connect(address).await, pattern).await
}

async fn told(link: &mut redis::aio::MultiplexedConnection, pattern: &str) -> BTreeMap<String, String> {
    redis::cmd("CONFIG")
        .arg("GET")
        .arg(pattern)
        .query_async(link)
        .await
        .expect("the node tells its configuration")
}

/// Directives that no server reports with CONFIG GET.
const UNTOLD: [&str; 4] = ["include", "loadmodule", "rename-command", "user"];

#[tokio::test]
async fn the_table_of_directives_knows_what_the_servers_know() {
    let _turn = turn().await;
    for reference in images().await {
        let name = Name::new("table");
        let spec = rcup::spec::cluster::ClusterSpec::builder()
            .name(name.0.clone())
            .image(reference)
            .masters(1)
            .replicas(0)
            .build()
            .unwrap();
        let cluster = up(&spec).await;
        let server = cluster.topology().placement.image.server;
        let address = cluster.report().nodes[0].advertised.clone();
        let told = configured(&address, "*").await;
        assert!(told.len() > 150, "{server} tells {} directives", told.len());
        for (directive, value) in &told {
            let row =
                directives::lookup::find(directive).unwrap_or_else(|| panic!("{server} knows {directive}"));
            assert!(row.is_known_to(server), "{server} knows {directive}");
            // The reported value has the type that the table names.
            if !value.is_empty() {
                assert_eq!(row.kind().objection(value), None, "{server}: {directive} {value}");
            }
        }
        let mut unknown = Vec::new();
        for row in directives::lookup::all().filter(|row| row.is_known_to(server)) {
            let told = configured(&address, row.name()).await;
            if !UNTOLD.contains(&row.name()) && !told.contains_key(row.name()) {
                unknown.push(row.name());
            }
        }
        assert_eq!(unknown, Vec::<&str>::new(), "{server} does not know them");
    }
}

#[tokio::test]
async fn a_directive_that_the_server_lacks_is_refused_before_anything_is_made() {
    let _turn = turn().await;
    let name = Name::new("lacks");
    let spec = rcup::spec::cluster::ClusterSpec::builder()
        .name(name.0.clone())
        .image(image(rcup::spec::server::Engine::Redis, 8, 0).await)
        .set("io-threads-do-reads=yes".parse().unwrap())
        .build()
        .unwrap();
    let error = rcup::cluster::handle::Cluster::up(super::docker(), &spec, &super::options())
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), rcup::error::ErrorKind::Usage);
    assert!(
        error
            .to_string()
            .contains("has no directive `io-threads-do-reads`")
    );
    assert!(error.hint_text().unwrap().contains("Redis before 8.0"));
    name.assert_gone().await;
}

/// A warning that no configuration of the container can fix, because it concerns a setting of the host. `rcup doctor`
/// reports it.
const THE_HOSTS: &str = "Memory overcommit must be enabled";

/// Log lines at warning level that every server prints while it starts.
const USUAL: [&str; 4] = [
    "is starting oO0",
    "version=",
    "Configuration loaded",
    "Server initialized",
];

/// The log line of a server that has started.
const READY: &str = "Ready to accept";

/// Words of a warning about the configuration, at any log level and any time.
const WORDS: [&str; 5] = [
    "warning",
    "deprecated",
    "cannot be enforced",
    "unsupported",
    "you requested",
];

/// Returns the lines of a node's log that warn about its configuration or its environment.
async fn warnings(container: &str) -> Vec<String> {
    use futures_util::TryStreamExt as _;

    let lines: Vec<_> = super::docker()
        .logs(container, LogRequest::default())
        .try_collect()
        .await
        .expect("the engine shows the log");
    let lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    let is_up = lines.iter().any(|line| line.contains(READY));
    assert!(is_up, "{container} has booted and said so: {lines:?}");
    complaints(lines)
}

/// Until the server is ready, every line at warning level counts unless every server prints it. After that, such lines
/// report normal events such as aborted syncs and late elections, so only lines with these words count.
fn complaints(lines: Vec<String>) -> Vec<String> {
    let mut boots = true;
    let mut complaints = Vec::new();
    for line in lines {
        boots |= line.contains("is starting oO0");
        let lower = line.to_lowercase();
        let speaks = WORDS.iter().any(|word| lower.contains(word));
        let strange = boots && line.contains(" # ") && !USUAL.iter().any(|usual| line.contains(usual));
        boots &= !line.contains(READY);
        if (speaks || strange) && !line.contains(THE_HOSTS) {
            complaints.push(line);
        }
    }
    complaints
}

#[test]
fn what_a_server_complains_of_is_told_from_its_life() {
    let life = "1:M 27 Nov 2026 10:00:00.000 # There is a child rewriting the AOF. Killing it!";
    let boot = "1:C 27 Nov 2026 10:00:00.000 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo";
    let bind = "1:M 27 Nov 2026 10:00:00.000 # Could not create server TCP listening socket";
    let ready = "1:M 27 Nov 2026 10:00:00.000 * Ready to accept connections tcp";
    let word = "1:M 27 Nov 2026 10:00:00.000 * WARNING: this is Deprecated";
    let of = |lines: &[&str]| complaints(lines.iter().map(|line| (*line).to_owned()).collect());
    assert_eq!(of(&[boot, ready, life, boot, ready, life]), Vec::<String>::new());
    assert_eq!(of(&[boot, bind, ready, life, boot, bind]), [bind, bind]);
    assert_eq!(of(&[boot, word, ready, life, word]), [word, word]);
}

/// Access control of a cluster.
#[derive(Clone, Copy, Debug)]
enum Guard {
    Plain,
    Password,
    Tls,
}

const GUARDS: [Guard; 3] = [Guard::Plain, Guard::Password, Guard::Tls];

/// Checks that every node reports the planned settings and logs no warnings.
async fn assert_as_planned(cluster: &Cluster, who: &str) {
    let topology = cluster.topology();
    let operator = cluster.credentials_of(ServiceUser::Operator);
    for (node, reported) in topology.nodes.iter().zip(cluster.report().nodes) {
        assert_eq!(warnings(&node.name).await, Vec::<String>::new(), "{who}");
        let url =
            rcup::server::wire::access::url(&reported.advertised, operator.as_ref(), topology.spec.tls());
        let told = told(&mut connect_as_client(cluster, &url).await, "*").await;
        let settings = rcup::server::conf::settings::effective::settings(topology, node);
        assert!(settings.len() > 15, "{who}");
        for setting in settings {
            let is = told.get(setting.name.as_ref());
            let is = is.unwrap_or_else(|| panic!("{who}: {} is not told", setting.name));
            let wanted = match rcup::spec::size::bytes(&setting.value) {
                Ok(bytes) => bytes.to_string(),
                Err(_) => setting.value.trim_matches('"').to_owned(),
            };
            assert_eq!(*is, wanted, "{who}: {}", setting.name);
        }
    }
}

fn ids(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.report().nodes.into_iter();
    nodes
        .map(|node| format!("{} {:?}", node.id, node.slots))
        .collect()
}

/// Runs one cluster of the matrix: starts it, uses it and compares it with its plan; if it persists, also stops and
/// restarts it with its data.
async fn cell(reference: &str, profile: Profile, guard: Guard, persist: bool) {
    let who = format!("{reference}, {profile}, {guard:?}, persist: {persist}");
    let name = Name::new(profile.as_str());
    let spec = || {
        let spec = ClusterSpec::builder()
            .name(name.0.clone())
            .image(reference)
            .profile(profile)
            .masters(1)
            .replicas(1)
            .persist(persist);
        match guard {
            Guard::Plain => spec,
            Guard::Password => spec.password(Password::Any),
            Guard::Tls => spec.tls(true),
        }
        .build()
        .unwrap()
    };
    let mut cluster = up(&spec()).await;
    assert!(
        cluster.topology().placement.machine.memory(&spec(), 1).is_some(),
        "{who}"
    );
    assert_as_planned(&cluster, &who).await;
    assert_ready(&cluster).await;
    if persist {
        cluster.keep();
        let before = ids(&cluster);
        assert_cmd::Command::cargo_bin("rcup")
            .unwrap()
            .args(["stop", name.0.as_str()])
            .assert()
            .success();
        let again = up(&spec()).await;
        assert!(again.was_adopted(), "{who}");
        assert_eq!(ids(&again), before, "{who}");
        let mut master = connect_as_client(&again, &again.urls()[0]).await;
        for n in 0..500 {
            let key = format!("ready:{n}");
            let value: Option<u32> = redis::cmd("GET")
                .arg(&key)
                .query_async(&mut master)
                .await
                .unwrap();
            assert_eq!(value, Some(n), "{who}: {key}");
        }
        assert_as_planned(&again, &who).await;
    }
    name.down().await;
}

/// `RCUP_MATRIX=all` runs all 54 cells. By default, every server runs with every profile, every kind of access control,
/// and with and without persistence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_profile_starts_on_every_server_without_a_warning_and_as_planned() {
    let _turn = turn().await;
    let all = std::env::var("RCUP_MATRIX").is_ok_and(|which| which == "all");
    let mut cells = 0;
    for (i, reference) in images().await.iter().enumerate() {
        for (p, profile) in Profile::ALL.into_iter().enumerate() {
            for (g, guard) in GUARDS.into_iter().enumerate() {
                for persist in [false, true] {
                    if all || ((i + p) % 3 == g && persist == ((i + 2 * p).is_multiple_of(2))) {
                        Box::pin(cell(reference, profile, guard, persist)).await;
                        cells += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cells, if all { 54 } else { 9 });
}
