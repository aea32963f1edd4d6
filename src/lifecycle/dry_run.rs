//! Dry run: the plan and the placement of a start. Changes nothing.

use futures_util::FutureExt as _;

use crate::error::Result;
use crate::event::Observer;
use crate::image::select::resolve;
use crate::lifecycle::placement::{Reach, choose, machine, network};
use crate::lifecycle::prepare::prepare;
use crate::lifecycle::retry::RetryConstraints;
use crate::lifecycle::secrets::cluster;
use crate::ownership::lock::is_abandoned;
use crate::plan;
use crate::plan::step::Plan;
use crate::plan::up::Decision;
use crate::runtime::interface::{EngineInfo, Runtime, Scope};
use crate::runtime::observed::Observed;
use crate::spec::cluster::ClusterSpec;
use crate::topology::layout::Topology;

/// Why the objects of an interrupted start are removed.
pub(crate) const INTERRUPTED: &str = "an interrupted start has left it";

/// Returns the plan of a start without executing it, see [`Cluster::plan`](crate::Cluster::plan).
pub(crate) async fn plan_only<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    observer: &dyn Observer,
) -> Result<Plan> {
    let engine = runtime.describe().await?;
    let abandoned = is_abandoned(&engine.endpoint, spec.name().as_str());
    let prepared = prepare(runtime, spec, &engine, abandoned).await?;
    let observed = prepared.remaining(spec);
    let ours = observed.of(spec.name());
    let mut whole = if prepared.clears {
        plan::down::remove(&prepared.observed.of(spec.name()), true, INTERRUPTED)
    } else {
        Plan::default()
    };
    match prepared.decision {
        Decision::Adopt(topology) => {
            cluster::same(spec, &prepared.secrets)?;
            whole
                .stages
                .extend(plan::up::adopt(&topology, &ours.containers).stages);
        }
        Decision::Restore(topology) => {
            whole.stages.extend(plan::up::restore(&topology, &ours).stages);
            whole
                .stages
                .extend(plan::up::adopt(&topology, &ours.containers).stages);
        }
        Decision::Create | Decision::Replace | Decision::Doubt { .. } => {
            let topology = laid_out(runtime, spec, &engine, &observed, observer).await?;
            whole
                .stages
                .extend(plan::down::remove(&ours, false, INTERRUPTED).stages);
            let created = plan::up::create(&topology, &cluster::make(&topology)?);
            whole.stages.extend(created.stages);
        }
    }
    Ok(whole)
}

/// Returns the topology of a new cluster, see [`Cluster::lay_out`](crate::Cluster::lay_out).
pub(crate) async fn lay_out<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    observer: &dyn Observer,
) -> Result<Topology> {
    let engine = runtime.describe().await?;
    let observed = runtime.observe(&Scope::Everything).await?;
    laid_out(runtime, spec, &engine, &observed, observer).await
}

/// Lays out a new cluster beside the observed objects.
async fn laid_out<R: Runtime>(
    runtime: &R,
    spec: &ClusterSpec,
    engine: &EngineInfo,
    observed: &Observed,
    observer: &dyn Observer,
) -> Result<Topology> {
    let images = resolve(runtime, spec, false, observer).await?;
    let machine = machine(runtime, engine, observed).await?;
    let network = network(runtime, spec).await?;
    let own = runtime.own_container().boxed().await?;
    let reach = Reach::measure(runtime, engine, &observed.networks, own.as_ref()).await;
    let constraints = RetryConstraints::default().and(reach.reachable);
    let place = choose(
        spec,
        images,
        machine,
        engine,
        observed,
        network.as_ref(),
        &constraints,
    )?;
    Topology::new(spec, &place)
}
