//! Decisions of a start for arbitrary objects on the container engine. A start never plans to change an object without
//! the label of the cluster, and never replaces a container that has run.

use std::collections::BTreeSet;

use proptest::prelude::*;

use rcup::event::Silent;
use rcup::plan::down::remove;
use rcup::plan::step::Step;
use rcup::plan::up::{Decision, adopt, create, decide, restore};
use rcup::runtime::fake::Fake;
use rcup::runtime::labels;
use rcup::runtime::labels::Labels;
use rcup::runtime::observed::{Activity, ContainerSeen, NetworkSeen, Observed, VolumeSeen};
use rcup::spec::security::Secrets;
use rcup::spec::server::{Engine, Server, Version};
use rcup::topology::hardware::Machine;
use rcup::topology::layout::{Image, Placement, Topology};
use rcup::{Cluster, ClusterSpec, ErrorKind, UpOptions};

fn placement(seed: u8) -> Placement {
    Placement {
        image: Image {
            reference: "test:1".to_owned(),
            server: Server::new(Engine::Redis, Version::new(8, 0, 2)),
            volumes: Vec::new(),
        },
        images: std::collections::BTreeMap::new(),
        subnet: "10.213.0.0/26".parse().unwrap(),
        shared: None,
        first_port: 7001,
        bridge_reachable: false,
        open_files: None,
        own_sysctls: false,
        volumes_at_home: true,
        machine: Machine::default(),
        seed: [seed; 16],
    }
}

fn topology(name: &str, masters: usize) -> Topology {
    let spec = ClusterSpec::builder()
        .name(name.parse().unwrap())
        .masters(masters)
        .replicas(1);
    Topology::new(&spec.build().unwrap(), &placement(7)).unwrap()
}

/// The owner of an object according to its labels.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Ours,
    OursOfAnotherShape,
    OursUnreadable,
    AnotherCluster,
    Nobody,
}

impl Owner {
    fn labels(self, node: usize) -> Labels {
        let of =
            |topology: &Topology| labels::of_node(topology, &topology.nodes[node % topology.nodes.len()]);
        match self {
            Self::Ours => of(&topology("default", 3)),
            Self::OursOfAnotherShape => of(&topology("default", 4)),
            Self::OursUnreadable => Labels::from([(labels::CLUSTER.to_owned(), "default".to_owned())]),
            Self::AnotherCluster => of(&topology("other", 3)),
            Self::Nobody => Labels::from([("com.example".to_owned(), "1".to_owned())]),
        }
    }
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        6 => Just(Owner::Ours),
        1 => Just(Owner::OursOfAnotherShape),
        1 => Just(Owner::OursUnreadable),
        2 => Just(Owner::AnotherCluster),
        2 => Just(Owner::Nobody),
    ]
}

fn activity() -> impl Strategy<Value = Activity> {
    prop_oneof![
        4 => Just(Activity::Created),
        4 => Just(Activity::Running),
        1 => Just(Activity::Paused),
        1 => Just(Activity::Restarting),
        1 => Just(Activity::Exited),
        1 => Just(Activity::Other("dead".to_owned())),
    ]
}

fn container() -> impl Strategy<Value = ContainerSeen> {
    let name = prop_oneof![
        4 => (1_usize..=8).prop_map(|index| format!("rcup-default-{index}")),
        1 => (1_usize..=3).prop_map(|index| format!("rcup-other-{index}")),
        1 => Just("web".to_owned()),
    ];
    (name, owner(), activity(), 0_usize..6).prop_map(|(name, owner, activity, node)| ContainerSeen {
        name,
        activity,
        labels: owner.labels(node),
        ..ContainerSeen::default()
    })
}

fn shared_name() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("rcup-default"), 1 => Just("rcup-other"), 1 => Just("web")].prop_map(str::to_owned)
}

/// Generates arbitrary objects with unique ids.
fn observed() -> impl Strategy<Value = Observed> {
    let network = (shared_name(), owner()).prop_map(|(name, owner)| NetworkSeen {
        name,
        labels: owner.labels(0),
        ..NetworkSeen::default()
    });
    let volume = (shared_name(), owner()).prop_map(|(name, owner)| VolumeSeen {
        name,
        labels: owner.labels(0),
    });
    (
        proptest::collection::vec(network, 0..3),
        proptest::collection::vec(container(), 0..9),
        proptest::collection::vec(volume, 0..3),
    )
        .prop_map(|(networks, containers, volumes)| {
            let mut observed = Observed {
                networks,
                containers,
                volumes,
                probes: Vec::new(),
            };
            // Names of containers and of volumes are unique on a container engine.
            let mut names = BTreeSet::new();
            observed.containers.retain(|one| names.insert(one.name.clone()));
            let mut names = BTreeSet::new();
            observed.volumes.retain(|one| names.insert(one.name.clone()));
            for (at, one) in observed.networks.iter_mut().enumerate() {
                one.id = format!("n{at}");
            }
            for (at, one) in observed.containers.iter_mut().enumerate() {
                one.id = format!("c{at}");
            }
            observed
        })
}

/// Generates a cluster with all nodes, or with one node missing.
fn whole() -> impl Strategy<Value = Observed> {
    let topology = topology("default", 3);
    let activities = proptest::collection::vec(activity(), topology.nodes.len());
    (activities, proptest::option::of(0_usize..6), observed()).prop_map(
        move |(activities, lost, mut around)| {
            around
                .containers
                .retain(|one| !one.name.starts_with("rcup-default"));
            around.networks.retain(|one| one.name != "rcup-default");
            around.volumes.retain(|one| one.name != "rcup-default");
            around.containers.retain(|one| !is_ours(&one.labels));
            around.networks.retain(|one| !is_ours(&one.labels));
            around.volumes.retain(|one| !is_ours(&one.labels));
            for (node, activity) in topology.nodes.iter().zip(&activities) {
                if lost.is_some_and(|lost| lost + 1 == node.index) {
                    continue;
                }
                around.containers.push(ContainerSeen {
                    id: format!("node{}", node.index),
                    name: node.name.clone(),
                    activity: activity.clone(),
                    labels: labels::of_node(&topology, node),
                    ports: Vec::new(),
                });
            }
            around.networks.push(NetworkSeen {
                id: "net".to_owned(),
                name: topology.network(),
                subnets: Vec::new(),
                labels: labels::of_cluster(&topology),
            });
            around
        },
    )
}

fn is_ours(labels: &Labels) -> bool {
    labels.get(labels::CLUSTER).is_some_and(|name| name == "default")
}

/// Returns whether the object that a step removes or starts belongs to the cluster; `None` for other steps.
fn is_own(observed: &Observed, step: &Step) -> Option<bool> {
    let container = |matches: &dyn Fn(&ContainerSeen) -> bool| {
        observed
            .containers
            .iter()
            .find(|one| matches(one))
            .map(|one| &one.labels)
    };
    let labels = match step {
        Step::RemoveContainer { id, .. } => container(&|one| one.id == *id),
        Step::StartNode { name } | Step::ResumeNode { name } => container(&|one| one.name == *name),
        Step::RemoveNetwork { id, .. } => observed
            .networks
            .iter()
            .find(|one| one.id == *id)
            .map(|one| &one.labels),
        Step::RemoveVolume { name } => observed
            .volumes
            .iter()
            .find(|one| one.name == *name)
            .map(|one| &one.labels),
        _ => return None,
    };
    Some(labels.is_some_and(is_ours))
}

/// Returns whether a foreign object has a name that the cluster needs.
fn is_in_the_way(spec: &ClusterSpec, observed: &Observed) -> bool {
    let name = spec.name();
    let nodes: Vec<String> = (1..=spec.nodes())
        .map(|index| name.container(index))
        .chain([name.carrier()])
        .collect();
    let foreign = |labels: &Labels| !is_ours(labels);
    observed
        .containers
        .iter()
        .any(|one| foreign(&one.labels) && nodes.contains(&one.name))
        || observed
            .networks
            .iter()
            .any(|one| foreign(&one.labels) && one.name == name.network())
        || observed
            .volumes
            .iter()
            .any(|one| foreign(&one.labels) && (one.name == name.volume() || nodes.contains(&one.name)))
}

fn judge(observed: &Observed) -> Result<(), TestCaseError> {
    let spec = topology("default", 3).spec;
    let ours = observed.of(spec.name());
    let in_the_way = is_in_the_way(&spec, observed);
    let decision = match decide(&spec, observed) {
        Ok(decision) => decision,
        Err(error) => {
            prop_assert_eq!(error.kind() == ErrorKind::NameTaken, in_the_way);
            prop_assert!(error.hint_text().is_some());
            return Ok(());
        }
    };
    prop_assert!(!in_the_way);
    let mut plans = Vec::new();
    match &decision {
        Decision::Create => prop_assert!(ours.is_empty()),
        Decision::Replace => {
            let ran = ours
                .containers
                .iter()
                .any(|one| one.activity != Activity::Created);
            prop_assert!(!ran, "what has run is never replaced without a doubt");
            plans.push(remove(&ours, false, "test"));
        }
        Decision::Adopt(topology) => {
            let indices: BTreeSet<usize> = ours.containers.iter().filter_map(ContainerSeen::index).collect();
            let whole = topology.nodes.iter().all(|node| indices.contains(&node.index));
            prop_assert!(whole, "no node is missing");
            plans.push(adopt(topology, &ours.containers));
        }
        Decision::Restore(topology) => {
            prop_assert!(topology.spec.persist());
            plans.push(restore(topology, &ours));
        }
        // If the uncertain node is replaced, these objects are removed.
        Decision::Doubt { missing, .. } => {
            prop_assert!(!missing.is_empty());
            plans.push(remove(&ours, false, "test"));
        }
        other => prop_assert!(false, "nobody knows {other:?}"),
    }
    for step in plans
        .iter()
        .flat_map(rcup::plan::step::Plan::steps)
        .map(|planned| &planned.step)
    {
        let own = is_own(observed, step).unwrap_or(true);
        prop_assert!(own, "not ours: {}", step);
        if let (Step::StartNode { name }, Decision::Adopt(_)) = (step, &decision) {
            let runs = observed
                .containers
                .iter()
                .any(|one| one.name == *name && one.activity == Activity::Running);
            prop_assert!(!runs, "{} runs already", name);
        }
    }
    if matches!(decision, Decision::Create | Decision::Replace) {
        // After the removal, no object conflicts with the names of the new objects.
        let left: Vec<&str> = observed
            .containers
            .iter()
            .filter(|one| !is_ours(&one.labels))
            .map(|one| one.name.as_str())
            .collect();
        for planned in create(&topology("default", 3), &Secrets::default()).steps() {
            if let Step::CreateNode(request) = &planned.step {
                prop_assert!(!left.contains(&request.name.as_str()));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_not_ours_is_never_touched(observed in observed()) {
        judge(&observed)?;
    }

    #[test]
    fn a_cluster_that_is_there_is_adopted_or_doubted(observed in whole()) {
        judge(&observed)?;
        let spec = topology("default", 3).spec;
        let ours = observed.of(spec.name());
        let never_ran = ours.containers.iter().all(|one| one.activity == Activity::Created);
        let decision = decide(&spec, &observed).unwrap();
        match (never_ran, ours.containers.len()) {
            (true, _) => prop_assert_eq!(decision, Decision::Replace),
            (false, 6) => prop_assert!(matches!(decision, Decision::Adopt(_))),
            (false, _) => {
                let doubted = matches!(decision, Decision::Doubt { .. });
                prop_assert!(doubted, "one is missing");
            }
        }
    }

    #[test]
    fn a_removal_takes_everything_of_ours_and_containers_first(observed in observed(), keep_volumes: bool) {
        let ours = observed.of(&"default".parse().unwrap());
        let plan = remove(&ours, keep_volumes, "test");
        prop_assert!(plan.steps().all(|planned| is_own(&observed, &planned.step) == Some(true)));
        let kept = |one: &&VolumeSeen| keep_volumes && one.labels.contains_key(labels::NODE);
        let volumes = ours.volumes.len() - ours.volumes.iter().filter(kept).count();
        prop_assert_eq!(plan.steps().count(), ours.containers.len() + ours.networks.len() + volumes);
        let first = plan.stages.first().map(|stage| stage[0].step.action());
        prop_assert!(ours.containers.is_empty() || first == Some("remove-container"));
    }
}

/// Returns the call that carries out a step: the method of the container engine and its object.
fn call_of(step: &Step) -> Option<(&'static str, String)> {
    Some(match step {
        Step::CreateNetwork(request) => ("create_network", request.name.clone()),
        Step::CreateVolume(request) => ("create_volume", request.name.clone()),
        Step::CreateNode(request) => ("create_container", request.name.clone()),
        Step::PutFiles(request) => ("put_files", request.name.clone()),
        Step::StartNode { name } => ("start", name.clone()),
        Step::ResumeNode { name } => ("resume", name.clone()),
        Step::RemoveContainer { id, .. } => ("remove_container", id.clone()),
        Step::RemoveNetwork { id, .. } => ("remove_network", id.clone()),
        Step::RemoveVolume { name } => ("remove_volume", name.clone()),
        _ => return None,
    })
}

const CHANGES: [&str; 9] = [
    "create_network",
    "create_volume",
    "create_container",
    "put_files",
    "start",
    "resume",
    "remove_container",
    "remove_network",
    "remove_volume",
];

/// Compares the plan of a dry run with the calls of `up` on the same objects. The containers of the fake engine do not
/// listen, so `up` fails at its deadline, after its last change.
fn dry_run_is_what_up_does(objects: Observed) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let engine = Fake::new();
        engine.add(objects);
        let spec = ClusterSpec::builder().build().unwrap();
        let planned = Cluster::plan(&engine, &spec, &Silent).await;
        let before = engine.calls().len();
        let options = UpOptions::default().keep_on_failure(true);
        let failed = Cluster::up(engine.clone(), &spec, &options).await.err();
        let calls: BTreeSet<(&str, String)> = engine.calls()[before..]
            .iter()
            .filter(|call| CHANGES.contains(&call.name))
            .map(|call| (call.name, call.on.clone()))
            .collect();
        match planned {
            Ok(plan) => {
                let steps = plan.steps().filter_map(|planned| call_of(&planned.step));
                assert_eq!(calls, steps.collect(), "{failed:?}");
            }
            Err(error) => {
                assert_eq!(failed.map(|failed| failed.kind()), Some(error.kind()));
                assert!(calls.is_empty(), "{calls:?}");
            }
        }
    });
}

/// Generates the default cluster, owned by a process that has exited.
fn orphaned(persist: bool, containers: usize) -> Observed {
    let spec = ClusterSpec::builder().persist(persist).build().unwrap();
    let ended = rcup::Owner {
        pid: u32::MAX,
        ..rcup::Owner::this_process().unwrap()
    };
    let life = rcup::spec::expiry::Life {
        owner: Some(ended),
        expires: None,
    };
    let topology = Topology::new(&spec, &placement(7)).unwrap().with_life(life);
    let mut objects = Observed::default();
    for node in topology.nodes.iter().take(containers) {
        objects.containers.push(ContainerSeen {
            id: format!("c{}", node.index),
            name: node.name.clone(),
            activity: Activity::Exited,
            labels: labels::of_node(&topology, node),
            ..ContainerSeen::default()
        });
        if persist {
            objects.volumes.push(VolumeSeen {
                name: node.name.clone(),
                labels: labels::of_data(&topology, node),
            });
        }
    }
    objects
}

#[test]
fn dry_run_of_orphaned_cluster_replaces_it_as_up_does() {
    for containers in [1, 6] {
        dry_run_is_what_up_does(orphaned(false, containers));
    }
    dry_run_is_what_up_does(orphaned(true, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn dry_run_prints_what_up_executes(objects in prop_oneof![observed(), whole()]) {
        dry_run_is_what_up_does(objects);
    }
}
