//! A plan as data: what is done, in which order, and why.

use std::fmt;

use serde::Serialize;

use crate::event::Phase;
use crate::runtime::labels;
use crate::runtime::request::{ContainerRequest, FilesRequest, NetworkRequest, VolumeRequest};
use crate::topology::layout::Formation;

/// One effect, applied by the executor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Creates the network; its labels reserve the subnet and the ports.
    CreateNetwork(NetworkRequest),
    /// Creates a volume for node files.
    CreateVolume(VolumeRequest),
    /// Creates a container.
    CreateNode(Box<ContainerRequest>),
    /// Copies the files of all nodes to their volumes, through a container that mounts them.
    PutFiles(Box<FilesRequest>),
    /// Starts a node's container.
    StartNode {
        /// The container's name.
        name: String,
    },
    /// Resumes a paused container.
    ResumeNode {
        /// The container's name.
        name: String,
    },
    /// Waits until all nodes answer a PING.
    AwaitAnswers,
    /// Forms the cluster while the nodes start.
    Form(Formation),
    /// Returns master roles to the planned nodes after a failover.
    HandBack,
    /// Verifies readiness on every node and connects to every advertised address.
    Prove,
    /// Removes a container, running or not.
    RemoveContainer {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// Removes a network.
    RemoveNetwork {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// Removes a volume and its contents.
    RemoveVolume {
        /// Its name.
        name: String,
    },
}

impl Step {
    /// Name of the kind of step, in JSON and tests.
    pub fn action(&self) -> &'static str {
        match self {
            Self::CreateNetwork(_) => "create-network",
            Self::CreateVolume(_) => "create-volume",
            Self::CreateNode(_) => "create-node",
            Self::PutFiles(_) => "put-files",
            Self::StartNode { .. } => "start-node",
            Self::ResumeNode { .. } => "resume-node",
            Self::AwaitAnswers => "await-answers",
            Self::Form(_) => "form",
            Self::HandBack => "hand-back",
            Self::Prove => "prove",
            Self::RemoveContainer { .. } => "remove-container",
            Self::RemoveNetwork { .. } => "remove-network",
            Self::RemoveVolume { .. } => "remove-volume",
        }
    }

    /// Whether the step waits for the nodes instead of calling the container engine.
    pub fn waits(&self) -> bool {
        matches!(
            self,
            Self::AwaitAnswers | Self::Form(_) | Self::HandBack | Self::Prove
        )
    }

    /// Whether it must wait for `other` in the same stage. A container is created after its network and
    /// volumes, and started after its creation and the copying of the files, which every node
    /// reads at startup; removals in a stage that creates containers come last. A
    /// container with a data volume is created after its files were copied, so that an interrupted start is
    /// not mistaken for a cluster that has lost its containers.
    pub fn needs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::CreateNode(_), Self::CreateNetwork(_))
            | (Self::PutFiles(_), Self::CreateVolume(_))
            | (Self::StartNode { .. } | Self::RemoveContainer { .. }, Self::PutFiles(_))
            | (Self::RemoveContainer { .. }, Self::CreateNode(_)) => true,
            (Self::CreateNode(request), Self::CreateVolume(volume)) => request.volume.name == volume.name,
            (Self::CreateNode(request), Self::PutFiles(_)) => {
                request.volume.labels.contains_key(labels::NODE)
            }
            (Self::StartNode { name }, Self::CreateNode(request)) => request.name == *name,
            _ => false,
        }
    }

    /// Returns the phase that includes the duration of the step.
    pub fn phase(&self) -> Phase {
        match self {
            Self::CreateNetwork(_) | Self::CreateVolume(_) | Self::PutFiles(_) => Phase::Network,
            Self::CreateNode(_) => Phase::Create,
            Self::StartNode { .. } | Self::ResumeNode { .. } | Self::AwaitAnswers => Phase::Start,
            Self::Form(_) | Self::HandBack => Phase::Form,
            Self::Prove => Phase::Prove,
            Self::RemoveContainer { .. } | Self::RemoveNetwork { .. } | Self::RemoveVolume { .. } => {
                Phase::Remove
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork(request) => write!(f, "create network {} ({})", request.name, request.subnet),
            Self::CreateVolume(request) => write!(f, "create volume {}", request.name),
            Self::PutFiles(request) => {
                let files = request.volumes.iter().flat_map(|one| &one.files);
                let count = files.filter(|file| file.contents.is_some()).count();
                write!(f, "copy {count} files to the volumes using {}", request.name)
            }
            Self::CreateNode(request) => write!(
                f,
                "create container {} ({}:{}, published on {}:{}) from {}",
                request.name, request.ip, request.port, request.published, request.port, request.image
            ),
            Self::StartNode { name } => write!(f, "start container {name}"),
            Self::ResumeNode { name } => write!(f, "resume container {name}"),
            Self::AwaitAnswers => f.write_str("wait until every node answers"),
            Self::Form(Formation::Seeded) => {
                f.write_str("form the cluster: promote masters seeded as replicas")
            }
            Self::Form(Formation::Commands) => {
                f.write_str("form the cluster: assign slots and epochs, meet, replicate")
            }
            Self::HandBack => f.write_str("return master roles to the planned nodes"),
            Self::Prove => {
                f.write_str("verify that every node is ready and every advertised address responds")
            }
            Self::RemoveContainer { name, .. } => write!(f, "remove container {name}"),
            Self::RemoveNetwork { name, .. } => write!(f, "remove network {name}"),
            Self::RemoveVolume { name } => write!(f, "remove volume {name}"),
        }
    }
}

/// A step and its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// Why.
    pub cause: String,
}

/// Ordered stages. The steps of one stage run concurrently unless one [needs](Step::needs) another.
/// The next stage begins when all steps are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The stages, none of them empty.
    pub stages: Vec<Vec<Planned>>,
}

impl Plan {
    /// Appends a stage, unless it is empty.
    pub fn stage(&mut self, steps: impl IntoIterator<Item = (Step, String)>) {
        let stage: Vec<Planned> = steps
            .into_iter()
            .map(|(step, cause)| Planned { step, cause })
            .collect();
        if !stage.is_empty() {
            self.stages.push(stage);
        }
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Planned> {
        self.stages.iter().flatten()
    }

    /// Whether the plan has no steps.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing to do\n");
        }
        for (number, stage) in (1..).zip(&self.stages) {
            for (nth, planned) in stage.iter().enumerate() {
                let label = if nth == 0 {
                    format!("{number}.")
                } else {
                    String::new()
                };
                writeln!(f, "{label:<4}{}", planned.step)?;
                // Neighbouring steps with the same cause print it once.
                let last = stage.get(nth + 1).is_none_or(|next| next.cause != planned.cause);
                if last && !planned.cause.is_empty() {
                    writeln!(f, "      because {}", planned.cause)?;
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Plan {
    /// `{"stages": [[{"action", "step", "cause"}]]}`, with the same texts as the printed plan.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        #[derive(Serialize)]
        struct Entry<'a> {
            action: &'a str,
            step: String,
            cause: &'a str,
        }
        let stages: Vec<Vec<Entry>> = self
            .stages
            .iter()
            .map(|stage| {
                let entry = |planned: &'_ Planned| (planned.step.action(), planned.step.to_string());
                stage
                    .iter()
                    .map(|planned| {
                        let (action, step) = entry(planned);
                        Entry {
                            action,
                            step,
                            cause: &planned.cause,
                        }
                    })
                    .collect()
            })
            .collect();
        let mut plan = serializer.serialize_struct("Plan", 1)?;
        plan.serialize_field("stages", &stages)?;
        plan.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;
    use crate::spec::cluster::ClusterSpec;
    use crate::spec::security::Secrets;
    use crate::spec::server::Engine;
    use crate::topology::layout::Topology;
    use crate::topology::layout::tests::{placement, topology};

    /// For each step, the steps that it waits for.
    fn needs(plan: &Plan) -> Vec<String> {
        let word = |step: &Step| match step {
            Step::CreateNode(request) => format!("create {}", request.port),
            Step::StartNode { name } => format!("start {name}"),
            step => step.action().to_owned(),
        };
        let steps = || plan.stages[0].iter().map(|planned| &planned.step);
        steps()
            .map(|step| {
                let needed: Vec<String> = steps().filter(|other| step.needs(other)).map(word).collect();
                format!("{}: {}", word(step), needed.join(", "))
            })
            .collect()
    }

    #[test]
    fn a_start_waits_for_its_container_and_the_files_and_a_container_for_its_place() {
        let plan = plan::up::create(&topology(1, 1, Engine::Redis, "8.0.2"), &Secrets::default());
        assert_eq!(
            needs(&plan),
            [
                "create-volume: ",
                "create-network: ",
                "put-files: create-volume",
                "create 7001: create-volume, create-network",
                "create 7002: create-volume, create-network",
                "start rcup-default-1: put-files, create 7001",
                "start rcup-default-2: put-files, create 7002",
                "remove-container: put-files, create 7001, create 7002",
                "form: "
            ]
        );
    }

    #[test]
    fn where_data_lasts_no_container_is_made_before_its_files_are_there() {
        let spec = ClusterSpec::builder().masters(1).persist(true).build().unwrap();
        let topology = Topology::new(&spec, &placement(Engine::Redis, "8.0.2")).unwrap();
        let needs = needs(&plan::up::create(&topology, &Secrets::default()));
        assert!(
            needs.contains(&"create 7001: create-volume, create-network, put-files".to_owned()),
            "{needs:?}"
        );
    }
}
