//! Plans that remove objects, for `down` and rollback: containers before their network.

use crate::plan::step::{Plan, Step};
use crate::runtime::labels;
use crate::runtime::observed::Observed;

/// The plan that removes everything in `observed`, with this cause. Volumes with node data are kept
/// if `keep_volumes`; the configuration volume is always removed.
pub fn remove(observed: &Observed, keep_volumes: bool, cause: &str) -> Plan {
    let mut plan = Plan::default();
    let because = || cause.to_owned();
    plan.stage(
        observed
            .containers
            .iter()
            .chain(&observed.probes)
            .map(|container| {
                let (id, name) = (container.id.clone(), container.name.clone());
                (Step::RemoveContainer { id, name }, because())
            }),
    );
    let networks = observed.networks.iter().map(|network| {
        let (id, name) = (network.id.clone(), network.name.clone());
        (Step::RemoveNetwork { id, name }, because())
    });
    let volumes = observed
        .volumes
        .iter()
        .filter(|volume| !(keep_volumes && volume.labels.contains_key(labels::NODE)))
        .map(|volume| {
            let name = volume.name.clone();
            (Step::RemoveVolume { name }, because())
        });
    plan.stage(networks.chain(volumes));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observed::{ContainerSeen, NetworkSeen, VolumeSeen};

    #[test]
    fn the_network_goes_last() {
        let data = VolumeSeen {
            name: "rcup-a-1".to_owned(),
            labels: [(labels::NODE.to_owned(), "1".to_owned())].into(),
        };
        let configuration = VolumeSeen {
            name: "rcup-a".to_owned(),
            ..VolumeSeen::default()
        };
        let observed = Observed {
            networks: vec![NetworkSeen {
                name: "rcup-a".to_owned(),
                ..NetworkSeen::default()
            }],
            containers: vec![ContainerSeen {
                name: "rcup-a-1".to_owned(),
                ..ContainerSeen::default()
            }],
            volumes: vec![configuration, data],
            probes: vec![ContainerSeen {
                name: "rcup-probe".to_owned(),
                ..ContainerSeen::default()
            }],
        };
        let steps = |keep_volumes| -> Vec<String> {
            remove(&observed, keep_volumes, "test")
                .stages
                .iter()
                .map(|stage| {
                    let steps: Vec<String> = stage.iter().map(|planned| planned.step.to_string()).collect();
                    steps.join(" + ")
                })
                .collect()
        };
        assert_eq!(
            steps(false),
            [
                "remove container rcup-a-1 + remove container rcup-probe",
                "remove network rcup-a + remove volume rcup-a + remove volume rcup-a-1"
            ]
        );
        assert_eq!(
            steps(true),
            [
                "remove container rcup-a-1 + remove container rcup-probe",
                "remove network rcup-a + remove volume rcup-a"
            ]
        );
        assert!(remove(&Observed::default(), false, "test").is_empty());
    }
}
