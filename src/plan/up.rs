//! What `up` does for the observed state.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::request;
use crate::plan::step::{Plan, Step};
use crate::runtime::labels;
use crate::runtime::observed::{Activity, ContainerSeen, Observed};
use crate::spec::cluster::ClusterSpec;
use crate::spec::name::ClusterName;
use crate::spec::security::Secrets;
use crate::spec::size::size;
use crate::topology::layout::{Formation, Node, Topology};

/// The decision of `up`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing exists: create the cluster.
    Create,
    /// Only objects of a start that was killed before any node ran: remove them, then create the cluster.
    Replace,
    /// The volumes exist, but the network or containers are missing: recreate them.
    Restore(Box<Topology>),
    /// Everything exists: start stopped nodes and verify readiness.
    Adopt(Box<Topology>),
    /// Some nodes are missing, others have run. Only their data shows whether they ever formed a cluster.
    Doubt {
        /// The planned topology.
        topology: Box<Topology>,
        /// The indices of the nodes without a container.
        missing: Vec<usize>,
    },
}

/// Decides what `up` does.
///
/// # Errors
/// [`ErrorKind::NameTaken`] when rcup did not create an object of that name, [`ErrorKind::Different`] when the
/// cluster has different settings, [`ErrorKind::Damaged`] when its network is missing.
pub fn decide(spec: &ClusterSpec, observed: &Observed) -> Result<Decision> {
    let name = spec.name();
    refuse_strangers(spec, observed)?;
    let ours = observed.of(name);
    let Some(labels) = ours.all_labels().next() else {
        return Ok(Decision::Create);
    };
    let never_ran = ours
        .containers
        .iter()
        .all(|container| container.activity == Activity::Created);
    // The container that copied the files is removed once all nodes exist.
    let half_made = ours
        .containers
        .iter()
        .any(|container| container.name == name.carrier())
        && (1..=spec.nodes()).any(|index| !ours.containers.iter().any(|one| one.index() == Some(index)));
    if (never_ran || half_made) && !ours.has_data() {
        return Ok(Decision::Replace);
    }
    let running = labels::topology(labels)?;
    let differences = differences(spec, &running);
    if !differences.is_empty() {
        return Err(Error::new(
            ErrorKind::Different,
            format!("cluster {name} already exists with different settings"),
        )
        .details(differences)
        .hint(format!(
            "Keep it (`rcup status {name}`), remove it first with `rcup down {name}`, or give \
             the new one another name."
        )));
    }
    let lost = lost_volumes(&running, &ours);
    if !lost.is_empty() {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("cluster {name} has lost its data on {}", lost.join(", ")),
        )
        .hint(format!(
            "Back up its other volumes if needed, then remove them with `rcup down {name} --volumes`."
        )));
    }
    let missing: Vec<usize> = running
        .nodes
        .iter()
        .map(|node| node.index)
        .filter(|index| {
            !ours
                .containers
                .iter()
                .any(|container| container.index() == Some(*index))
        })
        .collect();
    let shared = running.placement.shared.is_some();
    let network = running.network();
    if shared && !observed.networks.iter().any(|one| one.name == network) {
        let subnet = running.placement.subnet;
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("network {network} of cluster {name} no longer exists"),
        )
        .hint(format!(
            "Create it with `docker network create --subnet {subnet} {network}`, or run `rcup down {name}`, then \
             `rcup up {name}`."
        )));
    }
    let lost_network = !shared && ours.networks.is_empty();
    if running.spec.persist() && (lost_network || !missing.is_empty()) {
        return Ok(Decision::Restore(Box::new(running)));
    }
    if lost_network {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("network {} of cluster {name} no longer exists", name.network()),
        )
        .hint(format!(
            "Its containers cannot start without it. Run `rcup down {name}`, then `rcup up {name}`."
        )));
    }
    let topology = Box::new(running);
    if missing.is_empty() {
        Ok(Decision::Adopt(topology))
    } else {
        Ok(Decision::Doubt { topology, missing })
    }
}

/// The error for a cluster that has lost nodes permanently.
pub fn damaged(name: &ClusterName, missing: &[usize]) -> Error {
    let names: Vec<String> = missing.iter().map(|index| name.container(*index)).collect();
    Error::new(
        ErrorKind::Damaged,
        format!("cluster {name} has lost {}", names.join(", ")),
    )
    .hint(format!(
        "The data of a removed container is lost. Save what you need from the others (`rcup cli {name}`), \
         then run `rcup down {name}` and `rcup up {name}`."
    ))
}

/// The missing data volumes.
fn lost_volumes(topology: &Topology, ours: &Observed) -> Vec<String> {
    if !topology.spec.persist() {
        return Vec::new();
    }
    let wanted = request::volumes(topology)
        .into_iter()
        .map(|(volume, _)| volume.name);
    wanted
        .filter(|name| !ours.volumes.iter().any(|volume| volume.name == *name))
        .collect()
}

fn refuse_strangers(spec: &ClusterSpec, observed: &Observed) -> Result<()> {
    let name = spec.name();
    let stranger =
        |labels: &labels::Labels| labels.get(labels::CLUSTER).is_none_or(|own| own != name.as_str());
    let refuse = |what: &str, taken: &str| {
        Err(Error::new(
            ErrorKind::NameTaken,
            format!("{what} {taken} already exists and was not created by rcup"),
        )
        .hint(format!(
            "Choose another cluster name, such as \
                 `rcup up {name}-2`, or remove it with `docker {} {taken}`.",
            if what == "container" {
                "rm".to_owned()
            } else {
                format!("{what} rm")
            }
        )))
    };
    let names: Vec<String> = (1..=spec.nodes())
        .map(|index| name.container(index))
        .chain([name.carrier()])
        .collect();
    if let Some(container) = observed
        .containers
        .iter()
        .find(|container| stranger(&container.labels) && names.contains(&container.name))
    {
        return refuse("container", &container.name);
    }
    if let Some(volume) = observed.volumes.iter().find(|volume| {
        stranger(&volume.labels) && (volume.name == name.volume() || names.contains(&volume.name))
    }) {
        return refuse("volume", &volume.name);
    }
    if let Some(network) = observed
        .networks
        .iter()
        .filter(|_| spec.network().is_none())
        .find(|network| stranger(&network.labels) && network.name == name.network())
    {
        return refuse("network", &network.name);
    }
    Ok(())
}

/// Requested settings that differ from the running cluster. Settings that the user leaves to rcup (image, subnet,
/// ports) match any value.
fn differences(asked: &ClusterSpec, running: &Topology) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, is: String, wanted: String| {
        if is != wanted {
            all.push(format!("{what}: {is} → {wanted}"));
        }
    };
    let spec = &running.spec;
    compare("masters", spec.masters().to_string(), asked.masters().to_string());
    compare(
        "replicas",
        spec.replicas().to_string(),
        asked.replicas().to_string(),
    );
    if asked.tls() {
        let tls = |tls: bool| if tls { "on" } else { "off" }.to_owned();
        compare("TLS", tls(spec.tls()), tls(true));
    }
    if asked.password().is_some() && spec.password().is_none() {
        compare("password", "none".to_owned(), "one".to_owned());
    }
    let users = |spec: &ClusterSpec| {
        let mut lines: Vec<String> = spec.users().iter().map(ToString::to_string).collect();
        lines.sort();
        if lines.is_empty() {
            "none".to_owned()
        } else {
            lines.join(", ")
        }
    };
    compare("users", users(spec), users(asked));
    let common = &running.placement.image;
    if let Some(image) = asked.image() {
        compare("image", common.reference.clone(), image.to_owned());
    } else if spec.image().is_none() {
        compare(
            "engine",
            common.server.engine.to_string(),
            asked.engine().to_string(),
        );
    }
    if asked.image().is_none()
        && let Some(version) = asked.engine_version()
        && !version.matches(common.server.version)
    {
        compare("version", common.server.version.to_string(), version.to_string());
    }
    compare("profile", spec.profile().to_string(), asked.profile().to_string());
    let memory = |spec: &ClusterSpec| spec.memory().map_or_else(|| "auto".to_owned(), size);
    compare("memory", memory(spec), memory(asked));
    if let Some(subnet) = asked.subnet() {
        compare("subnet", running.placement.subnet.to_string(), subnet.to_string());
    }
    if let Some(network) = asked.network() {
        compare("network", running.network(), network.to_owned());
    }
    if let Some(address) = asked.publish() {
        compare("published on", spec.published().to_string(), address.to_string());
    }
    if let Some(port) = asked.port() {
        compare(
            "first port",
            running.placement.first_port.to_string(),
            port.to_string(),
        );
    }
    let timeout = |spec: &ClusterSpec| humantime::format_duration(spec.node_timeout()).to_string();
    compare("node timeout", timeout(spec), timeout(asked));
    let place = |spec: &ClusterSpec| if spec.persist() { "on volumes" } else { "in memory" };
    compare("data", place(spec).to_owned(), place(asked).to_owned());
    if asked.announce() != spec.announce() {
        compare(
            "announce",
            format!("{:?}", spec.announce()),
            format!("{:?}", asked.announce()),
        );
    }
    let directives = |spec: &ClusterSpec| {
        let mut lines: Vec<String> = spec.directives().iter().map(ToString::to_string).collect();
        lines.sort();
        if lines.is_empty() {
            "none".to_owned()
        } else {
            lines.join(" ")
        }
    };
    compare("directives", directives(spec), directives(asked));
    all.extend(different_nodes(asked, spec));
    all
}

/// Requested per-node overrides that differ.
fn different_nodes(asked: &ClusterSpec, running: &ClusterSpec) -> Vec<String> {
    let own = |spec: &ClusterSpec, index: &usize| {
        let request = spec.overrides().get(index);
        request.cloned().unwrap_or_default().to_string()
    };
    let indices: BTreeSet<&usize> = running
        .overrides()
        .keys()
        .chain(asked.overrides().keys())
        .collect();
    indices
        .into_iter()
        .map(|index| (index, own(running, index), own(asked, index)))
        .filter(|(_, is, wanted)| is != wanted)
        .map(|(index, is, wanted)| format!("node {index}: {is} → {wanted}"))
        .collect()
}

/// The plan that creates a cluster.
pub fn create(topology: &Topology, secrets: &Secrets) -> Plan {
    let mut plan = Plan::default();
    let nodes = &topology.nodes;
    let volumes = request::volumes(topology).into_iter().map(|(volume, _)| {
        let cause = "it stores the node's files".to_owned();
        (Step::CreateVolume(volume), cause)
    });
    // In the same stage as the network and the containers: only a start waits for the files.
    let delivery = request::delivery(topology, secrets);
    let carrier = delivery.name.clone();
    let files = (
        Step::PutFiles(Box::new(delivery)),
        "a node reads its files at startup".to_owned(),
    );
    let places = volumes.chain(network(topology)).chain([files]);
    let remove = Step::RemoveContainer {
        id: carrier.clone(),
        name: carrier,
    };
    // While it exists, it marks an interrupted start; without it, missing containers were lost.
    let remove = (remove, "all containers and files exist".to_owned());
    let why = match topology.formation {
        Formation::Seeded => {
            let servers = topology.servers();
            let verb = if servers.len() == 1 { "boots" } else { "boot" };
            format!("{} {verb} from a seeded nodes.conf", topology.servers_in_words())
        }
        Formation::Commands => "the nodes boot with an empty configuration".to_owned(),
    };
    let creations = nodes.iter().map(|node| creation(topology, node));
    let starts = nodes.iter().map(start).chain([remove]);
    let form = (Step::Form(topology.formation), why);
    plan.stage(places.chain(creations).chain(starts).chain([form]));
    plan.stage([(Step::Prove, String::new())]);
    plan
}

/// The plan that recreates missing containers of a cluster with volumes. Containers whose network was removed
/// cannot start; none of them runs, so they are replaced.
pub fn restore(topology: &Topology, ours: &Observed) -> Plan {
    let mut plan = Plan::default();
    let lost_network = topology.placement.shared.is_none() && ours.networks.is_empty();
    let remains = |container: &&ContainerSeen| lost_network || container.index().is_none();
    plan.stage(ours.containers.iter().filter(remains).map(|container| {
        let (id, name) = (container.id.clone(), container.name.clone());
        let cause = "it is unusable, and its data is on a volume".to_owned();
        (Step::RemoveContainer { id, name }, cause)
    }));
    if lost_network {
        plan.stage(network(topology));
    }
    let gone = |name: &str| lost_network || !ours.containers.iter().any(|container| container.name == name);
    let nodes = || topology.nodes.iter().filter(|node| gone(&node.name));
    plan.stage(
        nodes()
            .map(|node| creation(topology, node))
            .chain(nodes().map(start)),
    );
    plan
}

/// Returns the step that creates the network; none on a user-provided network.
fn network(topology: &Topology) -> Option<(Step, String)> {
    let cause = format!("the nodes of {} need fixed IP addresses", topology.name());
    let own = topology.placement.shared.is_none();
    own.then(|| (Step::CreateNetwork(request::network(topology)), cause))
}

fn creation(topology: &Topology, node: &Node) -> (Step, String) {
    let each = match topology.spec.replicas() {
        0 => "no replicas".to_owned(),
        1 => "1 replica each".to_owned(),
        replicas => format!("{replicas} replicas each"),
    };
    let cause = format!("the cluster has {} masters with {each}", topology.shards.len());
    (
        Step::CreateNode(Box::new(request::container(topology, node))),
        cause,
    )
}

fn start(node: &Node) -> (Step, String) {
    let name = node.name.clone();
    (Step::StartNode { name }, String::new())
}

/// The plan that restarts an existing cluster with these `containers`.
pub fn adopt(topology: &Topology, containers: &[ContainerSeen]) -> Plan {
    let mut plan = Plan::default();
    let nodes = containers.iter().filter(|container| container.index().is_some());
    let mut ordered: Vec<&ContainerSeen> = nodes.collect();
    ordered.sort_by_key(|container| container.index());
    let wake = ordered.into_iter().filter_map(|container| {
        let name = container.name.clone();
        let cause = format!("it is {}", container.activity.as_str());
        match container.activity {
            // The container engine is already restarting it.
            Activity::Running | Activity::Restarting => None,
            Activity::Paused => Some((Step::ResumeNode { name }, cause)),
            Activity::Created | Activity::Exited | Activity::Other(_) => {
                Some((Step::StartNode { name }, cause))
            }
        }
    });
    plan.stage(wake);
    let name = topology.name();
    plan.stage([(Step::AwaitAnswers, format!("all nodes of {name} must run"))]);
    plan.stage([(Step::HandBack, "a failover may have moved the masters".to_owned())]);
    plan.stage([(Step::Prove, String::new())]);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::observed::{NetworkSeen, VolumeSeen};
    use crate::runtime::request::VolumeRequest;
    use crate::spec::node_override::NodeOverride;
    use crate::spec::selector::Selector;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::{mixed, topology};

    fn running(topology: &Topology) -> Observed {
        Observed {
            networks: vec![NetworkSeen {
                id: "n".to_owned(),
                name: topology.network(),
                subnets: vec![topology.placement.subnet],
                labels: labels::of_cluster(topology),
            }],
            containers: topology
                .nodes
                .iter()
                .map(|node| ContainerSeen {
                    id: node.index.to_string(),
                    name: node.name.clone(),
                    activity: Activity::Running,
                    labels: labels::of_node(topology, node),
                    ports: vec![node.port],
                })
                .collect(),
            volumes: Vec::new(),
            probes: Vec::new(),
        }
    }

    #[test]
    fn a_fresh_cluster_is_made_in_one_go() {
        insta::assert_snapshot!(
            create(&topology(2, 1, Engine::Redis, "7.0.15"), &Secrets::default()).to_string()
        );
    }

    #[test]
    fn the_same_specification_is_adopted() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let observed = running(&topology);
        let decision = decide(&topology.spec, &observed).unwrap();
        assert_eq!(decision, Decision::Adopt(Box::new(topology.clone())));
        let plan = adopt(&topology, &observed.containers);
        let actions: Vec<&str> = plan.steps().map(|planned| planned.step.action()).collect();
        assert_eq!(actions, ["await-answers", "hand-back", "prove"]);
    }

    #[test]
    fn what_does_not_run_is_started_and_the_cause_says_so() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let mut observed = running(&topology);
        observed.containers[1].activity = Activity::Exited;
        observed.containers[4].activity = Activity::Paused;
        insta::assert_snapshot!(adopt(&topology, &observed.containers).to_string());
    }

    #[test]
    fn another_specification_is_refused_with_every_difference() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let asked = ClusterSpec::builder()
            .masters(5)
            .image("redis:8")
            .set("maxmemory=1mb".parse().unwrap())
            .build()
            .unwrap();
        let error = decide(&asked, &running(&topology)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Different);
        insta::assert_snapshot!(error.detail_lines().join("\n"));
    }

    #[test]
    fn what_nodes_shall_have_of_their_own_is_compared_node_by_node() {
        let (spec, place) = mixed(3, 1, (Engine::Redis, "7.0.15"), &[(4, Engine::Redis, "8.0.2")]);
        let topology = Topology::new(&spec, &place).unwrap();
        let observed = running(&topology);
        assert!(matches!(decide(&spec, &observed).unwrap(), Decision::Adopt(_)));
        let asked = ClusterSpec::builder()
            .node(
                Selector::Node(5),
                NodeOverride::default()
                    .set("hz=50".parse().unwrap())
                    .with_memory(64 << 20),
            )
            .build()
            .unwrap();
        let error = decide(&asked, &observed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Different);
        assert_eq!(
            error.detail_lines(),
            [
                "node 4: image own/redis:8.0.2 → nothing of its own",
                "node 5: nothing of its own → memory 64mb, hz=50"
            ]
        );
        let plan = create(&topology, &Secrets::default()).to_string();
        assert!(plan.contains("own/redis:8.0.2"), "{plan}");
    }

    #[test]
    fn objects_of_others_are_never_touched() {
        let spec = ClusterSpec::default();
        let stranger = ContainerSeen {
            name: "rcup-default-2".to_owned(),
            ..ContainerSeen::default()
        };
        let observed = Observed {
            containers: vec![stranger],
            ..Observed::default()
        };
        assert_eq!(decide(&spec, &observed).unwrap_err().kind(), ErrorKind::NameTaken);
        let stranger = NetworkSeen {
            name: "rcup-default".to_owned(),
            ..NetworkSeen::default()
        };
        let observed = Observed {
            networks: vec![stranger],
            ..Observed::default()
        };
        assert_eq!(decide(&spec, &observed).unwrap_err().kind(), ErrorKind::NameTaken);
        let elsewhere = ContainerSeen {
            name: "rcup-default-7".to_owned(),
            ..ContainerSeen::default()
        };
        let observed = Observed {
            containers: vec![elsewhere],
            ..Observed::default()
        };
        assert_eq!(decide(&spec, &observed).unwrap(), Decision::Create);
    }

    #[test]
    fn remains_are_replaced_and_losses_are_doubted() {
        let topology = topology(3, 1, Engine::Redis, "7.0.15");
        let mut observed = running(&topology);
        observed.containers.truncate(4);
        assert!(matches!(
            decide(&topology.spec, &observed).unwrap(),
            Decision::Doubt { missing, .. } if missing == [5, 6]
        ));
        // The copying container is removed once all nodes exist, so here they never did.
        observed.containers.push(ContainerSeen {
            name: topology.name().carrier(),
            ..observed.containers[0].clone()
        });
        observed.containers[4].labels.remove(labels::NODE);
        assert_eq!(decide(&topology.spec, &observed).unwrap(), Decision::Replace);
        observed.containers.truncate(4);
        for container in &mut observed.containers {
            container.activity = Activity::Created;
        }
        assert_eq!(decide(&topology.spec, &observed).unwrap(), Decision::Replace);
        observed.containers.clear();
        assert_eq!(decide(&topology.spec, &observed).unwrap(), Decision::Replace);
        let mut observed = running(&topology);
        observed.networks.clear();
        assert_eq!(
            decide(&topology.spec, &observed).unwrap_err().kind(),
            ErrorKind::Damaged
        );
    }

    #[test]
    fn volumes_with_data_are_never_replaced_whatever_is_left_around_them() {
        let spec = ClusterSpec::builder().persist(true).build().unwrap();
        let topology = Topology::new(
            &spec,
            &crate::topology::layout::tests::placement(Engine::Redis, "8.0.2"),
        )
        .unwrap();
        let mut observed = running(&topology);
        observed.volumes = request::volumes(&topology)
            .into_iter()
            .map(|(VolumeRequest { name, labels }, _)| VolumeSeen { name, labels })
            .collect();
        observed.containers.push(ContainerSeen {
            name: topology.name().carrier(),
            labels: labels::of_cluster(&topology),
            ..ContainerSeen::default()
        });
        for container in &mut observed.containers {
            container.activity = Activity::Created;
        }
        assert!(matches!(decide(&spec, &observed).unwrap(), Decision::Adopt(_)));
        // All containers were removed except the one that copied the files.
        observed.containers.drain(..topology.nodes.len());
        assert!(matches!(decide(&spec, &observed).unwrap(), Decision::Restore(_)));
    }
}
