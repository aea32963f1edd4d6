//! Garbage collection by `prune` and at every start: orphaned and expired clusters.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::runtime::labels;
use crate::runtime::labels::Labels;
use crate::runtime::observed::Observed;
use crate::spec::expiry::{Owner, Presence};
use crate::spec::name::ClusterName;

/// Why a cluster is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The owner process has exited.
    OwnerGone,
    /// The TTL has expired.
    Expired,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnerGone => "its owner has exited",
            Self::Expired => "its TTL has expired",
        })
    }
}

/// Objects of one run to be pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The cluster's name.
    pub name: ClusterName,
    /// The id of the run that created it; another cluster may have the same name by now.
    #[serde(skip)]
    pub run: String,
    /// Why it is pruned.
    pub cause: Cause,
}

/// Finds the runs to prune. A cluster without an owner and a TTL is never pruned; an owner that
/// is not visible from this host counts as alive.
pub fn leftovers(
    observed: &Observed,
    now: SystemTime,
    presence: &mut dyn FnMut(&Owner) -> Presence,
) -> Vec<Leftover> {
    let mut all: Vec<Leftover> = Vec::new();
    let mut judged: Vec<&str> = Vec::new();
    let probes = observed.probes.iter().map(|probe| &probe.labels);
    for labels in observed.all_labels().chain(probes) {
        let (Some(run), Some(name)) = (labels.get(labels::RUN), name(labels)) else {
            continue;
        };
        if judged.contains(&run.as_str()) {
            continue;
        }
        judged.push(run);
        let life = labels::life(labels);
        let kept = || {
            observed
                .of_run(run)
                .all_labels()
                .any(|labels| labels.contains_key(labels::KEPT))
        };
        let cause = if life.has_expired(now) {
            Some(Cause::Expired)
        } else {
            life.owner
                .filter(|owner| presence(owner) == Presence::Gone && !kept())
                .map(|_| Cause::OwnerGone)
        };
        if let Some(cause) = cause {
            all.push(Leftover {
                name,
                run: run.clone(),
                cause,
            });
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn name(labels: &Labels) -> Option<ClusterName> {
    labels.get(labels::CLUSTER)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::runtime::observed::{ContainerSeen, VolumeSeen};
    use crate::spec::expiry::Life;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    fn owner(pid: u32) -> Owner {
        Owner {
            pid,
            started: "1".to_owned(),
            host: "h".to_owned(),
            boot: "b".to_owned(),
            space: String::new(),
            lease: None,
        }
    }

    /// A container of a cluster with this expiry, created by its own run.
    fn container(run: &str, life: Life) -> ContainerSeen {
        let mut topology = topology(3, 0, Engine::Redis, "8.0.2").with_life(life);
        topology.run = run.to_owned();
        ContainerSeen {
            labels: labels::of_node(&topology, &topology.nodes[0]),
            ..ContainerSeen::default()
        }
    }

    fn found(observed: &Observed) -> Vec<(String, Cause)> {
        let mut presence = |owner: &Owner| match owner.pid {
            1 => Presence::Here,
            2 => Presence::Gone,
            _ => Presence::Unknown,
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        leftovers(observed, now, &mut presence)
            .into_iter()
            .map(|leftover| (leftover.run, leftover.cause))
            .collect()
    }

    #[test]
    fn only_what_a_dead_owner_left_or_what_is_past_its_time_goes() {
        let life = |owner, expires| Life { owner, expires };
        let observed = Observed {
            containers: vec![
                container("endless", Life::default()),
                container("alive", life(Some(owner(1)), None)),
                container("dead", life(Some(owner(2)), None)),
                container("elsewhere", life(Some(owner(3)), None)),
                container("young", life(None, Some(1001))),
                container("old", life(None, Some(1000))),
                container("alive-but-old", life(Some(owner(1)), Some(999))),
                ContainerSeen::default(),
            ],
            ..Observed::default()
        };
        assert_eq!(
            found(&observed),
            [
                ("dead".to_owned(), Cause::OwnerGone),
                ("old".to_owned(), Cause::Expired),
                ("alive-but-old".to_owned(), Cause::Expired),
            ]
        );
    }

    #[test]
    fn what_its_owner_has_kept_outlives_it_but_not_its_time() {
        let dead = |expires| Life {
            owner: Some(owner(2)),
            expires,
        };
        let kept = |run: &str| VolumeSeen {
            labels: [
                (labels::RUN.to_owned(), run.to_owned()),
                (labels::CLUSTER.to_owned(), "test".to_owned()),
                (labels::KEPT.to_owned(), "true".to_owned()),
            ]
            .into(),
            ..VolumeSeen::default()
        };
        let observed = Observed {
            containers: vec![
                container("kept", dead(None)),
                container("kept-old", dead(Some(1))),
            ],
            volumes: vec![kept("kept"), kept("kept-old")],
            ..Observed::default()
        };
        assert_eq!(found(&observed), [("kept-old".to_owned(), Cause::Expired)]);
    }

    #[test]
    fn a_probe_goes_with_its_process_and_never_lasts() {
        let probe = |run: &str, life: Life| ContainerSeen {
            labels: labels::of_probe(&ClusterName::default(), run, &life),
            ..ContainerSeen::default()
        };
        let life = |pid: u32| Life {
            owner: Some(owner(pid)),
            expires: Some(if pid == 3 { 999 } else { 2000 }),
        };
        let observed = Observed {
            probes: vec![
                probe("busy", life(1)),
                probe("left", life(2)),
                probe("old", life(3)),
            ],
            ..Observed::default()
        };
        assert!(observed.clusters().is_empty(), "a probe makes no cluster");
        assert_eq!(
            found(&observed),
            [
                ("left".to_owned(), Cause::OwnerGone),
                ("old".to_owned(), Cause::Expired)
            ]
        );
    }
}
