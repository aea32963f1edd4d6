//! Exports a stack for `docker stack deploy`: one service for each node, on a separate overlay network.
//!
//! A task gets a new address at every start, and a service has no fixed address, so only names can be planned. As in
//! the Compose file, each node boots from a `nodes.conf` that already contains the formed cluster. At every start, the
//! command replaces the addresses of the other nodes with one that refuses connections. Each node then asks the others,
//! by their service names, to meet it. A `CLUSTER MEET` with a known node updates its address, so the same procedure
//! works after every restart, even if all nodes restart at once. There is no health check: Swarm resolves names to
//! healthy tasks only, and the nodes need the names to become healthy. The names resolve directly to the tasks
//! (`dnsrr`), because with a virtual IP each node would see a wrong source address. Nodes also advertise host names to
//! clients, because task addresses change.

use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::export::scheduled_conf::{placeless_conf, refuse_overrides};
use crate::export::shared_settings::unproven;
use crate::export::spread::host_of;
use crate::export::yaml::{block, quoted};
use crate::plan;
use crate::server::conf::document::{Document, PASSWORD_FILE};
use crate::server::conf::nodes_conf::settled_nodes_conf;
use crate::topology::layout::{Node, Role, Topology};

/// The file name.
pub const STACK_FILE: &str = "stack.yml";

/// The command of a node.
const START: &str = include_str!("swarm.sh");

/// Part of the command that sets the password.
const PASSWORD: &str = r#"  password=$(cat /run/secrets/password)
  case $password in
    '' | *[\"\\]*) echo 'the password is empty, or has a quote or a backslash' >&2; exit 1 ;;
  esac
  printf 'requirepass "%s"\nmasterauth "%s"\n' "$password" "$password"
  export REDISCLI_AUTH="$password"
"#;

/// An address without a listener: the address of each other node in `nodes.conf` before the nodes have met.
const NOWHERE: &str = "127.0.0.1:9@19";

/// Renders the stack. `machines` are the host names of the swarm nodes to which the cluster nodes are pinned, replicas
/// never on the machine of their master. Without `machines`, Swarm places the tasks. The file contains no password: the
/// nodes read it from [`PASSWORD_FILE`], as with the Compose file.
///
/// # Errors
/// [`ErrorKind::Usage`] for a server whose `nodes.conf` format is not verified, for a cluster with TLS, and for a
/// single machine if there are replicas.
pub fn swarm(topology: &Topology, machines: &[String]) -> Result<Document> {
    check(topology, machines)?;
    let mut text = head(topology, machines);
    text.push_str(&anchors(topology));
    text.push_str("\nservices:\n");
    for node in &topology.nodes {
        text.push_str(&service(topology, node, machines));
    }
    text.push_str(
        "\nnetworks:\n  cluster:\n    driver: overlay\n    # So that `docker run --network` can join it.\n    \
         attachable: true\n\nvolumes:\n",
    );
    for node in &topology.nodes {
        let _ = writeln!(text, "  data-{}:", node.index);
    }
    if topology.spec.password().is_some() {
        let _ = write!(text, "\nsecrets:\n  password:\n    file: ./{PASSWORD_FILE}\n");
    }
    Ok(Document::new(STACK_FILE, text))
}

fn check(topology: &Topology, machines: &[String]) -> Result<()> {
    let refuse = |message: String| Error::new(ErrorKind::Usage, message);
    refuse_overrides(topology, "stack")?;
    if let Some(server) = unproven(topology) {
        return Err(refuse(format!("no stack can be written for {server}"))
            .because("its nodes.conf was not proven, and a stack has nobody who would form the cluster")
            .hint("Name an image with Redis 7.0 to 8 or Valkey 8 to 9."));
    }
    if topology.spec.tls() {
        return Err(refuse("no stack can be written for a cluster with TLS".to_owned())
            .because("certificates name addresses, and Swarm gives new ones at every start")
            .hint("Encrypt the overlay network instead: `driver_opts: {encrypted: ''}` below `driver: overlay`."));
    }
    if machines.len() == 1 && topology.spec.replicas() > 0 {
        return Err(refuse(format!(
            "with the single machine {} every replica would lie on its master's",
            machines[0]
        ))
        .hint("Name at least two with --machines, or none, and Swarm places the nodes as it likes."));
    }
    Ok(())
}

fn head(topology: &Topology, machines: &[String]) -> String {
    let mut text = format!(
        "# Redis Cluster `{name}` for Docker Swarm: {nodes} nodes, {server} in image {image}.\n\
         # Written by `rcup export swarm`, rcup {version}. Proven on a swarm of one machine, not on several.\n#\n\
         # To start it (with `--resolve-image never` for an image of no registry):\n\
         #   docker stack deploy -c {STACK_FILE} {name}\n\
         # To remove it, but for the volumes, which stay on their machines:\n\
         #   docker stack rm {name}\n#\n\
         # Clients run in the swarm, on the network `{name}_cluster`: `redis-cli -c -h node-1 -p {port}`. They are told\n\
         # the nodes' names, because a node has another address after every start.\n",
        name = topology.name(),
        nodes = topology.nodes.len(),
        server = topology.servers_in_words(),
        image = topology.placement.image.reference,
        version = env!("CARGO_PKG_VERSION"),
        port = topology.nodes.first().map_or(0, |node| node.port),
    );
    text.push_str(if machines.is_empty() {
        "# Nothing says on which machine a node runs, and its volume stays where it was: on more than one machine,\n\
         # export with `--machines`, which pins the nodes and keeps replicas off their master's.\n"
    } else {
        "# The nodes are pinned to machines, replicas off their master's, because volumes do not move.\n"
    });
    text.push_str("\nversion: '3.8'\n");
    text
}

/// Returns the anchors with the settings that all services share.
fn anchors(topology: &Topology) -> String {
    let mut text =
        String::from("\nx-environment: &environment\n  # The redis.conf of every node.\n  CONF: |\n");
    text.push_str(&block(&escaped(&placeless_conf(topology, "dir /data\n")), 4));
    text.push_str("  # The cluster as it is at the first start, but for the addresses.\n  NODES: |\n");
    text.push_str(&block(&nodes(topology), 4));
    text.push_str("  # The nodes' ids, names and ports.\n  PEERS: |\n");
    for node in &topology.nodes {
        let _ = writeln!(text, "    {} {} {}", node.id, service_name(node), node.port);
    }
    let with_password = topology.spec.password().is_some();
    let engine = topology.placement.image.server.engine;
    let start = START
        .replace("{PASSWORD}", if with_password { PASSWORD } else { "" })
        .replace("{NOWHERE}", NOWHERE)
        .replace("{CLIENT}", engine.client())
        .replace("{SERVER}", engine.server());
    let request = topology
        .nodes
        .first()
        .map(|node| plan::request::container(topology, node));
    let user = request.as_ref().map_or("", |request| request.user.as_str());
    let _ = write!(
        text,
        "\nx-node: &node\n  image: {}\n  user: {}\n  entrypoint:\n    - sh\n    - -ec\n    - |\n{}  command: []\n  \
         networks: [cluster]\n  cap_drop: [ALL]\n  stop_grace_period: 30s\n",
        quoted(&topology.placement.image.reference),
        quoted(user),
        block(&escaped(&start), 6),
    );
    if with_password {
        text.push_str("  secrets: [password]\n");
    }
    let Some(request) = request else { return text };
    if let Some(limit) = request.open_files {
        let _ = writeln!(text, "  ulimits:\n    nofile: {{ soft: {limit}, hard: {limit} }}");
    }
    if !request.sysctls.is_empty() {
        text.push_str("  sysctls:\n");
        for (name, value) in &request.sysctls {
            let _ = writeln!(text, "    {name}: {value}");
        }
    }
    text.push_str(
        "\nx-deploy: &deploy\n  endpoint_mode: dnsrr\n  restart_policy: { condition: any, delay: 1s }\n  # The old \
         task ends before the new one takes its volume.\n  update_config: { order: stop-first }\n",
    );
    if let Some(memory) = request.memory {
        let _ = writeln!(text, "  resources:\n    limits: {{ memory: {memory} }}");
    }
    text
}

/// Returns the `nodes.conf` for all nodes, with a placeholder for every address.
fn nodes(topology: &Topology) -> String {
    let Some(first) = topology.nodes.first() else {
        return String::new();
    };
    let mut text = settled_nodes_conf(topology, first).replace("myself,", "");
    for node in &topology.nodes {
        let address = format!("{}:{}@{}", node.ip, node.port, node.bus_port());
        text = text.replace(
            &format!("{} {address}", node.id),
            &format!("{} {NOWHERE}", node.id),
        );
    }
    text
}

fn service_name(node: &Node) -> String {
    format!("node-{}", node.index)
}

fn service(topology: &Topology, node: &Node, machines: &[String]) -> String {
    let name = service_name(node);
    let what = match node.role {
        Role::Master => format!(
            "Master of shard {}, slots {}.",
            node.shard,
            topology.shard_of(node).slots
        ),
        Role::Replica => format!("Replica in shard {}.", node.shard),
    };
    let mut text = format!(
        "  # {what}\n  {name}:\n    <<: *node\n    hostname: {name}\n    environment:\n      <<: *environment\n      \
         ID: {}\n      PORT: {}\n    volumes: ['data-{}:/data']\n    deploy:\n      <<: *deploy\n",
        quoted(&node.id.to_string()),
        quoted(&node.port.to_string()),
        node.index,
    );
    if let Some(machine) = machines.get(host_of(topology, node, machines.len().max(1))) {
        let _ = writeln!(
            text,
            "      placement:\n        constraints: [{}]",
            quoted(&format!("node.hostname == {machine}"))
        );
    }
    text
}

/// Escapes `$` as `$$`, because a stack file replaces `$NAME` as Compose does.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::secret::Secret;
    use crate::spec::security::Password;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{placement, topology};

    fn machines(number: usize) -> Vec<String> {
        (1..=number).map(|n| format!("machine-{n}")).collect()
    }

    #[test]
    fn the_file_is_as_it_was_reviewed() {
        let topology = topology(3, 1, Engine::Valkey, "8.1.1");
        insta::assert_snapshot!(swarm(&topology, &machines(3)).unwrap().contents);
    }

    #[test]
    fn without_machines_nothing_is_pinned() {
        let topology = topology(3, 0, Engine::Redis, "8.0.2");
        let text = swarm(&topology, &[]).unwrap().contents;
        let head = text.split("\nversion:").next().unwrap_or_default();
        let services = text.split("\nservices:").nth(1).unwrap_or_default();
        insta::assert_snapshot!(format!("{head}\nservices:{services}"));
    }

    #[test]
    fn no_address_of_a_plan_is_in_it() {
        for (engine, version) in [
            (Engine::Redis, "7.0.15"),
            (Engine::Redis, "8.0.2"),
            (Engine::Valkey, "8.1.1"),
        ] {
            let topology = topology(3, 2, engine, version);
            let text = swarm(&topology, &[]).unwrap().contents;
            assert!(!text.contains("10.213."), "{text}");
            let lines = |mark: &str| text.matches(&format!(" {NOWHERE}{mark}")).count();
            assert_eq!(lines(",") + lines(" "), 9, "{text}");
        }
    }

    #[test]
    fn replicas_stay_off_their_masters_machine() {
        let topology = topology(3, 2, Engine::Redis, "8.0.2");
        let hosts = 3;
        for shard in &topology.shards {
            let members = std::iter::once(&shard.master).chain(&shard.replicas);
            let at: std::collections::BTreeSet<usize> = members
                .map(|index| host_of(&topology, topology.node(*index).unwrap(), hosts))
                .collect();
            assert_eq!(at.len(), 3);
        }
        let text = swarm(&topology, &machines(hosts)).unwrap().contents;
        assert_eq!(text.matches("node.hostname == machine-2").count(), 3);
        assert!(swarm(&topology, &machines(1)).is_err());
    }

    #[test]
    fn a_password_is_taken_from_a_file_and_stands_nowhere() {
        let spec = ClusterSpec::builder()
            .password(Password::Given(Secret::new("s3cret")))
            .build()
            .unwrap();
        let topology = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
        let text = swarm(&topology, &[]).unwrap().contents;
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("    file: ./secrets/password\n") && text.contains("  secrets: [password]\n"));
        assert!(text.contains("requirepass \"%s\""), "{text}");
    }
}
