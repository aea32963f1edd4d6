//! Phase of a running plan, and the duration of each phase.
//!
//! Phases overlap: the first containers run while others are still created. They are reported one after the
//! other, so a phase ends when the last of its steps is done, and the next one begins then, including the units
//! already done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::event::{Event, Observer, Phase, Timings};
use crate::plan::step::{Plan, Step};

/// The phases of one plan.
pub(crate) struct Phases<'a> {
    observer: &'a dyn Observer,
    /// Maximum units of each phase in a stage.
    units: BTreeMap<Phase, usize>,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    phase: Option<(Phase, Instant)>,
    /// Current stage: the phases that follow, in this order.
    next: VecDeque<Phase>,
    /// Current stage: total and completed steps per phase.
    steps: BTreeMap<Phase, (usize, usize)>,
    timings: Timings,
}

impl<'a> Phases<'a> {
    /// The phases of this plan.
    pub(crate) fn of(plan: &Plan, observer: &'a dyn Observer) -> Self {
        let mut units = BTreeMap::new();
        for stage in &plan.stages {
            for (phase, count) in count(stage.iter().map(|planned| &planned.step)) {
                let most = units.entry(phase).or_default();
                *most = count.max(*most);
            }
        }
        Self {
            observer,
            units,
            now: Mutex::default(),
        }
    }

    /// Begins a stage. Its first step determines the phase; if containers are created and started in it,
    /// their phases follow.
    pub(crate) fn stage(&self, steps: &[&Step]) {
        let Some(first) = steps.first().map(|step| step.phase()) else {
            return;
        };
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.steps = count(steps.iter().filter(|step| !step.waits()).copied())
            .map(|(phase, count)| (phase, (count, 0)))
            .collect();
        let mut next = VecDeque::from([Phase::Create, Phase::Start]);
        next.retain(|phase| *phase > first && now.steps.contains_key(phase));
        now.next = next;
        self.enter(&mut now, first);
    }

    /// Completes a step.
    pub(crate) fn done(&self, step: &Step) {
        let of = step.phase();
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((units, done)) = now.steps.get_mut(&of) else {
            return;
        };
        *done += 1;
        let (units, done) = (*units, *done);
        if now.phase.is_some_and(|(phase, _)| phase == of) {
            self.observer.observe(&Event::Progress {
                phase: of,
                done,
                units,
            });
            self.pass(&mut now);
        }
    }

    /// Advances to the next phase of the stage once all steps of the current one are done.
    fn pass(&self, now: &mut Now) {
        while let Some((phase, _)) = now.phase
            && now.steps.get(&phase).is_some_and(|(units, done)| done == units)
            && let Some(next) = now.next.pop_front()
        {
            self.enter(now, next);
        }
    }

    /// Begins a phase that has no step of its own, after ending the current one.
    pub(crate) fn begin(&self, phase: Phase) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.enter(&mut now, phase);
    }

    /// Ends the last phase successfully.
    pub(crate) fn end(&self) -> Timings {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.leave(&mut now);
        std::mem::take(&mut now.timings)
    }

    fn enter(&self, now: &mut Now, phase: Phase) {
        if now.phase.is_some_and(|(present, _)| present == phase) {
            return;
        }
        self.leave(now);
        now.phase = Some((phase, Instant::now()));
        let units = self.units.get(&phase).copied().unwrap_or_default();
        self.observer.observe(&Event::PhaseStarted { phase, units });
        if let Some((units, done)) = now.steps.get(&phase).copied()
            && done > 0
        {
            self.observer.observe(&Event::Progress { phase, done, units });
        }
    }

    fn leave(&self, now: &mut Now) {
        if let Some((phase, since)) = now.phase.take() {
            let took = since.elapsed();
            *now.timings.entry(phase).or_default() += took;
            self.observer.observe(&Event::finished(phase, took));
        }
    }
}

/// Number of steps per phase. Steps that only wait for the nodes do not count.
fn count<'a>(steps: impl Iterator<Item = &'a Step>) -> impl Iterator<Item = (Phase, usize)> {
    let mut all = BTreeMap::new();
    for step in steps.filter(|step| !step.waits()) {
        *all.entry(step.phase()).or_default() += 1;
    }
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;
    use crate::spec::security::Secrets;
    use crate::spec::server::Engine;
    use crate::topology::layout::tests::topology;

    fn told(plan: &Plan, order: impl Fn(&Step) -> usize) -> Vec<String> {
        let events = Mutex::new(Vec::new());
        let observer = |event: &Event| {
            events.lock().unwrap().push(match event {
                Event::PhaseStarted { phase, units } => format!("{} of {units}", phase.as_str()),
                Event::Progress { phase, done, units } => format!("{} {done}/{units}", phase.as_str()),
                Event::PhaseFinished { phase, .. } => format!("{} done", phase.as_str()),
                other => format!("{other:?}"),
            });
        };
        let phases = Phases::of(plan, &observer);
        for stage in &plan.stages {
            let mut steps: Vec<&Step> = stage.iter().map(|planned| &planned.step).collect();
            phases.stage(&steps);
            steps.sort_by_key(|step| order(step));
            for step in steps {
                phases.done(step);
            }
        }
        let timings = phases.end();
        assert!(timings.contains_key(&Phase::Create) && timings.contains_key(&Phase::Start));
        events.into_inner().unwrap()
    }

    #[test]
    fn starts_beside_creations_are_told_once_all_are_made() {
        let plan = plan::up::create(&topology(1, 1, Engine::Redis, "7.0.15"), &Secrets::default());
        // The first is created before the network is reported, and started before the second is created.
        let told = told(&plan, |step| match step {
            Step::CreateNode(request) if request.port == 7001 => 0,
            step if step.phase() == Phase::Network => 1,
            Step::StartNode { name } if name.ends_with("-1") => 1,
            Step::CreateNode(_) => 2,
            _ => 3,
        });
        let of_nodes: Vec<&str> = told
            .iter()
            .map(String::as_str)
            .skip_while(|line| !line.starts_with("create"))
            .collect();
        assert_eq!(
            of_nodes,
            [
                "create of 2",
                "create 1/2",
                "create 2/2",
                "create done",
                "start of 2",
                "start 1/2",
                "start 2/2",
                "start done",
                "prove of 0",
                "prove done"
            ]
        );
    }

    #[test]
    fn stages_of_one_phase_are_one_phase() {
        let plan = plan::up::create(&topology(1, 0, Engine::Redis, "7.0.15"), &Secrets::default());
        let told = told(&plan, |_| 0);
        assert_eq!(
            told.iter().filter(|line| line.starts_with("network of")).count(),
            1
        );
        assert_eq!(told.iter().filter(|line| *line == "network done").count(), 1);
    }
}
