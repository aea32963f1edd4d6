//! Replication: link status, replication lag, and whether a write reaches the replicas.

use crate::checks::answers::{Seen, each};
use crate::checks::finding::Check;
use crate::checks::trial::{Trial, missed};
use crate::server::wire::reply::NodeView;

/// What to try if a replication check fails.
const HINT: &str = "Check the replica's log: `rcup logs --node N`.";

/// Maximum lag of a replica in bytes: less than a short burst of writes.
const LAG: u64 = 1024 * 1024;

pub(crate) fn links(seen: &Seen<'_>) -> Check {
    let replicas = seen.iter().filter(|(_, view)| view.replication.replica).count();
    Check::of(
        "replication",
        match replicas {
            0 => "there are no replicas".to_owned(),
            1 => "the replica's link to its master is up".to_owned(),
            _ => format!("{replicas} replicas are connected to their masters"),
        },
        "replication links are down",
        down(seen),
        HINT,
    )
}

fn down(seen: &Seen<'_>) -> Vec<String> {
    each(seen, |view| {
        (view.replication.replica && !view.replication.link_up)
            .then(|| "master_link_status is not up".to_owned())
    })
}

/// Checks the replication links, the lag of every replica behind its master, and the result of a write with
/// WAIT on each master (empty if nothing may be written).
pub fn in_step(seen: &[(&str, &NodeView)], waits: &[Trial]) -> Check {
    let replicas = seen.iter().filter(|(_, view)| view.replication.replica).count();
    let mut detail = down(seen);
    let mut most = 0;
    for (name, view) in seen.iter().filter(|(_, view)| view.replication.replica) {
        let master = view.myself().and_then(|line| line.master.as_ref());
        let ahead = seen
            .iter()
            .find(|(_, other)| other.myself().map(|line| &line.id) == master)
            .map(|(_, other)| other.replication.offset);
        // The master's offset is read at another time than the replica's, and possibly earlier.
        let lag = ahead.map_or(0, |ahead| ahead.saturating_sub(view.replication.offset));
        most = most.max(lag);
        if lag > LAG {
            detail.push(format!("{name}: is {lag} bytes behind its master"));
        }
    }
    detail.extend(missed(waits));
    let good = match (replicas, waits.len()) {
        (0, _) => "there are no replicas".to_owned(),
        (_, 0) => format!("{replicas} links up, at most {most} bytes behind"),
        (_, masters) => format!(
            "{replicas} links up, at most {most} bytes behind; a write on each of {masters} masters \
             reached all of its replicas"
        ),
    };
    Check::of("replication", good, "replication is failing", detail, HINT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::Status;
    use crate::checks::readiness::tests::perfect;
    use crate::server::wire::reply::Answer;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    #[test]
    fn links_lag_and_writes_are_judged_together() {
        let plan = topology(3, 1, Engine::Redis, "8.0.2");
        let judged = |change: &dyn Fn(&mut Vec<Answer>), waits: &[Trial]| {
            let mut answers = perfect(&plan);
            change(&mut answers);
            let names = plan.nodes.iter().map(|node| node.name.as_str());
            let seen: Vec<(&str, &NodeView)> = names
                .zip(&answers)
                .filter_map(|(name, answer)| Some((name, answer.as_ref().ok()?)))
                .collect();
            in_step(&seen, waits)
        };
        let offset = |all: &mut Vec<Answer>, at: usize, bytes| {
            all[at].as_mut().unwrap().replication.offset = bytes;
        };
        let good = judged(&|all| offset(all, 0, LAG), &[]);
        assert_eq!(good.status, Status::Pass);
        assert_eq!(good.summary, format!("3 links up, at most {LAG} bytes behind"));
        let behind = judged(&|all| offset(all, 0, LAG + 1), &[]);
        assert_eq!(behind.status, Status::Fail);
        assert_eq!(
            behind.summary,
            format!("{}: is {} bytes behind its master", plan.nodes[3].name, LAG + 1)
        );
        let ahead = judged(&|all| offset(all, 3, LAG * 2), &[]);
        assert_eq!(ahead.status, Status::Pass, "the master was asked first");
        let down = judged(&|all| all[4].as_mut().unwrap().replication.link_up = false, &[]);
        assert_eq!(
            down.summary,
            format!("{}: master_link_status is not up", plan.nodes[4].name)
        );
        let arrived = Trial::exactly("n1", "WAIT for 1 replicas", "1", "1");
        assert!(
            judged(&|_| (), &[arrived])
                .summary
                .ends_with("a write on each of 1 masters reached all of its replicas")
        );
        let lost = Trial::exactly("n1", "WAIT for 1 replicas", "1", "0");
        let lost = judged(&|_| (), &[lost]);
        assert_eq!(lost.summary, "n1: WAIT for 1 replicas returns `0` instead of `1`");
        assert_eq!(lost.hint.as_deref(), Some(HINT));
    }
}
