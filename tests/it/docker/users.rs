//! Users with ACL rules: every user, including rcup, has only the permissions it needs, and every command still works.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::{Name, connect_as_client, docker, images, options, turn};
use rcup::server::wire::access::url;
use rcup::spec::profile::Profile;
use rcup::spec::secret::Secret;
use rcup::spec::security::Password;
use rcup::spec::service_user::ServiceUser;
use rcup::spec::user::{Login, User};
use rcup::{Cluster, ClusterSpec};

/// The password of the cluster's clients.
const PASSWORD: &str = "o'd d $p%a#s:s@/é";

/// Configures the users. The administrator reads which commands the nodes have refused.
const FILE: &str = "[users.app]\nrules = [\"~app:*\", \"+@read\", \"+@write\"]\npassword-env = \"APP_PASSWORD\"\n\n\
                    [users.admin]\nrules = \"~* &* +@all\"\npassword-file = \"admin-password\"\n";

fn rcup(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcup"));
    command
        .args(arguments)
        .current_dir(home)
        .env("RCUP_PASSWORD", PASSWORD)
        .env("APP_PASSWORD", "of-the-app");
    command
}

/// Returns the output of a command that must succeed.
#[track_caller]
fn said(home: &Path, arguments: &[&str]) -> String {
    let output = rcup(home, arguments).output().expect("rcup runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}{errors}");
    told
}

async fn as_user(
    cluster: &Cluster,
    node: usize,
    user: Option<&str>,
    password: &str,
) -> MultiplexedConnection {
    let credentials = rcup::server::wire::access::Credentials {
        user: user.map(str::to_owned),
        password: Secret::new(password),
    };
    let address = &cluster.report().nodes[node - 1].advertised;
    let url = url(address, Some(&credentials), cluster.certificates().is_some());
    connect_as_client(cluster, &url).await
}

/// Returns the code of the error with which a node refuses a command, or `OK`.
async fn refused(connection: &mut MultiplexedConnection, words: &[&str]) -> String {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    match command.query_async::<redis::Value>(connection).await {
        Ok(_) => "OK".to_owned(),
        Err(error) => error.code().unwrap_or("?").to_owned(),
    }
}

/// Checks that no node has refused a command of rcup's service users.
async fn assert_nothing_was_refused_to_rcup(cluster: &Cluster, after: &str) {
    for node in &cluster.topology().nodes {
        let mut admin = as_user(cluster, node.index, Some("admin"), "of-the-admin").await;
        let log: Vec<BTreeMap<String, redis::Value>> = redis::cmd("ACL")
            .arg("LOG")
            .query_async(&mut admin)
            .await
            .unwrap();
        let own: Vec<String> = log
            .iter()
            .map(|entry| format!("{entry:?}"))
            .filter(|entry| entry.contains("rcup-"))
            .collect();
        assert!(own.is_empty(), "after {after}, {}: {own:#?}", node.name);
    }
}

/// Checks what every user may and may not do.
async fn assert_rules(cluster: &Cluster) {
    assert_nothing_was_refused_to_rcup(cluster, "what was before").await;
    let mut client = as_user(cluster, 1, None, PASSWORD).await;
    for words in [
        &["CONFIG", "GET", "*"][..],
        &["FLUSHALL"],
        &["FLUSHDB"],
        &["KEYS", "*"],
        &["SHUTDOWN"],
        &["ACL", "SETUSER", "default", "+config"],
    ] {
        assert_eq!(refused(&mut client, words).await, "NOPERM", "{words:?}");
    }
    // Servers from 7.0 on refuse DEBUG before they check ACL rules. The rule is for servers that do not.
    assert_eq!(refused(&mut client, &["DEBUG", "SLEEP", "0"]).await, "ERR");
    let rules: Vec<String> = redis::cmd("ACL")
        .arg("LIST")
        .query_async(&mut as_user(cluster, 1, Some("admin"), "of-the-admin").await)
        .await
        .unwrap();
    let of_default = rules
        .iter()
        .find(|rule| rule.starts_with("user default "))
        .unwrap();
    assert!(of_default.contains("-debug"), "{of_default}");
    assert_eq!(refused(&mut client, &["ACL", "WHOAMI"]).await, "OK");
    let mut app = as_user(cluster, 1, Some("app"), "of-the-app").await;
    assert_eq!(refused(&mut app, &["GET", "other:x"]).await, "NOPERM");
    assert_eq!(refused(&mut app, &["CLUSTER", "INFO"]).await, "NOPERM");
    let allowed = refused(&mut app, &["SET", "app:x", "1"]).await;
    assert!(allowed == "OK" || allowed == "MOVED", "{allowed}");
    let mut monitor = {
        let credentials = cluster.credentials_of(ServiceUser::Monitor).unwrap();
        as_user(
            cluster,
            1,
            credentials.user.as_deref(),
            credentials.password.expose(),
        )
        .await
    };
    assert_eq!(refused(&mut monitor, &["INFO"]).await, "OK");
    for words in [&["GET", "app:x"][..], &["SET", "x", "1"], &["CONFIG", "GET", "*"]] {
        assert_eq!(refused(&mut monitor, words).await, "NOPERM", "{words:?}");
    }
    // Replicas log in as a user that can only replicate.
    let mut admin = as_user(cluster, 1, Some("admin"), "of-the-admin").await;
    let replicas: String = redis::cmd("CLIENT")
        .arg(&["LIST", "TYPE", "replica"])
        .query_async(&mut admin)
        .await
        .unwrap();
    assert!(replicas.contains("user=rcup-replica"), "{replicas}");
    // Clears the refused commands of this test, because rcup did not send them.
    assert_eq!(refused(&mut admin, &["ACL", "LOG", "RESET"]).await, "OK");
}

/// Checks that the effective settings equal the planned ones. Only the operator can read them.
async fn assert_as_planned(cluster: &Cluster) {
    let credentials = cluster.credentials_of(ServiceUser::Operator).unwrap();
    for node in &cluster.topology().nodes {
        let user = credentials.user.as_deref();
        let mut operator = as_user(cluster, node.index, user, credentials.password.expose()).await;
        let told: BTreeMap<String, String> = redis::cmd("CONFIG")
            .arg(&["GET", "*"])
            .query_async(&mut operator)
            .await
            .unwrap();
        for setting in rcup::server::conf::settings::effective::settings(cluster.topology(), node) {
            let wanted = rcup::spec::size::bytes(&setting.value).map_or_else(
                |_| setting.value.trim_matches('"').to_owned(),
                |bytes| bytes.to_string(),
            );
            assert_eq!(
                told[setting.name.as_ref()],
                wanted,
                "{}: {}",
                node.name,
                setting.name
            );
        }
        assert_eq!(told["requirepass"], "", "the password is the user's alone");
        assert_eq!(refused(&mut operator, &["CONFIG", "REWRITE"]).await, "OK");
    }
}

/// Returns a handle of the running cluster, as a later rcup gets it.
async fn again(name: &Name, image: &str) -> Cluster {
    let admin = User::new("admin", "~* &* +@all", Login::with(&Secret::new("of-the-admin")));
    let app = User::new(
        "app",
        "~app:* +@read +@write",
        Login::with(&Secret::new("of-the-app")),
    );
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(image)
        .profile(Profile::Production)
        .node_timeout(Duration::from_secs(2))
        .memory(64 << 20)
        .password(Password::Any)
        .user(app.unwrap())
        .user(admin.unwrap())
        .build()
        .unwrap();
    let cluster = Cluster::up(docker(), &spec, &options()).await.unwrap();
    assert!(cluster.was_adopted());
    cluster
}

async fn every_verb_works(image: &str) {
    let _turn = turn().await;
    let name = Name::new("users");
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("rcup.toml"), FILE).unwrap();
    std::fs::write(home.join("admin-password"), "of-the-admin\n").unwrap();
    let own = name.0.as_str();
    let wanted = [
        "--image",
        image,
        "--profile",
        "production",
        "--node-timeout",
        "2s",
        "--memory",
        "64mb",
    ];
    let up_again = [&["up", own][..], &wanted].concat();
    said(home, &up_again);
    let cluster = again(&name, image).await;
    assert_rules(&cluster).await;
    assert_as_planned(&cluster).await;
    assert_nothing_was_refused_to_rcup(&cluster, "the start").await;

    assert!(said(home, &["status", own]).contains("link up"));
    said(home, &["list"]);
    said(home, &["logs", own]);
    said(home, &["validate", own]);
    said(home, &["verify", own]);
    assert_nothing_was_refused_to_rcup(&cluster, "the standard validation").await;
    said(home, &["validate", own, "--only", "failover-command", "--yes"]);
    assert_nothing_was_refused_to_rcup(&cluster, "the validation").await;
    assert_eq!(said(home, &["cli", own, "--", "SET", "x", "1"]).trim(), "OK");
    let timeout = [
        "cli",
        own,
        "--user",
        "operator",
        "--",
        "CONFIG",
        "GET",
        "cluster-node-timeout",
    ];
    assert!(said(home, &timeout).contains("2000"));
    let env = said(home, &["env", own, "--format", "dotenv", "--user", "monitor"]);
    assert!(env.contains("REDIS_USERNAME=rcup-monitor\n"), "{env}");
    assert!(said(home, &["env", own]).contains("REDIS_USERNAME='default'"));
    said(home, &up_again);

    said(home, &["restart", own, "--node", "1"]);
    said(home, &["stop", own]);
    said(home, &["start", own]);
    let cluster = again(&name, image).await;
    assert_rules(&cluster).await;
    assert_eq!(said(home, &["cli", own, "--", "GET", "x"]).trim(), "1");
    // All objects except the volumes are created again.
    said(home, &["down", own, "--keep-volumes"]);
    said(home, &up_again);
    let cluster = again(&name, image).await;
    assert_rules(&cluster).await;
    assert_as_planned(&cluster).await;
    assert_eq!(said(home, &["cli", own, "--", "GET", "x"]).trim(), "1");

    // A reset restores changed users and removes added ones.
    let attached = Cluster::attach(docker(), &name.0).await.unwrap();
    let settings = attached.settings().await.unwrap();
    let mut admin = as_user(&cluster, 1, Some("admin"), "of-the-admin").await;
    for words in [
        &["ACL", "SETUSER", "app", "+@all", "~*"][..],
        &["ACL", "SETUSER", "eve", "on"],
    ] {
        assert_eq!(refused(&mut admin, words).await, "OK");
    }
    let reset = attached.reset(Some(&settings)).await.unwrap();
    assert_eq!(reset.mended.len(), 2, "{reset:?}");
    assert_rules(&cluster).await;
    assert_nothing_was_refused_to_rcup(&cluster, "all verbs").await;
    let other = rcup(home, &up_again)
        .env("APP_PASSWORD", "another")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        told.contains("another password of user app") && !told.contains("of-the-app"),
        "{told}"
    );
    name.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_with_users_on_redis_7() {
    Box::pin(every_verb_works(&images().await[0])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_with_users_on_redis_8() {
    Box::pin(every_verb_works(&images().await[1])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_works_with_users_on_valkey_8() {
    Box::pin(every_verb_works(&images().await[2])).await;
}
