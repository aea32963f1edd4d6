//! `rcup.toml` and `rcup config`, through the binary, without a container engine.

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
            "rcup.toml:2:1: unknown key `mastres`",
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
            "rcup.toml:2:1: unknown key `mastres`",
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
            "Use a string",
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
        .stderr(contains("rcup.toml already exists").and(contains("--force")));
    rcup(home.path())
        .args(["config", "init", "--force"])
        .assert()
        .success();
    let path = home.path().join("rcup.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(shown(&mut rcup(home.path()), &[])["profile"], "dev");
    // The lines that are commented out are valid as well.
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
fn the_file_that_init_writes_tells_of_what_most_clusters_need() {
    let home = tempfile::tempdir().unwrap();
    rcup(home.path()).args(["config", "init"]).assert().success();
    let text = std::fs::read_to_string(home.path().join("rcup.toml")).unwrap();
    for key in [
        "tls",
        "tls-ca",
        "password",
        "password-file",
        "publish",
        "network",
        "image",
        "announce",
        "ttl",
        "subnet",
    ] {
        let is_key = |line: &str| {
            line.trim_start_matches(['#', ' '])
                .starts_with(&format!("{key} = "))
        };
        assert!(text.lines().any(is_key), "{key}");
    }
}

#[test]
fn users_and_the_passwords_file_come_from_the_environment_too() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    for (name, text) in [("one", "s3cret-one\n"), ("two", "s3cret-two\n")] {
        std::fs::write(path(name), text).unwrap();
    }
    let user = |shown: &Value, name: &str| {
        let mut all = shown["users"].as_array().unwrap().iter();
        let user = all.find(|user| user["name"] == name);
        let user = user.unwrap_or_else(|| panic!("{name}: {shown:#}"));
        format!("{} {} {}", user["login"], user["rules"], user["origin"]).replace('"', "")
    };
    let mut command = rcup(home.path());
    command
        .env(
            "RCUP_USER",
            "app password-env=APP ~app:* +@read; guest nopass ~news:* +get\n",
        )
        .env("APP", "s3cret")
        .env("RCUP_PASSWORD_FILE", path("one"));
    let all = shown(&mut command, &[]);
    assert_eq!(user(&all, "default"), "password ~* &* +@all default");
    assert_eq!(user(&all, "app"), "password ~app:* +@read environment");
    assert_eq!(user(&all, "guest"), "none ~news:* +get environment");
    assert_eq!(line(&all, "protected-mode").0, "no");

    // Flags override the environment, and the environment overrides the file, for every way to set a password.
    let password = |file: &str, environment: &[(&str, &str)], flags: &[&str]| {
        std::fs::write(home.path().join("rcup.toml"), file).unwrap();
        let mut command = rcup(home.path());
        command.envs(environment.iter().copied());
        let out = home.path().join("out");
        let _ = std::fs::remove_dir_all(&out);
        command
            .args(["export", "conf", "--engine-version", "8.0", "-o"])
            .arg(&out)
            .args(flags)
            .assert()
            .success();
        let acl = std::fs::read_to_string(out.join("rcup-default-1/users.acl"));
        let acl = acl.unwrap_or_default();
        let first = acl.lines().next().unwrap_or_default();
        ["s3cret-one", "s3cret-two", "s3cret-three", "yes"]
            .into_iter()
            .find(|text| {
                first.contains(rcup::spec::user::hashed(&rcup::spec::secret::Secret::new(*text)).expose())
            })
            .map_or_else(|| format!("another of {}", first.len()), str::to_owned)
    };
    let (one, two) = (path("one"), path("two"));
    let file = format!("password-file = \"{one}\"\n");
    assert_eq!(password(&file, &[], &[]), "s3cret-one");
    assert_eq!(
        password(&file, &[("RCUP_PASSWORD", "s3cret-three")], &[]),
        "s3cret-three"
    );
    assert_eq!(
        password(&file, &[("RCUP_PASSWORD_FILE", &two)], &[]),
        "s3cret-two"
    );
    let plain = "password = \"s3cret-three\"\n";
    assert_eq!(
        password(plain, &[("RCUP_PASSWORD_FILE", &two)], &[]),
        "s3cret-two"
    );
    assert_eq!(
        password(plain, &[("RCUP_PASSWORD_FILE", &two)], &["--password=s3cret-one"]),
        "s3cret-one"
    );
    let flag = format!("--password-file={one}");
    assert_eq!(
        password(plain, &[("RCUP_PASSWORD", "yes")], &[&flag]),
        "s3cret-one"
    );
    // `true` requests a generated password.
    let generated = password("password = true\n", &[], &[]);
    assert!(
        generated.starts_with("another of ") && generated != "another of 0",
        "{generated}"
    );
    assert_eq!(password("password = false\n", &[], &[]), "another of 0");
}

#[test]
fn every_setting_of_the_file_can_come_from_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let help = rcup(home.path()).args(["up", "--help"]).assert().success();
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/rcup.toml.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let aliases = ["engine", "engine-version", "primaries"];
    let other = ["cluster", "node", "users"];
    for key in keys.filter(|key| !aliases.contains(&key.as_str()) && !other.contains(&key.as_str())) {
        let variable = format!("RCUP_{}", key.replace('-', "_").to_uppercase());
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}");
    }
}

/// Writes an authority and a certificate for these names, signed by it, into `home`.
fn sign(home: &Path, names: &[&str]) {
    use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
    let mut authority = CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "an authority of the user's own");
    let key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&key).unwrap();
    let mut node = CertificateParams::default();
    for name in names {
        node.subject_alt_names.push(match name.split_once(':').unwrap() {
            ("IP", ip) => SanType::IpAddress(ip.parse().unwrap()),
            (_, name) => SanType::DnsName(name.try_into().unwrap()),
        });
    }
    let node_key = KeyPair::generate().unwrap();
    let node = node.signed_by(&node_key, &Issuer::new(authority, key)).unwrap();
    for (name, text) in [
        ("ca.pem", certificate.pem()),
        ("node.pem", node.pem()),
        ("node.key", node_key.serialize_pem()),
    ] {
        std::fs::write(home.join(name), text).unwrap();
    }
}

#[test]
fn certificates_are_brought_along_by_the_file_and_must_name_the_nodes() {
    let home = tempfile::tempdir().unwrap();
    let file = "tls-ca = \"ca.pem\"\ntls-cert = \"node.pem\"\n";
    std::fs::write(home.path().join("rcup.toml"), file).unwrap();
    sign(home.path(), &["IP:127.0.0.1"]);
    let export = |key: Option<&str>| {
        let mut command = rcup(home.path());
        command.args(["export", "conf", "--engine-version", "8.0", "-o", "out"]);
        if let Some(key) = key {
            command.env("RCUP_TLS_KEY", key);
        }
        command.assert()
    };
    export(None).code(2).stderr(contains("must be given together"));
    export(Some("nothing"))
        .code(2)
        .stderr(contains("cannot read nothing"));
    let refused = export(Some("node.key")).code(2);
    let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(told.contains("does not name IP:10."), "{told}");
    assert!(!home.path().join("out").exists());
    // The names that the error suggests are sufficient.
    let wanted = told.split_once("subjectAltName=").unwrap().1;
    let wanted = wanted
        .split([';', ' '])
        .next()
        .unwrap()
        .trim_end_matches(['.', '\n']);
    sign(home.path(), &wanted.split(',').collect::<Vec<_>>());
    export(Some("node.key")).success();
    for (theirs, ours) in [
        ("ca.crt", "ca.pem"),
        ("node.crt", "node.pem"),
        ("node.key", "node.key"),
    ] {
        let read = |path: &str| std::fs::read_to_string(home.path().join(path)).unwrap();
        assert_eq!(read(&format!("out/rcup-default-4/{theirs}")), read(ours));
    }
    let mut command = rcup(home.path());
    let all = shown(command.env("RCUP_TLS_KEY", "node.key"), &[]);
    assert_eq!(line(&all, "tls-cluster"), ("yes", "file"));
    assert_eq!(line(&all, "tls-auth-clients"), ("optional", "file"));
    let node = all["nodes"][2]["directives"].as_array().unwrap();
    let port = node.iter().find(|line| line["name"] == "tls-port").unwrap();
    assert_eq!(port["value"], "7003");
    let cert = node.iter().find(|line| line["name"] == "tls-cert-file").unwrap();
    assert_eq!(cert["value"], "/rcup/3/node.crt");
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
    let aclfile = |arguments: &[&str]| {
        let all = shown(&mut rcup(home.path()), arguments);
        let mut lines = all["nodes"][0]["directives"].as_array().unwrap().iter();
        let line = lines.find(|line| line["name"] == "aclfile").unwrap();
        line["origin"].as_str().unwrap().to_owned()
    };
    assert_eq!(aclfile(&[]), "file");
    assert_eq!(aclfile(&["--password"]), "flag");
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
            "rcup.toml:2:1: invalid key or value `pasword` for a user",
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
    // A missing password of another cluster affects that cluster only.
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
    // Each text begins with the key that the error may show.
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

const NODES: &str = "[set]\nhz = 20\n\n[node.4]\nmemory = \"64mb\"\nimage = \"redis:8.2\"\n\n[node.4.set]\nhz = 50\n\n\
                     [node.replicas.set]\nhz = 30\n\n[cluster.orders.node.\"master:2\"]\nmemory = \"32mb\"\n";

/// Returns the value and the origin of a setting of one node, and whether it is node-specific.
fn of_node(shown: &Value, index: usize, name: &str) -> (String, String, bool) {
    let node = &shown["nodes"][index - 1];
    let line = node["directives"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["name"] == name);
    let line = line.unwrap_or_else(|| panic!("{name} is not shown of node {index}"));
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (text("value"), text("origin"), line["own"] == true)
}

#[test]
fn single_nodes_have_their_own_from_the_file_the_environment_and_flags() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("rcup.toml"), NODES).unwrap();
    let own = |value: &str, origin: &str| (value.to_owned(), origin.to_owned(), true);
    let filed = shown(&mut rcup(home.path()), &[]);
    assert_eq!(
        of_node(&filed, 1, "hz"),
        ("20".to_owned(), "file".to_owned(), false)
    );
    assert_eq!(of_node(&filed, 4, "hz"), own("50", "file"), "the exact name wins");
    assert_eq!(of_node(&filed, 5, "hz"), own("30", "file"));
    assert_eq!(of_node(&filed, 4, "maxmemory"), own("64mb", "file"));
    assert_eq!(filed["nodes"][3]["server"], "Redis 8.2.0");
    assert_eq!(filed["nodes"][3]["image_origin"], "file");
    assert!(filed["nodes"][0].get("image").is_none());
    let orders = shown(&mut rcup(home.path()), &["orders"]);
    assert_eq!(of_node(&orders, 2, "maxmemory"), own("32mb", "file"));
    assert_eq!(of_node(&orders, 4, "hz"), own("50", "file"));
    let mut surrounded = rcup(home.path());
    surrounded.env("RCUP_NODE_SET", "5:hz=60;6:slowlog-max-len=9");
    let surrounded = shown(&mut surrounded, &[]);
    assert_eq!(of_node(&surrounded, 5, "hz"), own("60", "environment"));
    assert_eq!(
        of_node(&surrounded, 6, "slowlog-max-len"),
        own("9", "environment")
    );
    assert_eq!(of_node(&surrounded, 6, "hz"), own("30", "file"));
    let flagged = shown(
        &mut rcup(home.path()),
        &["--node-set", "replicas:hz=70", "--node-image", "4=redis:8.4"],
    );
    assert_eq!(
        of_node(&flagged, 4, "hz"),
        own("70", "flag"),
        "a flag wins over any table"
    );
    assert_eq!(flagged["nodes"][3]["server"], "Redis 8.4.0");
    assert_eq!(flagged["nodes"][3]["image_origin"], "flag");
    rcup(home.path())
        .args(["config", "show", "--engine-version", "8.0", "--node", "4"])
        .assert()
        .success()
        .stdout(
            contains("rcup-default-4 (replica, Redis 8.2.0 from image redis:8.2, by file)")
                .and(contains("file (node)")),
        );
}

#[test]
fn what_is_wrong_about_a_node_is_shown_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    for (text, place, hint) in [
        (
            "[node.7]\nmemory = \"64mb\"\n",
            "rcup.toml:1:7: no node matches `7`",
            "numbered 1 to 6",
        ),
        (
            "masters = 3\n[node.first]\n",
            "rcup.toml:2:7: `first` selects no node",
            "[node.replicas]",
        ),
        (
            "[node.4]\nmemry = 1\n",
            "rcup.toml:2:1: unknown key `memry` for a node",
            "`image`, `memory`",
        ),
        (
            "[node.4.set]\nhz = 50\nmaxmemmory = 1\n",
            "rcup.toml:3:1: no version of Redis",
            "`maxmemory`",
        ),
        (
            "[node.4]\nmemory = \"much\"\n",
            "rcup.toml:2:1: `much` is not a size",
            "`256mb`",
        ),
        (
            "[node.4]\nset = 3\n",
            "rcup.toml:2:1: `set` is not a table",
            "`image`, `memory`",
        ),
        ("node = 3\n", "rcup.toml:1:1: `node` is not a table", "[node.4]"),
        (
            "[cluster.default.node.\"replica:4\"]\nmemory = \"64mb\"\n",
            "rcup.toml:1:23: no node matches `replica:4`",
            "3 replicas",
        ),
    ] {
        std::fs::write(home.path().join("rcup.toml"), text).unwrap();
        rcup(home.path())
            .args(["up", "--dry-run"])
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(place).and(contains(hint)).and(contains("^")));
    }
}

#[test]
fn a_cluster_whose_nodes_cannot_get_along_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], message: &str| {
        rcup(home.path())
            .args(["export", "compose", "--image", "redis:8.0"])
            .args(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(message));
    };
    refused(
        &["--node-image", "4=redis:7.2"],
        "node 4 with Redis 7.2.0 cannot copy its master, node 1 with Redis 8.0.0",
    );
    refused(
        &["--node-set", "4:io-threads-do-reads=yes"],
        "node 4: Redis 8.0.0 has no directive `io-threads-do-reads`",
    );
    refused(&["--node-set", "hz=50"], "names no node");
    refused(
        &["--node-memory", "4=1mb"],
        "node 4: 1048576 bytes of memory are too little",
    );
    rcup(home.path())
        .args([
            "export",
            "compose",
            "--image",
            "redis:7.2",
            "--node-image",
            "replicas=redis:8.0",
        ])
        .assert()
        .success()
        .stdout(contains("image: 'redis:8.0'").and(contains("image: 'redis:7.2'")));
    rcup(home.path())
        .args([
            "export",
            "bare-metal",
            "--hosts",
            "10.0.0.1,10.0.0.2",
            "-o",
            "out",
            "--image",
            "redis:7.2",
        ])
        .args(["--node-image", "4=redis:8.0"])
        .assert()
        .code(2)
        .stderr(contains("node 4 has image redis:8.0 of its own"));
}

#[test]
fn the_schema_takes_the_tables_of_nodes_and_refuses_misspelt_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/rcup.toml.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let valid = |node: Value| validator.is_valid(&serde_json::json!({ "node": node }));
    assert!(valid(serde_json::json!({
        "4": { "memory": "64mb", "image": "redis:8.2", "set": { "hz": 50 } },
        "replicas": { "set": { "hz": 30 } },
        "master:2": { "memory": 33_554_432 },
    })));
    for bad in [
        serde_json::json!({ "first": { "memory": 1 } }),
        serde_json::json!({ "4": { "memry": 1 } }),
        serde_json::json!({ "0": { "memory": 1 } }),
        serde_json::json!(4),
    ] {
        assert!(!valid(bad.clone()), "{bad}");
    }
}
