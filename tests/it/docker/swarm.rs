//! The exported stack on a real single-node swarm, with a separate container engine.

use super::any_image;
use super::own_engine::{ONE, OwnEngine, eventually, patient, run};

const STACK: &str = "orders";
const NAMES: [&str; 6] = ["node-1", "node-2", "node-3", "node-4", "node-5", "node-6"];

struct Swarm(OwnEngine);

impl Swarm {
    fn docker(&self, arguments: &[&str]) -> String {
        let endpoint = self.0.endpoint();
        run("docker", &[&["-H", &endpoint], arguments].concat())
    }

    /// Removes the stack. Retries, because Swarm refuses to remove a network while one of its tasks is still stopping.
    fn remove(&self) {
        let endpoint = self.0.endpoint();
        eventually("the stack is removed", || {
            let removal = patient("docker")
                .args(["-H", &endpoint, "stack", "rm", STACK])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&removal.stderr).into_owned();
            assert!(
                removal.status.success() || said.contains("is in use by task"),
                "the stack cannot be removed: {said}"
            );
            removal.status.success()
        });
    }

    /// Returns the running tasks of the stack, sorted by service name.
    fn tasks(&self) -> Vec<String> {
        let filter = format!("label=com.docker.stack.namespace={STACK}");
        let format = "{{.Label \"com.docker.swarm.service.name\"}} {{.ID}}";
        let listed = self.docker(&["ps", "--filter", &filter, "--format", format]);
        let mut tasks: Vec<String> = listed.lines().map(ToOwned::to_owned).collect();
        tasks.sort_unstable();
        tasks
    }

    /// Sends a command to the node of a task. Returns an empty answer if the node does not reply.
    fn ask(&self, task: &str, command: &[&str]) -> String {
        let (service, id) = task.split_once(' ').unwrap();
        let index: u16 = service.rsplit('-').next().unwrap().parse().unwrap();
        let port = (7000 + index).to_string();
        let endpoint = self.0.endpoint();
        let shell = "REDISCLI_AUTH=$(cat /run/secrets/password) exec redis-cli -c \"$@\"";
        let output = patient("docker")
            .args(["-H", &endpoint, "exec", id, "sh", "-c", shell, "-", "-p", &port])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns whether all six tasks run, each node reports the cluster state `ok`, and each is connected to all
    /// others.
    fn is_ready(&self) -> bool {
        let tasks = self.tasks();
        let agrees = |task: &String| {
            let nodes = self.ask(task, &["cluster", "nodes"]);
            nodes.lines().filter(|line| !line.is_empty()).count() == 6
                && !nodes.contains("disconnected")
                && !nodes.contains("fail")
                && self.ask(task, &["cluster", "info"]).contains("cluster_state:ok")
                && !self
                    .ask(task, &["info", "replication"])
                    .contains("master_link_status:down")
        };
        tasks.len() == 6 && tasks.iter().all(agrees) && tasks.iter().all(|task| self.names(task) == NAMES)
    }

    /// Returns the names that a node advertises to clients. Addresses change, names do not.
    fn names(&self, task: &str) -> Vec<String> {
        let slots = self.ask(task, &["--json", "cluster", "slots"]);
        let Ok(serde_json::Value::Array(ranges)) = serde_json::from_str(&slots) else {
            return Vec::new();
        };
        let nodes = ranges
            .iter()
            .filter_map(|range| range.as_array())
            .flat_map(|range| &range[2..]);
        let mut names: Vec<String> = nodes
            .map(|node| node[0].as_str().unwrap_or("?").to_owned())
            .collect();
        names.sort_unstable();
        names
    }

    fn ids(&self) -> Vec<String> {
        self.tasks()
            .iter()
            .map(|task| self.ask(task, &["cluster", "myid"]))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and an engine of its own: `make test` runs it"]
async fn a_stack_becomes_one_cluster_and_stays_it_through_restarts() {
    let _one = ONE.lock().await;
    let image = any_image().await;
    let swarm = Swarm(OwnEngine::start("swarm", 800, &image));
    swarm.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    let directory = swarm.0.run_dir();
    let stack = directory.join("stack.yml");
    let stack = stack.to_str().unwrap();
    swarm.0.rcup_ok(&[
        "export",
        "swarm",
        STACK,
        "--masters",
        "3",
        "--image",
        &image,
        "--password",
        "-o",
        stack,
    ]);
    let deploy = || swarm.docker(&["stack", "deploy", "--resolve-image", "never", "-c", stack, STACK]);
    deploy();
    eventually("the stack is one cluster", || swarm.is_ready());
    let ids = swarm.ids();
    for n in 0..50 {
        let written = swarm.ask(
            &swarm.tasks()[n % 6],
            &["set", &format!("key:{n}"), &n.to_string()],
        );
        assert_eq!(written.trim(), "OK", "key:{n}");
    }
    // Swarm replaces a failed task, with another address.
    let victim = swarm.tasks()[0].clone();
    swarm.docker(&["kill", victim.split_once(' ').unwrap().1]);
    eventually("the dead task's place is taken", || {
        !swarm.tasks().contains(&victim) && swarm.is_ready()
    });
    // Deploying the same stack again changes nothing.
    let before = swarm.tasks();
    deploy();
    assert_eq!(swarm.tasks(), before);
    // All tasks are removed and created at once.
    swarm.remove();
    eventually("the stack is gone", || {
        swarm.docker(&["ps", "-aq"]).is_empty()
            && !swarm
                .docker(&["network", "ls", "--format", "{{.Name}}"])
                .contains(STACK)
    });
    deploy();
    eventually("the stack is the same cluster again", || swarm.is_ready());
    assert_eq!(swarm.ids(), ids);
    for n in 0..50 {
        let read = swarm.ask(&swarm.tasks()[(n + 1) % 6], &["get", &format!("key:{n}")]);
        assert_eq!(read.trim(), n.to_string());
    }
    swarm.remove();
    swarm.docker(&["swarm", "leave", "--force"]);
}
