//! The exported files of every node form a cluster when plain containers start with them.

use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use super::own_engine::{eventually, run};
use super::{any_image, turn};

/// The containers and their network, which are removed with the test.
struct Hosts {
    prefix: String,
    containers: Vec<String>,
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for container in &self.containers {
            let _ = Command::new("docker").args(["rm", "-f", container]).output();
        }
        let _ = Command::new("docker")
            .args(["network", "rm", &self.prefix])
            .output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_boot_with_the_exported_files_are_a_cluster() {
    let _turn = turn().await;
    let image = any_image().await;
    let own = std::process::id() % 100;
    let subnet = format!("10.232.{own}.0/27");
    let mut hosts = Hosts {
        prefix: format!("it-conf-{}", std::process::id()),
        containers: Vec::new(),
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("conf");
    let path = path.to_str().unwrap();
    let rcup = |arguments: &[&str]| {
        Command::new(cargo_bin("rcup"))
            .env("RCUP_PASSWORD", "of-the-files")
            .args(arguments)
            .output()
            .unwrap()
    };
    let written = rcup(&[
        "export",
        "conf",
        "files",
        "--masters",
        "3",
        "--image",
        &image,
        "--subnet",
        &subnet,
        "--port",
        "7001",
        "--tls",
        "--persist",
        "--quiet",
        "-o",
        path,
    ]);
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    run(
        "docker",
        &["network", "create", "--subnet", &subnet, &hosts.prefix],
    );
    // Runs as the user that wrote the files, because only their owner can read them.
    let user = ["-u", "-g"]
        .map(|flag| run("id", &[flag]).trim().to_owned())
        .join(":");
    for index in 1..=6 {
        let (container, node) = (format!("{}-{index}", hosts.prefix), format!("rcup-files-{index}"));
        hosts.containers.push(container.clone());
        let ip = format!("10.232.{own}.{}", index + 1);
        let mount = format!("{path}/{node}:/rcup/{index}");
        let conf = format!("/rcup/{index}/redis.conf");
        let place = [
            "--network",
            &hosts.prefix,
            "--ip",
            &ip,
            "--user",
            &user,
            "-v",
            &mount,
        ];
        let start = ["run", "-d", "--name", &container, "--entrypoint", "redis-server"];
        run("docker", &[&start[..], &place, &[&image, &conf]].concat());
    }
    let (endpoint, authority) = (
        format!("10.232.{own}.2:7001"),
        format!("{path}/rcup-files-1/ca.crt"),
    );
    let mut told = String::new();
    let validates = || {
        let output = rcup(&[
            "validate",
            "--endpoint",
            &endpoint,
            "--password-env",
            "RCUP_PASSWORD",
            "--tls-ca",
            &authority,
        ]);
        told = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.status.success()
    };
    eventually("the nodes are a cluster", validates);
    assert!(told.contains("all 6 nodes answer"), "{told}");
}
