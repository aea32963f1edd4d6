//! Runs one validation: queries, tests and measures what the selection includes, concurrently where they do
//! not disturb each other, and evaluates the results.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::checks::agreement::{bus_both_ways, identities};
use crate::checks::catalogue::{Selection, Suite};
use crate::checks::config::{drift, full_coverage, persistence};
use crate::checks::failover::judge::judge as judge_failovers;
use crate::checks::failover::measure as failover;
use crate::checks::failover::measured::WAYS;
use crate::checks::finding::{Check, Status};
use crate::checks::latency::judge::latency as judge_latency;
use crate::checks::latency::measure as latency;
use crate::checks::masters::{Master, UNASKED, masters, millis};
use crate::checks::options::SuiteOptions;
use crate::checks::planned::Planned;
use crate::checks::replication::in_step;
use crate::checks::roles::{apart, balance};
use crate::checks::server::{clock, memory, versions};
use crate::checks::suite::benchmark::Trouble;
use crate::checks::suite::clients::advertised;
use crate::checks::suite::validation::{LoadFrom, Throughput, Validation, nodes_seen};
use crate::checks::suite::{benchmark, load, probes, pubsub, slot_move, survey};
use crate::checks::trial::{Trial, tried};
use crate::connect::attached::Attached;
use crate::connect::endpoint::Endpoint;
use crate::connect::target::Target;
use crate::runtime::docker::client::Docker;
use crate::runtime::faults::Faults;
use crate::server::wire::reply::{Answer, BusLink, NodeView, ServerFacts};
use crate::spec::service_user::ServiceUser;
use crate::topology::layout::NodeId;
use tracing::Instrument as _;

/// The checks that use what every server reports about itself.
const OF_SERVERS: [&str; 10] = [
    "bus-links",
    "node-ids",
    "replica-balance",
    "anti-affinity",
    "full-coverage",
    "config-drift",
    "persistence",
    "memory",
    "clock",
    "versions",
];

/// Runs one validation. `engine` is set if the nodes are containers that can be paused and killed.
pub(crate) async fn run<R: Faults>(
    target: &Target<'_>,
    options: &SuiteOptions,
    engine: Option<&R>,
) -> Validation {
    let begun = Instant::now();
    let answers = target.views().await;
    let asked = millis(begun);
    let mut checks: Vec<Check> = target
        .judge(&answers)
        .into_iter()
        .map(|check| check.took(asked))
        .collect();
    let mut outcome = Measured::default();
    if answers.iter().any(Result::is_ok) {
        measure(target, options, &answers, &mut checks, &mut outcome).await;
        disturb(target, options, engine, &mut checks, &mut outcome).await;
    } else {
        let known: Vec<&str> = checks.iter().map(|check| check.id).collect();
        let others = crate::checks::catalogue::CATALOGUE
            .iter()
            .filter(|entry| !known.contains(&entry.id));
        let skipped: Vec<Check> = others
            .map(|entry| Check::skipped(entry.id, "no node responds"))
            .collect();
        checks.extend(skipped);
    }
    checks.retain(|check| options.wants(check.id));
    let addresses: Vec<String> = target
        .members
        .iter()
        .map(|member| member.address.clone())
        .collect();
    Validation {
        passed: true,
        checks,
        cluster: target.name.clone(),
        suite: options.selection.suite(),
        rounds: 1,
        nodes: nodes_seen(&target.names(), &addresses, &answers),
        latency: outcome.latency,
        throughput: outcome.throughput,
        failovers: outcome.failovers,
        failover_times: Vec::new(),
    }
    .settled()
}

/// Results other than checks.
#[derive(Default)]
struct Measured {
    latency: Vec<crate::checks::latency::judge::NodeLatency>,
    throughput: Vec<Throughput>,
    failovers: Vec<crate::checks::failover::measured::Failover>,
}

/// Returns a future's result and its duration, or `None` if it is not wanted.
async fn when<T>(wanted: bool, work: impl Future<Output = T>) -> Option<(T, u64)> {
    if !wanted {
        return None;
    }
    let begun = Instant::now();
    let outcome = work.await;
    Some((outcome, millis(begun)))
}

/// Runs everything that does not disturb the cluster.
async fn measure(
    target: &Target<'_>,
    options: &SuiteOptions,
    answers: &[Answer],
    checks: &mut Vec<Check>,
    outcome: &mut Measured,
) {
    let links = target.links();
    let masters = masters(target, answers);
    let write = options.write;
    let standard = options.selection.suite() >= Suite::Standard;
    // The first of them is also in the smoke suite, where it uses only CLUSTER NODES.
    let survey_wanted = options.selection.any(&OF_SERVERS[1..]) || (standard && options.wants(OF_SERVERS[0]));
    let (clients, servers, waits, tags, scripts, news) = tokio::join!(
        when(
            options.selection.any(&["addresses", "write-read", "redirection"]),
            advertised(&links, write)
        ),
        when(survey_wanted, survey::survey(target)),
        when(
            options.wants("replication") && standard && write,
            probes::waits(&masters)
        ),
        when(options.wants("hash-tags") && write, probes::hash_tags(&masters)),
        when(options.wants("scripts") && write, probes::scripts(&masters)),
        when(options.wants("pubsub") && write, messages(target, &masters)),
    );
    checks.extend(clients.into_iter().flat_map(|(checks, _)| checks));
    let seen = seen(target, answers);
    if standard {
        let (waits, ms) = waits.unwrap_or_default();
        replace(checks, in_step(&seen, &waits), ms);
    }
    if let Some((servers, ms)) = servers {
        for check in of_servers(target, &seen, &servers) {
            replace(checks, check, ms);
        }
    }
    let several = masters.len();
    let probes = [
        (
            tags,
            "hash-tags",
            format!("multi-key commands with a hash tag work on {several} masters and fail across slots"),
            "hash-tag commands fail",
            "A command may only use keys of the same slot.",
        ),
        (
            scripts,
            "scripts",
            format!("EVAL and EVALSHA work on {several} masters and fail across slots"),
            "scripts fail",
            "An ACL may deny scripts, or a master may be out of memory: see the error.",
        ),
        (
            news,
            "pubsub",
            "messages reach subscribers on every node, and sharded messages every node of their \
             shard"
                .to_owned(),
            "messages are not delivered",
            "Messages use the cluster bus: check `bus-links` and the ACL's channels (&*).",
        ),
    ];
    for (trials, id, good, bad, hint) in probes {
        match trials {
            Some((trials, ms)) => checks.push(tried(id, good, bad, hint, &trials).took(ms)),
            None if !write => checks.push(Check::skipped(id, UNASKED)),
            None => {}
        }
    }
    // Runs alone, so that it measures the nodes and not this process.
    if let Some((measured, ms)) = when(
        options.wants("latency"),
        latency::latency(target, &options.thresholds),
    )
    .await
    {
        checks.push(judge_latency(&measured, &options.thresholds).took(ms));
        outcome.latency = measured.nodes;
    }
}

async fn messages(target: &Target<'_>, masters: &[Master<'_>]) -> Vec<Trial> {
    let (mut all, sharded) = tokio::join!(pubsub::classic(target, masters), pubsub::sharded(target, masters));
    all.extend(sharded);
    all
}

fn seen<'a>(target: &'a Target<'_>, answers: &'a [Answer]) -> Vec<(&'a str, &'a NodeView)> {
    target
        .names()
        .into_iter()
        .zip(answers)
        .filter_map(|(name, answer)| answer.as_ref().ok().map(|view| (name, view)))
        .collect()
}

/// Replaces a simpler check with the same id.
fn replace(checks: &mut Vec<Check>, check: Check, ms: u64) {
    match checks.iter_mut().find(|known| known.id == check.id) {
        Some(known) => {
            let ms = known.ms + ms;
            *known = check.took(ms);
        }
        None => checks.push(check.took(ms)),
    }
}

fn of_servers(target: &Target<'_>, seen: &[(&str, &NodeView)], servers: &[ServerFacts]) -> Vec<Check> {
    let of = |name: &str| servers.iter().find(|server| server.name == name);
    let links: Vec<Option<&[BusLink]>> = seen
        .iter()
        .map(|(name, _)| of(name).and_then(|server| server.links.as_deref()))
        .collect();
    let zones: BTreeMap<NodeId, String> = seen
        .iter()
        .filter_map(|(name, view)| {
            let zone = of(name)?.setting("availability-zone")?;
            Some((view.myself()?.id.clone(), zone.to_owned()))
        })
        .collect();
    let directives = target.plan.map(|plan| plan.spec.directives()).unwrap_or_default();
    let planned = |name: &str| {
        let directive = directives.iter().find(|directive| directive.name() == name);
        directive.map(crate::spec::directive::Directive::value)
    };
    let planned_nodes = target.plan.map(Planned::of).unwrap_or_default();
    let mut checks = vec![
        bus_both_ways(seen, &links),
        identities(seen, &target.astray),
        balance(seen),
        apart(seen, target.plan.is_some(), &zones),
    ];
    if servers.is_empty() {
        // A user may lack permission for INFO. Without facts, skip the checks instead of passing them.
        let untold = OF_SERVERS[checks.len()..].iter();
        checks.extend(untold.map(|id| Check::skipped(id, "no node responds to INFO")));
        return checks;
    }
    checks.extend([
        full_coverage(servers, planned("cluster-require-full-coverage")),
        drift(servers, &planned_nodes),
        persistence(servers, &planned_nodes),
        memory(servers),
        clock(servers),
        versions(servers, &planned_nodes),
    ]);
    checks
}

/// Runs everything that puts load on the cluster or makes a part of it unavailable, one after the other, and
/// only if no check has failed before.
async fn disturb<R: Faults>(
    target: &Target<'_>,
    options: &SuiteOptions,
    engine: Option<&R>,
    checks: &mut Vec<Check>,
    outcome: &mut Measured,
) {
    let ids = ["ask", "throughput"];
    let wanted: Vec<&'static str> = ids
        .into_iter()
        .chain(WAYS.map(crate::checks::failover::measured::Way::id))
        .filter(|id| options.wants(id))
        .collect();
    let unfit = if options.write {
        checks
            .iter()
            .find(|check| check.status == Status::Fail && check.id != "latency")
            .map(|check| format!("skipped because the cluster has failures ({})", check.id))
    } else {
        Some(UNASKED.to_owned())
    };
    if let Some(why) = unfit {
        checks.extend(wanted.into_iter().map(|id| Check::skipped(id, &why)));
        return;
    }
    let answers = target.views().await;
    let masters = masters(target, &answers);
    if let Some((tried_ask, ms)) = when(options.wants("ask"), slot_move::ask(&masters)).await {
        let check = match tried_ask {
            Ok(trials) => tried(
                "ask",
                "a migrating slot redirects with ASK, and the importing node serves it only after ASKING",
                "a migrating slot redirects incorrectly",
                "A slot may still be migrating: check `open-slots`.",
                &trials,
            ),
            Err(why) => Check::skipped("ask", why),
        };
        checks.push(check.took(ms));
    }
    if let Some((loaded, ms)) = when(options.wants("throughput"), throughput(target, &masters, engine)).await
    {
        let (detail, from, measured) = match loaded {
            Ok((from, measured)) => (Vec::new(), from, measured),
            Err(why) => (vec![why], String::new(), Vec::new()),
        };
        let told: Vec<String> = measured.iter().map(Throughput::told).collect();
        let good = format!("{}; {from}", told.join("; "));
        let hint = "Check the master's log, memory and limits: `rcup logs`.";
        checks.push(Check::of("throughput", good, "the load failed", detail, hint).took(ms));
        outcome.throughput = measured;
    }
    for way in WAYS.into_iter().filter(|way| options.wants(way.id())) {
        let begun = Instant::now();
        let check = match failover::failover(target, way, options, engine).await {
            Ok(measured) => {
                let check = judge_failovers(way, &[&measured]);
                outcome.failovers.push(measured);
                check
            }
            Err(why) => Check::skipped(way.id(), &why),
        };
        checks.push(check.took(millis(begun)));
    }
}

/// Runs the load from inside the network if possible, otherwise from this host; reports which one, and why.
async fn throughput<R: Faults>(
    target: &Target<'_>,
    masters: &[Master<'_>],
    engine: Option<&R>,
) -> Result<(String, Vec<Throughput>), String> {
    let mut why = String::new();
    if let (Some(engine), Some(plan)) = (engine, target.plan) {
        match benchmark::load(engine, plan, masters).await {
            Ok(measured) => {
                let program = plan.placement.image.server.engine.benchmark();
                return Ok((format!("by {program} {}", LoadFrom::Network.told()), measured));
            }
            Err(Trouble::Failed(why)) => return Err(why),
            Err(Trouble::Unable(reason)) => why = format!(" ({reason})"),
        }
    }
    let measured = load::load(masters).await?;
    Ok((format!("by rcup {}{why}", LoadFrom::Host.told()), measured))
}

impl<R: Faults> Attached<R> {
    /// Runs the readiness checks of `up` again: the readiness contract, and the use of every advertised
    /// address.
    #[doc(hidden)]
    pub async fn validate(&self) -> Vec<Check> {
        let smoke = SuiteOptions::default().selection(Selection::of(Suite::Smoke));
        self.validate_with(&smoke).await.checks
    }

    /// Runs the validation suite with the given options. A failover makes a master unavailable temporarily
    /// and restores it, also after a cancellation.
    #[doc(hidden)]
    pub async fn validate_with(&self, options: &SuiteOptions) -> Validation {
        // A user that triggers failovers also needs permission to restore the roles.
        let destructive = WAYS.iter().any(|way| options.selection.includes(way.id()));
        let user = if destructive {
            ServiceUser::Operator
        } else {
            ServiceUser::Validator
        };
        let target = self.target(user).await;
        // Boxed because the future is large and would enlarge every caller's future.
        let span = tracing::info_span!("validate", cluster = %self.topology().name());
        Box::pin(run(&target, options, Some(self.runtime())).instrument(span)).await
    }
}

impl Endpoint {
    /// Runs the checks. Writes nothing unless the options enable it.
    pub async fn validate(&self, options: &SuiteOptions) -> Validation {
        // Boxed because the future is large and would enlarge every caller's future.
        Box::pin(run(self.target(), options, None::<&Docker>)).await
    }
}
