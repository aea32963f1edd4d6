//! Validation of a cluster specification: number of nodes, subnet size, valid ports and directives.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::{BUS_OFFSET, ClusterSpec, MOST_NODES, SUBNET_OVERHEAD};
use crate::spec::directive::Directive;

/// Minimum `maxmemory` in bytes. With less, even an empty node is full.
const LEAST_MEMORY: u64 = 4 * 1024 * 1024;

/// Validates a specification as a whole.
pub(crate) fn check(spec: &ClusterSpec) -> Result<()> {
    check_shape(spec)?;
    check_memory(spec.memory(), spec.directives())?;
    check_subnet(spec)?;
    check_network(spec)?;
    check_publish(spec)?;
    check_ports(spec)?;
    check_directives(spec, spec.directives())?;
    check_image(spec.image())?;
    let timeout = spec.node_timeout().as_millis();
    // Redis accepts any positive number. With less than 100 ms, healthy nodes on a busy host are marked as
    // failed.
    if !(100..=3_600_000).contains(&timeout) {
        return Err(usage(format!("a node timeout of {timeout} ms is out of range"))
            .hint("Use 100ms to 1h; 5s is the default, 1s fails over faster and still holds."));
    }
    Ok(())
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// Rejects directives that prevent the cluster from being formed or used.
fn check_directives(spec: &ClusterSpec, directives: &[Directive]) -> Result<()> {
    let set = |name: &str| {
        let of_name = |directive: &&Directive| directive.name() == name;
        let found = directives.iter().find(of_name);
        found.is_some_and(|directive| directive.value().trim_matches('"').eq_ignore_ascii_case("yes"))
    };
    if set("tls-auth-clients") {
        return Err(
            usage("tls-auth-clients=yes would keep rcup and its checks out: they show no certificate").hint(
                "`optional`, which rcup sets, looks at a client's certificate when it brings one; passwords and users \
                 (--password, `[users.NAME]`) keep others out.",
            ),
        );
    }
    if set("protected-mode") && spec.password().is_none() {
        return Err(
            usage("protected-mode=yes without a password would keep the nodes from each other").hint(
                "Add --password: the profiles staging and production then set it by themselves. Or leave it out.",
            ),
        );
    }
    Ok(())
}

fn check_shape(spec: &ClusterSpec) -> Result<()> {
    if spec.masters() == 0 {
        return Err(usage("a cluster needs at least one master")
            .hint("Use --masters 3, the smallest number that can fail over."));
    }
    let nodes = spec
        .replicas()
        .checked_add(1)
        .and_then(|per_shard| per_shard.checked_mul(spec.masters()));
    match nodes {
        Some(nodes) if nodes <= MOST_NODES => Ok(()),
        _ => Err(usage(format!(
            "{} masters with {} replicas each are more than {MOST_NODES} nodes",
            spec.masters(),
            spec.replicas()
        ))
        .hint(format!(
            "Redis Cluster is designed for up to {MOST_NODES} nodes; ask for fewer masters or replicas."
        ))),
    }
}

/// Validates the overrides of single nodes.
pub(crate) fn check_overrides(spec: &ClusterSpec) -> Result<()> {
    for (index, request) in spec.overrides() {
        check_memory(request.memory(), request.directives())
            .and_then(|()| check_image(request.image()))
            .and_then(|()| check_directives(spec, request.directives()))
            .map_err(|error| {
                let hint = error.hint_text().unwrap_or_default().to_owned();
                usage(format!("node {index}: {error}")).hint(hint)
            })?;
    }
    Ok(())
}

fn check_image(image: Option<&str>) -> Result<()> {
    if image.is_some_and(|image| image.trim().is_empty()) {
        return Err(usage("the image's name is empty").hint("Name one, such as `--image redis:8`."));
    }
    Ok(())
}

fn check_memory(bytes: Option<u64>, directives: &[Directive]) -> Result<()> {
    let Some(bytes) = bytes else {
        return Ok(());
    };
    if bytes < LEAST_MEMORY {
        return Err(
            usage(format!("{bytes} bytes of memory are too little for a node")).hint(
                "An empty server takes some 2 MB beside its data: give 4mb or more, such as --memory 256mb.",
            ),
        );
    }
    if directives.iter().any(|directive| directive.name() == "maxmemory") {
        return Err(
            usage("a size of memory and a directive `maxmemory` say the same thing twice")
                .hint("Leave one of them out: --memory, or --set maxmemory=…."),
        );
    }
    Ok(())
}

fn check_subnet(spec: &ClusterSpec) -> Result<()> {
    let Some(subnet) = spec.subnet() else {
        return Ok(());
    };
    if subnet.addr() != subnet.network() {
        return Err(
            usage(format!("{subnet} is an address inside a subnet, not a subnet"))
                .hint(format!("Use --subnet {}.", subnet.trunc())),
        );
    }
    if subnet.addr() == Ipv4Addr::UNSPECIFIED || subnet.addr().is_loopback() || subnet.addr().is_multicast() {
        return Err(usage(format!("{subnet} cannot be a container network"))
            .hint("Take a private range, such as --subnet 10.88.0.0/24."));
    }
    let room = room(subnet);
    if room < spec.nodes() {
        return Err(usage(format!(
            "{subnet} has room for {room} nodes, not for {}",
            spec.nodes()
        ))
        .hint(format!(
            "Use a prefix of /{} or shorter.",
            smallest_prefix(spec.nodes())
        )));
    }
    Ok(())
}

/// Predefined networks of the container engine. Containers on them cannot have static addresses.
const PREDEFINED: [&str; 4] = ["bridge", "host", "none", "default"];

fn check_network(spec: &ClusterSpec) -> Result<()> {
    let Some(network) = spec.network() else {
        return Ok(());
    };
    if PREDEFINED.contains(&network) {
        return Err(usage(format!(
            "nodes need addresses that stay, which network {network} cannot give"
        ))
        .hint("Make one with `docker network create --subnet 10.88.0.0/24 NAME`, or leave --network out."));
    }
    let first = |c: char| c.is_ascii_alphanumeric();
    let other = |c: char| first(c) || "_.-".contains(c);
    if !network.starts_with(first) || !network.chars().all(other) {
        return Err(usage(format!("`{network}` is not a network's name"))
            .hint("`docker network ls` lists the networks that there are."));
    }
    if spec.subnet().is_some() {
        return Err(usage("a network has its subnet already").hint(
            "Leave out --network or --subnet: rcup makes a network with the one, and uses that of the other.",
        ));
    }
    Ok(())
}

fn check_publish(spec: &ClusterSpec) -> Result<()> {
    let Some(address) = spec.publish() else {
        return Ok(());
    };
    if address.is_unspecified() {
        return Err(usage("0.0.0.0 cannot be announced to clients").hint(
            "Name the address of the engine's machine at which clients reach it, such as `--publish 192.168.1.10`.",
        ));
    }
    if address.is_multicast() || address.is_broadcast() {
        return Err(usage(format!("{address} is not the address of a machine"))
            .hint("Name an address of the engine's machine, such as `--publish 192.168.1.10`."));
    }
    Ok(())
}

/// Returns how many nodes fit into `subnet`.
pub fn room(subnet: Ipv4Net) -> usize {
    let addresses = 1_usize
        .checked_shl(u32::from(32 - subnet.prefix_len()))
        .unwrap_or(usize::MAX);
    addresses.saturating_sub(SUBNET_OVERHEAD)
}

/// Returns the longest prefix whose subnet has enough addresses for `nodes` nodes.
pub fn smallest_prefix(nodes: usize) -> u8 {
    let addresses = (nodes + SUBNET_OVERHEAD).next_power_of_two();
    u8::try_from(32 - addresses.trailing_zeros().min(32)).unwrap_or(0)
}

fn check_ports(spec: &ClusterSpec) -> Result<()> {
    let Some(first) = spec.port() else {
        return Ok(());
    };
    let highest = u16::MAX - BUS_OFFSET;
    let last = usize::from(first) + spec.nodes() - 1;
    if first == 0 || last > usize::from(highest) {
        return Err(usage(format!("ports {first} to {last} do not fit")).hint(format!(
            "The bus listens {BUS_OFFSET} ports higher, so the last node's port may be {highest} at most."
        )));
    }
    // A bus port cannot conflict with the client port of another node: every node has its own container and
    // address.
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_cannot_be_are_refused() {
        for (masters, replicas) in [(0, 1), (1001, 0), (501, 1), (2, usize::MAX), (usize::MAX, 3)] {
            let error = ClusterSpec::builder()
                .masters(masters)
                .replicas(replicas)
                .build()
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().is_some());
        }
        assert_eq!(
            ClusterSpec::builder()
                .masters(1000)
                .replicas(0)
                .build()
                .unwrap()
                .nodes(),
            1000
        );
    }

    #[test]
    fn a_subnet_must_be_one_and_have_room() {
        let with = |text: &str| ClusterSpec::builder().subnet(text).build();
        assert!(with("10.88.0.0/28").is_ok());
        assert!(
            with("10.88.0.0/29")
                .unwrap_err()
                .to_string()
                .contains("room for 5 nodes")
        );
        assert_eq!(
            with("10.88.0.7/24").unwrap_err().hint_text(),
            Some("Use --subnet 10.88.0.0/24.")
        );
        assert!(with("127.0.0.0/24").is_err());
    }

    #[test]
    fn directives_with_which_no_cluster_can_be_are_refused() {
        use crate::spec::secret::Secret;
        use crate::spec::security::Password;

        let with = |text: &str| ClusterSpec::builder().set(text.parse().unwrap());
        for (text, instead) in [
            ("tls-auth-clients=yes", "optional"),
            ("tls-auth-clients=\"Yes\"", "optional"),
            ("protected-mode=yes", "--password"),
        ] {
            let error = with(text).tls(true).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.hint_text().unwrap().contains(instead), "{text}");
        }
        for text in [
            "tls-auth-clients=no",
            "tls-auth-clients=optional",
            "protected-mode=no",
        ] {
            assert!(with(text).build().is_ok(), "{text}");
        }
        let password = Password::Given(Secret::new("x"));
        assert!(with("protected-mode=yes").password(password).build().is_ok());
    }

    #[test]
    fn a_network_that_cannot_give_addresses_is_refused() {
        let with = |name: &str| ClusterSpec::builder().network(name);
        assert!(with("app_default").build().is_ok());
        for name in ["bridge", "host", "none", "", "container:x", "-x", "a b"] {
            let error = with(name).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{name}");
        }
        let twice = with("app").subnet("10.88.0.0/24").build();
        assert!(twice.unwrap_err().to_string().contains("its subnet already"));
    }

    #[test]
    fn ports_are_published_on_one_address_that_clients_can_be_told() {
        let with = |text: &str| ClusterSpec::builder().publish(text.parse().unwrap()).build();
        assert!(with("192.168.1.10").is_ok());
        for text in ["0.0.0.0", "224.0.0.1", "255.255.255.255"] {
            let error = with(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.hint_text().unwrap().contains("--publish"), "{text}");
        }
    }

    #[test]
    fn the_smallest_prefix_has_room_and_the_next_has_not() {
        for nodes in [1, 5, 6, 13, 14, 60, 61, 62, 1000] {
            let prefix = smallest_prefix(nodes);
            let subnet = |prefix| Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), prefix).unwrap();
            assert!(room(subnet(prefix)) >= nodes, "{nodes}");
            assert!(room(subnet(prefix + 1)) < nodes, "{nodes}");
        }
    }

    #[test]
    fn the_bus_port_must_exist() {
        let with = |port| ClusterSpec::builder().port(port).build();
        assert!(with(0).is_err());
        assert!(with(55_530).is_ok());
        assert!(with(55_531).is_err());
    }

    #[test]
    fn memory_is_enough_and_said_once() {
        let with = |bytes| ClusterSpec::builder().memory(bytes);
        assert!(
            with(1 << 20)
                .build()
                .unwrap_err()
                .hint_text()
                .unwrap()
                .contains("--memory")
        );
        let twice = with(1 << 30).set("maxmemory=1gb".parse().unwrap()).build();
        assert!(twice.unwrap_err().to_string().contains("twice"));
        assert!(with(1 << 30).build().is_ok());
    }
}
