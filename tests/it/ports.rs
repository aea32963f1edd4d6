//! Ports of this machine that tests choose themselves. Each kind of test has its own range, so that no test binds a
//! port that another test has released temporarily. Concurrent runs, in other processes, use other parts of the ranges.
//!
//! rcup's own search begins at 7001. Linux assigns ephemeral ports from 32768 on.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use rcup::topology::address::FIRST_PORT;

/// For clusters that stop temporarily and start again with the same ports.
const COMING_BACK: Range<u16> = 12_000..24_000;
/// Bound but not listening, for the tests without a container engine.
const SILENT: Range<u16> = 24_000..32_000;
/// Bound by the test itself, to simulate ports in use.
const HELD: Range<u16> = 32_000..32_700;

/// The maximum number of nodes of a cluster that restarts.
const NODES: u16 = 15;
/// The maximum number of such clusters in one process at a time.
const CLUSTERS: u16 = 8;

/// Returns a subnet and a first port that no other test uses, for a cluster that stops temporarily and restarts.
pub fn coming_back() -> (String, u16) {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed) % CLUSTERS;
    let own = process::id() % 100;
    let subnet = format!("10.230.{own}.{}/27", nth * 32);
    (subnet, coming_back_in(process::id(), nth).start)
}

fn coming_back_in(process: u32, nth: u16) -> Range<u16> {
    let processes = COMING_BACK.len() / usize::from(CLUSTERS * NODES);
    let process = u16::try_from(process as usize % processes).unwrap();
    let first = COMING_BACK.start + (process * CLUSTERS + nth % CLUSTERS) * NODES;
    first..first + NODES
}

/// Returns the first ports of the blocks of `nodes` that a test may bind silently. The first block depends on the
/// process.
pub fn silent(nodes: u16) -> impl Iterator<Item = u16> {
    silent_in(process::id(), nodes)
}

fn silent_in(process: u32, nodes: u16) -> impl Iterator<Item = u16> {
    let blocks = u16::try_from(SILENT.len()).unwrap() / nodes;
    let begin = u16::try_from(process % u32::from(blocks)).unwrap();
    (begin..blocks)
        .chain(0..begin)
        .map(move |nth| SILENT.start + nth * nodes)
}

/// Returns a port that is in use until the listener is dropped. The two ports below it are free, and no other test uses
/// them.
pub fn held() -> (TcpListener, u16) {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let blocks = u16::try_from(HELD.len()).unwrap() / 3;
    let begin = u16::try_from(process::id() % u32::from(blocks)).unwrap();
    (0..blocks)
        .find_map(|_| {
            let nth = (begin + COUNT.fetch_add(1, Ordering::Relaxed)) % blocks;
            let port = HELD.start + nth * 3 + 2;
            let held = listen(port).ok()?;
            let free = (port - 2..port).all(|below| listen(below).is_ok());
            free.then_some((held, port))
        })
        .expect("a block of the tests' own is free")
}

#[test]
fn no_test_takes_the_ports_of_another() {
    let all = [FIRST_PORT..COMING_BACK.start, COMING_BACK, SILENT, HELD];
    assert!(all.is_sorted_by(|one, next| one.end <= next.start), "{all:?}");
    for process in 0..20_000 {
        for nth in 0..2 * CLUSTERS {
            let block = coming_back_in(process, nth);
            let inside = COMING_BACK.start <= block.start && block.end <= COMING_BACK.end;
            assert!(inside, "{process}, {nth}: {block:?}");
            let next = coming_back_in(process, nth + 1);
            assert!(
                next.end <= block.start || block.end <= next.start,
                "{process}, {nth}"
            );
        }
        let first = silent_in(process, 12).next().unwrap();
        assert!(
            SILENT.start <= first && first + 12 <= SILENT.end,
            "{process}: {first}"
        );
    }
    assert_eq!(silent_in(4711, 12).count(), SILENT.len() / 12);
}
