//! `rcup.toml` and `rcup config`, through the binary, without an engine.

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

fn rcup(home: &Path) -> Command {
    let mut command = Command::cargo_bin("rcup").unwrap();
    command
        .env_clear()
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .current_dir(home);
    command
}

fn shown(command: &mut Command, arguments: &[&str]) -> Value {
    let assert = command
        .args(["config", "show", "--engine-version", "8.0", "--output", "json"])
        .args(arguments)
        .assert()
        .success();
    serde_json::from_slice(&assert.get_output().stdout).unwrap()
}

fn line<'a>(shown: &'a Value, name: &str) -> (&'a str, &'a str) {
    let common = shown["common"].as_array().unwrap().iter();
    let line = common
        .clone()
        .find(|line| line["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not shown"));
    (line["value"].as_str().unwrap(), line["origin"].as_str().unwrap())
}

const FILE: &str = "profile = \"staging\"\nnode-timeout = \"7s\"\n\n[set]\nslowlog-max-len = 7\nlatency-monitor-threshold = \
                    7\n\n[cluster.orders]\nmasters = 5\nreplicas = 0\n\n[cluster.orders.set]\nslowlog-max-len = 9\n";

#[test]
fn a_flag_wins_over_the_environment_the_file_the_profile_and_the_default() {
    let home = tempfile::tempdir().unwrap();
    let bare = shown(&mut rcup(home.path()), &[]);
    assert_eq!(line(&bare, "cluster-node-timeout"), ("5000", "profile"));
    assert_eq!(line(&bare, "slowlog-max-len"), ("128", "default"));
    std::fs::write(home.path().join("rcup.toml"), FILE).unwrap();
    let filed = shown(&mut rcup(home.path()), &[]);
    assert_eq!(filed["file"], "rcup.toml");
    assert_eq!(filed["profile"], "staging");
    assert_eq!(line(&filed, "cluster-node-timeout"), ("7000", "file"));
    assert_eq!(line(&filed, "slowlog-max-len"), ("7", "file"));
    assert_eq!(line(&filed, "maxmemory-policy"), ("allkeys-lru", "profile"));
    assert_eq!(line(&filed, "io-threads").1, "fitted");
    let mut surrounded = rcup(home.path());
    surrounded
        .env("RCUP_NODE_TIMEOUT", "8s")
        .env("RCUP_SET", "slowlog-max-len=8");
    let surrounded = shown(&mut surrounded, &[]);
    assert_eq!(line(&surrounded, "cluster-node-timeout"), ("8000", "environment"));
    assert_eq!(line(&surrounded, "slowlog-max-len"), ("8", "environment"));
    assert_eq!(line(&surrounded, "latency-monitor-threshold"), ("7", "file"));
    let mut flagged = rcup(home.path());
    flagged.env("RCUP_NODE_TIMEOUT", "8s");
    let flagged = shown(
        &mut flagged,
        &["--node-timeout", "6s", "--set", "slowlog-max-len=6"],
    );
    assert_eq!(line(&flagged, "cluster-node-timeout"), ("6000", "flag"));
    assert_eq!(line(&flagged, "slowlog-max-len"), ("6", "flag"));
    assert_eq!(line(&flagged, "latency-monitor-threshold"), ("7", "file"));
}

#[test]
fn a_named_cluster_has_its_own_keys() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("mine.toml"), FILE).unwrap();
    let orders = shown(&mut rcup(home.path()), &["orders", "--config", "mine.toml"]);
    assert_eq!(orders["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(line(&orders, "slowlog-max-len"), ("9", "file"));
    let one = shown(
        &mut rcup(home.path()),
        &["orders", "--config", "mine.toml", "--node", "2"],
    );
    assert_eq!(one["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_wrong_in_the_file_is_shown_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    for (text, place, hint) in [
        (
            "masters = 3\nmastres = 5\n",
            "rcup.toml:2:1: there is no key `mastres`",
            "Did you mean `masters`?",
        ),
        (
            "replicas = \"many\"\n",
            "rcup.toml:1:1: invalid value 'many'",
            "--replicas",
        ),
        (
            "node-timeout = \"soon\"\n",
            "rcup.toml:1:1: `soon` is not a duration",
            "`5s`",
        ),
        (
            "[set]\nmaxmemmory = 1\n",
            "knows the directive `maxmemmory`",
            "`maxmemory`",
        ),
        ("masters = = 3\n", "rcup.toml:1:11: ", "config init"),
        (
            "[set]\nmaxmemory-samples = 5\nmaxmemmory = 1\n",
            "rcup.toml:3:1: ",
            "`maxmemory`",
        ),
        (
            "[cluster.other]\nmastres = 5\n",
            "rcup.toml:2:1: there is no key `mastres`",
            "Did you mean `masters`?",
        ),
        (
            "[cluster.other.set]\nappendfsync = \"allways\"\n",
            "rcup.toml:2:1: ",
            "`always`",
        ),
        (
            "[cluster.other]\nmasters = { a = [] }\n",
            "rcup.toml:2:",
            "Give a text",
        ),
        ("cluster = 3\n", "`cluster` is not a table", "[cluster.orders]"),
    ] {
        std::fs::write(home.path().join("rcup.toml"), text).unwrap();
        rcup(home.path())
            .args(["up", "--dry-run"])
            .assert()
            .code(2)
            .stdout("")
            .stderr(
                contains(place)
                    .and(contains(hint))
                    .and(contains("\n    ^").or(contains("^"))),
            );
    }
    rcup(home.path())
        .args(["up", "--config", "nowhere.toml"])
        .assert()
        .failure()
        .stderr(contains("cannot read nowhere.toml"));
}

#[test]
fn the_file_that_init_writes_is_right_and_is_not_overwritten() {
    let home = tempfile::tempdir().unwrap();
    rcup(home.path()).args(["config", "init"]).assert().success();
    rcup(home.path())
        .args(["config", "init"])
        .assert()
        .failure()
        .stderr(contains("rcup.toml is there already").and(contains("--force")));
    rcup(home.path())
        .args(["config", "init", "--force"])
        .assert()
        .success();
    let path = home.path().join("rcup.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(shown(&mut rcup(home.path()), &[])["profile"], "dev");
    // Every line that is only commented out is right as well.
    let whole: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&path, whole).unwrap();
    let orders = shown(rcup(home.path()).env("APP_PASSWORD", "x"), &["orders"]);
    assert_eq!(orders["nodes"].as_array().unwrap().len(), 10);
    assert_eq!(line(&orders, "maxmemory"), ("256mb", "file"));
}

#[test]
fn the_schema_in_the_repository_is_the_one_that_is_printed() {
    let home = tempfile::tempdir().unwrap();
    let printed = rcup(home.path()).args(["config", "schema"]).assert().success();
    let printed = String::from_utf8(printed.get_output().stdout.clone()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/rcup.toml.json");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        kept, printed,
        "write it again: rcup config schema > docs/schema/rcup.toml.json"
    );
}

#[test]
fn users_of_the_file_are_shown_with_their_source_and_without_their_passwords() {
    let home = tempfile::tempdir().unwrap();
    let file = "profile = \"production\"\n[users.app]\nrules = \"~app:* +@read\"\npassword = \"s3cret\"\n\n\
                [cluster.orders.users.app]\nrules = \"~orders:* +@all\"\nnopass = true\n";
    std::fs::write(home.path().join("rcup.toml"), file).unwrap();
    let users = |arguments: &[&str]| -> Vec<(String, String, String)> {
        let all = shown(&mut rcup(home.path()), arguments);
        assert!(!all.to_string().contains("s3cret"));
        let each = all["users"].as_array().unwrap().iter();
        let text = |user: &Value, key: &str| user[key].as_str().unwrap().to_owned();
        each.map(|user| (text(user, "name"), text(user, "rules"), text(user, "origin")))
            .collect()
    };
    let find = |all: &[(String, String, String)], name: &str| {
        let user = all.iter().find(|user| user.0 == name).unwrap();
        (user.1.clone(), user.2.clone())
    };
    let all = users(&[]);
    let (rules, origin) = find(&all, "default");
    assert!(
        rules.starts_with("~* &* +@all -flushdb -flushall -config "),
        "{rules}"
    );
    assert_eq!(origin, "profile");
    assert_eq!(find(&all, "rcup-replica").0, "+psync +replconf +ping");
    assert_eq!(find(&all, "app"), ("~app:* +@read".to_owned(), "file".to_owned()));
    assert_eq!(find(&users(&["orders"]), "app").0, "~orders:* +@all");
    let flagged = users(&["--user", "app nopass ~x +get", "--user", "default ~* +@all"]);
    assert_eq!(find(&flagged, "app"), ("~x +get".to_owned(), "flag".to_owned()));
    assert_eq!(
        find(&flagged, "default"),
        ("~* +@all".to_owned(), "flag".to_owned())
    );
}

#[test]
fn a_user_that_cannot_be_is_refused_at_its_line() {
    let home = tempfile::tempdir().unwrap();
    for (lines, message, hint) in [
        (
            "rules = \"+@reed\"\nnopass = true",
            "no rule for the user `app`",
            "@read",
        ),
        ("rules = \"+@read\"", "has no password", "password-env"),
        ("rules = \">x +@all\"", "hold a password", "password-file"),
        (
            "pasword = \"x\"",
            "rcup.toml:2:1: `pasword` of a user",
            "password-env",
        ),
        ("password-env = \"RCUP_NOT_SET\"", "RCUP_NOT_SET", "rcup up"),
    ] {
        std::fs::write(home.path().join("rcup.toml"), format!("[users.app]\n{lines}\n")).unwrap();
        let refused = rcup(home.path())
            .args(["config", "show", "--engine-version", "8.0"])
            .assert()
            .code(2);
        refused.stderr(contains("rcup.toml:").and(contains(message)).and(contains(hint)));
    }
    // Where another cluster's password is, only that cluster needs to know.
    let other = "[cluster.other.users.app]\nrules = \"+@read\"\npassword-env = \"RCUP_NOT_SET\"\n";
    std::fs::write(home.path().join("rcup.toml"), other).unwrap();
    shown(&mut rcup(home.path()), &[]);
    std::fs::write(home.path().join("rcup.toml"), other.replace("@read", "@reed")).unwrap();
    rcup(home.path())
        .args(["config", "show", "--engine-version", "8.0"])
        .assert()
        .code(2)
        .stderr(contains("rcup.toml:1:").and(contains("@read")));
}

#[test]
fn an_error_in_the_file_repeats_no_secret() {
    let home = tempfile::tempdir().unwrap();
    // Each begins with the key that is shown of its line, where one may be.
    let texts = [
        "password = \"s3cret",
        "password = \"s3cret\" trailing",
        "password = s3cret",
        "password = [\"s3cret\", { a = 1 }]",
        "password = { s3cret = [] }",
        "password = \"\"\"\ns3cret",
        "password = \"\"\"\ns3cret = 1\n\"\"\" x",
        "pasword = \"s3cret\"",
        "pasword = = \"s3cret\"",
        "user = \"app s3cret +@all\"",
        "user = \"app pasword=s3cret +@all\"",
        "user = [\"app nopass +@all\", \"other >s3cret +@all\"]",
        "users = { app = { rules = \"+@reed\", password = \"s3cret\" } }",
        "users = { app = { rules = [1.5, {}], password = \"s3cret\" } }",
        "users = { app = { password = \"s3cret\", pasword = \"s3cret\" } }",
        "users = { masters = { password = \"s3cret\", rules = 3 } }",
        "[users.app]\npasword = \"s3cret\"",
        "[users.app]\npassword = \"s3cret",
        "[users.app]\npassword = [\"s3cret\"]",
        "[users.app]\nrules = \"s3cret +@all\"\nnopass = true",
        "[users.app]\nrules = \"(~x +get s3cret\"\nnopass = true",
        "[users.app]\nrules = [\n\"s3cret\", {}]",
        "[users]\nmasters = { password = \"s3cret\", rules = 3 }",
        "[users]\napp = \"s3cret\"",
        "cluster = { orders = { masters = \"many\", password = \"s3cret\" } }",
        "[cluster]\nimage = { masters = \"many\", password = \"s3cret\" }",
        "[cluster.orders]\npassword = \"s3cret\nmasters = 3",
        "[set]\nrequirepass = \"s3cret\"",
        "set = { requirepass = \"s3cret\" }",
        "set = [\"requirepass s3cret\"]",
        "set = [\"maxmemory-samples=5\", \"masterauth=s3cret\"]",
        "[set]\ntls-key-file-pass = \"s3cret",
        "masters = \"many\" # s3cret",
        "s3cret",
        "password \"s3cret\"",
    ];
    for text in texts {
        std::fs::write(home.path().join("rcup.toml"), format!("{text}\n")).unwrap();
        for output in ["human", "json"] {
            let refused = rcup(home.path())
                .args(["config", "show", "--engine-version", "8.0", "--output", output])
                .assert()
                .code(2)
                .stdout("");
            let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(told.contains("rcup.toml:"), "{text}\n{told}");
            assert!(!told.contains("s3cret"), "{text}\n{told}");
        }
    }
}

#[test]
fn what_is_wrong_and_no_secret_is_shown() {
    let home = tempfile::tempdir().unwrap();
    for (text, line) in [
        ("replicas = \"many\" # or few", "1 | replicas = \"many\"\n"),
        (
            "[set]\n  appendfsync = \"allways\"",
            "2 |   appendfsync = \"allways\"\n",
        ),
        ("[set]\nrequirepass = \"x\"", "2 | requirepass = …\n"),
        ("masters = = 3", "1 | masters = …\n"),
        ("password = x", "1 | password = …\n"),
    ] {
        std::fs::write(home.path().join("rcup.toml"), format!("{text}\n")).unwrap();
        rcup(home.path())
            .args(["up", "--dry-run"])
            .assert()
            .code(2)
            .stderr(contains(line));
    }
}
