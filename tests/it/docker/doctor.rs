//! The doctor on a real container engine: what it reports equals the real values, however it reads them.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Output};

use super::{Name, alone, any_image, docker, turn, up};
use crate::ports;
use rcup::ClusterSpec;
use rcup::doctor::facts::EnginesFacts;
use rcup::doctor::finding::{Diagnosis, Finding, Severity};
use rcup::doctor::gather::examine::examine;
use rcup::doctor::gather::examine::{Look, Reading};
use rcup::spec::modes::Pull;
use rcup::spec::profile::Profile;

async fn look(look: Look) -> Diagnosis {
    let spec = ClusterSpec::builder().image(any_image().await).build().unwrap();
    Box::pin(examine(Ok(docker()), EnginesFacts::default(), &spec, look)).await
}

fn finding<'a>(diagnosis: &'a Diagnosis, id: &str) -> &'a Finding {
    let found = diagnosis.findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("no finding {id}: {diagnosis:#?}"))
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_shows_the_same_kernel_as_this_machine() {
    // Other tests disconnect nodes from their networks.
    let _alone = alone().await;
    let near = look(Look::of(Profile::Staging)).await;
    let through = look(Look::of(Profile::Staging).reading(Reading::Container)).await;
    for id in [
        "thp-enabled",
        "thp-defrag",
        "overcommit-memory",
        "swappiness",
        "swap",
    ] {
        assert_eq!(finding(&near, id).found, finding(&through, id).found, "{id}");
    }
    let overcommit = read("/proc/sys/vm/overcommit_memory");
    let found = &finding(&through, "overcommit-memory").found;
    assert_eq!(*found, format!("vm.overcommit_memory = {overcommit}"));
    let skipped: Vec<&str> = through.skipped.iter().map(|skipped| skipped.id).collect();
    for id in ["somaxconn", "tcp-max-syn-backlog"] {
        assert!(skipped.contains(&id), "{skipped:?}");
    }
    assert!(finding(&through, "disk").found.contains("GB free"));
    assert_eq!(finding(&near, "engine").severity, Severity::Ok);
    assert_eq!(finding(&near, "bridge").severity, Severity::Ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_sees_the_settings_that_rcup_asked_for() {
    let _turn = turn().await;
    let name = Name::new("doctor");
    let spec = ClusterSpec::builder()
        .name(name.0.clone())
        .image(any_image().await)
        .masters(1)
        .memory(64 << 20)
        // In the profile `dev`, the container of a node has no memory limit.
        .profile(Profile::Staging)
        .persist(false);
    let cluster = up(&spec.build().unwrap()).await;
    let diagnosis = look(Look::of(Profile::Dev).deep(true)).await;
    let somaxconn = &finding(&diagnosis, "node-somaxconn");
    assert_eq!(somaxconn.severity, Severity::Ok, "{somaxconn:#?}");
    assert!(
        somaxconn.found.starts_with("65535, seen in rcup-"),
        "{somaxconn:#?}"
    );
    let backlog = &finding(&diagnosis, "node-tcp-max-syn-backlog");
    assert_eq!(backlog.severity, Severity::Ok, "{backlog:#?}");
    assert!(backlog.found.starts_with("65535, seen in rcup-"), "{backlog:#?}");
    let memory = &finding(&diagnosis, "node-memory");
    assert_eq!(memory.severity, Severity::Ok, "{memory:#?}");
    assert_eq!(finding(&diagnosis, "node-nofile").severity, Severity::Ok);
    assert_eq!(finding(&diagnosis, "bridge").severity, Severity::Ok);
    assert!(finding(&diagnosis, "fsync").found.contains("p99"));
    drop(cluster);
    name.assert_gone().await;
}

/// Builds an image with the server and its libraries, but no other programs.
fn bare_image(from: &str) -> String {
    let name = format!("rcup-it/bare:{}", std::process::id());
    let bare = format!(
        "set -e; id=$(docker create {from}); trap 'docker rm $id >/dev/null' EXIT; docker export $id | tar --wildcards --delete \
         '*bin/sh' '*bin/cat' '*bin/busybox' | docker import --change 'CMD [\"redis-server\"]' - {name}"
    );
    let output = Command::new("sh").args(["-c", &bare]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    name
}

struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", &self.0]).output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_without_a_shell_shows_the_kernel_through_its_server() {
    let image = Removed(bare_image(&any_image().await));
    let spec = ClusterSpec::builder().image(&*image.0).build().unwrap();
    let through = Look::of(Profile::Staging).reading(Reading::Container);
    let diagnosis = examine(Ok(docker()), EnginesFacts::default(), &spec, through).await;
    let near = look(Look::of(Profile::Staging)).await;
    for id in ["thp-enabled", "thp-defrag", "overcommit-memory"] {
        assert_eq!(finding(&near, id).found, finding(&diagnosis, id).found, "{id}");
    }
    let skipped: Vec<&str> = diagnosis.skipped.iter().map(|skipped| skipped.id).collect();
    assert!(
        skipped.contains(&"swap") && skipped.contains(&"disk"),
        "{skipped:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_start_would_stumble_over_is_a_finding() {
    let (_taken, port) = ports::held();
    let spec = ClusterSpec::builder()
        .image("rcup-it/nowhere:1")
        .pull(Pull::Never)
        .subnet("172.17.0.0/24");
    let spec = spec.port(port).build().unwrap();
    let diagnosis = examine(
        Ok(docker()),
        EnginesFacts::default(),
        &spec,
        Look::of(Profile::Dev),
    )
    .await;
    assert!(!diagnosis.fit);
    let image = finding(&diagnosis, "image");
    assert_eq!(image.severity, Severity::Fail, "it may not be pulled");
    assert!(
        image
            .fix
            .as_deref()
            .unwrap()
            .starts_with("docker pull rcup-it/nowhere:1")
    );
    let subnet = finding(&diagnosis, "subnet");
    assert_eq!(subnet.severity, Severity::Fail);
    assert!(subnet.found.contains("of network bridge"), "{subnet:#?}");
    assert_eq!(finding(&diagnosis, "ports").severity, Severity::Fail);
}

/// With its own network namespace, which has its own network settings.
const APART: [&str; 2] = ["--mount", "--net"];

fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a shell in its own namespaces, where files of the test replace those of the kernel.
fn pretend(directory: &std::path::Path, namespaces: &[&str], script: &str) -> Output {
    let masks = [
        (
            "thp-enabled",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "[always] madvise never",
        ),
        (
            "thp-defrag",
            "/sys/kernel/mm/transparent_hugepage/defrag",
            "[always] madvise never",
        ),
        ("overcommit", "/proc/sys/vm/overcommit_memory", "0"),
        ("swappiness", "/proc/sys/vm/swappiness", "60"),
    ];
    let mut whole = String::from("set -e\n");
    for (name, path, text) in masks {
        let file = directory.join(name);
        if !file.exists() {
            fs::write(&file, format!("{text}\n")).unwrap();
        }
        let _ = writeln!(whole, "mount --bind {} {path}", file.display());
    }
    for kept in ["sysctl.d", "tmpfiles.d"] {
        let path = directory.join(kept);
        fs::create_dir_all(&path).unwrap();
        let _ = writeln!(
            whole,
            "mkdir -p /etc/{kept}; mount --bind {} /etc/{kept}",
            path.display()
        );
    }
    whole.push_str(script);
    Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", &whole])
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces of its own: `make test` runs it"]
async fn what_is_mended_is_mended_now_and_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let rcup = env!("CARGO_BIN_EXE_rcup");
    let output = pretend(
        path,
        &APART,
        &format!("{rcup} doctor --profile production --fix --yes --output json || test $? -eq 4"),
    );
    assert!(output.status.success(), "{}", told(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let fixed = json["fixed"].as_array().unwrap();
    assert!(fixed.len() >= 6, "{fixed:#?}");
    assert!(fixed.iter().all(|one| one["done"] == true), "{fixed:#?}");
    for id in [
        "overcommit-memory",
        "swappiness",
        "somaxconn",
        "tcp-max-syn-backlog",
        "thp-defrag",
    ] {
        let all = json["findings"].as_array().unwrap();
        let finding = all.iter().find(|finding| finding["id"] == id).unwrap();
        assert_eq!(finding["severity"], "ok", "{finding:#?}");
    }
    assert_eq!(fs::read_to_string(path.join("overcommit")).unwrap().trim(), "1");
    assert_eq!(
        fs::read_to_string(path.join("sysctl.d/99-rcup-vm-overcommit_memory.conf")).unwrap(),
        "vm.overcommit_memory = 1\n"
    );
    assert!(path.join("tmpfiles.d/rcup-thp-enabled.conf").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces of its own: `make test` runs it"]
async fn the_script_does_it_once_and_nothing_the_second_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let rcup = env!("CARGO_BIN_EXE_rcup");
    let script = path.join("mend.sh");
    let once = format!(
        "{rcup} doctor --profile production --script > {0}; sh {0}; echo second; sh {0}",
        script.display()
    );
    let output = pretend(path, &APART, &once);
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (first, second) = text.split_once("second\n").unwrap();
    assert!(
        first.contains("set /proc/sys/vm/overcommit_memory to 1 (it was 0)"),
        "{text}"
    );
    assert!(
        first.contains("wrote /etc/sysctl.d/99-rcup-vm-swappiness.conf"),
        "{text}"
    );
    // This test replaces the kernel's files with plain files, which do not list all possible values as the kernel does.
    assert_eq!(second, "", "{text}");
    assert_eq!(fs::read_to_string(path.join("swappiness")).unwrap(), "1\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces of its own: `make test` runs it"]
async fn a_rule_that_cuts_the_bus_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let rcup = env!("CARGO_BIN_EXE_rcup");
    let rules = "iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -A DOCKER-USER -p tcp -m \
                 multiport --dports 17000:18000 -j DROP";
    let output = pretend(
        directory.path(),
        &APART,
        &format!("{rules}; {rcup} doctor --output json --port 7401 || test $? -eq 4"),
    );
    assert!(output.status.success(), "{}", told(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = json["findings"].as_array().unwrap();
    let finding = all.iter().find(|finding| finding["id"] == "firewall").unwrap();
    assert_eq!(finding["severity"], "fail", "{finding:#?}");
    let found = finding["found"].as_str().unwrap();
    assert!(
        found.starts_with("port 17401 between nodes is blocked by"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces of its own: `make test` runs it"]
async fn a_start_warns_of_the_kernel_and_refuses_it_when_it_is_strict() {
    let _turn = turn().await;
    let name = Name::new("strict");
    let directory = tempfile::tempdir().unwrap();
    let rcup = env!("CARGO_BIN_EXE_rcup");
    let image = any_image().await;
    let start = format!("{rcup} up {} --image {image} --masters 1 --replicas 0", name.0);
    let strict = format!("{start} --strict || test $? -eq 4");
    let output = pretend(directory.path(), &["--mount"], &strict);
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("this host does not meet the requirements of profile dev"),
        "{text}"
    );
    assert!(
        text.contains("thp-enabled is always, expected madvise or never"),
        "{text}"
    );
    assert!(text.contains("rcup doctor --profile dev"), "{text}");
    name.assert_gone().await;
    let output = pretend(directory.path(), &["--mount"], &start);
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("warning: thp-enabled is always"), "{text}");
    name.down().await;
}
