//! What `down` and every undo do: remove what was seen, containers before the network they hold.

use super::observed::Observed;
use super::step::{Plan, Step};

/// The plan that removes everything in `observed`, for the given reason. Volumes stay when `keep_volumes`.
pub fn remove(observed: &Observed, keep_volumes: bool, cause: &str) -> Plan {
    let mut plan = Plan::default();
    let because = || cause.to_owned();
    plan.stage(observed.containers.iter().map(|container| {
        let (id, name) = (container.id.clone(), container.name.clone());
        (Step::RemoveContainer { id, name }, because())
    }));
    let networks = observed.networks.iter().map(|network| {
        let (id, name) = (network.id.clone(), network.name.clone());
        (Step::RemoveNetwork { id, name }, because())
    });
    let volumes = observed.volumes.iter().filter(|_| !keep_volumes).map(|volume| {
        (
            Step::RemoveVolume {
                name: volume.name.clone(),
            },
            because(),
        )
    });
    plan.stage(networks.chain(volumes));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::observed::{ContainerSeen, NetworkSeen, VolumeSeen};

    #[test]
    fn the_network_goes_last() {
        let observed = Observed {
            networks: vec![NetworkSeen {
                name: "rcup-a".to_owned(),
                ..NetworkSeen::default()
            }],
            containers: vec![ContainerSeen {
                name: "rcup-a-1".to_owned(),
                ..ContainerSeen::default()
            }],
            volumes: vec![VolumeSeen {
                name: "rcup-a-1".to_owned(),
                ..VolumeSeen::default()
            }],
        };
        let actions = |plan: &Plan| -> Vec<Vec<&str>> {
            plan.stages
                .iter()
                .map(|stage| stage.iter().map(|p| p.step.action()).collect())
                .collect()
        };
        assert_eq!(
            actions(&remove(&observed, false, "test")),
            [vec!["remove-container"], vec!["remove-network", "remove-volume"]]
        );
        assert_eq!(
            actions(&remove(&observed, true, "test")),
            [vec!["remove-container"], vec!["remove-network"]]
        );
        assert!(remove(&Observed::default(), false, "test").is_empty());
    }
}
