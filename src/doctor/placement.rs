//! Checks the resources for a new cluster: image, subnet, ports, neighbour entries and packet queue.

use crate::doctor::facts::PlaceFacts;
use crate::doctor::finding::{Diagnosis, Finding, Severity};
use crate::doctor::fix::{Change, Seat};
use crate::doctor::neighbours::{entries, raise};

/// Adds the findings for a cluster of `nodes` nodes.
pub(crate) fn judge(nodes: usize, facts: &PlaceFacts, seat: &Seat, diagnosis: &mut Diagnosis) {
    let advice = |hint: &Option<String>| hint.clone().unwrap_or_default();
    let wanted = "an image with Redis 7.0 or later, or Valkey";
    let why = "without a local image, the start has to pull it first";
    diagnosis.push(match &facts.image {
        Ok(image) => Finding::new("image", Severity::Ok, &**image, wanted).why(why, "rcup"),
        Err(trouble) => {
            let severity = if facts.may_pull {
                Severity::Warn
            } else {
                Severity::Fail
            };
            Finding::new("image", severity, &*trouble.message, wanted)
                .why(why, "rcup")
                .advise(advice(&trouble.hint), None)
        }
    });
    let wanted = format!("one for {nodes} nodes that overlaps no network or route");
    let why = "nodes need stable addresses, and overlapping networks are not both reachable";
    diagnosis.push(match &facts.subnet {
        Ok(subnet) => {
            Finding::new("subnet", Severity::Ok, format!("{subnet} is free"), wanted).why(why, "rcup")
        }
        Err(trouble) => Finding::new("subnet", Severity::Fail, &*trouble.message, wanted)
            .why(why, "rcup")
            .advise(advice(&trouble.hint), None),
    });
    let wanted =
        format!("{nodes} consecutive ports on 127.0.0.1; bus ports inside the containers are 10000 higher");
    let why = "each node uses one port number in the container, on this machine and in advertised addresses";
    diagnosis.push(match &facts.ports {
        Ok((first, last)) => Finding::new(
            "ports",
            Severity::Ok,
            format!("{first} to {last} are free"),
            wanted,
        )
        .why(why, "rcup"),
        Err(trouble) => Finding::new("ports", Severity::Fail, &*trouble.message, wanted)
            .why(why, "rcup")
            .advise(advice(&trouble.hint), None),
    });
    diagnosis.of("neighbours", &facts.neighbour_limit, |limit| {
        let needed = entries(nodes, &facts.others);
        let severity = if needed <= *limit {
            Severity::Ok
        } else {
            Severity::Fail
        };
        let wanted = raise(needed);
        Finding::new(
            "neighbours",
            severity,
            format!("the kernel limit is {limit} neighbour entries"),
            format!("at least {needed}"),
        )
        .why(
            "every node has an entry for every other node in one kernel-wide table; when it is full, \
             connections time out at random",
            "Linux: net.ipv4.neigh.default.gc_thresh3",
        )
        .mend(
            Change::Sysctls(vec![
                ("net.ipv4.neigh.default.gc_thresh3", wanted.to_string()),
                ("net.ipv4.neigh.default.gc_thresh2", (wanted / 2).to_string()),
            ]),
            seat,
        )
    });
    diagnosis.of("packets", &facts.backlog, |backlog| {
        // A node that connects to an absent node sends ARP requests for it to all other nodes.
        let needed = facts.callers * nodes;
        let severity = if needed <= *backlog {
            Severity::Ok
        } else {
            Severity::Warn
        };
        let wanted = (4 * needed).next_power_of_two();
        Finding::new(
            "packets",
            severity,
            format!("the kernel queues {backlog} packets per processor"),
            format!("at least {needed}"),
        )
        .why(
            "connecting to a node that is not up yet sends ARP requests to the whole bridge; the kernel \
             drops packets that exceed the queue, and each lost request costs a second",
            "Linux: net.core.netdev_max_backlog",
        )
        .mend(
            Change::Sysctls(vec![("net.core.netdev_max_backlog", wanted.to_string())]),
            seat,
        )
    });
}
