//! Checks that the kernel's neighbour table is large enough for a cluster.

use crate::error::{Error, ErrorKind, Result};

/// Neighbour entries reserved for other traffic of the host.
const SPARE_NEIGHBOURS: usize = 64;

/// Checks that the kernel's neighbour table is large enough for a cluster.
///
/// Every node connects to every other node and needs an entry for it, and the host needs an entry for each
/// node: N² in total. Linux has one table for all network namespaces and refuses entries above `gc_thresh3`
/// ("neighbour: `arp_cache`: neighbor table overflow!"), 1024 by default: enough for one cluster of 30 nodes,
/// not for 60. Above the limit, connections time out at random and the cluster does not form.
///
/// `nodes` is the size of the new cluster, `others` the sizes of the running clusters.
///
/// # Errors
/// [`ErrorKind::Host`] with the command that raises the limit.
pub fn neighbours(nodes: usize, others: &[usize], limit: usize) -> Result<()> {
    let needed = entries(nodes, others);
    if needed <= limit {
        return Ok(());
    }
    let wanted = raise(needed);
    let beside = match others.len() {
        0 => String::new(),
        1 => ", in addition to a running cluster".to_owned(),
        several => format!(", in addition to {several} running clusters"),
    };
    Err(Error::new(
        ErrorKind::Host,
        format!(
            "a cluster of {nodes} nodes{beside} needs {needed} neighbour entries, but the kernel limit is \
             {limit}"
        ),
    )
    .hint(format!(
        "Raise the limit: sudo sysctl -w net.ipv4.neigh.default.gc_thresh3={wanted} \
         net.ipv4.neigh.default.gc_thresh2={}",
        wanted / 2
    )))
}

/// Returns the number of entries that a new cluster needs in addition to the running ones.
pub(crate) fn entries(nodes: usize, others: &[usize]) -> usize {
    let square = |nodes: usize| nodes * nodes;
    let running: usize = others.iter().copied().map(square).sum();
    square(nodes) + running + SPARE_NEIGHBOURS
}

/// Returns the recommended limit for this number of entries.
pub(crate) fn raise(needed: usize) -> usize {
    needed.next_power_of_two() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linuxs_default_holds_thirty_nodes_and_not_sixty() {
        assert!(neighbours(6, &[6; 9], 1024).is_ok());
        assert!(neighbours(30, &[], 1024).is_ok());
        let error = neighbours(60, &[6], 1024).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Host);
        assert_eq!(
            error.to_string(),
            "a cluster of 60 nodes, in addition to a running cluster needs 3700 neighbour entries, but the \
             kernel limit is 1024"
        );
        assert!(error.hint_text().unwrap().contains("gc_thresh3=8192"));
        assert!(neighbours(60, &[6], 8192).is_ok());
    }
}
