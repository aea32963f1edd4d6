//! Exports a Compose file that starts the same cluster without rcup. Names, addresses, ports, labels and settings are
//! the same, so the commands of rcup also work on the exported cluster.
//!
//! The file needs no init container and no separate process that forms the cluster. Each node writes its files in its
//! own command and boots from a `nodes.conf` that already contains the formed cluster. That file contains the planned
//! roles, because no process could promote a replica. The masters therefore serve clients two seconds after their
//! start.
//!
//! Settings common to all nodes appear once, in YAML anchors. Both docker-compose 1.29 and Compose v2 read the file: it
//! uses neither `configs:` with `content` (Compose 2.23) nor `start_interval`. A node runs as an unprivileged user from
//! its first instruction, so the volume must belong to that user. The volume is therefore also mounted at `/data`: the
//! container engine gives a new volume the owner of the directory that the image has at the mount point.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use crate::error::{Error, ErrorKind, Result};
use crate::export::secret_files::{Handed, handed};
use crate::export::shared_settings::{Common, images_in_words, nodes_of_all, unproven};
use crate::export::yaml::{block, quoted};
use crate::plan;
use crate::runtime::labels;
use crate::runtime::labels::Labels;
use crate::runtime::request::ContainerRequest;
use crate::server::conf::document::Document;
use crate::server::conf::paths::directory;
use crate::server::conf::redis_conf::settled_redis_conf;
use crate::spec::expiry::Life;
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::{Announce, Node, Role, Topology};

/// The default file name, which Compose looks for.
pub const COMPOSE_FILE: &str = "docker-compose.yml";

/// The directory that the server's user owns in the images.
const OWNED: &str = "/data";

/// The command of a node. The images have minimal shells, so it uses no arrays and no `sed`.
const START: &str = r#"# The settings follow this file at every start. What the cluster has become does not: the
# node keeps its nodes.conf from the first start on.
umask 077
mkdir -p "$DIRECTORY"
cd "$DIRECTORY"
printf '%s\n' "$CONF" "$CONF_OF_NODE" > redis.conf
{SECRETS}if [ ! -e nodes.conf ]; then
  printf '%s' "$NODES" | while read -r id address flags rest; do
    if [ "$id" = "$ID" ]; then flags="myself,$flags"; fi
    echo "$id $address $flags $rest"
  done > nodes.conf.new
  mv nodes.conf.new nodes.conf
fi
"#;

/// Renders the file without the secrets of the cluster. The nodes read those from separate files, which
/// [`beside`](crate::export::secret_files::beside) returns.
///
/// # Errors
/// [`ErrorKind::Usage`] for a server whose `nodes.conf` format is not verified: the file has no other way to form the
/// cluster.
pub fn compose(topology: &Topology) -> Result<Document> {
    // An exported cluster has no owner process and no TTL, even if the original has them.
    let topology = &topology.clone().with_life(Life::default());
    if let Some(server) = unproven(topology) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("no Compose file can be written for {server}"),
        )
        .because(
            "its nodes.conf was not proven, and the file has nobody who would form the cluster by commands",
        )
        .hint("Name an image with Redis 7.0 to 8 or Valkey 8 to 9, or start it with `rcup up`."));
    }
    let requests: Vec<ContainerRequest> = topology
        .nodes
        .iter()
        .map(|node| plan::request::container(topology, node))
        .collect();
    let (shared, own) = shared_lines(topology);
    let mut text = head(topology);
    let common = Common::of(topology, &requests);
    if let Some(request) = requests.first() {
        text.push_str(&anchors(topology, request, &common, &shared));
    }
    text.push_str("\nservices:\n");
    for ((node, request), conf) in topology.nodes.iter().zip(&requests).zip(&own) {
        text.push_str(&service(topology, node, request, &common, conf));
    }
    text.push_str(&places(topology));
    let secret = handed(topology);
    if !secret.is_empty() {
        text.push_str(
            "\n# The nodes' user must be able to read these files; close their directories to others instead.\nsecrets:\n",
        );
    }
    for file in secret {
        let _ = writeln!(text, "  {}: {{ file: ./{} }}", file.name(), file.path);
    }
    Ok(Document::new(COMPOSE_FILE, text))
}

/// Returns the header comment, which explains the file and its use to readers without rcup.
fn head(topology: &Topology) -> String {
    let (masters, replicas) = (topology.spec.masters(), topology.spec.replicas());
    let name = topology.name();
    let mut text = format!(
        "# Redis Cluster `{name}`: {masters} {} with {replicas} {} each, {} in {}.\n\
         # Written by `rcup export compose`, rcup {}. For Compose v2 and docker-compose 1.29.\n\
         # Proven: tests start such files with both, on Redis 7.0 and 8.0 and Valkey 8.1, compare what runs with what\n\
         # `rcup up` starts, node by node, and validate it. Not proven: Docker Desktop, Podman.\n#\n\
         #   docker compose up -d --wait    start it, and wait until every node calls the cluster ok\n\
         #   docker compose down            remove it; a volume keeps the nodes' files\n\
         #   docker compose down -v         remove it with the volume\n#\n\
         # There is no init container: each node boots with a nodes.conf in which the cluster is formed already.\n",
        if masters == 1 { "master" } else { "masters" },
        if replicas == 1 { "replica" } else { "replicas" },
        topology.servers_in_words(),
        images_in_words(topology),
        env!("CARGO_PKG_VERSION"),
    );
    text.push_str(match topology.announce {
        Announce::Ip => {
            "# Clients are sent to the addresses of the network, which Linux hosts and containers on it reach.\n"
        }
        Announce::Hostname | Announce::ClientIpv4 => {
            if topology.spec.published().is_loopback() {
                "# Clients are sent to 127.0.0.1, so they run on this host (Docker Desktop too), not in containers.\n"
            } else {
                "# Clients are sent to the published ports. Docker's published ports bypass the host's firewall.\n"
            }
        }
    });
    text.push_str("#\n#   NODE  ROLE     SHARD  SLOTS        ADDRESS                ON THIS HOST\n");
    for node in &topology.nodes {
        let slots = slots(topology, node);
        let _ = writeln!(
            text,
            "#   {:>4}  {:<7}  {:>5}  {slots:<11}  {:<21}  {}",
            node.index,
            node.role.to_string(),
            node.shard,
            node.address().to_string(),
            node.host_address()
        );
    }
    text
}

fn slots(topology: &Topology, node: &Node) -> String {
    match node.role {
        Role::Master => topology.shard_of(node).slots.to_string(),
        Role::Replica => format!("copies {}", topology.shard_of(node).master),
    }
}

/// Returns the anchors with the settings that all services share.
fn anchors(topology: &Topology, request: &ContainerRequest, common: &Common, shared: &str) -> String {
    // If the nodes use different servers, variables contain the program names.
    let engine = topology.nodes.first().map(|node| topology.server(node).engine);
    let engine = engine.filter(|_| common.engine);
    let (server, client) = engine.map_or(("\"$SERVER\"", "\"$CLIENT\""), |engine| {
        (engine.server(), engine.client())
    });
    let mut text =
        String::from("\nx-environment: &environment\n  # The redis.conf of every node.\n  CONF: |\n");
    text.push_str(&block(&escaped(shared), 4));
    text.push_str(
        "  # The cluster as it is at the first start. A node adds `myself` to its own line.\n  NODES: |\n",
    );
    text.push_str(&block(&common.nodes, 4));
    text.push_str("\n# By these labels rcup finds the cluster, and knows what it is.\nx-labels: &labels\n");
    text.push_str(&labelled(&labels::of_cluster(topology), 2));
    text.push_str("\nx-node: &node\n");
    if common.image {
        let _ = writeln!(text, "  image: {}", quoted(&request.image));
    }
    let _ = write!(
        text,
        "  user: {}\n  restart: unless-stopped\n  entrypoint:\n    - sh\n    - -ec\n    - |\n",
        quoted(&request.user),
    );
    let start = START.replace("{SECRETS}", &secrets(topology));
    let start = format!("{start}exec {server} \"$DIRECTORY/redis.conf\"\n");
    text.push_str(&block(&escaped(&start), 6));
    let _ = write!(
        text,
        "  command: []\n  healthcheck:\n    # Healthy is a node that calls the cluster ok, and whose link to its master, if it has one, is up.\n    \
         test:\n      - CMD\n      - sh\n      - -c\n      - |\n"
    );
    let (mut login, mut client) = ("", client.to_owned());
    if topology.spec.guards() {
        login = "REDISCLI_AUTH=$(cat /run/secrets/monitor)\nexport REDISCLI_AUTH\n";
        let _ = write!(
            client,
            " --user {} --no-auth-warning",
            ServiceUser::Monitor.name()
        );
    }
    if topology.spec.tls() {
        client.push_str(" --tls --cacert /run/secrets/ca.crt");
    }
    let test = format!(
        "{login}case \"$({client} -p \"$PORT\" cluster info)\" in *cluster_state:ok*) ;; *) exit 1 ;; esac\n\
         case \"$({client} -p \"$PORT\" info replication)\" in *master_link_status:down*) exit 1 ;; esac\n"
    );
    text.push_str(&block(&escaped(&test), 8));
    text.push_str(
        "    interval: 3s\n    timeout: 3s\n    retries: 5\n    start_period: 30s\n  cap_drop: [ALL]\n  \
         security_opt: [no-new-privileges]\n",
    );
    let names: Vec<&str> = handed(topology).iter().map(Handed::name).collect();
    if !names.is_empty() {
        let _ = writeln!(text, "  secrets: [{}]", names.join(", "));
    }
    text.push_str(&limits(request));
    if common.memory {
        text.push_str(&memory(request, 2));
    }
    if !topology.spec.persist() {
        let _ = write!(
            text,
            "  volumes:\n    # The nodes' files, each in a directory of its own. In {OWNED} the volume gets its owner from the image.\n    \
             - files:{OWNED}\n    - files:{}\n",
            request.mount
        );
    }
    if common.scratch {
        text.push_str(&scratch(request, 2));
    }
    text
}

/// Returns tmpfs mounts for the other volumes of the image.
fn scratch(request: &ContainerRequest, columns: usize) -> String {
    let indent = " ".repeat(columns);
    let paths: Vec<&String> = request.scratch.iter().filter(|path| *path != OWNED).collect();
    let mut text = String::new();
    if !paths.is_empty() {
        let _ = writeln!(text, "{indent}tmpfs:");
        for path in paths {
            let _ = writeln!(text, "{indent}  - {}", quoted(path));
        }
    }
    text
}

/// Returns the memory limits of a container.
fn memory(request: &ContainerRequest, columns: usize) -> String {
    let indent = " ".repeat(columns);
    request.memory.map_or_else(String::new, |memory| {
        format!("{indent}mem_limit: {memory}\n{indent}memswap_limit: {memory}\n")
    })
}

/// Returns the commands that copy the secrets into the directory of a node.
fn secrets(topology: &Topology) -> String {
    let mut text = String::new();
    if topology.spec.guards() {
        text.push_str("cat /run/secrets/replication.conf >> redis.conf\n");
    }
    for file in handed(topology) {
        if let Some(own) = file.as_file {
            let _ = writeln!(text, "cat /run/secrets/{} > {own}", file.name());
        }
    }
    text
}

/// Returns the resource limits of a service. If no container engine was queried, a higher limit is only a comment: an
/// engine that cannot grant a limit does not start the container.
fn limits(request: &ContainerRequest) -> String {
    let mut text = String::new();
    let _ = match request.open_files {
        Some(limit) => writeln!(text, "  ulimits:\n    nofile: {{ soft: {limit}, hard: {limit} }}"),
        None => writeln!(
            text,
            "  # For more than 10000 clients, where the engine grants it:\n  # ulimits: {{ nofile: {{ soft: 65536, hard: 65536 }} }}"
        ),
    };
    if !request.sysctls.is_empty() {
        text.push_str("  sysctls:\n");
        for (name, value) in &request.sysctls {
            let _ = writeln!(text, "    {name}: {value}");
        }
    }
    text
}

fn service(
    topology: &Topology,
    node: &Node,
    request: &ContainerRequest,
    common: &Common,
    conf: &str,
) -> String {
    let what = match node.role {
        Role::Master => format!("Master of shard {}, slots {}.", node.shard, slots(topology, node)),
        Role::Replica => format!("Replica in shard {}.", node.shard),
    };
    let mut text = format!(
        "  # {what}\n  node-{}:\n    <<: *node\n{}    container_name: {}\n    hostname: {}\n    environment:\n      \
         <<: *environment\n      ID: {}\n      PORT: {}\n      DIRECTORY: {}\n",
        node.index,
        own_of_service(request, common),
        request.name,
        request.name,
        quoted(&node.id.to_string()),
        quoted(&node.port.to_string()),
        directory(node),
    );
    if !common.engine {
        let engine = topology.server(node).engine;
        let (server, client) = (engine.server(), engine.client());
        let _ = writeln!(text, "      SERVER: {server}\n      CLIENT: {client}");
    }
    let nodes = nodes_of_all(topology, node);
    if nodes != common.nodes {
        text.push_str("      # As this server reads it.\n      NODES: |\n");
        text.push_str(&block(&nodes, 8));
    }
    if conf.is_empty() {
        text.push_str("      CONF_OF_NODE: ''\n");
    } else {
        text.push_str("      CONF_OF_NODE: |\n");
        text.push_str(&block(&escaped(conf), 8));
    }
    let _ = write!(
        text,
        "    networks:\n      cluster: {{ ipv4_address: {} }}\n    ports: ['{}:{}:{}']\n",
        request.ip, request.published, request.port, request.port
    );
    if topology.spec.persist() {
        let volume = format!("data-{}", node.index);
        let _ = write!(
            text,
            "    # In {OWNED} the volume gets its owner from the image.\n    volumes: ['{volume}:{OWNED}', '{volume}:{}']\n",
            request.mount
        );
    }
    text.push_str("    labels:\n      <<: *labels\n");
    let shared = labels::of_cluster(topology);
    let own: Labels = request
        .labels
        .iter()
        .filter(|(name, _)| !shared.contains_key(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    text.push_str(&labelled(&own, 6));
    text
}

/// Returns the settings of a service that differ between services.
fn own_of_service(request: &ContainerRequest, common: &Common) -> String {
    let mut text = String::new();
    if !common.image {
        let _ = writeln!(text, "    image: {}", quoted(&request.image));
    }
    if !common.memory {
        text.push_str(&memory(request, 4));
    }
    if !common.scratch {
        text.push_str(&scratch(request, 4));
    }
    text
}

/// Returns the network and the volumes.
fn places(topology: &Topology) -> String {
    if topology.placement.shared.is_some() {
        return format!(
            "\n# It must exist, with the subnet {}.\nnetworks:\n  cluster:\n    name: {}\n    external: true\n\nvolumes:\n{}",
            topology.placement.subnet,
            quoted(&topology.network()),
            volumes(topology)
        );
    }
    let network = plan::request::network(topology);
    let others = network.others.map_or_else(String::new, |range| {
        format!(
            "          # Containers without a fixed address get one from here, not that of a stopped node.\n          \
             ip_range: {range}\n"
        )
    });
    format!(
        "\nnetworks:\n  cluster:\n    name: {}\n    driver: bridge\n    ipam:\n      config:\n        - subnet: {}\n          \
         gateway: {}\n{others}    labels: *labels\n\nvolumes:\n{}",
        network.name,
        network.subnet,
        network.gateway,
        volumes(topology)
    )
}

/// Returns one volume for the files of all nodes, or one volume for the data of each node.
fn volumes(topology: &Topology) -> String {
    let all = plan::request::volumes(topology).into_iter().enumerate();
    all.map(|(nth, (volume, _))| {
        if topology.spec.persist() {
            format!(
                "  data-{number}:\n    name: {}\n    labels:\n      <<: *labels\n      {}: '{number}'\n",
                volume.name,
                labels::NODE,
                number = nth + 1
            )
        } else {
            format!("  files:\n    name: {}\n    labels: *labels\n", volume.name)
        }
    })
    .collect()
}

fn labelled(labels: &Labels, columns: usize) -> String {
    labels.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{}{name}: {}", " ".repeat(columns), quoted(&escaped(value)));
        text
    })
}

/// Escapes `$` as `$$`, because Compose replaces `$NAME` everywhere.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

/// Returns the lines of `redis.conf` that all nodes share, with their comments, and the remaining lines of each node.
fn shared_lines(topology: &Topology) -> (String, Vec<String>) {
    let confs: Vec<String> = topology
        .nodes
        .iter()
        .map(|node| settled_redis_conf(topology, node))
        .collect();
    // The number of files that contain each line.
    let mut count: HashMap<&str, usize> = HashMap::new();
    for conf in &confs {
        let lines: HashSet<&str> = conf.lines().collect();
        for line in lines {
            *count.entry(line).or_default() += 1;
        }
    }
    let is_shared = |line: &str| count.get(line) == Some(&confs.len());
    let is_reason = |line: &str| line.starts_with('#');
    // The first paragraph names the node. Each of the others is a comment with its directives.
    let paragraphs = confs
        .first()
        .into_iter()
        .flat_map(|conf| conf.split("\n\n").skip(1));
    let shared: Vec<String> = paragraphs
        .filter_map(|paragraph| {
            let lines: Vec<&str> = paragraph
                .lines()
                .filter(|line| is_reason(line) || is_shared(line))
                .collect();
            (!lines.iter().all(|line| is_reason(line))).then(|| lines.join("\n") + "\n")
        })
        .collect();
    let own = confs
        .iter()
        .map(|conf| {
            let own = conf
                .lines()
                .filter(|line| !line.is_empty() && !is_reason(line) && !is_shared(line));
            own.fold(String::new(), |text, line| text + line + "\n")
        })
        .collect();
    (shared.join("\n"), own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::secret::Secret;
    use crate::spec::security::Password;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{mixed, placement, topology};

    #[test]
    fn the_file_is_as_it_was_reviewed() {
        let file = compose(&topology(3, 1, Engine::Redis, "8.0.2")).unwrap();
        assert_eq!(file.path, "docker-compose.yml");
        insta::assert_snapshot!(file.contents);
    }

    #[test]
    fn a_single_node_shares_everything_with_itself() {
        let file = compose(&topology(1, 0, Engine::Valkey, "8.1.1")).unwrap();
        insta::assert_snapshot!(file.contents);
    }

    #[test]
    fn a_dollar_of_the_users_survives_compose() {
        let spec = ClusterSpec::builder()
            .set("proc-title-template=$x it's".parse().unwrap())
            .build()
            .unwrap();
        let topology = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
        let text = compose(&topology).unwrap().contents;
        assert!(text.contains("proc-title-template $$x it's\n"), "{text}");
        assert!(text.contains("$$x it''s"), "{text}");
    }

    #[test]
    fn the_shared_lines_and_a_nodes_own_are_its_whole_file() {
        let topology = topology(3, 2, Engine::Valkey, "8.1.1");
        let directives = |text: &str| -> std::collections::BTreeSet<String> {
            let lines = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(ToOwned::to_owned).collect()
        };
        let (shared, own) = shared_lines(&topology);
        for (node, own) in topology.nodes.iter().zip(own) {
            let whole = settled_redis_conf(&topology, node);
            assert_eq!(directives(&format!("{shared}\n{own}")), directives(&whole));
        }
    }

    #[test]
    fn a_password_is_taken_from_a_file_and_stands_nowhere() {
        let spec = ClusterSpec::builder()
            .password(Password::Given(Secret::new("s3cret")))
            .build()
            .unwrap();
        let topology = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
        let text = compose(&topology).unwrap().contents;
        assert!(!text.contains("s3cret"), "{text}");
        assert!(
            text.contains("  users.acl: { file: ./secrets/users.acl }\n"),
            "{text}"
        );
        assert!(text.contains("  secrets: [users.acl, replication.conf, monitor, rcup.json]\n"));
        assert!(text.contains("cat /run/secrets/users.acl > users.acl\n"));
    }

    #[test]
    fn nodes_with_servers_of_their_own_say_so_themselves() {
        let own = [(4, Engine::Redis, "8.0.2"), (5, Engine::Valkey, "8.1.1")];
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &own);
        let text = compose(&Topology::new(&spec, &place).unwrap()).unwrap().contents;
        let service = |index: usize| {
            let begin = text.find(&format!("  node-{index}:\n")).unwrap();
            let rest = &text[begin..];
            rest[..rest.find("\n  # ").or_else(|| rest.find("\n\n")).unwrap()].to_owned()
        };
        assert!(service(1).contains("image: 'test:1'") && service(4).contains("image: 'own/redis:8.0.2'"));
        assert!(service(5).contains("SERVER: valkey-server\n      CLIENT: valkey-cli\n"));
        assert!(!service(1).contains("shard-id") && service(4).contains("shard-id"));
        assert!(
            text.contains("exec \"$$SERVER\" \"$$DIRECTORY/redis.conf\""),
            "{text}"
        );
        assert!(text.starts_with(
            "# Redis Cluster `default`: 3 masters with 1 replica each, Redis 7.0.15 and Redis 8.0.2 and Valkey 8.1.1 in images"
        ));
    }

    #[test]
    fn what_a_file_brings_up_is_nobodys() {
        let mut topology = topology(3, 1, Engine::Redis, "8.0.2");
        topology.life.expires = Some(1);
        assert!(!compose(&topology).unwrap().contents.contains(labels::EXPIRES));
    }

    #[test]
    fn a_server_that_was_not_proven_is_refused_with_a_way_out() {
        let error = compose(&topology(3, 1, Engine::Redis, "9.0.0")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint_text().unwrap().contains("rcup up"));
    }
}
