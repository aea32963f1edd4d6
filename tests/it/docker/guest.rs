//! rcup in a container with the socket of the container engine, as in jobs of continuous integration.

use std::process::{Command, Output, Stdio};

use super::{Name, any_image, turn};

/// A container in which rcup can run. It is removed on drop.
struct Job(String);

impl Job {
    async fn start(name: &Name) -> Self {
        Self::start_with(name, &[]).await
    }

    async fn start_with(name: &Name, flags: &[&str]) -> Self {
        let job = Self(format!("rcup-it-job-{}", name.0));
        let image = any_image().await;
        let rcup = format!("--volume={}:/usr/bin/rcup:ro", env!("CARGO_BIN_EXE_rcup"));
        let always = [
            "--detach",
            "--rm",
            "--user=0",
            "--name",
            &job.0,
            "--volume=/var/run/docker.sock:/var/run/docker.sock",
            &rcup,
            "--entrypoint=sleep",
        ];
        let started = docker(&[&["run"][..], &always, flags, &[&image, "600"]].concat());
        assert!(started.status.success(), "{}", text(&started.stderr));
        job
    }

    fn rcup(&self, arguments: &[&str]) -> Output {
        docker(&[&["exec", &self.0, "rcup"][..], arguments].concat())
    }

    /// Returns the networks of the container.
    fn networks(&self) -> String {
        let form = "{{range $name, $one := .NetworkSettings.Networks}}{{$name}} {{end}}";
        text(&docker(&["inspect", "--format", form, &self.0]).stdout)
            .trim()
            .to_owned()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("there is a docker")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_in_a_container_has_its_cluster_and_anybody_may_remove_it() {
    let _turn = turn().await;
    let name = Name::new("guest");
    let (job, other) = (
        Job::start(&name).await,
        Job::start(&Name::new("guest-other")).await,
    );
    let (cluster, image) = (name.0.as_str(), any_image().await);
    let up = ["up", cluster, "--image", &image, "--replicas", "0", "--quiet"];
    let said = |job: &Job, arguments: &[&str]| {
        let output = job.rcup(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    said(&job, &up);
    assert_eq!(job.networks(), format!("bridge {}", name.0.network()));
    assert!(said(&job, &["validate", cluster, "--suite", "smoke"]).contains("passes 14 checks"));
    // In another job, `status` fails with the command to connect its network. A start of the same cluster connects it.
    let outside = other.rcup(&["status", cluster]);
    assert_eq!(outside.status.code(), Some(4), "{}", text(&outside.stdout));
    assert!(
        text(&outside.stderr).contains("docker network connect"),
        "{}",
        text(&outside.stderr)
    );
    said(&other, &up);
    assert!(said(&other, &["status", cluster]).contains("is ok"));
    // Removed from the host, while both jobs exist.
    name.down().await;
    for job in [&job, &other] {
        assert_eq!(job.networks(), "bridge");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_not_put_onto_a_network_of_the_users() {
    let _turn = turn().await;
    let name = Name::new("guest-shared");
    let job = Job::start(&name).await;
    let network = format!("{}-own", name.0);
    let made = docker(&["network", "create", "--subnet=10.214.77.0/24", &network]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let refused = job.rcup(&[
        "up",
        name.0.as_str(),
        "--image",
        &any_image().await,
        "--network",
        &network,
    ]);
    let networks = job.networks();
    docker(&["network", "rm", &network]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(
        text(&refused.stderr).contains(&format!("docker network connect {network} {}", job.0)),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(networks, "bridge");
    name.assert_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_another_engine_joins_nothing() {
    let _turn = turn().await;
    let name = Name::new("guest-foreign");
    // The files that an engine mounts, with the id of a container that this engine does not have. The container reaches
    // the nodes through the host's network.
    let home = tempfile::tempdir().unwrap();
    let files = home.path().join("a".repeat(64));
    std::fs::create_dir(&files).unwrap();
    let mounts = ["hostname", "hosts", "resolv.conf"].map(|file| {
        std::fs::copy(format!("/etc/{file}"), files.join(file)).unwrap();
        format!("--volume={}:/etc/{file}:ro", files.join(file).display())
    });
    let mut flags: Vec<&str> = mounts.iter().map(String::as_str).collect();
    flags.push("--network=host");
    let job = Job::start_with(&name, &flags).await;
    let up = [
        "up",
        name.0.as_str(),
        "--image",
        &any_image().await,
        "--masters",
        "1",
        "--replicas",
        "0",
    ];
    let output = job.rcup(&up);
    let said = text(&output.stderr);
    assert!(
        output.status.success() && !said.contains("connecting rcup's container"),
        "{said}"
    );
    name.down().await;
}
