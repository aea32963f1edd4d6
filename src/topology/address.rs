//! Selection of the subnet and the block of ports of a new cluster.
//!
//! The selection is a pure function of the subnets and ports in use. Two clusters that are started at the
//! same time may select the same ones. The container engine then rejects one of them, which adds the rejected
//! subnet or port to those in use and selects again.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::{Error, ErrorKind, Result};
use crate::spec::cluster::{BUS_OFFSET, ClusterSpec};
use crate::spec::limits::{room, smallest_prefix};

/// Ranges that rcup searches for a free subnet, in this order. They do not include Docker's default pools
/// (172.17 to 172.31 and 192.168), and company networks and VPNs rarely route them.
const POOLS: [&str; 3] = ["10.213.0.0/16", "10.87.0.0/16", "198.18.0.0/15"];

/// The first port that rcup tries. macOS uses 5000 and 7000 for `AirPlay`.
pub const FIRST_PORT: u16 = 7001;

/// End of the port range for automatic selection. The next range (32768 to 60999 by default) is the ephemeral
/// port range of Linux for outgoing connections.
const AUTOMATIC_END: u16 = 32_768;

/// Longest prefix for automatic selection. A /26 has addresses for 61 nodes, and subnets of the same size for
/// all small clusters are easier to read.
const USUAL_PREFIX: u8 = 26;

/// An address range that is in use, and what uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenSubnet {
    /// The range.
    pub subnet: Ipv4Net,
    /// What uses it, for messages: `network bridge`, `route via eth0`.
    pub by: String,
}

/// A port that is in use, and what uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenPort {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// What uses it, for messages: `container web`, `process 4711 (redis-server)`, `another process`.
    pub by: String,
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// Returns the requested subnet if it is free. If none is requested, returns the first free subnet.
///
/// # Errors
/// [`ErrorKind::Subnet`] with the user of the requested subnet, or if no subnet is free.
pub fn choose_subnet(spec: &ClusterSpec, taken: &[TakenSubnet]) -> Result<Ipv4Net> {
    if let Some(wanted) = spec.subnet() {
        return match taken.iter().find(|other| overlap(wanted, other.subnet)) {
            None => Ok(wanted),
            Some(other) => Err(Error::new(
                ErrorKind::Subnet,
                format!("subnet {wanted} overlaps {} of {}", other.subnet, other.by),
            )
            .hint("Name another with --subnet, or leave the flag out and rcup takes a free one.")),
        };
    }
    let prefix = smallest_prefix(spec.nodes()).min(USUAL_PREFIX);
    POOLS
        .iter()
        .filter_map(|pool| pool.parse::<Ipv4Net>().ok())
        .filter_map(|pool| pool.subnets(prefix).ok())
        .flatten()
        .find(|candidate| !taken.iter().any(|other| overlap(*candidate, other.subnet)))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Subnet,
                format!("no subnet of {} addresses is free in {}", 1_u64 << (32 - prefix), POOLS.join(", ")),
            )
            .hint("Remove networks that are no longer used (`docker network prune`), or name one with --subnet.")
        })
}

/// Returns the first port of the requested block if all its ports are free. If none is requested, returns the
/// first port of the first free block. `probe` returns any other user of a port (a process on this host, for
/// example). It is called last, because it needs a system call.
///
/// # Errors
/// [`ErrorKind::Port`] with a port in use and its user, or if no block is free.
pub fn choose_ports(
    spec: &ClusterSpec,
    taken: &[TakenPort],
    probe: &mut dyn FnMut(u16) -> Option<String>,
) -> Result<u16> {
    let mut holder = |port: u16| -> Option<String> {
        taken
            .iter()
            .find(|other| other.port == port)
            .map(|other| other.by.clone())
            .or_else(|| probe(port))
    };
    let nodes = u16::try_from(spec.nodes()).unwrap_or(u16::MAX);
    if let Some(first) = spec.port() {
        return match (first..first + nodes).find_map(|port| holder(port).map(|by| (port, by))) {
            None => Ok(first),
            Some((port, by)) => Err(Error::new(
                ErrorKind::Port,
                format!("port {port} on {} is taken by {by}", spec.published()),
            )
            .hint(
                "Choose another first port with --port, or leave the flag out and rcup takes a free block.",
            )),
        };
    }
    let mut first = FIRST_PORT;
    loop {
        if first.saturating_add(nodes) > AUTOMATIC_END.min(u16::MAX - BUS_OFFSET) {
            return Err(Error::new(
                ErrorKind::Port,
                format!("no block of {nodes} free ports between {FIRST_PORT} and {AUTOMATIC_END}"),
            )
            .hint("Name the first port of a free block with --port, or stop what holds the ports."));
        }
        // The next block can start after the last used port of this block.
        match (first..first + nodes).rev().find(|port| holder(*port).is_some()) {
            None => return Ok(first),
            Some(port) => first = port + 1,
        }
    }
}

/// Returns addresses for the nodes on a network that other containers use too: the last free ones of its
/// subnet. Container engines assign addresses from the start of the subnet, so the address of a stopped node
/// stays free.
///
/// # Errors
/// [`ErrorKind::Subnet`] if there are not enough free addresses.
pub fn choose_addresses(
    spec: &ClusterSpec,
    network: &str,
    subnet: Ipv4Net,
    taken: &[Ipv4Addr],
) -> Result<Vec<Ipv4Addr>> {
    let (first, last) = (nth(subnet, 1), subnet.broadcast());
    let mut chosen: Vec<Ipv4Addr> = (first.to_bits()..last.to_bits())
        .rev()
        .map(Ipv4Addr::from_bits)
        .filter(|address| !taken.contains(address))
        .take(spec.nodes())
        .collect();
    if chosen.len() < spec.nodes() {
        return Err(Error::new(
            ErrorKind::Subnet,
            format!(
                "network {network} ({subnet}) has {} free addresses for {} nodes",
                chosen.len(),
                spec.nodes()
            ),
        )
        .hint("Name a larger network with --network, or leave the flag out and rcup makes one."));
    }
    chosen.reverse();
    Ok(chosen)
}

/// Returns the gateway address of `subnet`, its first address.
pub fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    nth(subnet, 1)
}

/// Returns the largest block at the end of a subnet that is after all these addresses. The container engine
/// assigns the addresses of other containers from it, so that none of them gets the address of a stopped
/// node. `None` if no block is left.
pub fn range_behind(subnet: Ipv4Net, addresses: impl Iterator<Item = Ipv4Addr>) -> Option<Ipv4Net> {
    let last = addresses.max()?;
    // A block of 4 has 3 usable addresses; the last one is the broadcast address.
    (subnet.prefix_len() + 1..=30).find_map(|prefix| {
        let block = Ipv4Net::new(subnet.broadcast(), prefix).ok()?.trunc();
        (block.network() > last).then_some(block)
    })
}

/// Returns the address of node `index` (1-based). Node addresses follow the gateway address.
pub fn node_address(subnet: Ipv4Net, index: usize) -> Ipv4Addr {
    debug_assert!(index <= room(subnet));
    nth(subnet, u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
}

fn nth(subnet: Ipv4Net, offset: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(subnet.network().to_bits().saturating_add(offset))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(masters: usize, replicas: usize) -> ClusterSpec {
        ClusterSpec::builder()
            .masters(masters)
            .replicas(replicas)
            .build()
            .unwrap()
    }

    fn subnet(text: &str, by: &str) -> TakenSubnet {
        TakenSubnet {
            subnet: text.parse().unwrap(),
            by: by.to_owned(),
        }
    }

    #[test]
    fn other_containers_get_the_largest_range_behind_the_nodes() {
        let range = |subnet: &str, nodes: usize| {
            let subnet = subnet.parse().unwrap();
            let nodes = (1..=nodes).map(|index| node_address(subnet, index));
            range_behind(subnet, nodes).map(|range| range.to_string())
        };
        assert_eq!(range("10.213.0.0/26", 6).as_deref(), Some("10.213.0.32/27"));
        // Node 30 has 10.213.0.31, node 31 has 10.213.0.32.
        assert_eq!(range("10.213.0.0/26", 30).as_deref(), Some("10.213.0.32/27"));
        assert_eq!(range("10.213.0.0/26", 31).as_deref(), Some("10.213.0.48/28"));
        assert_eq!(range("10.213.0.0/28", 6).as_deref(), Some("10.213.0.8/29"));
        assert_eq!(range("10.213.0.0/29", 5), None);
    }

    #[test]
    fn the_first_subnet_that_nothing_holds_is_taken() {
        let spec = spec(3, 1);
        assert_eq!(choose_subnet(&spec, &[]).unwrap().to_string(), "10.213.0.0/26");
        let taken = [
            subnet("10.213.0.0/26", "network a"),
            subnet("10.213.0.64/28", "network b"),
        ];
        assert_eq!(
            choose_subnet(&spec, &taken).unwrap().to_string(),
            "10.213.0.128/26"
        );
        let taken = [subnet("10.0.0.0/8", "route via tun0")];
        assert_eq!(choose_subnet(&spec, &taken).unwrap().to_string(), "198.18.0.0/26");
    }

    #[test]
    fn a_large_cluster_gets_a_large_subnet() {
        assert_eq!(choose_subnet(&spec(31, 1), &[]).unwrap().prefix_len(), 25);
        assert_eq!(choose_subnet(&spec(1000, 0), &[]).unwrap().prefix_len(), 22);
    }

    #[test]
    fn a_clash_says_with_what() {
        let spec = ClusterSpec::builder().subnet("10.1.0.0/24").build().unwrap();
        let error = choose_subnet(&spec, &[subnet("10.0.0.0/8", "route via tun0")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Subnet);
        assert_eq!(
            error.to_string(),
            "subnet 10.1.0.0/24 overlaps 10.0.0.0/8 of route via tun0"
        );
        let all = POOLS.map(|pool| subnet(pool, "x"));
        assert!(choose_subnet(&super::tests::spec(3, 1), &all).is_err());
    }

    #[test]
    fn a_block_starts_behind_what_is_taken() {
        let taken = [TakenPort {
            port: 7003,
            by: "container web".to_owned(),
        }];
        assert_eq!(choose_ports(&spec(3, 1), &taken, &mut |_| None).unwrap(), 7004);
        assert_eq!(
            choose_ports(&spec(3, 1), &taken, &mut |port| (port == 7005)
                .then(|| "x".to_owned()))
            .unwrap(),
            7006
        );
        let wanted = ClusterSpec::builder().port(7001).build().unwrap();
        let error = choose_ports(&wanted, &taken, &mut |_| None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "port 7003 on 127.0.0.1 is taken by container web"
        );
        assert!(choose_ports(&spec(3, 1), &[], &mut |_| Some("x".to_owned())).is_err());
    }

    #[test]
    fn on_a_network_of_others_the_last_free_addresses_are_taken() {
        let subnet: Ipv4Net = "10.88.0.0/28".parse().unwrap();
        let taken: Vec<Ipv4Addr> = ["10.88.0.1", "10.88.0.2", "10.88.0.13"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let chosen = choose_addresses(&spec(3, 0), "app", subnet, &taken).unwrap();
        let texts: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.88.0.11", "10.88.0.12", "10.88.0.14"]);
        assert!(choose_addresses(&spec(11, 0), "app", subnet, &taken).is_ok());
        let error = choose_addresses(&spec(6, 1), "app", subnet, &taken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Subnet);
        assert_eq!(
            error.to_string(),
            "network app (10.88.0.0/28) has 11 free addresses for 12 nodes"
        );
    }

    proptest! {
        #[test]
        fn the_choice_never_overlaps(blocks in proptest::collection::vec((0_u32..4096, 20_u8..30), 0..40), nodes in 1_usize..200) {
            let taken: Vec<TakenSubnet> = blocks
                .into_iter()
                .map(|(block, prefix)| {
                    let address = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 213, 0, 0)) + block * 16);
                    TakenSubnet { subnet: Ipv4Net::new(address, prefix).unwrap().trunc(), by: String::new() }
                })
                .collect();
            let chosen = choose_subnet(&spec(nodes, 0), &taken).unwrap();
            prop_assert!(room(chosen) >= nodes);
            prop_assert!(taken.iter().all(|other| !overlap(chosen, other.subnet)));
            prop_assert!(chosen.contains(&node_address(chosen, nodes)));
            prop_assert_ne!(node_address(chosen, nodes), chosen.broadcast());
        }

        #[test]
        fn a_chosen_block_is_free(taken in proptest::collection::btree_set(7001_u16..7400, 0..200), nodes in 1_usize..60) {
            let ports: Vec<TakenPort> = taken.iter().map(|port| TakenPort { port: *port, by: String::new() }).collect();
            let first = choose_ports(&spec(nodes, 0), &ports, &mut |_| None).unwrap();
            let last = first + u16::try_from(nodes).unwrap() - 1;
            prop_assert!(taken.range(first..=last).next().is_none());
        }
    }
}
