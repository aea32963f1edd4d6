//! Reads routes, ports, addresses and hardware of this machine.

use std::io::ErrorKind as IoErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};

use ipnet::Ipv4Net;

use crate::runtime::interface::EngineInfo;
use crate::runtime::observed::{Activity, Observed};
use crate::spec::cluster::ClusterSpec;
use crate::topology::address::{TakenPort, TakenSubnet};
use crate::topology::hardware::Machine;

/// Returns the address ranges of this machine's routes, without the default route. Only Linux has them in a
/// file; on other systems the containers run in a virtual machine with its own routes.
pub(crate) fn routes() -> Vec<TakenSubnet> {
    std::fs::read_to_string("/proc/net/route")
        .map(|table| parse_routes(&table))
        .unwrap_or_default()
}

/// Parses the kernel's routing table. The columns are name, destination, gateway, flags, …, with the mask in
/// the eighth; addresses are hexadecimal in the host's byte order.
fn parse_routes(table: &str) -> Vec<TakenSubnet> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let address = |at: usize| -> Option<Ipv4Addr> {
                Some(Ipv4Addr::from(
                    u32::from_str_radix(words.get(at)?, 16).ok()?.to_ne_bytes(),
                ))
            };
            let subnet = Ipv4Net::with_netmask(address(1)?, address(7)?).ok()?;
            let by = format!("the route via {}", words.first()?);
            (subnet.prefix_len() > 0).then_some(TakenSubnet { subnet, by })
        })
        .collect()
}

/// Returns what uses `port` on 127.0.0.1, if anything; binds the port briefly to check.
pub(crate) fn port_holder(address: Ipv4Addr, port: u16) -> Option<String> {
    match TcpListener::bind(SocketAddrV4::new(address, port)) {
        Ok(_) => None,
        Err(error) if error.kind() == IoErrorKind::PermissionDenied => {
            Some("the system, which reserves it for root".to_owned())
        }
        Err(_) => Some(listening_process(port).unwrap_or_else(|| "another process".to_owned())),
    }
}

/// Returns the process that listens on `port`, if it is visible (Linux, processes of this user).
fn listening_process(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
        .find_map(|entry| {
            let holds = std::fs::read_dir(entry.path().join("fd"))
                .ok()?
                .flatten()
                .any(|fd| {
                    std::fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str())
                });
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            holds.then(|| {
                format!(
                    "process {} ({})",
                    entry.file_name().to_string_lossy(),
                    name.trim()
                )
            })
        })
}

/// Returns the inode of the listening socket (state 0A) on `port`, from the table of `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let listens = words.get(1)?.ends_with(&suffix) && *words.get(3)? == "0A";
        listens
            .then(|| words.get(9).map(|inode| (*inode).to_owned()))
            .flatten()
    })
}

/// Requested limit of open files: the value from the deployment guide, enough for Redis's default of 10000
/// clients.
const OPEN_FILES: u64 = 65_536;

/// Minimum for a server with Redis's default of 10000 clients.
const OPEN_FILES_NEEDED: u64 = 10_032;

/// Returns the limit of open files to request from the container engine. It cannot grant more than its own
/// limit, and a local one usually has the same limit as this process. If that is too low, `None` keeps the
/// container engine's default.
pub(crate) fn open_files(local: bool) -> Option<u64> {
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    grantable(own.filter(|_| local))
}

fn grantable(own: Option<u64>) -> Option<u64> {
    let limit = own.map_or(OPEN_FILES, |own| own.min(OPEN_FILES));
    (limit >= OPEN_FILES_NEEDED).then_some(limit)
}

/// Returns memory and processors of this machine. Only Linux has the memory size in a file; on other systems
/// the containers run in a virtual machine.
pub fn this_machine() -> Machine {
    let memory = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|table| parse_memory(&table));
    let cores = std::thread::available_parallelism().ok();
    Machine {
        memory,
        cores: cores.and_then(|cores| cores.get().try_into().ok()),
    }
}

/// Parses a line such as `MemTotal:       24630208 kB`; returns bytes.
fn parse_memory(table: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the maximum number of neighbour entries for all network namespaces together. Only readable on
/// Linux and in the initial network namespace.
pub(crate) fn neighbour_limit() -> Option<usize> {
    kernels_number("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
}

/// Returns the maximum number of packets that the kernel queues per processor; it drops further ones. Only
/// readable on Linux and in the initial network namespace.
pub(crate) fn backlog() -> Option<usize> {
    kernels_number("/proc/sys/net/core/netdev_max_backlog")
}

fn kernels_number(path: &str) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Returns whether `address` belongs to this machine. If the gateway of a bridge does, this machine can reach
/// the bridge: on native Linux, but not with Docker Desktop, a remote or a rootless container engine.
pub(crate) fn is_own_address(address: Ipv4Addr) -> bool {
    UdpSocket::bind(SocketAddrV4::new(address, 0)).is_ok()
}

/// Returns the used subnets and ports, as far as the container engine and this machine's routes show.
pub(crate) fn taken(engine: &EngineInfo, observed: &Observed) -> (Vec<TakenSubnet>, Vec<TakenPort>) {
    let mut subnets = observed.taken_subnets();
    if engine.local {
        subnets.extend(routes());
    }
    (subnets, observed.taken_ports())
}

/// Returns the sizes of the other running clusters.
pub(crate) fn neighbourhood(spec: &ClusterSpec, observed: &Observed) -> Vec<usize> {
    observed
        .clusters()
        .iter()
        .filter(|name| *name != spec.name())
        .map(|name| {
            observed
                .of(name)
                .containers
                .iter()
                .filter(|node| node.activity == Activity::Running)
                .count()
        })
        .filter(|running| *running > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                     tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";
        let routes: Vec<(String, String)> = parse_routes(table)
            .into_iter()
            .map(|route| (route.subnet.to_string(), route.by))
            .collect();
        assert_eq!(
            routes,
            [
                ("172.17.0.0/16".to_owned(), "the route via docker0".to_owned()),
                ("10.0.0.0/8".to_owned(), "the route via tun0".to_owned())
            ]
        );
    }

    #[test]
    fn the_kernels_memory_is_read_in_bytes() {
        let table = "MemTotal:       24630208 kB\nMemFree:        20107208 kB\n";
        assert_eq!(parse_memory(table), Some(24_630_208 * 1024));
        assert_eq!(parse_memory("nothing"), None);
    }

    #[test]
    fn a_held_port_is_told_with_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = port_holder(Ipv4Addr::LOCALHOST, port).unwrap();
        if cfg!(target_os = "linux") {
            assert!(
                holder.starts_with(&format!("process {} (", std::process::id())),
                "{holder}"
            );
        }
        drop(listener);
        assert_eq!(port_holder(Ipv4Addr::LOCALHOST, port), None);
    }

    #[test]
    fn no_more_files_are_asked_for_than_can_be_granted() {
        assert_eq!(grantable(None), Some(65_536));
        assert_eq!(grantable(Some(1_048_576)), Some(65_536));
        assert_eq!(grantable(Some(20_000)), Some(20_000));
        assert_eq!(grantable(Some(1024)), None);
    }

    #[test]
    fn only_our_own_addresses_can_be_bound() {
        assert!(is_own_address(Ipv4Addr::LOCALHOST));
        assert!(!is_own_address(Ipv4Addr::new(203, 0, 113, 7)));
    }
}
