//! Carrying out a plan. Nothing is decided here: which steps, in which order and why, stands in the plan.

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

/// What carries out plans.
pub(crate) struct Executor<'a, R> {
    pub(crate) runtime: &'a R,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
    /// How the nodes let us in.
    pub(crate) access: Access,
    /// Held until the network exists, whose labels then claim its subnet and its ports.
    pub(crate) claim: Mutex<Option<Lock>>,
    /// What is being made.
    pub(crate) making: Making,
}

/// What a plan for a cluster has come to.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) links: Option<Links>,
    pub(crate) checks: Vec<Check>,
    /// What every node said when it was proven.
    pub(crate) answers: Vec<Answer>,
    pub(crate) timings: Timings,
    /// With what a new cluster was made, where its nodes could be asked.
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
    /// Carries out a plan that makes or wakes a cluster.
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

    /// Runs the steps of one stage side by side: those that change something, and the one that waits for the
    /// nodes. The latter leaves nothing half made, so it is dropped when the others fail.
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
        // Both are seen to their end, because an effect under way must be; the first failure is the one to tell.
        let (effects, waits) = tokio::join!(effects, waits);
        waits.and(effects)
    }

    /// A step that waits for the nodes. It leaves nothing half made, so it is dropped when it shall end.
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

    /// Lets others choose their places: this one can be seen.
    fn release(&self) {
        drop(self.claim.lock().ok().and_then(|mut claim| claim.take()));
    }

    /// A step that changes something on the engine.
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
                // On a network of the user's own, the containers claim the place.
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
