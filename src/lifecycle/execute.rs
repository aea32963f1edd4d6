//! Executes plans. The plan determines the steps, their order and their causes; nothing is decided here.

use std::sync::Mutex;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checks::answers::Roles;
use crate::checks::failover::hand_back::hand_back;
use crate::checks::finding::Check;
use crate::connect::host_container::join;
use crate::connect::links::{Links, Started, gather};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timings;
use crate::event::{Event, Observer, Phase};
use crate::lifecycle::bootstrap::form::form;
use crate::lifecycle::bootstrap::readiness::prove;
use crate::lifecycle::reset::settings::Settings;
use crate::ownership::lock::Lock;
use crate::ownership::pending::{Kind, Making};
use crate::ownership::phases::Phases;
use crate::ownership::steps::{Effects, Removal, StepRunner, interrupted};
use crate::plan::step::{Plan, Step};
use crate::runtime::interface::Runtime;
use crate::server::wire::access::Access;
use crate::server::wire::reply::Answer;
use crate::topology::layout::Topology;

/// Executes plans.
pub(crate) struct Executor<'a, R> {
    pub(crate) runtime: &'a R,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
    /// Credentials for the nodes.
    pub(crate) access: Access,
    /// Placement lock, held until the network exists, whose labels then reserve the subnet and the ports.
    pub(crate) claim: Mutex<Option<Lock>>,
    /// Open requests.
    pub(crate) making: Making,
}

/// Result of executing a plan.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) links: Option<Links>,
    pub(crate) checks: Vec<Check>,
    /// Replies of all nodes to the readiness check.
    pub(crate) answers: Vec<Answer>,
    pub(crate) timings: Timings,
    /// Initial settings of a new cluster, if its nodes could be queried.
    pub(crate) settings: Option<Settings>,
}

/// Applies the steps of a start, and records which nodes have been started.
struct BringUp<'a, 'b, R> {
    executor: &'a Executor<'b, R>,
    started: &'a Started,
}

impl<R: Runtime> Effects for BringUp<'_, '_, R> {
    async fn apply(&self, step: &Step) -> Result<()> {
        self.executor.effect(step).boxed().await?;
        if let Step::StartNode { name } = step {
            self.started.tell(name);
        }
        Ok(())
    }
}

impl<R: Runtime> Executor<'_, R> {
    /// Executes a plan that creates or restarts a cluster.
    pub(crate) async fn bring_up(&self, plan: &Plan, topology: &Topology) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let phases = Phases::of(plan, self.observer);
        for stage in &plan.stages {
            let steps: Vec<&Step> = stage.iter().map(|planned| &planned.step).collect();
            phases.stage(&steps);
            self.stage(&steps, topology, &phases, &mut outcome)
                .boxed()
                .await?;
        }
        outcome.timings = phases.end();
        Ok(outcome)
    }

    /// Runs the steps of one stage concurrently: those that change something, and the one that waits for the nodes.
    /// The latter leaves no partial state, so it is dropped when the others fail.
    async fn stage(
        &self,
        steps: &[&Step],
        topology: &Topology,
        phases: &Phases<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let (waits, effects): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| step.waits());
        let failed = CancellationToken::new();
        let started = Started::pending(effects.iter().filter_map(|step| match step {
            Step::StartNode { name } => Some(name.clone()),
            _ => None,
        }));
        let effects = async {
            let result = StepRunner {
                observer: self.observer,
                deadline: self.deadline,
                cancel: self.cancel,
            }
            .run(
                &effects,
                &BringUp {
                    executor: self,
                    started: &started,
                },
                phases,
                &failed,
            )
            .await;
            if result.is_err() {
                failed.cancel();
            }
            result
        };
        let waits = async {
            for step in waits {
                let waited = tokio::select! {
                    biased;
                    () = failed.cancelled() => break,
                    waited = self.wait(step, topology, &started, phases, outcome) => waited,
                };
                if waited.is_err() {
                    failed.cancel();
                    return waited;
                }
            }
            Ok(())
        };
        // Await both, because a running effect must complete. Return the first failure.
        let (effects, waits) = tokio::join!(effects, waits);
        waits.and(effects)
    }

    /// Runs a step that waits for the nodes. It leaves no partial state, so it is dropped on cancellation.
    async fn wait(
        &self,
        step: &Step,
        topology: &Topology,
        started: &Started,
        phases: &Phases<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(interrupted()),
            result = self.waiting(step, topology, started, phases, outcome) => result,
        }
    }

    async fn waiting(
        &self,
        step: &Step,
        topology: &Topology,
        started: &Started,
        phases: &Phases<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        match step {
            Step::AwaitAnswers => {
                let links = gather(self.runtime, topology, &self.access, started, None, self.deadline);
                outcome.links = Some(links.await?);
                return Ok(());
            }
            Step::Form(_) => {
                let arrived = || phases.begin(Phase::Form);
                let formed = form(
                    self.runtime,
                    topology,
                    &self.access,
                    started,
                    self.deadline,
                    &arrived,
                );
                outcome.links = Some(formed.await?);
                return Ok(());
            }
            _ => {}
        }
        let Some(links) = &outcome.links else {
            return Err(Error::new(
                ErrorKind::Redis,
                "the plan uses the nodes before it waits for them",
            ));
        };
        match step {
            Step::HandBack => {
                for name in hand_back(topology, links, self.deadline).await? {
                    self.observer
                        .observe(&Event::note(format!("{name} is master again, as planned")));
                }
                Ok(())
            }
            Step::Prove => {
                (outcome.checks, outcome.answers) =
                    prove(topology, Roles::AsPlanned, links, self.deadline).await?;
                Ok(())
            }
            _ => self.effect(step).await,
        }
    }

    /// Releases the placement lock: other starts can now see this placement.
    fn release(&self) {
        drop(self.claim.lock().ok().and_then(|mut claim| claim.take()));
    }

    /// Applies a step that changes something on the container engine.
    async fn effect(&self, step: &Step) -> Result<()> {
        match step {
            Step::CreateNetwork(request) => {
                let made = self.runtime.create_network(request);
                let made = self.making.answer(Kind::Network, &request.name, made).await;
                self.release();
                made?;
                join(self.runtime, &request.name, &request.guests, self.observer)
                    .boxed()
                    .await
            }
            Step::CreateVolume(request) => {
                let made = self.runtime.create_volume(request);
                self.making.answer(Kind::Volume, &request.name, made).await
            }
            Step::CreateNode(request) => {
                let made = self.runtime.create_container(request);
                let made = self.making.answer(Kind::Container, &request.name, made);
                made.await.map(drop)
            }
            Step::PutFiles(request) => {
                let made = self.runtime.put_files(request);
                self.making.answer(Kind::Container, &request.name, made).await
            }
            Step::StartNode { name } => {
                // On a user-provided network, the containers reserve the placement.
                self.release();
                self.runtime.start(name).await
            }
            Step::ResumeNode { name } => self.runtime.resume(name).await,
            Step::RemoveContainer { .. } | Step::RemoveNetwork { .. } | Step::RemoveVolume { .. } => {
                Removal {
                    runtime: self.runtime,
                }
                .apply(step)
                .await
            }
            Step::AwaitAnswers | Step::Form(_) | Step::HandBack | Step::Prove => Err(Error::new(
                ErrorKind::Redis,
                format!("the plan runs `{}` beside other steps", step.action()),
            )),
        }
    }
}
